// SPDX-License-Identifier: Apache-2.0
/*
 * What worker and recorder send. Flows in: packets that role.c found well formed. Flows out: what each
 * asks for, by a row of a table; a role that asks for what it may not, or sends what is not its to
 * send, is ended.
 *
 * The worker parses hostile bytes, so what it asks for is bounded here: nothing that kills, refuses or
 * masks in monitor mode, never the agent itself, only process instances that were judged. BURST
 * messages at a time, so that nobody else waits for long; more than FLOOD a second are handled after
 * everything else.
 */
#include "keeper.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "agent/procinfo.h"
#include "base/cleanup.h"
#include "base/log.h"

#define BURST 64
#define FLOOD 20000

static _Alignas(8) uint8_t body[ROLE_BODY_MAX + 1];
static bool dead; /* who sent it was waited for: its pid may be another's */

static void end(const struct child *c)
{
	if (!dead && c->pid > 0)
		kill(c->pid, SIGKILL);
}

/* --- requests of the worker: NULL, or what it may not ask for ------------------------------------- */

static const char *on_tool(struct keeper *k, const void *p, size_t n)
{
	const struct role_tool *t = p;

	if (k->cfg->enforce == 0 && !gates_watch_only(k, t->generation, t->rules))
		return "a kernel rule in monitor mode";
	bpf_set_tool(k->bpf, t);
	return NULL;
}

/* The mark goes to all below: below the first process is everybody. */
static const char *on_watch(struct keeper *k, const void *p, size_t n)
{
	const struct role_watch *w = p;

	if (k->attach && k->phase == RUNNING && w->pid > 1 && !keeper_owns(k, w->pid))
		attach_watch(k->attach, w);
	return NULL;
}

static const char *on_ask(struct keeper *k, const void *p, size_t n)
{
	tell_user(k, ((const struct role_ask *)p)->uid);
	return NULL;
}

/* Only the very process that was judged: pid and start time, held by a pidfd. */
static void kill_process(const struct role_kill *r)
{
	_cleanup_close_ int fd = pidfd_open(r->pid, 0);

	if (fd < 0 || !procinfo_is(r->pid, r->start_ns)) {
		log_info("rule %.100s: process %u had ended before the kill", r->rule, r->pid);
		return;
	}
	if (pidfd_send_signal(fd, SIGKILL, NULL, 0) < 0)
		log_err("rule %.100s: cannot kill process %u: %s", r->rule, r->pid,
			strerror(errno));
	else
		log_info("rule %.100s: killed process %u", r->rule, r->pid);
}

static const char *on_kill(struct keeper *k, const void *p, size_t n)
{
	const struct role_kill *r = p;

	if (k->cfg->enforce == 0 || r->pid <= 1 || keeper_owns(k, r->pid))
		return "a kill in monitor mode, or of the agent itself";
	if (keeper_spares(k, r->pid))
		log_info("rule %.100s: process %u is not killed: its program is always allowed",
			 r->rule, r->pid);
	else
		kill_process(r);
	return NULL;
}

static const char *on_krules(struct keeper *k, const void *p, size_t n)
{
	const struct role_krules *r = p;

	if (k->cfg->enforce == 0 && !gates_watch_only(k, r->generation, r->all))
		return "kernel rules in monitor mode";
	gates_krules(k, r);
	return NULL;
}

static const char *on_policy(struct keeper *k, const void *p, size_t n)
{
	policy_told(k, p);
	return NULL;
}

static const char *on_judged(struct keeper *k, const void *p, size_t n)
{
	policy_judged(k, p);
	return NULL;
}

typedef const char *message_fn(struct keeper *k, const void *p, size_t n);
static message_fn *const of_worker[ROLE__MAX] = {
	[ROLE_TOOL] = on_tool,
	[ROLE_WATCH] = on_watch,
	[ROLE_ASK] = on_ask,
	[ROLE_KILL] = on_kill,
	[ROLE_KRULES] = on_krules,
	[ROLE_POLICY] = on_policy,
	[ROLE_JUDGED] = on_judged,
	[ROLE_GATE] = gates_rules,
	[ROLE_REFUSE] = gates_refuse,
	[ROLE_MASK] = gates_mask,
	[ROLE_CONTINUE] = gates_continue,
	[ROLE_SOCK] = gates_sock,
	[ROLE_PENDING] = gates_pending,
	[ROLE_EXEC_RULES] = gates_exec_rules,
	[ROLE_FILE_RULES] = gates_file_rules,
	[ROLE_TREE] = gates_tree,
};

static message_fn *const of_recorder[ROLE__MAX] = {
	[ROLE_REVEALED] = reveal_answered,
	[ROLE_ERASED] = erase_answered,
};

/* --- receiving ---------------------------------------------------------------------------------------- */

static void on_message(struct keeper *k, struct child *c, const struct role_msg *m, size_t n)
{
	message_fn *fn = c == &k->worker ? of_worker[m->kind] : of_recorder[m->kind];
	const char *no;

	if (m->kind == ROLE_STATUS) {
		free(c->status);
		c->status = strndup((const char *)body, n);
		return;
	}
	if (!fn) {
		log_err("%s sent a message it may not send (%u): ending it", c->name, m->kind);
		end(c);
		return;
	}
	no = fn(k, body, n);
	if (no) {
		log_err("%s asked for what it may not: %s; ending it", c->name, no);
		end(c);
	}
}

static int receive(struct keeper *k, struct child *c, unsigned most)
{
	struct role_msg m;

	for (unsigned i = 0; i < most; i++) {
		int r = role_recv(c->fd, &m, body, ROLE_BODY_MAX);

		if (r == -EPROTO) {
			log_err("%s sent a malformed message: ending it", c->name);
			end(c);
		}
		if (r < 0)
			return r;
		k->received += c == &k->worker;
		on_message(k, c, &m, r);
	}
	return 0;
}

void on_child(evutil_socket_t fd, short what, void *ctx)
{
	struct keeper *k = ctx;
	struct child *c = fd == k->worker.fd ? &k->worker : &k->recorder;
	int r;

	if (what & EV_WRITE && c == &k->worker) {
		outq_flush(&c->out, c->fd);
		watch_writes(k);
	}
	if (!(what & EV_READ))
		return;
	r = receive(k, c, BURST);
	if (r < 0 && r != -EAGAIN)
		event_del(c == &k->worker ? k->worker_ev : k->recorder_ev);
	else if (c == &k->worker && k->received > FLOOD)
		watch_writes(k); /* to the end of the line, until the next second */
}

/* It has ended: what it said before is still to be done, above all that a grant was used. */
void receive_rest(struct keeper *k, struct child *c)
{
	dead = true;
	if (c->fd >= 0)
		receive(k, c, FLOOD);
	dead = false;
}

int worker_place(const struct keeper *k)
{
	return k->received > FLOOD ? LOOP_LATE : LOOP_FIRST;
}
