// SPDX-License-Identifier: Apache-2.0
/*
 * In: a segment file of any size and content. Out: its frames, one per call, and what stopped the
 * reading. Invariant: memory is the window; a frame handed out lies inside it and has a right CRC.
 * A file that grows while it is read gives its frames as far as they are whole.
 */
#include "segment_io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define FRAME_MAX (SEGMENT_FRAME_LEN + RECORD_HEADER_LEN + RECORD_PAYLOAD_MAX + RECORD_SEAL_MAX)
_Static_assert(SEGMENT_WINDOW > 2 * FRAME_MAX, "a frame fits behind another");

DEFINE_CLEANUP(DIR, closedir)

void segment_name(uint64_t seq, char ret[static SEGMENT_NAME_LEN + 1])
{
	snprintf(ret, SEGMENT_NAME_LEN + 1, "%020llu.seg", (unsigned long long)seq);
}

bool segment_name_parse(const char *s, uint64_t *ret)
{
	char again[SEGMENT_NAME_LEN + 1];
	uint64_t v = 0;

	if (strlen(s) != SEGMENT_NAME_LEN)
		return false;
	for (int i = 0; i < 20; i++)
		v = v * 10 + (unsigned char)(s[i] - '0');
	segment_name(v, again);
	if (strcmp(s, again))
		return false;
	*ret = v;
	return true;
}

static int by_seq(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int segment_list(int dir_fd, uint64_t **ret, size_t *ret_n, uint64_t *ret_bytes)
{
	_cleanup_(closedirp) DIR *d = NULL;
	_cleanup_free_ uint64_t *seqs = NULL;
	uint64_t seq, bytes = 0;
	size_t n = 0, cap = 0;
	struct dirent *e;
	struct stat st;
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return -ENOMEM;
	}
	while (errno = 0, (e = readdir(d))) {
		if (!segment_name_parse(e->d_name, &seq))
			continue;
		if (n == cap) {
			uint64_t *more = realloc(seqs, (cap = cap ? 2 * cap : 64) * sizeof(*more));

			if (!more)
				return -ENOMEM;
			seqs = more;
		}
		seqs[n++] = seq;
		if (fstatat(dir_fd, e->d_name, &st, 0) == 0)
			bytes += st.st_size;
	}
	if (errno)
		return -errno;
	if (n)
		qsort(seqs, n, sizeof(*seqs), by_seq);
	*ret = TAKE_PTR(seqs);
	*ret_n = n;
	if (ret_bytes)
		*ret_bytes = bytes;
	return 0;
}

void segment_read(struct segment_reader *r, int fd, uint64_t offset)
{
	r->fd = fd;
	r->at = r->offset = offset;
	r->len = r->pos = 0;
	r->bytes = 0;
	r->why = NULL;
	r->error = 0;
}

/* Moves the unread rest to the front and reads behind it. > 0, 0 at the end, -errno. */
static ssize_t refill(struct segment_reader *r)
{
	ssize_t k;

	memmove(r->window, r->window + r->pos, r->len - r->pos);
	r->at += r->pos;
	r->len -= r->pos;
	r->pos = 0;
	do
		k = pread(r->fd, r->window + r->len, sizeof(r->window) - r->len, r->at + r->len);
	while (k < 0 && errno == EINTR);
	if (k < 0) {
		r->error = errno;
		return -errno;
	}
	r->len += k;
	r->bytes += k;
	return k;
}

/* All to the end of the file; on the way the window is given up. */
static bool zeros_to_end(struct segment_reader *r)
{
	do {
		for (; r->pos < r->len; r->pos++)
			if (r->window[r->pos])
				return false;
	} while (refill(r) > 0);
	return true;
}

enum segment_answer segment_next(struct segment_reader *r)
{
	for (;;) {
		long k = frame_parse(r->window + r->pos, r->len - r->pos, &r->frame, &r->why);

		r->offset = r->at + r->pos;
		if (k > 0) {
			r->pos += k;
			return SEGMENT_FRAME;
		}
		if (k == FRAME_BAD) {
			const char *why = r->why;
			uint64_t from = r->offset, bytes = r->bytes;

			if (zeros_to_end(r)) {
				r->offset = from;
				return SEGMENT_TORN;
			}
			segment_read(r, r->fd, from);
			r->why = why;
			r->bytes = bytes;
			return SEGMENT_BAD;
		}
		k = refill(r);
		if (k < 0)
			return SEGMENT_IO;
		if (k == 0)
			return r->len > r->pos ? SEGMENT_TORN : SEGMENT_END;
	}
}

void segment_resync(struct segment_reader *r)
{
	/* What both kinds of frame begin with. */
	static const uint8_t magic[2] = {SEGMENT_MAGIC >> 24, SEGMENT_MAGIC >> 16 & 0xff};
	uint64_t from = r->offset + 1;
	size_t at = 0;

	segment_read(r, r->fd, from);
	while (refill(r) >= 0 && r->len) {
		const uint8_t *hit = r->window, *end = r->window + r->len;
		long k = FRAME_BAD;

		while (k == FRAME_BAD && (hit = memmem(hit, end - hit, magic, sizeof(magic)))) {
			k = frame_parse(hit, end - hit, &r->frame, &r->why);
			at = hit++ - r->window;
		}
		/* A possible frame that the window cuts is looked at again from its beginning; at
		 * the beginning already, it is the file that cuts it. */
		if (k == FRAME_BAD)
			from += r->len > 3 ? r->len - 3 : r->len;
		else
			from += k == FRAME_MORE && !at ? 1 : at;
		segment_read(r, r->fd, from);
		if (k > 0)
			return;
	}
}
