/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a spool as it grows: new frames, new segments. */
#ifndef PROBITY_CLI_FOLLOW_H
#define PROBITY_CLI_FOLLOW_H

#include "segread.h"

struct follow;
/* From a place on; NULL: from the beginning of whatever segment comes first. 0 or -errno. */
int follow_open(const char *dir, const struct spool_pos *from, struct follow **ret);
void follow_free(struct follow *f);
DEFINE_CLEANUP(struct follow, follow_free)
int follow_fd(const struct follow *f); /* readable: call follow_wake, then follow_next until 0 */
/* 0; -ENOENT when the folder itself has gone. */
int follow_wake(struct follow *f);
/* 1: a frame, valid until the next call; 0: nothing new; -EBADMSG with *ret_why: the rest of the
 * segment at *ret_at is not readable and was skipped; -errno. */
int follow_next(struct follow *f, struct frame *ret, struct spool_pos *ret_at,
		const char **ret_why);

#endif
