// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: what the worker asks for (ROLE_GATE, ROLE_REFUSE, ROLE_MASK, ROLE_SOCK) and what the
 * kernel noted of writes that wait (map gate_waits). Flows out: settings and marks in maps, ended
 * sockets, masked bytes, answers to the worker.
 *
 * Invariant: nothing is done to a process that is not the one the kernel named, or to a socket that
 * is not that process's; nothing at all in monitor mode. What is nonsense is -EPERM or -EINVAL, and
 * the keeper ends the worker; what merely came too late is answered with -ESRCH.
 *
 * Rules: what bits do changes together with the bits (bpf_set_krules), `on` is set before that and
 * taken away after, so a content rule is never in force while writes are told at return.
 *
 * How a write is refused is gate_refuse.c's.
 *
 * A process that was stopped for its write goes on by gate_stop.c, which ends each such wait.
 */
#include "gate_int.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "agent/backends.h"
#include "agent/bpf.h"
#include "agent/movers.h"
#include "agent/net.h"
#include "agent/procinfo.h"
#include "agent/sockwalk.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "policy/mechanism.h"

#define HOLD_US 20000		   /* unless the pack says otherwise */
#define HOLD_MAX_US 1000000	   /* a second is what a person notices, and a client's patience */
#define LOOK_MAX 4096		   /* marks looked at in a second; some milliseconds */
#define IS_FLOW(key) ((key) >> 63) /* QUIC's, which the packet programs ask for by themselves */

static uint64_t boot_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void offer(const struct bpf *b, bool stop_only)
{
	static const char *const stopped = "process stopped (SIGSTOP), continued by the keeper";
	bool waits = bpf_waits(b) && !stop_only;

	/* By host, tool and user alone: what is mildest here, with the kill as the last. */
	if (bpf_mark(b) != GATE_NONE)
		backend_offer(NEED_CALL_DENY, 20, bpf_mark(b), NULL);
	if (bpf_reexec(b))
		backend_offer(NEED_CALL_DENY, 30, GATE_OVERRIDE, NULL);
	backend_offer(NEED_CALL_DENY, 10, GATE_SIGNAL, NULL);
	backend_offer(NEED_KILL, 10, GATE_SIGNAL, NULL);
	backend_offer(NEED_KILL_AFTER, 10, GATE_PIDFD, NULL);
	/* Of a write that waits, in whatever way. */
	backend_offer(NEED_MASK, 10, GATE_PROCESS_VM, NULL);
	backend_offer(NEED_REFUSE, 10, GATE_SHUTDOWN, NULL);
	backend_offer(NEED_BLOCK, 10, GATE_NONE, stopped);
	for (unsigned n = 0; n < 2; n++) {
		enum policy_need need = n ? NEED_CONTENT_STOP : NEED_CONTENT_WAIT;

		if (bpf_reexec(b))
			backend_offer(need, 20, GATE_NONE, "uprobe, made again until answered");
		if (waits)
			backend_offer(need, 10, GATE_NONE, "uprobe, bounded wait");
	}
	backend_offer(NEED_CONTENT_STOP, 5, GATE_NONE, stopped);
	if (bpf_reexec(b))
		backend_offer(NEED_REFUSE, 30, GATE_OVERRIDE, NULL);
	if (!waits && !bpf_reexec(b))
		backend_lack(NEED_CONTENT_WAIT, "uprobe, bounded wait",
			     stop_only
				     ? "the agent was started with --gate stop; with gate: {full: "
				       "stop} in the pack its process would be stopped"
				     : "this kernel cannot let a write wait (sleepable uprobes, "
				       "6.0); with gate: {full: stop} in the pack its process "
				       "would be stopped");
}

static bool spares(void *ctx, uint32_t tgid)
{
	const struct keeper_gate *g = ctx;

	return g->ops.spared(g->ctx, tgid);
}

static void tell_continued(void *ctx, const struct role_done *d)
{
	const struct keeper_gate *g = ctx;

	g->ops.tell(g->ctx, ROLE_CONTINUED, d, sizeof(*d));
}

static int open_stops(struct keeper_gate *g)
{
	const struct gate_stop_setup s = {.waits = g->waits,
					  .going = bpf_map_named(g->b, "gate_going"),
					  .slots = bpf_map_named(g->b, "gate_slots"),
					  .marks = g->marks,
					  .refuse = kgate_refuse_waiter,
					  .spared = spares,
					  .tell = tell_continued,
					  .ctx = g};

	return s.going < 0 ? -EOPNOTSUPP : gate_stop_new(&s, &g->stops);
}

int kgate_open(struct bpf *b, bool monitor, bool stop_only, const struct kgate_ops *ops, void *ctx,
	       struct keeper_gate **ret)
{
	struct keeper_gate *g = calloc(1, sizeof(*g));
	int settings = bpf_map_named(b, "gate"), r = -EOPNOTSUPP;

	if (!g)
		return -ENOMEM;
	g->b = b;
	g->monitor = monitor;
	g->stop_only = stop_only;
	g->ops = *ops;
	g->ctx = ctx;
	g->todo = bpf_map_named(b, "krule_todo");
	g->waits = bpf_map_named(b, "gate_waits");
	g->marks = bpf_map_named(b, "sock_verdicts");
	g->names = bpf_map_named(b, "sock_rules");
	g->upto = bpf_map_named(b, "sock_upto");
	g->set = settings < 0 ? MAP_FAILED
			      : mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED,
				     settings, 0);
	if (g->todo >= 0 && g->waits >= 0 && g->marks >= 0 && g->names >= 0 && g->set != MAP_FAILED)
		r = open_stops(g);
	if (r) {
		free(g);
		return r;
	}
	kgate_tick(g);
	offer(b, stop_only);
	*ret = g;
	return 0;
}

void kgate_close(struct keeper_gate *g)
{
	if (!g)
		return;
	gate_stop_free(g->stops);
	munmap(g->set, getpagesize());
	free(g);
}

/* While any socket is refused, each packet of the host is looked up. The mark goes with its socket
 * (net_closed); when all have gone, and none has come while we looked, that ends. */
static void look_for_refused(struct keeper_gate *g)
{
	uint32_t denied = bpf_denied(g->b), verdict;
	uint64_t next;

	if (denied != g->look_of) {
		g->look_of = denied;
		g->look_at = 0; /* no socket has it: from the beginning */
	}
	for (unsigned i = 0; denied && i < LOOK_MAX; i++) {
		if (bpf_map_get_next_key(g->marks, &g->look_at, &next)) {
			if (errno == ENOENT)
				bpf_none_denied(g->b, denied);
			g->look_of = 0;
			return;
		}
		g->look_at = next;
		if (!IS_FLOW(next) && !bpf_map_lookup_elem(g->marks, &next, &verdict) &&
		    (verdict == SOCK_DENY || verdict == SOCK_ASK)) {
			g->look_of = 0;
			return;
		}
	}
}

void kgate_tick(struct keeper_gate *g)
{
	__atomic_store_n(&g->set->alive_ns, boot_ns(), __ATOMIC_RELEASE);
	look_for_refused(g);
	gate_stop_tick(g->stops);
}

bool kgate_on(const struct keeper_gate *g)
{
	return g && __atomic_load_n(&g->set->on, __ATOMIC_RELAXED);
}

/* --- rules ------------------------------------------------------------------------------------------ */

int kgate_nonsense(struct keeper_gate *g, int r)
{
	g->n.nonsense++;
	return r;
}

static void settings_now(struct keeper_gate *g, const struct role_gate *r)
{
	uint32_t hold = r->hold_us ?: HOLD_US;
	unsigned cpus = movers_count();

	g->set->hold_us = hold < HOLD_MAX_US ? hold : HOLD_MAX_US;
	g->set->waiters = cpus > 1 && !g->stop_only ? cpus - 1 : 0;
	g->set->full = r->full;
	g->set->generation = r->generation;
}

static void set_on(struct keeper_gate *g, bool on)
{
	__atomic_store_n(&g->set->on, on, __ATOMIC_SEQ_CST);
}

int kgate_rules(struct keeper_gate *g, const struct role_gate *r)
{
	const struct krule_do *t = &r->todo;
	uint32_t zero = 0;

	if (g->monitor && (r->on || t->deny || t->kill || t->content || t->no_quic))
		return kgate_nonsense(g, -EPERM);
	if (r->full > GATE_FULL_STOP || r->generation < g->in_force)
		return kgate_nonsense(g, -EINVAL);
	g->next = *r;
	if (r->generation == g->in_force) { /* its rules came first */
		settings_now(g, r);
		if (bpf_map_update_elem(g->todo, &zero, t, BPF_ANY))
			return 0;
		set_on(g, r->on);
	}
	return 0;
}

const struct krule_do *kgate_todo(const struct keeper_gate *g, uint64_t generation)
{
	return g->next.generation == generation ? &g->next.todo : NULL;
}

void kgate_swap(struct keeper_gate *g, uint64_t generation)
{
	if (g->next.generation != generation)
		return;
	settings_now(g, &g->next);
	if (g->next.on)
		set_on(g, true);
}

void kgate_swapped(struct keeper_gate *g, uint64_t generation)
{
	g->in_force = generation;
	set_on(g, g->next.generation == generation && g->next.on);
}

int kgate_waiter(struct keeper_gate *g, uint64_t seq, struct gate_waiter *ret)
{
	struct gate_wait_key k = {.seq = seq};

	return bpf_map_lookup_elem(g->waits, &k, ret) ? -ESRCH : 0;
}

/* --- stopped processes ------------------------------------------------------------------------------ */

void kgate_stopped(struct keeper_gate *g, const struct event *e)
{
	gate_stop_note(g->stops, e, 1000ull * g->set->hold_us);
}

int kgate_continue(struct keeper_gate *g, const struct role_continue *r)
{
	if (g->monitor && (r->verdict == GATE_KILL || r->verdict == GATE_BLOCK))
		return kgate_nonsense(g, -EPERM);
	return gate_stop_continue(g->stops, r) ? kgate_nonsense(g, -EPERM) : 0;
}

uint64_t kgate_turn(struct keeper_gate *g)
{
	return gate_stop_turn(g->stops);
}

unsigned kgate_blocked(const struct keeper_gate *g, const char *id, uint64_t *ret_until_unix_ns)
{
	return gate_stop_for(g->stops, id, ret_until_unix_ns);
}

/* --- masking ---------------------------------------------------------------------------------------------- */

static int mask(struct keeper_gate *g, const struct gate_waiter *w, const struct role_mask *r,
		const struct role_span *spans)
{
	struct gate_waiter after;
	int e;

	if (g->ops.spared(g->ctx, r->pid))
		return -EACCES;
	if (w->closed & WAITER_RAN) /* its bytes are no longer those that leave */
		return -ESRCH;
	e = gate_mask_write(w, spans, r->spans);
	if (e)
		return e;
	/* Still that wait, so still that program and that buffer. */
	return kgate_waiter(g, r->seq, &after) || memcmp(w, &after, sizeof(after)) ? -ESRCH : 0;
}

int kgate_mask(struct keeper_gate *g, const struct role_mask *r, const struct role_span *spans)
{
	struct role_done d = {.seq = r->seq, .mechanism = GATE_PROCESS_VM};
	struct gate_waiter w;
	int e;

	if (g->monitor)
		return kgate_nonsense(g, -EPERM);
	e = kgate_waiter(g, r->seq, &w);
	if (!e && gate_mask_check(&w, r, spans))
		return kgate_nonsense(g, -EPERM);
	if (!e && w.closed & WAITER_RAN) /* its bytes are the socket's by now */
		e = -ESRCH;
	g->n.late += e != 0;
	d.result = e ?: mask(g, &w, r, spans);
	if (d.result)
		g->n.mask_failed++;
	else
		g->n.masks++;
	for (uint32_t i = 0; i < r->spans && !d.result; i++)
		g->n.masked_bytes += spans[i].n;
	g->ops.tell(g->ctx, ROLE_MASKED, &d, sizeof(d));
	return 0;
}

/* --- sockets whose name the kernel could not read ------------------------------------------------------------ */

static int sock_verdict(struct keeper_gate *g, const struct role_sock *r)
{
	struct {
		uint64_t rules, generation;
	} name = {r->rules, g->in_force}; /* struct sock_rules of bpf/maps.h */
	_cleanup_close_ int sock = -1;
	int e = 0;

	if (r->cookie >> 63) /* QUIC_FLOW(): no socket's, and nothing to end or to push */
		return kgate_mark_cookie(g, r->cookie, r->verdict);
	sock = sockwalk_find(r->pid, r->cookie);
	if (sock < 0)
		return sock;
	if (r->rules && bpf_map_update_elem(g->names, &r->cookie, &name, BPF_ANY))
		return -errno;
	if (r->verdict == SOCK_PASS && r->upto)
		e = bpf_map_update_elem(g->upto, &r->cookie, &r->upto, BPF_ANY) ? -errno : 0;
	else
		bpf_map_delete_elem(g->upto, &r->cookie);
	e = e ?: kgate_mark_socket(g, sock, r->cookie, r->verdict);
	if (e)
		return e;
	if (r->verdict == SOCK_PASS)
		return net_release(r->pid) < 0 ? -errno : 0;
	return r->flags & SOCK_END ? kgate_end_socket(g, sock, r->cookie) : 0;
}

int kgate_sock(struct keeper_gate *g, const struct role_sock *r)
{
	struct role_done d = {.cookie = r->cookie, .mechanism = GATE_CLIENTHELLO};
	_cleanup_close_ int pidfd = -1;

	if (g->monitor && (r->verdict != SOCK_PASS || r->rules || r->flags))
		return kgate_nonsense(g, -EPERM);
	if (r->flags & ~SOCK_END)
		return kgate_nonsense(g, -EINVAL);
	pidfd = kgate_process(r->pid, r->start_ns);
	if (pidfd < 0)
		d.result = pidfd;
	else if (r->verdict == SOCK_DENY && g->ops.spared(g->ctx, r->pid))
		d.result = -EACCES;
	else
		d.result = sock_verdict(g, r);
	g->ops.tell(g->ctx, ROLE_REFUSED, &d, sizeof(d));
	return 0;
}

/* --- status ----------------------------------------------------------------------------------------------------- */

static json_t *refusals(const struct keeper_gate *g)
{
	json_t *j = json_object();

	for (unsigned i = 1; i < GATE_MECHANISM__MAX; i++)
		if (g->n.refused[i])
			json_object_set_new(j, gate_mechanism_name(i),
					    json_integer(g->n.refused[i]));
	return j;
}

json_t *kgate_status(const struct keeper_gate *g)
{
	static const char *const full[] = {"pass", "refuse", "stop"};
	const struct gate_settings *s = g->set;

	return json_pack(
		"{s:b, s:I, s:i, s:i, s:s, s:I, s:I, s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:o}",
		"on", s->on, "generation", (json_int_t)s->generation, "hold_us", (int)s->hold_us,
		"waiters", (int)s->waiters, "full", full[s->full], "masks", (json_int_t)g->n.masks,
		"masked_bytes", (json_int_t)g->n.masked_bytes, "mask_failed",
		(json_int_t)g->n.mask_failed, "refused", refusals(g), "refuse_failed",
		(json_int_t)g->n.refuse_failed, "sockets_destroyed", (json_int_t)g->n.destroyed,
		"sockets_shut", (json_int_t)g->n.shut, "sockets_not_ended",
		(json_int_t)g->n.end_failed, "late", (json_int_t)g->n.late, "nonsense",
		(json_int_t)g->n.nonsense, "marks_in_force", bpf_denied(g->b) != 0, "stops",
		gate_stop_status(g->stops));
}
