// SPDX-License-Identifier: Apache-2.0
/*
 * What belongs to the gate, in one place for the keeper's loop: begin, tick, a new worker, status,
 * and the worker's messages about it. Flows in: messages that role.c found well formed. Flows out:
 * calls to gate.c, exec_gate.c and approvals.c, and answers.
 *
 * Who is spared: the agent, the first process, and what the built-in list allows (spared.c).
 */
#include "keeper.h"

#include <errno.h>
#include <string.h>

#include "agent/approvals.h"
#include "agent/exec_gate.h"
#include "agent/folds.h"
#include "agent/gate.h"
#include "agent/control.h"
#include "agent/priority.h"
#include "agent/spared.h"
#include "base/cleanup.h"
#include "base/log.h"

/* --- who is spared --------------------------------------------------------------------------------- */

bool keeper_spares(const struct keeper *k, uint32_t pid)
{
	return pid <= 1 || keeper_owns(k, pid) || spared_builtin(pid);
}

static bool spared(void *ctx, uint32_t pid)
{
	return keeper_spares(ctx, pid);
}

/* --- begin, tick, end -------------------------------------------------------------------------------- */

static void tell(void *ctx, enum role_kind kind, const void *p, size_t n)
{
	tell_worker(ctx, kind, p, n, NULL, 0);
}

static void grants_changed(void *ctx, const struct role_grant *v, size_t n)
{
	struct role_grants head = {.n = n};

	tell_worker(ctx, ROLE_GRANTS, &head, sizeof(head), v, n * sizeof(*v));
}

static bool seal(void *ctx, const uint8_t *control, size_t n)
{
	struct role_seal head = {.len = n};
	struct keeper *k = ctx;

	if (k->worker.fd < 0 || k->phase != RUNNING)
		return false;
	tell_worker(k, ROLE_SEAL, &head, sizeof(head), control, n);
	return true;
}

static bool is_ours(void *ctx, pid_t pid)
{
	return keeper_owns(ctx, pid);
}

static void open_execs(struct keeper *k)
{
	const struct exec_gate_setup s = {.base = k->base,
					  .bpf = k->bpf,
					  .monitor = k->cfg->enforce == 0,
					  .tell = tell,
					  .ours = is_ours,
					  .ctx = k};
	int r = exec_gate_new(&s, &k->execs);

	if (r)
		log_err("no exec gate: %s", strerror(-r));
}

/* Waits of stopped processes: whatever was done, the next end may be another. */
static void turn(struct keeper *k)
{
	uint64_t ns = kgate_turn(k->gate), us = (ns + 999) / 1000;
	struct timeval t = {.tv_sec = us / 1000000, .tv_usec = us % 1000000};

	if (ns)
		event_add(k->gate_turn, &t);
	else
		event_del(k->gate_turn);
}

static void on_turn(evutil_socket_t fd, short what, void *ctx)
{
	turn(ctx);
}

int gates_open(struct keeper *k)
{
	static const struct kgate_ops ops = {tell, spared};
	static const struct approvals_ops to = {grants_changed, seal, NULL};
	int r = kgate_open(k->bpf, k->cfg->enforce == 0, k->cfg->gate_stop_only, &ops, k, &k->gate);

	if (r == -ENOMEM)
		return r;
	if (r)
		log_warn("no gate: this build's kernel part has none of its maps");
	k->gate_turn = event_new(k->base, -1, 0, on_turn, k);
	event_priority_set(k->gate_turn, LOOP_FIRST);
	open_execs(k);
	r = approvals_open(k->cfg->state_dir, &to, k, &k->approvals);
	if (r)
		log_err("%s/approvals: %s", k->cfg->state_dir, strerror(-r));
	return r;
}

void gates_close(struct keeper *k)
{
	priority_tick(&k->priority, 0, false, -1, -1);
	approvals_close(k->approvals);
	exec_gate_free(k->execs);
	kgate_close(k->gate);
	if (k->gate_turn)
		event_free(k->gate_turn);
}

static void folded(void *ctx, const struct event_deny *d)
{
	tell(ctx, ROLE_FOLDED, d, sizeof(*d));
}

static void set_priority(struct keeper *k)
{
	int events = bpf_waits(k->bpf) ? bpf_events_fd(k->bpf) : -1;

	priority_tick(&k->priority, k->worker.pid, kgate_on(k->gate), events,
		      bpf_map_named(k->bpf, "gate_waits"));
}

void gates_tick(struct keeper *k)
{
	int folds = bpf_map_named(k->bpf, "folds"), told = bpf_map_named(k->bpf, "folds_told");

	if (k->gate)
		kgate_tick(k->gate);
	approvals_tick(k->approvals);
	if (k->execs)
		exec_gate_tick(k->execs);
	if (folds >= 0 && told >= 0 && k->worker.fd >= 0)
		folds_tick(folds, told, folded, k);
	set_priority(k);
}

void gates_worker(struct keeper *k)
{
	priority_gone(&k->priority); /* another process, and ordinary */
	approvals_resend(k->approvals);
	if (k->execs)
		exec_gate_worker(k->execs);
}

void gates_status(const struct keeper *k, json_t *into)
{
	if (k->gate)
		json_object_set_new(into, "gate", kgate_status(k->gate));
	json_object_set_new(into, "approvals", approvals_status(k->approvals));
	if (k->execs) {
		json_object_set_new(into, "exec", exec_gate_status(k->execs));
		exec_gate_backends(k->execs, json_object_get(into, "backends"));
	}
	json_object_set_new(into, "priority", priority_status(&k->priority));
}

/* --- messages ------------------------------------------------------------------------------------------ */

static const char *asked(int r, const char *what)
{
	return r == -EPERM || r == -EINVAL ? what : NULL;
}

/* Without a gate the answer is that it cannot be done: a worker that waits is told. */
static void cannot(struct keeper *k, enum role_kind answer, uint64_t seq, uint64_t cookie)
{
	struct role_done d = {.seq = seq, .cookie = cookie, .result = -EOPNOTSUPP};

	tell(k, answer, &d, sizeof(d));
}

const char *gates_rules(struct keeper *k, const void *p, size_t n)
{
	const struct role_gate *g = p;
	int r = k->gate ? kgate_rules(k->gate, p) : 0;

	if (k->gate && !r && g->on && (g->full == GATE_FULL_STOP || g->blocks))
		start_releaser(k);
	set_priority(k);
	return asked(r, "rules of a gate that may not be");
}

static const struct krule_do *todo_of(const struct keeper *k, uint64_t generation)
{
	static const struct krule_do none;
	const struct krule_do *d = k->gate ? kgate_todo(k->gate, generation) : NULL;

	return d ?: &none;
}

/* In monitor mode rules may only be told of. */
bool gates_watch_only(const struct keeper *k, uint64_t generation, uint64_t rules)
{
	return !(rules & ~todo_of(k, generation)->watch);
}

void gates_krules(struct keeper *k, const struct role_krules *r)
{
	const struct role_krule_host *h = (const void *)(r + 1);

	if (k->gate)
		kgate_swap(k->gate, r->generation);
	if (!bpf_set_krules(k->bpf, r, todo_of(k, r->generation), h,
			    (const void *)(h + r->hosts)) &&
	    k->gate)
		kgate_swapped(k->gate, r->generation);
}

const char *gates_refuse(struct keeper *k, const void *p, size_t n)
{
	const struct role_refuse *r = p;

	if (r->pid <= 1 || keeper_owns(k, r->pid))
		return "refusing a call of the agent itself";
	if (k->gate)
		return asked(kgate_refuse(k->gate, r), "refusing what does not wait");
	cannot(k, ROLE_REFUSED, r->seq, r->cookie);
	return NULL;
}

void gates_stopped(struct keeper *k, const struct event *e)
{
	if (!k->gate || keeper_owns(k, e->pid))
		return;
	kgate_stopped(k->gate, e);
	turn(k);
}

const char *gates_continue(struct keeper *k, const void *p, size_t n)
{
	const struct role_continue *r = p;
	int e;

	if (r->pid <= 1 || keeper_owns(k, r->pid))
		return "continuing the agent itself";
	if (!k->gate) {
		cannot(k, ROLE_CONTINUED, r->seq, 0);
		return NULL;
	}
	e = kgate_continue(k->gate, r);
	turn(k);
	return asked(e, "continuing what does not wait");
}

const char *gates_mask(struct keeper *k, const void *p, size_t n)
{
	const struct role_mask *r = p;

	if (r->pid <= 1 || keeper_owns(k, r->pid))
		return "masking memory of the agent itself";
	if (k->gate)
		return asked(kgate_mask(k->gate, r, (const void *)(r + 1)),
			     "masking what does not wait");
	cannot(k, ROLE_MASKED, r->seq, 0);
	return NULL;
}

const char *gates_sock(struct keeper *k, const void *p, size_t n)
{
	const struct role_sock *r = p;

	if (r->pid <= 1 || keeper_owns(k, r->pid))
		return "a verdict on a socket of the agent itself";
	if (k->gate)
		return asked(kgate_sock(k->gate, r), "a verdict on a socket that may not be");
	cannot(k, ROLE_REFUSED, 0, r->cookie);
	return NULL;
}

/* Asked for, or with no rule: the grant of that id was used up. */
const char *gates_pending(struct keeper *k, const void *p, size_t n)
{
	const struct role_pending *r = p;

	if (r->rule[0])
		approvals_pending(k->approvals, r);
	else
		approvals_used(k->approvals, r->id);
	return NULL;
}

const char *gates_exec_rules(struct keeper *k, const void *p, size_t n)
{
	const struct role_exec_rules *r = p;

	return k->execs ? asked(exec_gate_rules(k->execs, r, (const void *)(r + 1)),
				"exec rules that may not be")
			: NULL;
}

const char *gates_file_rules(struct keeper *k, const void *p, size_t n)
{
	if (k->execs)
		exec_gate_file_rules(k->execs, p);
	return NULL;
}

const char *gates_tree(struct keeper *k, const void *p, size_t n)
{
	return k->execs ? asked(exec_gate_tree(k->execs, p), "a tree that may not be") : NULL;
}

/* --- what operators say ---------------------------------------------------------------------------------- */

void on_approvals(void *ctx, struct control_call *call)
{
	struct keeper *k = ctx;

	json_t *list = approvals_list(k->approvals), *e;
	size_t i;

	/* Of some a call waits just now. */
	json_array_foreach(json_object_get(list, "pending"), i, e)
	{
		const char *id = json_string_value(json_object_get(e, "id"));
		uint64_t until;
		unsigned n = k->gate && id ? kgate_blocked(k->gate, id, &until) : 0;

		json_object_set_new(e, "waiting_now", json_integer(n));
		if (n)
			json_object_set_new(e, "waits_until_unix_ns", json_integer(until));
	}
	control_reply(call, list);
}

void on_answer(void *ctx, struct control_call *call)
{
	struct keeper *k = ctx;

	control_reply(call, approvals_answer(k->approvals, control_request(call), control_uid(call),
					     control_user(call)));
}
