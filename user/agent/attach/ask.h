/* SPDX-License-Identifier: Apache-2.0 */
/* Asking the resolver about files, one at a time; those that a process waits for go first. */
#ifndef PROBITY_AGENT_ATTACH_ASK_H
#define PROBITY_AGENT_ATTACH_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/attach/images.h"
#include "agent/role.h"

struct ask;
/* done(ctx, im): its state is IMAGE_NONE, IMAGE_SITES or IMAGE_REFUSED now. */
struct ask *ask_new(struct images *t, void (*done)(void *ctx, struct image *im), void *ctx);
void ask_free(struct ask *a);

/* The resolver's socket; -1: it is not running, what it had in hand is asked once more. */
void ask_socket(struct ask *a, int fd);
/*
 * Makes the image IMAGE_PENDING, or raises one that is pending to what is waited for. fd: the open
 * file, copied; -1: opened by im->path when its turn comes. Files that cannot be ELF are settled at
 * once, by their first bytes.
 */
void ask_image(struct ask *a, struct image *im, int fd, bool waited_for);
/* An answer. False: it is none to what was asked, and the resolver must be ended. */
bool ask_answer(struct ask *a, const struct role_resolved *r, size_t n);
/* Once a second. False: it does not answer, and must be ended. */
bool ask_tick(struct ask *a);

struct ask_counts {
	uint64_t asked, found, none, refused, moved; /* moved: by build-id, from another file */
	uint64_t total_ms, longest_ms;
	unsigned waited_for, idle; /* waiting now, the one in hand included */
	char in_hand[256];
};
void ask_counts(const struct ask *a, struct ask_counts *ret);

#endif
