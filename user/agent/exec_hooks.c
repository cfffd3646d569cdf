// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: what lsm.c found out, and whether rules are in force. Flows out: the mildest program for
 * execs that this kernel has, attached while there are exec rules; the hooks for scripts and mappings,
 * attached while rules need them, because every open and every mapping of the host would pay.
 *
 * Invariant: one of the four programs for execs is attached while there are rules, at most; and one at
 * exec that reads command lines, which is the fourth itself or stands beside the others.
 */
#include "exec_hooks.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/backends.h"
#include "agent/bpf.h"
#include "agent/lsm.h"
#include "agent/pins.h"
#include "base/cleanup.h"
#include "base/log.h"

enum { EXEC, SCRIPT, OPEN, MAP, PROTECT, HOOKS };
static const char *const covers[HOOKS] = {
	[SCRIPT] = "exec_script",
	[OPEN] = "exec_open",
	[MAP] = "exec_map",
	[PROTECT] = "exec_protect",
};
/* Best first. */
static const struct way {
	const char *program;
	enum gate_mechanism mechanism;
	const char *name, *note;
} ways[] = {
	{"exec_check_sleep", GATE_LSM_EXEC, "lsm/bprm_check_security",
	 "a file nobody has looked at waits"},
	{"exec_check", GATE_LSM_EXEC, "lsm/bprm_check_security",
	 "a file nobody has looked at does not wait"},
	{"exec_modify", GATE_FMOD_EXEC, "fmod_ret/security_bprm_check",
	 "a file nobody has looked at does not wait"},
	{"exec_signal", GATE_SIGNAL_EXEC, "sched_process_exec + bpf_send_signal",
	 "killed before the first instruction"},
};

struct exec_hooks {
	const struct bpf *bpf;
	struct pins *pins;
	const struct way *way; /* NULL: none */
	struct bpf_link *link[HOOKS];
	bool lsm;
};

static unsigned best_way(void)
{
	if (lsm_in_force(NULL))
		return lsm_sleeps() ? 0 : 1;
	return fmod_ret_works() ? 2 : 3;
}

static void autoload(struct bpf_object *obj, const char *name, bool on)
{
	struct bpf_program *p = bpf_object__find_program_by_name(obj, name);

	if (p && !on)
		bpf_program__set_autoload(p, false);
}

void exec_hooks_prepare(struct bpf_object *obj)
{
	unsigned best = best_way();

	for (unsigned i = 0; i < ARRAY_SIZE(ways); i++)
		autoload(obj, ways[i].program, i == best || (best == 0 && i == 1));
	autoload(obj, covers[SCRIPT], best < ARRAY_SIZE(ways) - 1);
	for (unsigned i = OPEN; i < HOOKS; i++)
		autoload(obj, covers[i], lsm_in_force(NULL));
}

static struct bpf_program *loaded(const struct bpf *b, const char *name)
{
	struct bpf_program *p = bpf_program_named(b, name);

	return p && bpf_program__fd(p) >= 0 ? p : NULL;
}

static void say(const struct exec_hooks *h)
{
	const char *why;

	if (h->way)
		backend_offer(NEED_EXEC_DENY, 40 - 10 * (h->way - ways), h->way->mechanism, NULL);
	else
		backend_lack(NEED_EXEC_DENY, ways[0].name, "no program for execs could be loaded");
	if (h->lsm)
		backend_offer(NEED_SCRIPT_DENY, 40, GATE_LSM_OPEN, NULL);
	else if (h->way)
		backend_offer(NEED_SCRIPT_DENY, 10, GATE_SIGNAL_EXEC,
			      "by the command line; else SIGKILL by the agent");
	else
		backend_lack(NEED_SCRIPT_DENY, "lsm/file_open",
			     lsm_in_force(&why) ? "the program could not be loaded" : why);
}

struct exec_hooks *exec_hooks_new(const struct bpf *b)
{
	struct exec_hooks *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->bpf = b;
	h->pins = bpf_pins(b);
	for (unsigned i = 0; i < ARRAY_SIZE(ways) && !h->way; i++)
		if (loaded(b, ways[i].program))
			h->way = &ways[i];
	h->lsm = loaded(b, covers[OPEN]);
	say(h);
	return h;
}

void exec_hooks_free(struct exec_hooks *h)
{
	if (!h)
		return;
	for (unsigned i = 0; i < HOOKS; i++)
		pins_detach(h->pins, h->link[i]);
	free(h);
}

static int want(struct exec_hooks *h, unsigned hook, const char *program, bool on)
{
	struct bpf_program *p = loaded(h->bpf, program);

	if (!on) {
		pins_detach(h->pins, TAKE_PTR(h->link[hook]));
		return 0;
	}
	if (h->link[hook] || !p)
		return 0;
	h->link[hook] = pins_attach(h->pins, p, -1);
	if (h->link[hook])
		return 0;
	log_err("kernel does not attach %s: %s", program, strerror(errno));
	return -errno;
}

int exec_hooks_want(struct exec_hooks *h, bool rules, bool cover)
{
	int r = h->way ? want(h, EXEC, h->way->program, rules) : -EOPNOTSUPP;

	if (rules && r)
		backend_lack(NEED_EXEC_DENY, h->way ? h->way->name : ways[0].name,
			     "the kernel does not attach it");
	want(h, SCRIPT, covers[SCRIPT], rules);
	want(h, OPEN, covers[OPEN], rules);
	want(h, MAP, covers[MAP], rules && cover);
	want(h, PROTECT, covers[PROTECT], rules && cover);
	return rules ? r : 0;
}

enum gate_mechanism exec_hooks_exec(const struct exec_hooks *h)
{
	return h->way ? h->way->mechanism : GATE_NONE;
}

bool exec_hooks_opens(const struct exec_hooks *h)
{
	return h->lsm;
}

static void row(json_t *rows, const char *what, const char *backend, const char *note)
{
	json_array_append_new(rows, json_pack("{s:s, s:s, s:s}", "for", what, "backend", backend,
					      "note", note));
}

void exec_hooks_backends(const struct exec_hooks *h, json_t *rows)
{
	const char *why;

	lsm_in_force(&why);
	row(rows, "exec deny", h->way ? h->way->name : "none",
	    !h->way	    ? why
	    : h->link[EXEC] ? h->way->note
			    : "attached while there are exec rules");
	row(rows, "script deny",
	    h->lsm   ? "lsm/file_open"
	    : h->way ? "command line"
		     : "none",
	    h->lsm ? "what an interpreter opens in its first 10 s"
		   : "known paths at exec, others by the agent, late by nature");
	row(rows, "mapped programs", h->lsm ? "lsm/mmap_file, lsm/file_mprotect" : "none",
	    h->lsm ? "attached while there are exec rules" : why);
}
