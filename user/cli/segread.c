// SPDX-License-Identifier: Apache-2.0
/*
 * A window of the file, refilled with pread at an offset that only whole frames move. Invariant:
 * nothing of an incomplete frame is kept between two calls that gave 0, because a restarted agent
 * may cut a torn tail and write other bytes in its place. Limits: a frame larger than the window
 * cannot exist (a record is at most 64 KiB), so a window full of "more" is a broken length.
 */
#include "segread.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WINDOW (256 * 1024)

struct segread {
	int fd;
	struct spool_pos at; /* of window[start] */
	size_t start, end;
	uint8_t window[WINDOW];
};

void segment_path(const char *dir, uint64_t segment, char *ret, size_t cap)
{
	snprintf(ret, cap, "%s/%020" PRIu64 ".seg", dir, segment);
}

int segread_open(const char *dir, struct spool_pos from, struct segread **ret)
{
	_cleanup_(segread_freep) struct segread *s = malloc(sizeof(*s));
	char path[4096];

	if (!s)
		return -ENOMEM;
	s->at = from;
	s->start = s->end = 0;
	segment_path(dir, from.segment, path, sizeof(path));
	s->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (s->fd < 0)
		return -errno;
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

/* Moves what is left to the front and reads on; > 0 when there is more than before. */
static int refill(struct segread *s)
{
	size_t left = s->end - s->start;
	ssize_t n;

	memmove(s->window, s->window + s->start, left);
	s->start = 0;
	s->end = left;
	do
		n = pread(s->fd, s->window + left, WINDOW - left, s->at.offset + left);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	s->end += n;
	return n > 0;
}

int segread_next(struct segread *s, struct frame *ret, struct spool_pos *ret_at,
		 const char **ret_why)
{
	for (;;) {
		long k = frame_parse(s->window + s->start, s->end - s->start, ret, ret_why);
		int r;

		if (k > 0) {
			*ret_at = s->at;
			s->start += k;
			s->at.offset += k;
			return 1;
		}
		if (k == FRAME_BAD) {
			s->start = s->end = 0; /* look again with fresh bytes if asked again */
			return -EBADMSG;
		}
		if (s->end - s->start == WINDOW) {
			*ret_why = "length";
			return -EBADMSG;
		}
		r = refill(s);
		if (r > 0)
			continue;
		if (!r)
			s->end = s->start = 0;
		return r;
	}
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
