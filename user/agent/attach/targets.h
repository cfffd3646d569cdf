/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that have TLS functions mapped, or are said to talk TLS: the table of them. */
#ifndef PROBITY_AGENT_ATTACH_TARGETS_H
#define PROBITY_AGENT_ATTACH_TARGETS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/event.h"

struct image;
struct links;

/* Why a process has its probes, or has them no more. */
enum keep {
	KEEP_PROBATION, /* has TLS functions; whether it talks to AI is not known */
	KEEP_CLIENT,	/* talks to a server that may be AI */
	KEEP_AI,	/* for its life */
	KEEP_BUSY, /* not AI, but opens so many connections that holding each costs more than probes */
	KEEP_NOT, /* probes removed */
};

struct use { /* of an image by a process */
	struct image *im;
	struct links *links; /* NULL: none, or the image's own */
	bool on, seen;
};

struct target {
	struct target *next, *next_todo;
	pid_t pid;
	uint64_t start_ns; /* CLOCK_BOOTTIME, to the tick; with pid its identity */
	enum keep keep;
	uint32_t state;	    /* enum probe_state */
	uint32_t marks;	    /* MARK_* */
	uint64_t until_ms;  /* probation, or busy, ends; CLOCK_BOOTTIME as all of these */
	uint64_t due_ms;    /* 0, or when to look at it: it may exec first */
	uint64_t free_ms;   /* 0, or until when it is not held: its name was judged */
	uint64_t judged_ms; /* of the first in a row of judged names */
	uint64_t word_ms;   /* of the worker's last evidence */
	uint64_t exec;	    /* of the image last looked at, as in proc_execs */
	uint64_t since_ns;  /* in place since */
	uint64_t began_ns;  /* when a file with TLS functions was seen in it */
	unsigned hellos, judged, pending;
	bool held;		  /* a flight of it waits for its mark */
	bool todo, looked, early; /* early: was there before the agent */
	struct use *uses;
	unsigned n;
	char reason[96];
};

#define TARGETS_MAX 16384 /* as many as proc_marks holds */
struct targets;
struct targets *targets_new(void);
void targets_free(struct targets *t);
unsigned targets_count(const struct targets *t);
struct target *targets_find(const struct targets *t, pid_t pid, uint64_t start_ns); /* 0: any */
/* Found or made; NULL when the process is gone, or the table is full (counted). */
struct target *targets_get(struct targets *t, pid_t pid);
uint64_t targets_refused(const struct targets *t);
/* Uses must be gone. */
void targets_remove(struct targets *t, struct target *p);
/* fn may remove the very target. */
void targets_each(struct targets *t, void (*fn)(void *ctx, struct target *p), void *ctx);

const char *keep_name(enum keep k);
const char *probe_state_name(uint32_t state);
bool same_start(uint64_t a_ns, uint64_t b_ns);	      /* /proc and the kernel tell it differently */
uint64_t process_start(pid_t pid, pid_t *ret_parent); /* 0: gone. ret_parent may be NULL */

#endif
