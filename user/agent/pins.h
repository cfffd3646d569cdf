/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Enforcement that outlives the keeper: links and maps kept in bpffs, and taken over by the next one.
 * Everybody who attaches a program that refuses something does it by pins_attach(), whether or not
 * pins are in use: the rest is decided here. All functions may be called from several threads, and
 * take NULL (nothing is pinned; a plain attach).
 */
#ifndef PROBITY_AGENT_PINS_H
#define PROBITY_AGENT_PINS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct bpf_link;
struct bpf_object;
struct bpf_program;
struct pins;

/* dir: in a bpffs, which is mounted there if none is; made with mode 0700, one agent at a time.
 * -EBUSY: another agent has it; -errno. */
int pins_open(const char *dir, struct pins **ret);
/* From now on nothing is unpinned: what is in force stays. */
void pins_leave(struct pins *p);
/* Unpins everything, unless it was told to leave it. After all links were detached. */
void pins_close(struct pins *p);

/* Between open and load of the object, each time: takes the maps of a former agent, if it was of this very
 * build. */
void pins_maps(struct pins *p, struct bpf_object *obj);
/* After load: these are the maps. */
int pins_loaded(struct pins *p, struct bpf_object *obj);
/* Whether the maps are a former agent's, with its rules in force. */
bool pins_adopted(const struct pins *p);

/* cgroup: -1 for programs that need none. Of an adopted agent it is the link that is there. NULL and
 * errno. */
struct bpf_link *pins_attach(struct pins *p, struct bpf_program *prog, int cgroup);
void pins_detach(struct pins *p, struct bpf_link *l); /* takes NULL */

/* Rules that refuse are in force (on), or none: what is attached now or later is pinned, or not. */
void pins_keep(struct pins *p, bool on);
bool pins_kept(const struct pins *p);
/* Our own rules are in force: what a former agent left besides goes. verdicts: our map of sockets
 * (cookie → enum sock_verdict). Of a former agent of other layouts it gets those that were denied, which
 * may be trying still. Returns how many. */
unsigned pins_settle(struct pins *p, int verdicts);

/*
 * Uprobes: links of one file in one process, or in all. The name says what they are; n of them. They are
 * pinned while rules refuse something. The descriptors stay the caller's. NULL: nothing is pinned
 * (p is NULL, or no memory, which is counted).
 */
struct pins_probe;
#define PINS_PROBE_NAME 160
struct pins_probe *pins_probe(struct pins *p, const char *name, const int *fd, size_t n);
void pins_probe_end(struct pins *p, struct pins_probe *q); /* takes NULL; before they are closed */
/* Those of an adopted agent whose name begins so: n of them, which are the caller's, and the name. All or
 * -ENOENT. */
int pins_probe_take(struct pins *p, const char *begins, size_t n, int *ret_fd,
		    char ret_name[static PINS_PROBE_NAME], struct pins_probe **ret);
/* Every name a former agent left, whether or not it is adopted. */
void pins_each_probe(const struct pins *p, void (*each)(void *ctx, const char *name), void *ctx);

/* The kernel's counters of losses, as far as records declare them (INFLIGHT_DROPS of them): they outlive
 * the agent in the maps. NULL: nobody's are gone on with. */
const uint64_t *pins_declared(const struct pins *p);
void pins_declare(struct pins *p, const uint64_t *count);
/* What an agent of another build, beside which we are, left unread. Takes it. */
unsigned pins_unread(const struct pins *p);

/* Every link that is ours or a former agent's. */
void pins_each_link(struct pins *p, void (*each)(void *ctx, const struct bpf_link *l), void *ctx);

/* Removes what an agent left in `dir`, without one. 0 or -errno; -ENOENT: nothing is there. */
int pins_unload(const char *dir);

json_t *pins_status(const struct pins *p);

#endif
