// SPDX-License-Identifier: Apache-2.0
/*
 * Between the kernel's notices, the resolver and attach.c. Flows in: mappings (perf), exec, fork,
 * exit and held first flights (control ring), the resolver's answers. Flows out: what attach.c makes
 * of it, to the worker (ROLE_PROBES) and to the hooks that run only while AI tools do.
 *
 * The resolver reads hostile files. It is started again when it dies or does not answer; what it had
 * in hand is asked once more and then refused. A mapping or an exec that the kernel had no room to
 * tell is found by a scan of /proc; a scan takes long on a large host and loses more meanwhile, so
 * not at once.
 *
 * What the control ring had no room for is counted (control_full) and declared. A process that began
 * and ended meanwhile keeps what the worker has of its exec: the path as it was given, arguments,
 * user. A socket whose mark refuses is not ended, so its client waits for a limit of its own; a
 * process for which there is no room is never stopped.
 */
#include "keeper.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/gate.h"
#include "agent/exec_gate.h"
#include "agent/mapwatch.h"
#include "agent/pipe.h"
#include "agent/prescan.h"
#include "agent/procinfo.h"
#include "agent/ring.h"
#include "base/cleanup.h"
#include "base/log.h"

#define SWEEP_S 60
#define SCAN_AFTER_LOSS_S 5
#define HOLD_TRIES 6
#define BATCH 16
#define TURN_NS 2000000ull /* of the control ring */

static _Alignas(8) uint8_t body[ROLE_BODY_MAX + 1];

/* --- the kernel --------------------------------------------------------------------------------- */

static void on_mapping(void *ctx, pid_t pid, uint64_t start, uint64_t end, const char *path)
{
	struct keeper *k = ctx;

	attach_map(k->attach, pid, start, end, path);
}

void on_maps(evutil_socket_t fd, short what, void *ctx)
{
	struct keeper *k = ctx;

	mapwatch_read(k->maps);
	if (mapwatch_lost(k->maps) != k->maps_lost) {
		k->maps_lost = mapwatch_lost(k->maps);
		k->rescan = true;
	}
}

static void on_exec(struct keeper *k, const struct event_exec *e, size_t n)
{
	struct role_proc p;

	if (procinfo_read(e->h.pid, &p))
		memset(&p, 0, sizeof(p)); /* gone already: what the kernel told is all there is */
	procinfo_from_exec(e, n, &p);
	tell_process(k, &p);
	if (k->execs)
		exec_gate_exec(k->execs, &p);
}

static void on_refused(struct keeper *k, const struct event *e)
{
	if (k->gate)
		kgate_refused_by_kernel(k->gate, e->pid, e->conn);
	else
		sock_die(e->pid, e->conn);
}

static void on_event(void *ctx, const void *record, size_t n)
{
	const struct event_exec *e = record;
	struct keeper *k = ctx;

	if (n < sizeof(struct event) || e->h.version != EVENT_VERSION)
		return;
	if (e->h.kind == EVENT_EXEC && n >= sizeof(*e))
		on_exec(k, e, n);
	if (e->h.kind == EVENT_EXEC_ASK && n >= sizeof(struct event_exec_ask) && k->execs)
		exec_gate_ask(k->execs, record);
	if (e->h.kind == EVENT_EXEC_STOP && n >= sizeof(struct event_exec_stop) && k->execs)
		exec_gate_stopped(k->execs, record);
	if (e->h.kind == EVENT_DENY) /* a hello that never leaves: its client is told so at once */
		on_refused(k, &e->h);
	if (e->h.kind == EVENT_GATE_STOP)
		gates_stopped(k, &e->h);
	if (!k->attach)
		return;
	if (e->h.kind == EVENT_EXEC)
		attach_exec(k->attach, e->h.pid, e->h.boot_ns);
	else if (e->h.kind == EVENT_FORK && n >= sizeof(*e))
		attach_fork(k->attach, e->h.pid, e->ppid);
	else if (e->h.kind == EVENT_EXIT)
		attach_exit(k->attach, e->h.pid, e->h.start_ns);
	else if (e->h.kind == EVENT_HELLO)
		attach_hello(k->attach, e->h.pid, e->h.start_ns);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* First in the loop, before there is no room for more; but for a bounded time, because a write may
 * wait for what the worker asks. What is left then takes its turn with all others, who would have
 * none while processes begin faster than we look at them. */
void on_kernel(evutil_socket_t fd, short what, void *ctx)
{
	const uint64_t until = now_ns() + TURN_NS;
	struct keeper *k = ctx;
	bool more;

	do
		more = ring_consume(k->control, on_event, k, BATCH) == BATCH;
	while (more && now_ns() < until);
	event_priority_set(k->control_ev, more ? LOOP_NORMAL : LOOP_FIRST);
}

/* --- attach.c ----------------------------------------------------------------------------------- */

static void on_tls_process(void *ctx, pid_t pid)
{
	struct keeper *k = ctx;

	exehash_want(k->hashes, pid);
}

static bool is_ours(void *ctx, pid_t pid)
{
	return keeper_owns(ctx, pid);
}

static void on_marked(void *ctx)
{
	struct keeper *k = ctx;

	pipe_hooks_want(k->pipes);
}

static void on_probes(void *ctx, const struct role_probes *p)
{
	tell_worker(ctx, ROLE_PROBES, p, sizeof(*p), NULL, 0);
}

static void on_likely(void *ctx, int fd, const char *path)
{
	struct keeper *k = ctx;

	attach_prepare(k->attach, fd, path);
}

static void on_program_written(void *ctx, int fd)
{
	struct keeper *k = ctx;

	if (k->execs)
		exec_gate_written(k->execs, fd, "");
}

static bool is_idle(void *ctx)
{
	struct keeper *k = ctx;

	return k->ready && attach_idle(k->attach);
}

int probes_open(struct keeper *k)
{
	char *cache = NULL;
	struct attach_setup s = {
		.base = k->base,
		.prog = bpf_tls_program(k->bpf),
		.pins = k->pins,
		.marks = bpf_marks_fd(k->bpf),
		.execs = bpf_execs_fd(k->bpf),
		.hits = bpf_hits_fd(k->bpf),
		.all = k->cfg->attach_all,
		.probation_s = k->cfg->probation_s,
		.ours = is_ours,
		.user = on_tls_process,
		.marked = on_marked,
		.tell = on_probes,
		.ctx = k,
	};
	int r;

	if (asprintf(&cache, "%s/images.cache", k->cfg->state_dir) < 0)
		return -ENOMEM;
	s.cache = cache; /* for the life of the process */
	k->attach = attach_new(&s);
	k->pipes = pipe_hooks_new(k->bpf);
	k->prescan = prescan_new(k->base, on_likely, is_idle, k);
	if (!k->attach || !k->pipes || !k->prescan)
		return -ENOMEM;
	prescan_also(k->prescan, on_program_written);
	r = mapwatch_open(on_mapping, k, &k->maps);
	if (r)
		log_warn("kernel refuses perf mmap records (%s): new libraries are found by a scan "
			 "every %d s, their first calls are missed",
			 strerror(-r), SWEEP_S);
	bpf_set_hold(k->bpf, k->cfg->hold_ms, HOLD_TRIES);
	return 0;
}

void probes_tick(struct keeper *k)
{
	pipe_hooks_tick(k->pipes);
	bpf_net_keep(k->bpf, pipe_hooks_wanted(k->pipes));
	prescan_tick(k->prescan);
	if (k->worker.status)
		attach_heard(k->attach);
	if (!attach_tick(k->attach) && k->resolver.pid) {
		log_err("the resolver does not answer: ending it");
		kill(k->resolver.pid, SIGKILL);
	}
	if (k->unheard && k->seconds % SCAN_AFTER_LOSS_S == 0) {
		k->unheard = false;
		k->rescan = true;
		tell_all_processes(k);
	}
	if (k->seconds % SWEEP_S == 0) {
		attach_sweep(k->attach);
	} else if (k->rescan && k->seconds % SCAN_AFTER_LOSS_S == 0) {
		k->rescan = false;
		attach_scan(k->attach);
	}
}

void probes_close(struct keeper *k)
{
	bpf_set_hold(k->bpf, 0, 0);
	prescan_free(TAKE_PTR(k->prescan));
	attach_free(k->attach);
	k->attach = NULL;
	pipe_hooks_free(TAKE_PTR(k->pipes));
	if (k->maps_ev)
		event_free(k->maps_ev);
	k->maps_ev = NULL;
	mapwatch_free(k->maps);
	k->maps = NULL;
	if (k->resolver.pid)
		kill(k->resolver.pid, SIGTERM);
}

/* --- the resolver ------------------------------------------------------------------------------- */

static void on_resolver(evutil_socket_t fd, short what, void *ctx)
{
	struct keeper *k = ctx;
	struct role_msg m;
	int r = role_recv(fd, &m, body, ROLE_BODY_MAX);

	if (r == -EAGAIN)
		return;
	if (r >= 0 && m.kind == ROLE_RESOLVED && k->attach &&
	    attach_answer(k->attach, (const void *)body, r))
		return;
	event_del(k->resolver_ev);
	if (r == -ECONNRESET || !k->attach)
		return;
	log_err("the resolver said what it was not asked: ending it");
	kill(k->resolver.pid, SIGKILL);
}

void start_resolver(struct keeper *k)
{
	int r = child_start(&k->resolver, k->cfg, NULL, 0, 0);

	if (r) {
		struct timeval t = {.tv_sec = 1};

		log_err("cannot start the resolver: %s", strerror(-r));
		event_add(k->resolver_again, &t);
		return;
	}
	bpf_set_self(k->bpf, 3, k->resolver.pid);
	if (k->resolver_ev)
		event_free(k->resolver_ev);
	k->resolver_ev = event_new(k->base, k->resolver.fd, EV_READ | EV_PERSIST, on_resolver, k);
	event_add(k->resolver_ev, NULL);
	attach_resolver(k->attach, k->resolver.fd);
}

void resolver_ended(struct keeper *k, int status)
{
	struct timeval t = {};
	unsigned ms;

	event_free(k->resolver_ev);
	k->resolver_ev = NULL;
	ms = child_ended(&k->resolver, status, k->phase != RUNNING);
	if (k->phase != RUNNING)
		return;
	attach_resolver(k->attach, -1);
	t.tv_sec = ms / 1000;
	t.tv_usec = ms % 1000 * 1000;
	event_add(k->resolver_again, &t);
}
