/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of attach, as they see each other. */
#ifndef PROBITY_AGENT_ATTACH_INT_H
#define PROBITY_AGENT_ATTACH_INT_H

#include "agent/attach.h"
#include "agent/attach/ask.h"
#include "agent/attach/images.h"
#include "agent/attach/links.h"
#include "agent/attach/targets.h"

struct attach {
	struct attach_setup s;
	struct linker linker;
	struct closer *closer;
	struct images *images;
	struct targets *targets;
	struct ask *ask;
	struct event *pump, *soon;
	struct target *todo, **todo_last;
	unsigned todo_n, links, linked_images, linked_sites;
	uint64_t word_ms; /* who was silent up to then had nobody to tell of him; UINT64_MAX: has */
	uint64_t links_made, adopted, put_off, saved_ms, begun_ms;
	double attach_ms;			   /* longest */
	uint64_t placed, wait_us, longest_wait_us; /* from a mapping to its probes */
	uint64_t full;	  /* mappings since the last sweep for whose file the table had no room */
	bool save_failed; /* said, and not to be said again */
	bool later;	  /* some processes wait for answers and are on no list */
	bool heard;	  /* a worker works: without its word nobody loses his probes */
	bool scanning, dirty; /* dirty: what is remembered differs from the file */
};

uint64_t boot_ms(void);

/* process.c */
void process_queue(struct attach *a, struct target *t, bool hurry);
void process_unqueue(struct attach *a, struct target *t);
void process_sync(struct attach *a, struct target *t); /* may remove it */
void process_drop(struct attach *a, struct target *t); /* all its probes, and itself */
void process_strip(struct attach *a, struct target *t, enum keep why, const char *reason);
void process_state(struct attach *a, struct target *t, uint32_t state);
void process_mark(struct attach *a, struct target *t);
void process_tell(struct attach *a, const struct target *t);
struct target *process_get(struct attach *a, pid_t pid);
void image_everywhere(struct attach *a, struct image *im, int fd); /* `all`: for everybody */
/* That process waits for it; whether it did not before, as far as is known. */
bool image_wait(struct image *im, pid_t pid);

/* cache.c: what is remembered over restarts. */
void cache_load(struct images *t, const char *path);
int cache_save(struct images *t, const char *path);

#endif
