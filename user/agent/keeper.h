/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper's parts, as they see each other: keeper.c begins, waits and ends; keeper_roles.c starts
 * worker and recorder and does what they ask; keeper_probes.c is between the kernel, the resolver and
 * attach.c; keeper_tell.c tells the worker what it needs. */
#ifndef PROBITY_AGENT_KEEPER_H
#define PROBITY_AGENT_KEEPER_H

#include <event2/event.h>
#include <stdbool.h>

#include "agent/attach.h"
#include "agent/bpf.h"
#include "agent/child.h"
#include "agent/config.h"
#include "agent/exehash.h"
#include "agent/keeper_policy.h"

struct mapwatch;
struct ring;
struct control;
struct pipe_hooks;
struct prescan;

struct keeper {
	const struct config *cfg;
	struct event_base *base;
	struct bpf *bpf;
	struct attach *attach;
	struct mapwatch *maps;
	struct pipe_hooks *pipes;
	struct prescan *prescan;
	struct exehash *hashes;
	struct ring *control;
	struct control *socket;
	struct child worker, recorder, resolver;
	struct event *worker_ev, *recorder_ev, *resolver_ev, *worker_again, *recorder_again,
		*resolver_again, *tick, *stop_limit, *maps_ev;
	int pair[2]; /* worker's end, recorder's end of the pair between them */
	int inflight;
	struct keeper_policy *policy;
	uint64_t since_ns, maps_lost;
	bool rescan; /* mappings were missed */
	struct role_drops told;
	unsigned seconds;
	bool ready; /* both roles have started */
	enum { RUNNING, STOPPING_WORKER, STOPPING_RECORDER } phase;
	int exit_code;
};

/* keeper_tell.c */
void tell_worker(struct keeper *k, enum role_kind kind, const void *head, size_t n,
		 const void *tail, size_t m);
void watch_writes(struct keeper *k); /* after anything that may have left a message waiting */
void tell_process(struct keeper *k, struct role_proc *p);
void tell_pid(struct keeper *k, uint32_t pid);
void tell_user(struct keeper *k, uint32_t uid);
void tell_all_processes(struct keeper *k);
void tell_drops(struct keeper *k);

/* keeper_probes.c */
int probes_open(struct keeper *k);
void probes_tick(struct keeper *k);
void probes_close(struct keeper *k);
void start_resolver(struct keeper *k);
void resolver_ended(struct keeper *k, int status);
void on_maps(evutil_socket_t fd, short what, void *ctx);
void on_kernel(evutil_socket_t fd, short what, void *ctx); /* the control ring */

/* keeper_roles.c */
bool keeper_owns(const struct keeper *k, pid_t pid); /* the agent itself */
void start_worker(struct keeper *k);
void start_recorder(struct keeper *k);
void stop_worker(struct keeper *k); /* and then the recorder, when the worker has ended */
void on_child_end(evutil_socket_t fd, short what, void *ctx); /* SIGCHLD */
void on_stop_limit(evutil_socket_t fd, short what, void *ctx);
void on_again(evutil_socket_t fd, short what, void *ctx);

#endif
