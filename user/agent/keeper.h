/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper's parts, as they see each other: keeper.c begins, waits and ends; keeper_roles.c starts
 * worker and recorder; keeper_messages.c does what they ask; keeper_gates.c is the gate's part of that;
 * keeper_probes.c is between the kernel, the resolver and attach.c; keeper_tell.c tells the worker
 * what it needs. */
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
#include "agent/priority.h"

struct mapwatch;
struct ring;
struct control;
struct pipe_hooks;
struct prescan;
struct pins;
struct inflight;
struct guard;
struct control_call;
struct keeper_gate;
struct exec_gate;
struct approvals;
struct control_call;

/* Places in the loop: a write may be waiting for what the worker asks. */
enum { LOOP_FIRST, LOOP_NORMAL, LOOP_LATE, LOOP_PLACES };

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
	struct child worker, recorder, resolver, releaser;
	struct event *worker_ev, *recorder_ev, *resolver_ev, *worker_again, *recorder_again,
		*resolver_again, *releaser_again, *tick, *starting, *stop_limit, *maps_ev,
		*control_ev;
	int pair[2]; /* worker's end, recorder's end of the pair between them */
	int inflight;
	struct inflight *calls; /* the same, mapped; NULL: it cannot be */
	struct keeper_policy *policy;
	struct pins *pins; /* NULL: nothing outlives this process */
	struct guard *guard;
	bool settled; /* a former agent's links are gone */
	struct keeper_gate *gate;
	struct event *gate_turn; /* when the next wait of a stopped process ends */
	struct exec_gate *execs; /* NULL: no exec rules can be in force */
	struct approvals *approvals;
	struct priority priority;
	unsigned received; /* messages of the worker, in this second */
	uint64_t since_ns, maps_lost;
	bool rescan;  /* mappings were missed */
	bool unheard; /* so were execs, by this process itself */
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

/* keeper_messages.c */
void on_child(evutil_socket_t fd, short what, void *ctx);
void receive_rest(struct keeper *k, struct child *c); /* of one that has ended */
int worker_place(const struct keeper *k);	      /* LOOP_* of its event */

/* keeper_gates.c; messages: NULL, or what the worker may not ask for */
int gates_open(struct keeper *k);
void gates_close(struct keeper *k);
void gates_tick(struct keeper *k);
void gates_worker(struct keeper *k); /* it is new */
void gates_status(const struct keeper *k, json_t *into);
bool keeper_spares(const struct keeper *k, uint32_t pid); /* whatever a pack says */
bool gates_watch_only(const struct keeper *k, uint64_t generation, uint64_t rules);
void gates_krules(struct keeper *k, const struct role_krules *r);
const char *gates_rules(struct keeper *k, const void *p, size_t n);
const char *gates_refuse(struct keeper *k, const void *p, size_t n);
void gates_stopped(struct keeper *k, const struct event *e);
const char *gates_continue(struct keeper *k, const void *p, size_t n);
const char *gates_mask(struct keeper *k, const void *p, size_t n);
const char *gates_sock(struct keeper *k, const void *p, size_t n);
const char *gates_pending(struct keeper *k, const void *p, size_t n);
const char *gates_exec_rules(struct keeper *k, const void *p, size_t n);
const char *gates_file_rules(struct keeper *k, const void *p, size_t n);
const char *gates_tree(struct keeper *k, const void *p, size_t n);
void on_approvals(void *keeper, struct control_call *call);
void on_answer(void *keeper, struct control_call *call); /* approve, deny, revoke */

/* keeper_guard.c */
int protect_open_pins(struct keeper *k); /* before the programs are loaded */
bool protect_wanted(const struct keeper *k);
int protect_open(struct keeper *k);
void protect_losses(struct keeper *k);
void protect_tick(struct keeper *k);
void protect_stop(struct keeper *k); /* an orderly end begins */
void protect_close(struct keeper *k);
void protect_close_pins(struct keeper *k); /* after bpf_close() */
void protect_status(const struct keeper *k, json_t *status);
void on_guard_challenge(void *keeper, struct control_call *call);
void on_unlock(void *keeper, struct control_call *call);
void on_lock(void *keeper, struct control_call *call);

/* keeper_erase.c */
void on_erase(void *keeper, struct control_call *call);
const char *erase_answered(struct keeper *k, const void *p, size_t n); /* NULL */
void erase_tick(struct keeper *k);

/* keeper_reveal.c */
void on_reveal(void *keeper, struct control_call *call);
const char *reveal_answered(struct keeper *k, const void *p, size_t n); /* NULL */
void reveal_tick(struct keeper *k);

/* keeper_roles.c */
bool keeper_owns(const struct keeper *k, pid_t pid); /* the agent itself */
void start_worker(struct keeper *k);
void start_recorder(struct keeper *k);
void start_releaser(struct keeper *k); /* if it does not run */
void end_releaser(struct keeper *k);
void stop_worker(struct keeper *k); /* and then the recorder, when the worker has ended */
void on_child_end(evutil_socket_t fd, short what, void *ctx); /* SIGCHLD */
void on_stop_limit(evutil_socket_t fd, short what, void *ctx);
void on_again(evutil_socket_t fd, short what, void *ctx);
void on_releaser_again(evutil_socket_t fd, short what, void *ctx);

#endif
