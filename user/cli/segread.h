/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the frames of a segment file from any frame's offset on, while the agent may be writing it.
 */
#ifndef PROBITY_CLI_SEGREAD_H
#define PROBITY_CLI_SEGREAD_H

#include "base/cleanup.h"
#include "record/segment.h"

/* Where a frame begins: segment files are named by their first sequence number. */
struct spool_pos {
	uint64_t segment, offset;
};

struct segread;
int segread_open(const char *dir, struct spool_pos from, struct segread **ret);
void segread_free(struct segread *s);
DEFINE_CLEANUP(struct segread, segread_free)
/*
 * 1: a frame, valid until the next call, and *ret_at where it begins. 0: no whole frame there (yet);
 * ask again after the file has grown. -EBADMSG with *ret_why: no frame can be read there. -errno.
 */
int segread_next(struct segread *s, struct frame *ret, struct spool_pos *ret_at,
		 const char **ret_why);
/* Where the next frame will begin. */
struct spool_pos segread_pos(const struct segread *s);
/* Bytes after the last whole frame: a frame being written, or a torn one. */
size_t segread_rest(const struct segread *s);

#endif
