// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: a stretch of records. Flows out: the same records without their payloads. What is chained,
 * signed and in the tree is the header, which stays; so every proof does.
 *
 * One segment at a time: its frames are copied to `erase.tmp`, those of the stretch as header, MAC and
 * signature under the other magic; that file is synced and takes the segment's name. A crash leaves the
 * old file or the new one, whole. The old one's bytes are then overwritten before its last name is gone,
 * which a file system that copies on write may not honour.
 *
 * Control records keep their payload: keys, seals, losses and erasures themselves are in them. `erasing`
 * beside the segments says what is under way, so that what an ERASE record says is true after a crash as
 * well: it is written before that record is sealed and removed when the last segment is done.
 */
#include "spool_int.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"

#define FRAMES_MAX (256 * 1024) /* gathered for one write */

static bool has_body(const struct frame *f)
{
	struct reader in = reader_of(f->record + 96, 4);

	return reader_u32(&in) != RECORD_CONTROL && f->record_len > RECORD_HEADER_LEN;
}

static uint64_t header_u64(const struct frame *f, size_t at)
{
	struct reader in = reader_of(f->record + at, 8);

	return reader_u64(&in);
}

/* The frame as it is to be, at out. Its length. */
static size_t frame_copy(const struct frame *f, bool erase, uint8_t *out)
{
	size_t seal = MAC_LEN + (f->sig ? RECORD_SIG_LEN : 0);
	uint8_t *record = out + SEGMENT_FRAME_LEN;

	if (!erase) {
		memcpy(out, f->record - SEGMENT_FRAME_LEN, f->len);
		return f->len;
	}
	memcpy(record, f->record, RECORD_HEADER_LEN);
	memcpy(record + RECORD_HEADER_LEN, f->mac, seal);
	frame_head(record, RECORD_HEADER_LEN, seal, out);
	return SEGMENT_FRAME_LEN + RECORD_HEADER_LEN + seal;
}

struct copy {
	int to;
	uint64_t bytes, erased;
	size_t n;
	uint8_t b[FRAMES_MAX];
};

static int flush(struct copy *c)
{
	int r = fs_write_all(c->to, c->b, c->n);

	c->bytes += r ? 0 : c->n;
	c->n = 0;
	return r;
}

/* All frames of the segment; -EBADMSG when one is missing: then it stays as it is. */
static int copy_segment(struct spool *s, const struct segment *g, int from, uint64_t first,
			uint64_t last, struct copy *c)
{
	uint64_t seq = g->first;
	enum segment_answer a;
	int r = 0;

	segment_read(s->in, from, 0);
	while (!r && seq < g->next && (a = segment_next(s->in)) == SEGMENT_FRAME) {
		const struct frame *f = &s->in->frame;
		bool erase = seq >= first && seq <= last && has_body(f);

		if (header_u64(f, 48) != seq)
			return -EBADMSG;
		if (f->len > sizeof(c->b) - c->n)
			r = flush(c);
		c->n += frame_copy(f, erase, c->b + c->n);
		c->erased += erase;
		seq++;
	}
	if (!r && seq < g->next)
		return a == SEGMENT_IO ? -s->in->error : -EBADMSG;
	return r ? r : flush(c);
}

static void overwrite(int fd, uint64_t bytes)
{
	static const uint8_t zeros[65536];
	ssize_t k = 1;

	for (uint64_t at = 0; at < bytes && k > 0; at += k)
		k = pwrite(fd, zeros, bytes - at < sizeof(zeros) ? bytes - at : sizeof(zeros), at);
	if (k <= 0 || fdatasync(fd) < 0)
		log_warn("an erased segment's old bytes could not be overwritten: %s",
			 strerror(errno));
}

static int erase_in(struct spool *s, struct segment *g, uint64_t first, uint64_t last,
		    uint64_t *ret_erased)
{
	_cleanup_free_ struct copy *c = calloc(1, sizeof(*c));
	_cleanup_close_ int from = -1, to = -1;
	char file[SEGMENT_NAME_LEN + 1];
	int r;

	segment_name(g->first, file);
	from = openat(s->dir, file, O_RDWR | O_CLOEXEC);
	if (!c || from < 0)
		return c ? -errno : -ENOMEM;
	to = openat(s->dir, "erase.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (to < 0)
		return -errno;
	c->to = to;
	r = copy_segment(s, g, from, first, last, c);
	if (!r && c->erased && (fsync(to) < 0 || renameat(s->dir, "erase.tmp", s->dir, file) < 0))
		r = -errno;
	if (r || !c->erased) {
		unlinkat(s->dir, "erase.tmp", 0);
		return r;
	}
	s->st.bytes -= g->bytes - c->bytes;
	overwrite(from, g->bytes);
	g->bytes = c->bytes;
	s->read_seq = UINT64_MAX; /* offsets have changed */
	*ret_erased += c->erased;
	return fsync(s->dir) < 0 ? -errno : 0;
}

/* --- the stretch that is being erased --------------------------------------------------------------- */

static int note_stretch(struct spool *s)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64 "\n", s->erase.first,
			 s->erase.last);

	return fs_write_atomic_at(s->dir, "erasing", text, n, 0600);
}

int spool_erase_begin(struct spool *s, uint64_t first, uint64_t last)
{
	int r;

	if (s->erase.on)
		return -EBUSY;
	if (first > last || last >= s->st.next_seq)
		return -EINVAL;
	s->erase.first = first;
	s->erase.last = last;
	s->erase.at = first;
	r = note_stretch(s);
	s->erase.on = !r;
	return r;
}

int spool_erase_cancel(struct spool *s)
{
	s->erase.on = false;
	return unlinkat(s->dir, "erasing", 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* The segment that has `at`, or the first one behind it; -1: none. */
static ssize_t segment_at(const struct spool *s, uint64_t at)
{
	for (size_t i = 0; i < s->segs_n; i++)
		if (s->segs[i].next > at)
			return i;
	return -1;
}

int spool_erase_step(struct spool *s)
{
	ssize_t i = s->erase.on ? segment_at(s, s->erase.at) : -1;
	struct segment *g = i < 0 ? NULL : &s->segs[i];
	int r;

	if (!s->erase.on)
		return 0;
	if (g && g->first <= s->erase.last) {
		/* The one being written is ended; what waits for its commit is not of the stretch. */
		if ((size_t)i + 1 == s->segs_n && s->fd >= 0) {
			if (s->buf_written)
				return -EAGAIN;
			spool_segment_end(s);
		}
		r = erase_in(s, g, s->erase.first, s->erase.last, &s->st.erased);
		if (r && r != -EBADMSG)
			return r;
		if (r)
			log_err("spool %s: segment %020" PRIu64
				".seg is damaged: its payloads are not erased",
				s->path, g->first);
		s->erase.at = g->next;
		if (s->erase.at <= s->erase.last && (size_t)i + 1 < s->segs_n)
			return 1;
	}
	return spool_erase_cancel(s);
}

bool spool_erasing(const struct spool *s)
{
	return s->erase.on;
}

void spool_erase_resume(struct spool *s)
{
	_cleanup_close_ int fd = openat(s->dir, "erasing", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_free_ char *text = NULL;
	uint64_t first, last;

	if (fd < 0 || fs_read_fd(fd, 64, &text, NULL))
		return;
	if (sscanf(text, "%" SCNu64 " %" SCNu64, &first, &last) != 2 || first > last)
		return;
	s->erase.first = s->erase.at = first;
	s->erase.last = last;
	s->erase.unsure = true;
}

bool spool_erase_unsure(const struct spool *s, uint64_t *ret_first, uint64_t *ret_last)
{
	*ret_first = s->erase.first;
	*ret_last = s->erase.last;
	return s->erase.unsure;
}

void spool_erase_sure(struct spool *s)
{
	s->erase.on = s->erase.unsure;
	s->erase.unsure = false;
}

/* --- what is old ----------------------------------------------------------------------------------- */

/* The time of a segment's first record; 0: not readable. */
static uint64_t begun_ns(struct spool *s, const struct segment *g)
{
	char file[SEGMENT_NAME_LEN + 1];
	_cleanup_close_ int fd = -1;

	segment_name(g->first, file);
	fd = openat(s->dir, file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	segment_read(s->in, fd, 0);
	return segment_next(s->in) == SEGMENT_FRAME ? header_u64(&s->in->frame, 64) : 0;
}

static uint64_t within(struct spool *s, const struct segment *g, uint64_t wall_ns)
{
	char file[SEGMENT_NAME_LEN + 1];
	_cleanup_close_ int fd = -1;
	uint64_t seq = g->first;

	segment_name(g->first, file);
	fd = openat(s->dir, file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return seq;
	segment_read(s->in, fd, 0);
	while (seq < g->next && segment_next(s->in) == SEGMENT_FRAME &&
	       header_u64(&s->in->frame, 64) < wall_ns)
		seq++;
	return seq;
}

uint64_t spool_seq_before(struct spool *s, uint64_t wall_ns)
{
	size_t n = 0;

	while (n < s->segs_n && begun_ns(s, &s->segs[n]) < wall_ns)
		n++;
	return n ? within(s, &s->segs[n - 1], wall_ns) : s->st.first_seq;
}

bool spool_bodies(struct spool *s, uint64_t first, uint64_t last, uint64_t *ret_first,
		  uint64_t *ret_last)
{
	bool any = false;

	for (size_t i = 0; i < s->segs_n; i++) {
		const struct segment *g = &s->segs[i];
		char file[SEGMENT_NAME_LEN + 1];
		_cleanup_close_ int fd = -1;

		if (g->next <= first || g->first > last)
			continue;
		segment_name(g->first, file);
		fd = openat(s->dir, file, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		segment_read(s->in, fd, 0);
		while (segment_next(s->in) == SEGMENT_FRAME) {
			uint64_t seq = header_u64(&s->in->frame, 48);

			if (seq < first || seq > last || !has_body(&s->in->frame))
				continue;
			*ret_first = any ? *ret_first : seq;
			*ret_last = seq;
			any = true;
		}
	}
	return any;
}
