/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by spool_recover.c and spool_damage.c only. */
#ifndef PROBITY_AGENT_SPOOL_RECOVER_INT_H
#define PROBITY_AGENT_SPOOL_RECOVER_INT_H

#include "spool_int.h"

struct recovery {
	struct spool *s;
	uint64_t *names;
	size_t n;
	struct head head;
	bool have_head;
	struct chain_state c; /* after the last good record of the last segment */
	/* The furthest record seen behind damage. */
	bool ahead;
	uint64_t ahead_seq, ahead_id;
	uint8_t ahead_leaf[RECORD_HASH_LEN];
};

/* Notes what had to be done; the slot, to say more. */
struct spool_repair *recovery_note(struct recovery *v, const char *file, uint64_t offset,
				   uint64_t bytes, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* A chain that cannot go on. All 0 or -errno. */
int recovery_set_aside(struct recovery *v, const char *why);
/* What is behind `good` bytes of a segment is damage: kept as it is under another name. */
int recovery_quarantine(struct recovery *v, int fd, const char *file, uint64_t good,
			const char *why);
/* ... was never durable: gone. */
int recovery_cut(struct recovery *v, int fd, const char *file, uint64_t good);

#endif
