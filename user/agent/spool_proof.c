// SPDX-License-Identifier: Apache-2.0
/*
 * In: sequence numbers. Out: what proves the records there without them: hashes of the tree, and the SEALs
 * that name the keys, both of which outlive their segments. Nothing here changes a record; a tile or SEAL
 * that is missing or damaged is an error of the one call, and the collector checks every byte anyway.
 */
#include "spool_proof.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "spool_int.h"

int spool_tree_open(struct spool *s, struct tile_reader **ret)
{
	int r = spool_tiles_write(s);

	return r ? r : tile_reader_open(s->dir, tiles_edge(s->tiles)->size, ret);
}

static uint64_t seq_of(const struct frame *f)
{
	struct reader in = reader_of(f->record, f->record_len);

	reader_take(&in, 48);
	return reader_u64(&in);
}

int spool_seals_read(struct spool *s, uint64_t from, uint64_t below, size_t max, uint8_t **ret,
		     size_t *ret_n)
{
	_cleanup_close_ int fd = openat(s->dir, "seals", O_RDONLY | O_CLOEXEC);
	_cleanup_free_ uint8_t *out = NULL;
	size_t n = 0, cap = 0;

	if (fd < 0 && errno != ENOENT)
		return -errno;
	if (fd < 0) { /* no epoch has ended yet */
		*ret = NULL;
		*ret_n = 0;
		return 0;
	}
	segment_read(s->in, fd, 0);
	while (segment_next(s->in) == SEGMENT_FRAME) {
		const struct frame *f = &s->in->frame;

		if (seq_of(f) < from || seq_of(f) >= below)
			continue;
		if (f->len > max - n)
			return -E2BIG;
		if (f->len > cap - n) {
			size_t more = 2 * cap + FRAME_MAX;
			uint8_t *p = realloc(out, more);

			if (!p)
				return -ENOMEM;
			out = p;
			cap = more;
		}
		memcpy(out + n, f->record - SEGMENT_FRAME_LEN, f->len);
		n += f->len;
	}
	*ret = TAKE_PTR(out);
	*ret_n = n;
	return 0;
}

int spool_text_read(struct spool *s, const char *name, char **ret, size_t *ret_n)
{
	_cleanup_close_ int fd = openat(s->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fs_read_fd(fd, NOTE_MAX, ret, ret_n);
}

int spool_text_write(struct spool *s, const char *name, const char *text, size_t n, bool durable)
{
	return durable ? fs_write_atomic_at(s->dir, name, text, n, 0600)
		       : spool_replace(s, name, text, n);
}
