/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel half: load, probe what this kernel offers, attach the fixed hooks, rules, counters. */
#ifndef PROBITY_AGENT_BPF_H
#define PROBITY_AGENT_BPF_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/role.h"
#include "proto/event.h"
#include "proto/gate.h"

struct bpf;
struct bpf_object;
struct bpf_program;
struct pins;

/* ring_bytes: power of two, 0 = default. One clear log line names what this kernel lacks.
 * 0 or -errno. */
int bpf_open(size_t ring_bytes, struct bpf **ret);
/* The same with programs that outlive the keeper. pins: NULL, or the caller's; it must be there until
 * after bpf_close(). guard: load guard.bpf.c. Programs that refuse something are attached by
 * pins_attach(bpf_pins(b), …). */
int bpf_open_pinned(size_t ring_bytes, struct pins *pins, bool guard, struct bpf **ret);
struct pins *bpf_pins(const struct bpf *b);
/* What all programs are of; for guard.c. */
struct bpf_object *bpf_object_of(const struct bpf *b);
void bpf_close(struct bpf *b);

/* The program for every TLS site; attach it with the site's cookie, by uprobe_multi or, one by one,
 * by bpf_uprobe() of bpf_variant.h: not by libbpf, which cannot on kernels without cookies. */
struct bpf_program *bpf_tls_program(const struct bpf *b);
#define BPF_CALL_MAX \
	(4 << 20) /* of a larger call only so much is told: CALL_MAX of bpf/lib/chunk.h */
/* How long a call waits for room in the ring while the worker does not move; 0 = never. */
void bpf_set_wait(struct bpf *b, uint32_t us);
bool bpf_waits(const struct bpf *b);	   /* whether this kernel can */
bool bpf_reexec(const struct bpf *b);	   /* whether a call can be made again, or fail */
bool bpf_fails_calls(const struct bpf *b); /* whether a write can be made to return an error */
uint64_t bpf_waited(const struct bpf *b);  /* calls that did */
/* What a socket's SOCK_DENY does on this host: GATE_LSM_SENDMSG or GATE_EGRESS while the programs that
 * heed it are attached for all sockets; GATE_NONE: nothing, so a write without a milder way is killed. */
void bpf_set_mark(struct bpf *b, enum gate_mechanism does);
enum gate_mechanism bpf_mark(const struct bpf *b);
void bpf_set_denied(struct bpf *b); /* after a SOCK_DENY: packets of all sockets are looked up */
/* How often that was said, by whomever; 0: they are not. And no longer, if it was not said since. */
uint32_t bpf_denied(const struct bpf *b);
void bpf_none_denied(struct bpf *b, uint32_t was);
int bpf_events_fd(const struct bpf *b);
size_t bpf_events_size(const struct bpf *b);
int bpf_control_fd(const struct bpf *b);
size_t bpf_control_size(const struct bpf *b);
int bpf_verdicts_fd(const struct bpf *b);
int bpf_asleep_fd(const struct bpf *b); /* one mapped u32: 1 = wake me at the next record */
/* Of pipe.bpf.c, for pipe.c. */
void bpf_pipe_programs(const struct bpf *b, struct bpf_program **ret_exec,
		       struct bpf_program **ret_sys_exit);
int bpf_marks_fd(const struct bpf *b); /* proc_marks: pid → struct proc_mark */
int bpf_execs_fd(const struct bpf *b); /* proc_execs: pid → when its image began */
int bpf_hits_fd(const struct bpf *b);  /* hits: image index → struct image_hits, per CPU */

/* Any map of the object: its descriptor, which stays bpf's, or -ENOENT. */
int bpf_map_named(const struct bpf *b, const char *name);

/* A program of the object, also one that was left out (its fd is negative); NULL: no such name. */
struct bpf_program *bpf_program_named(const struct bpf *b, const char *name);

/* Processes whose TLS is never captured: the agent's own. slot 0..7. */
void bpf_set_self(struct bpf *b, unsigned slot, uint32_t pid);
/* A ClientHello of a process whose probes are not in place is held so long at most, and through so
 * many tries of TCP. ms = 0, as it begins: never. After a mark that ends it, net_release(). */
void bpf_set_hold(struct bpf *b, uint32_t ms, uint32_t drops);
/* Whether rules of this generation are in force, put there by a former agent of this build: then the
 * sets are not written again when it is put in force. */
bool bpf_krules_go_on(struct bpf *b, uint64_t generation);
/* Puts the rules of a pack in force, and what their bits do; replaces all. 0 or -errno. */
int bpf_set_krules(struct bpf *b, const struct role_krules *k, const struct krule_do *todo,
		   const struct role_krule_host *h, const struct role_krule_user *u);
void bpf_set_tool(struct bpf *b, const struct role_tool *t);
void bpf_drops(const struct bpf *b, uint64_t ret[static DROP__MAX]);
const char *bpf_drop_name(unsigned cause);

json_t *bpf_features(const struct bpf *b);     /* [{name, state, note}] */
void bpf_net_keep(struct bpf *b, bool keep);   /* net_keep */
json_t *bpf_net_counters(const struct bpf *b); /* {hellos, held, …: number} */
json_t *bpf_backends(const struct bpf *b, const char *tls_backend); /* [{for, backend, note}] */

#endif
