/* SPDX-License-Identifier: Apache-2.0 */
/* What the spool can prove of itself to somebody who does not have its records. */
#ifndef PROBITY_AGENT_SPOOL_PROOF_H
#define PROBITY_AGENT_SPOOL_PROOF_H

#include "record/tile.h"
#include "spool.h"

/* The tree of all durable records; its tiles are written first, where they are not. 0 or -errno. */
int spool_tree_open(struct spool *s, struct tile_reader **ret);
/* Whole frames of the SEALs of records `from` to below `below`. 0 with what the caller frees (NULL when
 * there is none); -E2BIG: they take more than max bytes; -errno. */
int spool_seals_read(struct spool *s, uint64_t from, uint64_t below, size_t max, uint8_t **ret,
		     size_t *ret_n);

/* Small texts beside the segments: "checkpoint" (the spool's own), "witnessed" (the newest one the
 * collector has cosigned), "witness" (the vkey of who did). Read: caller frees; -ENOENT. */
int spool_text_read(struct spool *s, const char *name, char **ret, size_t *ret_n);
int spool_text_write(struct spool *s, const char *name, const char *text, size_t n, bool durable);

#endif
