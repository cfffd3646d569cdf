// SPDX-License-Identifier: Apache-2.0
/*
 * Header blocks in, fields out. nghttp2's inflater has the tables and the Huffman code; this layer
 * walks the representations (RFC 7541, 6) before it and keeps from it what it would refuse.
 *
 * References to the dynamic table count from its newest entry. So a table that holds only what was
 * added since some moment gives the same answer as the whole one, or none: a reference past its
 * end is to an entry from before. Such a field is left out and counted; if it would have added an
 * entry, one with a name that no field has is added, to keep the count. This is how a connection
 * is joined in its middle, how it goes on after missing bytes, and why a table larger than
 * HPACK_TABLE_MAX needs no more memory: its oldest entries are treated as unknown.
 *
 * Invariant: the table here is the newest part of the encoder's. The encoder announces in the
 * block itself how large its table is, so the peer's SETTINGS need not be read. Until it does so on
 * a joined connection, the size is taken to be at least the protocol's default: an entry that
 * might not fit (and then would have emptied the table) begins a new one here.
 *
 * Full: HPACK_MEM_MAX of heap per table, counted in the allocator; beyond it the block is broken
 * and the table begins anew. Strings over 64 KiB are refused by nghttp2, with the same end.
 */
#include "hpack.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define DEFAULT_TABLE 4096
#define ENTRY_OVERHEAD 32
#define PLACEHOLDER '?' /* the name that no field has, RFC 9110 5.1 */
#define INT_BYTES_MAX 6
#define INT_MAX_VALUE (1u << 28)

struct hpack {
	nghttp2_hd_inflater *inflater;
	bool size_known; /* of the encoder's table */
	bool begun;	 /* a field of this block was given: no size may follow */
	size_t heap;
	nghttp2_mem mem;
};

/* --- memory with a bound ---------------------------------------------------------------------- */

union prefix {
	size_t n;
	max_align_t align;
};

static void *mem_realloc(void *old, size_t n, void *user)
{
	struct hpack *h = user;
	union prefix *was = old ? (union prefix *)old - 1 : NULL, *now;
	size_t had = was ? was->n : 0;

	if (n > HPACK_MEM_MAX || h->heap - had + n + sizeof(*now) > HPACK_MEM_MAX)
		return NULL;
	now = realloc(was, sizeof(*now) + n);
	if (!now)
		return NULL;
	now->n = n;
	h->heap += n - had + (was ? 0 : sizeof(*now));
	return now + 1;
}

static void *mem_malloc(size_t n, void *user)
{
	return mem_realloc(NULL, n, user);
}

static void *mem_calloc(size_t count, size_t n, void *user)
{
	void *p = n && count > HPACK_MEM_MAX / n ? NULL : mem_malloc(count * n, user);

	return p ? memset(p, 0, count * n) : NULL;
}

static void mem_free(void *p, void *user)
{
	struct hpack *h = user;
	union prefix *was = p ? (union prefix *)p - 1 : NULL;

	if (was)
		h->heap -= was->n + sizeof(*was);
	free(was);
}

/* --- table ------------------------------------------------------------------------------------- */

static int give(struct hpack *h, const uint8_t *p, size_t n, nghttp2_nv *ret_nv, bool *ret_some)
{
	*ret_some = false;
	while (n) {
		int flags = 0;
		ssize_t used = nghttp2_hd_inflate_hd2(h->inflater, ret_nv, &flags, p, n, 0);

		if (used < 0)
			return used == NGHTTP2_ERR_NOMEM ? -ENOMEM : -EBADMSG;
		p += used;
		n -= used;
		if (flags & NGHTTP2_HD_INFLATE_EMIT) {
			*ret_some = true;
			return n ? -EBADMSG : 0;
		}
		if (!used)
			return -EBADMSG;
	}
	return 0;
}

static size_t put_int(uint8_t *p, uint8_t first, unsigned bits, uint32_t v)
{
	uint32_t most = (1u << bits) - 1;
	size_t n = 0;

	if (v < most) {
		p[n++] = first | v;
		return n;
	}
	p[n++] = first | most;
	for (v -= most; v >= 128; v >>= 7)
		p[n++] = 0x80 | (v & 0x7f);
	p[n++] = v;
	return n;
}

static int resize(struct hpack *h, uint32_t size)
{
	uint8_t rep[INT_BYTES_MAX];
	nghttp2_nv nv;
	bool some;

	if (h->begun)
		return -EBADMSG;
	if (size > HPACK_TABLE_MAX)
		size = HPACK_TABLE_MAX;
	return give(h, rep, put_int(rep, 0x20, 5, size), &nv, &some);
}

static void drop_table(struct hpack *h)
{
	if (h->inflater)
		nghttp2_hd_inflate_del(h->inflater);
	h->inflater = NULL;
}

static int restart(struct hpack *h, bool late)
{
	drop_table(h);
	if (nghttp2_hd_inflate_new2(&h->inflater, &h->mem) ||
	    nghttp2_hd_inflate_change_table_size(h->inflater, HPACK_TABLE_MAX))
		return -ENOMEM;
	h->size_known = !late;
	h->begun = false;
	return late ? resize(h, HPACK_TABLE_MAX) : 0;
}

void hpack_free(struct hpack *h)
{
	if (!h)
		return;
	drop_table(h);
	free(h);
}
DEFINE_CLEANUP(struct hpack, hpack_free)

struct hpack *hpack_new(bool late)
{
	_cleanup_(hpack_freep) struct hpack *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->mem = (nghttp2_mem){h, mem_malloc, mem_free, mem_calloc, mem_realloc};
	if (restart(h, late))
		return NULL;
	return TAKE_PTR(h);
}

int hpack_missed(struct hpack *h)
{
	return restart(h, true);
}

/* --- representations --------------------------------------------------------------------------- */

enum kind { INDEXED, INSERTED, PLAIN, SIZE };

struct rep {
	enum kind kind;
	uint32_t number;      /* index of field or name, 0 = name is there as text; or the size */
	const uint8_t *value; /* of a literal: with its length */
};

/* 0, or -EAGAIN when p ends before it does, or -EBADMSG. */
static int get_int(const uint8_t **p, const uint8_t *end, unsigned bits, uint32_t *ret)
{
	uint32_t most = (1u << bits) - 1;
	uint64_t v;

	if (*p == end)
		return -EAGAIN;
	v = *(*p)++ & most;
	for (unsigned i = 0; v >= most; i++) {
		if (i == INT_BYTES_MAX - 1)
			return -EBADMSG;
		if (*p == end)
			return -EAGAIN;
		v += (uint64_t)(**p & 0x7f) << (7 * i);
		if (!(*(*p)++ & 0x80))
			break;
	}
	if (v > INT_MAX_VALUE)
		return -EBADMSG;
	*ret = v;
	return 0;
}

static int skip_string(const uint8_t **p, const uint8_t *end)
{
	uint32_t len;
	int r = get_int(p, end, 7, &len);

	if (r)
		return r;
	if (len > (size_t)(end - *p))
		return -EAGAIN;
	*p += len;
	return 0;
}

static int get_rep(const uint8_t **p, const uint8_t *end, struct rep *ret)
{
	static const uint8_t bits[] = {[INDEXED] = 7, [INSERTED] = 6, [SIZE] = 5, [PLAIN] = 4};
	uint8_t first = **p;
	int r;

	ret->kind = first & 0x80 ? INDEXED : first & 0x40 ? INSERTED : first & 0x20 ? SIZE : PLAIN;
	r = get_int(p, end, bits[ret->kind], &ret->number);
	if (r || ret->kind == INDEXED || ret->kind == SIZE)
		return r;
	if (!ret->number)
		r = skip_string(p, end);
	ret->value = *p;
	return r ? r : skip_string(p, end);
}

struct out {
	hpack_fn *fn;
	void *ctx;
	unsigned unknown;
};

/* Its name, or all of it, is from before. */
static int on_unknown(struct hpack *h, const struct rep *rep, const uint8_t *end, struct out *out)
{
	static const uint8_t name[] = {0x40, 1, PLACEHOLDER};
	nghttp2_nv nv;
	bool some;
	int r;

	out->unknown++;
	if (rep->kind != INSERTED)
		return 0;
	r = give(h, name, sizeof(name), &nv, &some);
	return r ? r : give(h, rep->value, end - rep->value, &nv, &some);
}

static int on_field(struct hpack *h, const struct rep *rep, const uint8_t *p, const uint8_t *end,
		    struct out *out)
{
	nghttp2_nv nv;
	bool some;
	int r;

	if (rep->kind == INDEXED && !rep->number)
		return -EBADMSG;
	if (rep->number > nghttp2_hd_inflate_get_num_table_entries(h->inflater)) {
		r = on_unknown(h, rep, end, out);
		h->begun = true;
		return r;
	}
	r = give(h, p, end - p, &nv, &some);
	h->begun = true;
	if (r || !some)
		return r ? r : -EBADMSG;
	if (nv.namelen == 1 && *nv.name == PLACEHOLDER)
		out->unknown++;
	else
		out->fn(out->ctx, (const char *)nv.name, nv.namelen, (const char *)nv.value,
			nv.valuelen);
	if (rep->kind == INSERTED && !h->size_known &&
	    nv.namelen + nv.valuelen + ENTRY_OVERHEAD > DEFAULT_TABLE) {
		r = restart(h, true);
		h->begun = true;
	}
	return r;
}

static int walk(struct hpack *h, const uint8_t *p, size_t n, bool cut, struct out *out)
{
	const uint8_t *end = p + n;

	while (p < end) {
		const uint8_t *from = p;
		struct rep rep;
		int r = get_rep(&p, end, &rep);

		if (r == -EAGAIN && cut)
			return 0;
		if (r)
			return -EBADMSG;
		if (rep.kind == SIZE) {
			r = resize(h, rep.number);
			h->size_known = true;
		} else {
			r = on_field(h, &rep, from, p, out);
		}
		if (r)
			return r;
	}
	return 0;
}

int hpack_block(struct hpack *h, const uint8_t *p, size_t n, bool cut, hpack_fn *fn, void *ctx,
		unsigned *ret_unknown)
{
	struct out out = {.fn = fn, .ctx = ctx};
	int r;

	/* An earlier restart found no memory. */
	if (!h->inflater && restart(h, true))
		return -ENOMEM;
	h->begun = false;
	r = walk(h, p, n, cut, &out);
	*ret_unknown = out.unknown;
	if (r || cut) {
		int again = restart(h, true);

		return r ? r : again;
	}
	nghttp2_hd_inflate_end_headers(h->inflater);
	return 0;
}
