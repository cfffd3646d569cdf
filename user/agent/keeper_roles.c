// SPDX-License-Identifier: Apache-2.0
/*
 * Worker and recorder: start, death, orderly end. Flows in: SIGCHLD. Flows out: restarts. What they
 * send is read in keeper_messages.c, also what is left of one that has ended.
 */
#include "keeper.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

#define STOP_WORKER_S 15 /* it may wait 10 s for the recorder at its start */
#define STOP_RECORDER_S 10

bool keeper_owns(const struct keeper *k, pid_t pid)
{
	return pid == getpid() || pid == k->worker.pid || pid == k->recorder.pid ||
	       pid == k->resolver.pid || (k->releaser.pid && pid == k->releaser.pid);
}

void on_again(evutil_socket_t fd, short what, void *ctx)
{
	struct keeper *k = ctx;

	if (!k->worker.pid && k->phase == RUNNING)
		start_worker(k);
	if (!k->recorder.pid)
		start_recorder(k);
	if (!k->resolver.pid && k->phase == RUNNING)
		start_resolver(k);
}

static void retry(struct event *e, unsigned ms)
{
	struct timeval t = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_add(e, &t);
}

static void listen_to(struct keeper *k, struct child *c, struct event **ev)
{
	if (*ev)
		event_free(*ev);
	*ev = event_new(k->base, c->fd, EV_READ | EV_PERSIST, on_child, k);
	event_priority_set(*ev, c == &k->worker ? worker_place(k) : LOOP_NORMAL);
	event_add(*ev, NULL);
}

void start_worker(struct keeper *k)
{
	int fds[] = {k->pair[0],
		     bpf_events_fd(k->bpf),
		     bpf_verdicts_fd(k->bpf),
		     bpf_asleep_fd(k->bpf),
		     k->inflight,
		     bpf_map_named(k->bpf, "gate_slots")};

	if (child_start(&k->worker, k->cfg, fds, ARRAY_SIZE(fds), bpf_events_size(k->bpf))) {
		log_err("cannot start the worker: %s", strerror(errno));
		retry(k->worker_again, 1000);
		return;
	}
	bpf_set_self(k->bpf, 1, k->worker.pid);
	listen_to(k, &k->worker, &k->worker_ev);
	gates_worker(k);
	tell_policy(k, true);
	tell_all_processes(k);
	if (k->attach) {
		attach_tell_all(k->attach);
		attach_worker(k->attach, true);
	}
	memset(&k->told, 0, sizeof(k->told));
	tell_drops(k); /* it may live no second, or be the one that ends all */
}

void start_recorder(struct keeper *k)
{
	int fds[] = {k->pair[1]};

	if (child_start(&k->recorder, k->cfg, fds, ARRAY_SIZE(fds), 0)) {
		log_err("cannot start the recorder: %s", strerror(errno));
		retry(k->recorder_again, 1000);
		return;
	}
	bpf_set_self(k->bpf, 2, k->recorder.pid);
	listen_to(k, &k->recorder, &k->recorder_ev);
}

/* It reads nothing of ours: the end of its socket is all it waits for. */
void start_releaser(struct keeper *k)
{
	int fds[] = {bpf_map_named(k->bpf, "gate_waits"), bpf_map_named(k->bpf, "sock_verdicts")};

	if (k->releaser.pid || k->phase != RUNNING)
		return;
	if (child_start(&k->releaser, k->cfg, fds, ARRAY_SIZE(fds), 0)) {
		log_err("cannot start the releaser: %s", strerror(errno));
		retry(k->releaser_again, 1000);
	}
}

void on_releaser_again(evutil_socket_t fd, short what, void *ctx)
{
	start_releaser(ctx);
}

static void releaser_ended(struct keeper *k, int status)
{
	retry(k->releaser_again, child_ended(&k->releaser, status, k->phase != RUNNING));
}

/* All that was stopped goes on by now. */
void end_releaser(struct keeper *k)
{
	if (!k->releaser.pid)
		return;
	kill(k->releaser.pid, SIGKILL);
	waitpid(k->releaser.pid, NULL, 0);
	k->releaser.pid = 0;
}

/* --- stopping -------------------------------------------------------------------------------- */

static void stop_role(struct keeper *k, struct child *c, unsigned limit_s)
{
	struct timeval t = {.tv_sec = limit_s};

	if (!event_pending(k->stop_limit, EV_TIMEOUT, NULL)) /* one limit for all its lives */
		event_add(k->stop_limit, &t);
	if (c->pid && outq_send(&c->out, c->fd, ROLE_STOP, NULL, 0, NULL, 0))
		kill(c->pid, SIGTERM);
	if (c == &k->worker)
		watch_writes(k);
}

static void stop_recorder(struct keeper *k)
{
	if (k->phase != STOPPING_RECORDER)
		event_del(k->stop_limit);
	k->phase = STOPPING_RECORDER;
	if (!k->recorder.pid)
		start_recorder(k); /* what is queued for it is to be sealed */
	stop_role(k, &k->recorder, STOP_RECORDER_S);
}

/* One that is down is started again: it knows what was open, and what is in the ring. */
void stop_worker(struct keeper *k)
{
	if (!k->worker.pid)
		start_worker(k);
	if (!k->recorder.pid)
		start_recorder(k);
	if (k->worker.pid)
		stop_role(k, &k->worker, STOP_WORKER_S);
	else
		stop_recorder(k);
}

void on_stop_limit(evutil_socket_t fd, short what, void *ctx)
{
	struct keeper *k = ctx;
	struct child *c = k->phase == STOPPING_WORKER ? &k->worker : &k->recorder;

	log_err("%s did not end in time: killing it", c->name);
	k->exit_code = 1;
	if (c->pid)
		kill(c->pid, SIGKILL);
}

static void worker_finished(struct keeper *k, int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status)) {
		log_err("the worker ended with records that the recorder had not confirmed");
		k->exit_code = 1;
	}
	stop_recorder(k);
}

/* A role that cannot start has said why; starting it again would only say so again. */
static void give_up(struct keeper *k, struct child *other)
{
	k->exit_code = 1;
	if (other->pid) {
		kill(other->pid, SIGKILL);
		waitpid(other->pid, NULL, 0);
	}
	event_base_loopbreak(k->base);
}

static bool cannot_start(const struct keeper *k, int status)
{
	return !k->ready && WIFEXITED(status) && WEXITSTATUS(status);
}

void on_child_end(evutil_socket_t fd, short what, void *ctx)
{
	struct keeper *k = ctx;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == k->worker.pid) {
			bool expected = k->phase != RUNNING;
			unsigned ms;

			if (!expected && cannot_start(k, status)) {
				give_up(k, &k->recorder);
				return;
			}
			receive_rest(k, &k->worker);
			if (k->attach)
				attach_worker(k->attach, false);
			event_free(k->worker_ev);
			k->worker_ev = NULL;
			ms = child_ended(&k->worker, status, expected && !WIFSIGNALED(status));
			if (expected && WIFSIGNALED(status) && !k->exit_code)
				stop_worker(k); /* not by us */
			else if (expected)
				worker_finished(k, status);
			else
				retry(k->worker_again, ms);
		} else if (pid == k->releaser.pid) {
			releaser_ended(k, status);
		} else if (pid == k->resolver.pid) {
			resolver_ended(k, status);
		} else if (pid == k->recorder.pid) {
			bool expected = k->phase == STOPPING_RECORDER;
			unsigned ms;

			if (!expected && cannot_start(k, status)) {
				give_up(k, &k->worker);
				return;
			}
			event_free(k->recorder_ev);
			k->recorder_ev = NULL;
			ms = child_ended(&k->recorder, status, expected && !WIFSIGNALED(status));
			if (expected && WIFSIGNALED(status) && !k->exit_code)
				stop_recorder(k); /* not by us */
			else if (expected)
				event_base_loopbreak(k->base);
			else
				/* at the end the worker waits for it, and not for long */
				retry(k->recorder_again, k->phase == RUNNING ? ms : 50);
		}
	}
}
