// SPDX-License-Identifier: Apache-2.0
/*
 * In: a sequence number. Out: frames from the segment files, so that a backlog of any length needs
 * no memory. Only durable records are given. The place where the last call stopped is kept; any
 * other start is found by reading its segment from the front. A frame that cannot be read ends its
 * segment's index entry there: the rest of it is gone as far as the collector is concerned, and
 * the caller declares that.
 */
#include "spool_int.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "proto/record.pb-c.h"

static struct segment *find(const struct spool *s, uint64_t seq)
{
	size_t lo = 0, hi = s->segs_n;

	while (lo < hi) { /* first segment that begins above seq */
		size_t mid = lo + (hi - lo) / 2;

		if (s->segs[mid].first <= seq)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && seq < s->segs[lo - 1].next ? &s->segs[lo - 1] : NULL;
}

uint64_t spool_next_kept(const struct spool *s, uint64_t seq)
{
	if (find(s, seq))
		return seq;
	for (size_t i = 0; i < s->segs_n; i++)
		if (s->segs[i].first >= seq && s->segs[i].next > s->segs[i].first)
			return s->segs[i].first;
	return s->st.durable_seq;
}

static uint64_t seq_of(const struct frame *f)
{
	struct reader in = reader_of(f->record, f->record_len);

	reader_take(&in, 48);
	return reader_u64(&in);
}

static ssize_t broken(struct spool *s, struct segment *g, uint64_t seq, enum segment_answer a)
{
	if (a == SEGMENT_IO) /* it may be readable the next time */
		return -s->in->error;
	log_err("spool: segment %020" PRIu64 ".seg: record %" PRIu64
		" is not readable at offset %" PRIu64 "; the rest of the segment is not forwarded",
		g->first, seq, s->in->offset);
	g->next = seq;
	return -ENOENT;
}

/* Places the reader at `seq`. 0, or -ENOENT. */
static ssize_t place(struct spool *s, struct segment *g, int fd, uint64_t seq)
{
	uint64_t at = g->first;
	enum segment_answer a;

	if (s->read_segment == g->first && s->read_seq == seq) {
		segment_read(s->in, fd, s->read_offset);
		return 0;
	}
	segment_read(s->in, fd, 0);
	for (; at < seq; at++)
		if ((a = segment_next(s->in)) != SEGMENT_FRAME || seq_of(&s->in->frame) != at)
			return broken(s, g, at, a);
	segment_read(s->in, fd, s->in->offset + (seq > g->first ? s->in->frame.len : 0));
	return 0;
}

ssize_t spool_read(struct spool *s, uint64_t seq, uint8_t *buf, size_t cap, size_t max_records,
		   size_t *ret_records)
{
	struct segment *g = find(s, seq);
	char file[SEGMENT_NAME_LEN + 1];
	_cleanup_close_ int fd = -1;
	size_t n = 0, used = 0;
	ssize_t r;

	*ret_records = 0;
	if (seq >= s->st.durable_seq)
		return 0;
	if (!g)
		return -ENOENT;
	segment_name(g->first, file);
	fd = openat(s->dir, file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = place(s, g, fd, seq);
	if (r)
		return r;
	while (n < max_records && seq + n < g->next) {
		const struct frame *f = &s->in->frame;
		enum segment_answer a = segment_next(s->in);
		size_t len;

		if (a != SEGMENT_FRAME || seq_of(f) != seq + n) {
			r = broken(s, g, seq + n, a);
			break;
		}
		len = f->len;
		if (len > cap - used)
			break;
		memcpy(buf + used, f->record - SEGMENT_FRAME_LEN, len);
		used += len;
		n++;
		s->read_offset = s->in->offset + len;
		s->read_seq = seq + n;
		s->read_segment = g->first;
	}
	*ret_records = n;
	return n ? (ssize_t)used : r ? r : -EMSGSIZE;
}

bool spool_loss_of(const struct record *r, uint64_t *ret_first, uint64_t *ret_last,
		   uint64_t *ret_count)
{
	Probity__V1__Control *c;
	bool is;

	if (r->schema != RECORD_CONTROL || r->id || !r->payload)
		return false;
	c = probity__v1__control__unpack(NULL, r->payload_len, r->payload);
	is = c && c->kind == PROBITY__V1__CONTROL__KIND__LOSS && !strcmp(c->cause, "spool_full");
	if (is) {
		*ret_first = c->first_seq;
		*ret_last = c->last_seq;
		*ret_count = c->count;
	}
	probity__v1__control__free_unpacked(c, NULL);
	return is;
}

static uint64_t declared_in(struct spool *s, const struct segment *g, uint64_t from, uint64_t to)
{
	char file[SEGMENT_NAME_LEN + 1];
	_cleanup_close_ int fd = -1;
	uint64_t sum = 0, first, last, count;
	struct record r;
	const char *why;

	segment_name(g->first, file);
	fd = openat(s->dir, file, O_RDONLY | O_CLOEXEC);
	segment_read(s->in, fd, 0);
	while (fd >= 0 && segment_next(s->in) == SEGMENT_FRAME) {
		const struct frame *f = &s->in->frame;

		/* The hash is checked only where the payload matters. */
		if (seq_of(f) < from || seq_of(f) >= to || f->record[99] != RECORD_CONTROL)
			continue;
		if (!record_decode(f->record, f->record_len, &r, &why) &&
		    spool_loss_of(&r, &first, &last, &count))
			sum += count;
	}
	return sum;
}

uint64_t spool_declared(struct spool *s, uint64_t from, uint64_t to)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s->segs_n; i++)
		if (s->segs[i].first < to && s->segs[i].next > from)
			sum += declared_in(s, &s->segs[i], from, to);
	return sum;
}
