/* SPDX-License-Identifier: Apache-2.0 */
/* What pins.c (links, life) and pins_maps.c (maps) share. */
#ifndef PROBITY_AGENT_PINS_INT_H
#define PROBITY_AGENT_PINS_INT_H

#include <pthread.h>

#include "agent/pins.h"
#include "agent/pins_dir.h"

#define LINKS_MAX 64
#define MAPS_MAX 96
#define META_MAGIC 0x70726f62u

struct meta {
	uint32_t magic, pad;
	uint8_t digest[PINS_DIGEST];
};
struct held { /* a link, by the name of its program */
	char name[64];
	struct bpf_link *link;
	bool unpinnable;
};
struct kept {
	char name[64];
	int fd; /* libbpf's */
};
struct pins {
	pthread_mutex_t lock;
	char dir[256];
	int dir_fd, meta_fd;
	uint8_t digest[PINS_DIGEST];
	struct held ours[LINKS_MAX], former[LINKS_MAX];
	struct kept maps[MAPS_MAX];
	unsigned ours_n, former_n, maps_n;
	bool adopted; /* the maps are the former agent's, and `current` is ours */
	bool beside;  /* a former agent of other layouts is in force beside us */
	bool on;      /* pinned */
	bool leaving; /* nothing is unpinned any more */
};

/* All in pins_maps.c. DIR/sub; 0 or -ENAMETOOLONG. */
int pins_path(char *to, size_t n, const struct pins *p, const char *sub);
const char *pins_ours_in(const struct pins *p); /* "current" or "next" */
bool pins_there(const struct pins *p, const char *sub);
/* Pins fd in our folder, in place of what has that name. */
int pins_put(struct pins *p, int fd, const char *sub, const char *name);
void pins_put_maps(struct pins *p);
/* Sockets a former agent of other layouts has denied, into our map; how many. */
unsigned pins_take_denied(const struct pins *p, int verdicts);
bool pins_guarded(const struct pins *p); /* by a guard that only a signature opens */

#endif
