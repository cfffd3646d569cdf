// SPDX-License-Identifier: Apache-2.0
/*
 * A segment file read by record/segment_io, which judges the bytes; this adds the patience for a file
 * that grows. Invariant: nothing of an incomplete frame is kept between two calls that gave 0,
 * because a restarted agent may cut a torn tail and write other bytes in its place.
 */
#include "segread.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "record/segment_io.h"

struct segread {
	int fd;
	struct spool_pos at; /* where the next frame begins */
	struct segment_reader reader;
};

int segread_open(const char *dir, struct spool_pos from, struct segread **ret)
{
	_cleanup_(segread_freep) struct segread *s = malloc(sizeof(*s));
	char path[4096], name[SEGMENT_NAME_LEN + 1];

	if (!s)
		return -ENOMEM;
	segment_name(from.segment, name);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	s->at = from;
	s->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (s->fd < 0)
		return -errno;
	segment_read(&s->reader, s->fd, from.offset);
	*ret = TAKE_PTR(s);
	return 0;
}

void segread_free(struct segread *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

int segread_next(struct segread *s, struct frame *ret, struct spool_pos *ret_at,
		 const char **ret_why)
{
	enum segment_answer a = segment_next(&s->reader);

	if (a == SEGMENT_FRAME) {
		*ret = s->reader.frame;
		*ret_at = s->at;
		s->at.offset += ret->len;
		return 1;
	}
	if (a == SEGMENT_IO)
		return -s->reader.error;
	*ret_why = s->reader.why ?: "";
	segment_read(&s->reader, s->fd, s->at.offset);
	return a == SEGMENT_BAD ? -EBADMSG : 0;
}

struct spool_pos segread_pos(const struct segread *s)
{
	return s->at;
}

size_t segread_rest(const struct segread *s)
{
	off_t size = lseek(s->fd, 0, SEEK_END);

	return size > (off_t)s->at.offset ? size - s->at.offset : 0;
}
