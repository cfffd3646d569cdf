// SPDX-License-Identifier: Apache-2.0
/*
 * Reads a spool without a lock beside the agent that writes it. In: a folder of segments; out:
 * places of records, and records at places. Limits: 16 bytes of memory per record found; damage
 * ends the reading of its segment and is reported, for what comes after a broken frame cannot be
 * trusted to be one; `probity verify` is the tool that judges it. A segment that the agent removes
 * while we read is not an error.
 */
#include "spool_view.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/fs.h"
#include "record/segment_io.h"

int spool_segments(const char *dir, uint64_t **ret, size_t *ret_n)
{
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : segment_list(fd, ret, ret_n, NULL);
}

static void damage(struct spool_damage *d, struct spool_pos at, const char *why)
{
	if (!d->count++) {
		d->at = at;
		snprintf(d->why, sizeof(d->why), "%s", why);
	}
}

struct places {
	struct spool_pos *v;
	size_t n, cap;
};

static int places_add(struct places *p, struct spool_pos at)
{
	if (p->n == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 256;
		void *more = realloc(p->v, cap * sizeof(*p->v));

		if (!more)
			return -ENOMEM;
		p->v = more;
		p->cap = cap;
	}
	p->v[p->n++] = at;
	return 0;
}

static void places_done(struct places *p)
{
	free(p->v);
}

/* All wanted places of one segment. */
static int scan_segment(const char *dir, uint64_t segment, const struct spool_query *q,
			struct places *out, struct spool_pos *ret_end, struct spool_damage *dmg)
{
	_cleanup_(segread_freep) struct segread *s = NULL;
	struct spool_pos at;
	struct frame f;
	const char *why = "";
	int r = segread_open(dir, (struct spool_pos){segment, 0}, &s);

	while (!r) {
		_cleanup_sealed_ struct sealed rec = {0};
		int k = segread_next(s, &f, &at, &why);

		if (k == -EBADMSG)
			damage(dmg, segread_pos(s), why);
		else if (k < 0)
			return k;
		if (k <= 0)
			break;
		if (sealed_open(f.record, f.record_len, f.sig, &rec, &why))
			damage(dmg, at, why);
		else if (!q->want || q->want(q->ctx, &rec))
			r = places_add(out, at);
	}
	if (!r)
		*ret_end = segread_pos(s);
	return r;
}

int spool_newest(const char *dir, const struct spool_query *q, struct spool_pos **ret,
		 size_t *ret_n, struct spool_pos *ret_end, struct spool_damage *ret_damage)
{
	_cleanup_free_ uint64_t *segments = NULL;
	_cleanup_(places_done) struct places all = {0};
	struct spool_pos end = {0};
	bool have_end = false;
	size_t n;
	int r = spool_segments(dir, &segments, &n);

	memset(ret_damage, 0, sizeof(*ret_damage));
	if (r)
		return r;
	for (; n && (!q->limit || all.n < q->limit); n--) {
		_cleanup_(places_done) struct places here = {0}, joined = {0};
		struct spool_pos here_end;

		r = scan_segment(dir, segments[n - 1], q, &here, &here_end, ret_damage);
		if (r == -ENOENT)
			continue;
		if (r)
			return r;
		if (!have_end)
			end = here_end;
		have_end = true;
		joined = here; /* older ones first */
		here = (struct places){0};
		for (size_t i = 0; i < all.n; i++)
			if ((r = places_add(&joined, all.v[i])))
				return r;
		free(all.v);
		all = joined;
		joined = (struct places){0};
	}
	if (q->limit && all.n > q->limit) {
		memmove(all.v, all.v + (all.n - q->limit), q->limit * sizeof(*all.v));
		all.n = q->limit;
	}
	*ret = TAKE_PTR(all.v);
	*ret_n = all.n;
	*ret_end = end;
	return 0;
}

void spool_cursor_done(struct spool_cursor *c)
{
	segread_free(c->seg);
	c->seg = NULL;
}

int spool_at(struct spool_cursor *c, struct spool_pos at, struct sealed *ret, const char **ret_why)
{
	struct spool_pos got;
	struct frame f;
	int r = 0;

	*ret_why = "";
	if (!c->seg || c->at.segment != at.segment || c->at.offset != at.offset) {
		spool_cursor_done(c);
		r = segread_open(c->dir, at, &c->seg);
	}
	if (!r)
		r = segread_next(c->seg, &f, &got, ret_why);
	if (r != 1)
		return r ?: -ENOENT;
	c->at = segread_pos(c->seg);
	return sealed_open(f.record, f.record_len, f.sig, ret, ret_why);
}

static bool is_seq(void *ctx, const struct sealed *s)
{
	return s->head.seq == *(uint64_t *)ctx;
}

int spool_find(const char *dir, uint64_t seq, struct spool_pos *ret,
	       struct spool_damage *ret_damage)
{
	_cleanup_free_ uint64_t *segments = NULL;
	_cleanup_(places_done) struct places found = {0};
	struct spool_query q = {.want = is_seq, .ctx = &seq};
	struct spool_pos end;
	size_t n;
	int r = spool_segments(dir, &segments, &n);

	memset(ret_damage, 0, sizeof(*ret_damage));
	if (r)
		return r;
	while (n && segments[n - 1] > seq)
		n--;
	if (!n)
		return -ENOENT;
	r = scan_segment(dir, segments[n - 1], &q, &found, &end, ret_damage);
	if (r)
		return r;
	if (!found.n)
		return ret_damage->count ? -EBADMSG : -ENOENT;
	*ret = found.v[0];
	return 0;
}

/* --- the key --------------------------------------------------------------------------------- */

static bool key_fits(const struct record *r, const uint8_t *pub)
{
	uint8_t id[8];

	key_id(pub, id);
	return !memcmp(id, r->key_id, sizeof(id));
}

static bool head_key(const char *dir, const struct record *r, uint8_t *ret)
{
	_cleanup_free_ char *bytes = NULL;
	char path[4096];
	struct head h;
	const char *why;
	size_t n;

	snprintf(path, sizeof(path), "%s/head", dir);
	if (fs_read(path, 4096, &bytes, &n) || head_decode((uint8_t *)bytes, n, &h, &why) ||
	    !key_fits(r, h.public))
		return false;
	memcpy(ret, h.public, RECORD_PUBKEY_LEN);
	return true;
}

static bool is_start_with_key(void *ctx, const struct sealed *s)
{
	return s->control && s->control->kind == PROBITY__V1__CONTROL__KIND__START &&
	       s->control->public_key.len == RECORD_PUBKEY_LEN &&
	       key_fits(ctx, s->control->public_key.data);
}

int spool_public(const char *dir, const struct record *r, uint8_t ret[static RECORD_PUBKEY_LEN])
{
	_cleanup_free_ struct spool_pos *at = NULL;
	struct spool_query q = {.want = is_start_with_key, .ctx = (void *)r, .limit = 1};
	_cleanup_(spool_cursor_done) struct spool_cursor c = {.dir = dir};
	_cleanup_sealed_ struct sealed s = {0};
	struct spool_damage dmg;
	struct spool_pos end;
	const char *why;
	size_t n = 0;

	if (head_key(dir, r, ret))
		return 0;
	if (spool_newest(dir, &q, &at, &n, &end, &dmg) || !n || spool_at(&c, at[0], &s, &why))
		return -ENOENT;
	memcpy(ret, s.control->public_key.data, RECORD_PUBKEY_LEN);
	return 0;
}
