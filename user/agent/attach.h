/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probes: which file, in which process, and why. By default (adaptive) a process that maps a file
 * with TLS functions is probed at once, alone, and loses its probes when it turns out not to talk to
 * AI; with `all` each file is probed once, for everybody.
 */
#ifndef PROBITY_AGENT_ATTACH_H
#define PROBITY_AGENT_ATTACH_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/role.h"

struct bpf_program;
struct pins;
struct attach;

struct attach_setup {
	struct event_base *base;
	struct bpf_program *prog;
	struct pins *pins;	/* NULL: probes end with this process */
	int marks, execs, hits; /* the maps of that name */
	bool all;
	unsigned probation_s;
	const char *cache;		    /* file, or NULL: nothing is kept */
	bool (*ours)(void *ctx, pid_t pid); /* the agent's own: never probed */
	void (*user)(void *ctx, pid_t pid); /* that process has TLS functions; again and again */
	void (*marked)(void *ctx);	    /* a process is an AI tool */
	void (*tell)(void *ctx, const struct role_probes *p);
	void *ctx;
};
struct attach *attach_new(const struct attach_setup *s);
void attach_free(struct attach *a);

/* From the kernel. attach_map: a file was mapped executable. */
void attach_map(struct attach *a, pid_t pid, uint64_t start, uint64_t end, const char *path);
void attach_exec(struct attach *a, pid_t pid, uint64_t boot_ns);
void attach_fork(struct attach *a, pid_t pid, pid_t parent);
void attach_exit(struct attach *a, pid_t pid, uint64_t start_ns);
/* Its ClientHello went by, or is held, and its probes are not in place. */
void attach_hello(struct attach *a, pid_t pid, uint64_t start_ns);
/* From the worker. */
void attach_watch(struct attach *a, const struct role_watch *w);
/* A worker works. Before, probation has not begun: on a slow host those whose probes are a former
 * keeper's would lose them unheard. */
void attach_heard(struct attach *a);
/* A worker begins, or has ended: nobody is taken for no client of AI because nobody could say so. */
void attach_worker(struct attach *a, bool up);

/* The resolver's socket, -1: not running; its answers. attach_answer is false when it must end. */
void attach_resolver(struct attach *a, int fd);
bool attach_answer(struct attach *a, const struct role_resolved *r, size_t n);
/* Once a second; false when the resolver must end. */
bool attach_tick(struct attach *a);

/* Every executable mapping of every process. */
void attach_scan(struct attach *a);
/* The same, then lets go of what no process maps and no path leads to any more. */
void attach_sweep(struct attach *a);
/* A file that may be run or loaded soon; looked at when nothing else is to do. */
void attach_prepare(struct attach *a, int fd, const char *path);
bool attach_idle(const struct attach *a);    /* the resolver has nothing to do */
void attach_tell_all(struct attach *a);	     /* the worker is new */
bool attach_settled(const struct attach *a); /* no process waits for its probes */

unsigned attach_images(const struct attach *a); /* files with TLS functions in use */
unsigned attach_sites(const struct attach *a);
const char *attach_backend(const struct attach *a);
json_t *attach_status(const struct attach *a);	  /* files: an array */
json_t *attach_processes(const struct attach *a); /* mode, processes, refused files, resolver */

#endif
