/* SPDX-License-Identifier: Apache-2.0 */
/* What pins.c (links, life), pins_maps.c (maps) and pins_probes.c (uprobes) share. */
#ifndef PROBITY_AGENT_PINS_INT_H
#define PROBITY_AGENT_PINS_INT_H

#include <pthread.h>

#include "agent/inflight.h"
#include "agent/pins.h"
#include "agent/pins_dir.h"

#define LINKS_MAX 64
#define MAPS_MAX 96
#define META_MAGIC 0x70726f62u

struct meta {
	uint32_t magic;
	uint32_t
		loose; /* probes that are not pinned: what the maps say of connections ends with them */
	uint8_t digest[PINS_DIGEST];
	uint64_t declared[INFLIGHT_DROPS];
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
	struct pins_probe *probes; /* all that are ours */
	struct former_probes {
		char **name; /* of the files, in order */
		bool *taken;
		size_t n, taken_n;
	} old;
	unsigned probes_n, loose, old_loose;
	int loose_why;			   /* of the last one */
	uint64_t declared[INFLIGHT_DROPS]; /* by a former agent, then by us */
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
void pins_write_meta(struct pins *p);

/* All in pins_probes.c; the lock is held but for the first and the last. */
void pins_probes_read(struct pins *p); /* which a former agent left */
void pins_put_probes(struct pins *p);  /* from now on they are pinned */
void pins_probes_done(struct pins *p); /* of the former agent's, those that nobody took go */
void pins_probes_free(struct pins *p);
json_t *pins_probes_status(const struct pins *p);

#endif
