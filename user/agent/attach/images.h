/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that were, or may be, mapped executable, and what is known of each. One entry per (device,
 * inode, size, mtime). An entry of a file that is gone stays for its build-id, without an inode.
 */
#ifndef PROBITY_AGENT_ATTACH_IMAGES_H
#define PROBITY_AGENT_ATTACH_IMAGES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "agent/attach/facts.h"

enum image_state {
	IMAGE_NEW,     /* nobody has looked */
	IMAGE_PENDING, /* the resolver has it, or will */
	IMAGE_NONE,    /* no TLS functions */
	IMAGE_SITES,
	IMAGE_REFUSED, /* not looked at, or not to the end: see reason */
};

struct links;
#define IMAGE_WAITERS 32
struct image {
	struct image *next; /* in its bucket */
	dev_t dev;
	ino_t ino; /* 0: gone */
	off_t size;
	struct timespec mtime;
	uid_t uid;     /* whose file: what it says is believed of files of the same owner */
	uint64_t used; /* when last seen, in scans */
	enum image_state state;
	uint16_t index;	     /* into `hits` and the cookies; 0 = none yet */
	bool late;	     /* was mapped by somebody before it was probed */
	bool cached;	     /* not resolved by us, but remembered */
	bool failed;	     /* the kernel refused its sites */
	unsigned refs;	     /* processes that map it */
	unsigned users;	     /* processes with probes on it */
	unsigned hellos;     /* ClientHellos of processes that map it */
	bool beside;	     /* one of them speaks TLS by this file or another */
	uint32_t took_ms;    /* the resolver's time */
	struct facts *facts; /* IMAGE_SITES */
	struct links *links; /* probes for everybody */
	pid_t waiters[IMAGE_WAITERS];
	unsigned waiters_n; /* may exceed the room: then everybody is looked at */
	char build_id[65];
	char path[256], reason[TLS_WHY_MAX];
};

#define IMAGES_MAX 8192
struct images;
struct images *images_new(void);
void images_free(struct images *t); /* links must be gone */
unsigned images_count(const struct images *t);

struct image *images_find(const struct images *t, const struct stat *st);
/* Found or made, NULL when every entry is in use. */
struct image *images_get(struct images *t, const struct stat *st, const char *path);
/* One of the same build-id whose word holds for a file of uid: its own owner's, or root's. */
const struct image *images_twin(const struct images *t, const char *build_id, uid_t uid);
/* Gives it an index for `hits`; false when all are taken. */
bool images_number(struct images *t, struct image *im);
/* The index its probes have already, by a former keeper. Once images_reserve() was called for all of them,
 * no other image is given one of these. Too late for an image that has another: it is not counted by
 * this one. */
void images_number_as(struct images *t, struct image *im, uint16_t index);
void images_reserve(struct images *t, uint16_t index);
struct image *images_by_index(const struct images *t, uint16_t index);
/* Its file is gone: kept for its build-id if that is worth it, else freed. */
void images_gone(struct images *t, struct image *im);
/* Every file that is there, with `gone` also those that are not. fn may make this very image gone. */
void images_each(struct images *t, bool gone, void (*fn)(void *ctx, struct image *im), void *ctx);
void images_tick(struct images *t); /* a scan begins */
uint64_t images_now(const struct images *t);

#endif
