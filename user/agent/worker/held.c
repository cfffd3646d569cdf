// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: chunks of a write that waits, and, while flow reads each, the pieces of it that are body
 * and text of an exchange. They are known by their address: what lies inside of the chunk stands on
 * the wire as it is, and can be masked there; of what was taken out of a WebSocket frame flow says
 * where it stands under the frame's key (held_masked), and here it is kept without; anything else was
 * decoded (a content coding, compression), and its values are `lost`. Flows out: spans to mask, and
 * the body's hash as it left.
 *
 * A value that lies over two writes was not masked in the first and cannot be in the second; the
 * caller is told; nor can one in a frame whose head left with an earlier write, as the keeper must see
 * the key. The last bytes of a write are masked by what they look like now (dataclass_peek),
 * and what is masked once is not looked for again.
 *
 * Bounds: HELD_WRITE_MAX and HELD_MAX bytes; a write that is not kept whole cannot be masked. All of
 * it is wiped when the write goes. Only where a pack redacts does any of this happen.
 */
#include "held.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

static size_t kept; /* of all connections */

static bool grow(void **v, size_t *cap, size_t n, size_t each)
{
	size_t more = *cap ? 2 * *cap : 16;
	void *p;

	if (n < *cap)
		return true;
	p = realloc(*v, more * each);
	if (!p)
		return false;
	*v = p;
	*cap = more;
	return true;
}

/* --- the write ----------------------------------------------------------------------------------- */

static void wipe(struct held *h)
{
	kept -= h->cap;
	if (h->bytes)
		explicit_bzero(h->bytes, h->n);
	free(h->bytes);
	free(h->kind);
	free(h->frame);
	h->bytes = h->kind = NULL;
	h->frame = NULL;
	h->n = h->cap = h->frames = h->frames_cap = 0;
	h->piece = NULL;
}

void held_free(struct held *h)
{
	wipe(h);
}

void held_begin(struct held *h, uint64_t offset)
{
	wipe(h);
	*h = (struct held){.start = offset};
}

static bool make_room(struct held *h, size_t n)
{
	size_t cap = h->cap ? h->cap : 4096;
	uint8_t *bytes, *kind;

	while (cap < n)
		cap *= 2;
	if (cap == h->cap)
		return true;
	if (n > HELD_WRITE_MAX || kept + (cap - h->cap) > HELD_MAX)
		return false;
	bytes = malloc(cap);
	kind = malloc(cap);
	if (!bytes || !kind) {
		free(bytes);
		free(kind);
		return false;
	}
	if (h->n) {
		memcpy(bytes, h->bytes, h->n);
		memcpy(kind, h->kind, h->n);
		explicit_bzero(h->bytes, h->n);
	}
	free(h->bytes);
	free(h->kind);
	kept += cap - h->cap;
	h->bytes = bytes;
	h->kind = kind;
	h->cap = cap;
	return true;
}

void held_chunk(struct held *h, const struct chunk *k)
{
	h->chunk = NULL;
	h->cut |= k->offset != h->start + h->n || !make_room(h, h->n + k->n);
	if (h->cut)
		return;
	h->chunk = k->p;
	h->chunk_n = k->n;
	h->chunk_at = h->n;
	memcpy(h->bytes + h->n, k->p, k->n);
	memset(h->kind + h->n, REDACT_NEVER, k->n);
	h->n += k->n;
}

void held_chunk_over(struct held *h)
{
	h->chunk = NULL;
}

static bool add_frame(struct held *h, uint32_t at, uint32_t n, uint32_t head)
{
	struct held_frame *last = h->frames ? &h->frame[h->frames - 1] : NULL;

	if (last && last->head == head && last->at + last->n == at) {
		last->n += n;
		return true;
	}
	if (h->frames == HELD_FRAMES_MAX || (last && last->at + last->n > at) ||
	    !grow((void **)&h->frame, &h->frames_cap, h->frames, sizeof(*h->frame)))
		return false;
	h->frame[h->frames++] = (struct held_frame){at, n, head};
	return true;
}

void held_masked(struct held *h, const uint8_t *p, size_t n, const struct flow_masked *at)
{
	h->piece = NULL;
	h->piece_begins = at && at->begins;
	if (!at || h->cut || at->head < h->start || at->offset < at->head ||
	    at->offset - h->start > h->n || n > h->n - (at->offset - h->start) ||
	    !add_frame(h, at->offset - h->start, n, at->head - h->start))
		return;
	h->piece = p;
	h->piece_n = n;
	h->piece_at = at->offset - h->start;
	memcpy(h->bytes + h->piece_at, p, n);
}

/* The frame that has this byte of the write, or SPAN_PLAIN. */
static uint32_t frame_of(const struct held *h, uint32_t at)
{
	size_t lo = 0, hi = h->frames;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (h->frame[mid].at + h->frame[mid].n <= at)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < h->frames && h->frame[lo].at <= at ? h->frame[lo].head : SPAN_PLAIN;
}

/* Where in the write p is, or -1. */
static int64_t place(const struct held *h, const uint8_t *p, size_t n)
{
	if (h->piece && p >= h->piece && p + n <= h->piece + h->piece_n)
		return h->piece_at + (p - h->piece);
	if (!h->chunk || p < h->chunk || p + n > h->chunk + h->chunk_n)
		return -1;
	return h->chunk_at + (p - h->chunk);
}

/* --- the text ------------------------------------------------------------------------------------ */

void held_text_feed(struct held *h, struct held_text *t, const uint8_t *p, size_t n)
{
	int64_t raw = place(h, p, n);

	if (h->piece_begins) { /* each message is a text of its own */
		t->form = (struct redact_text){0};
		h->piece_begins = false;
	}
	if (raw < 0 || !grow((void **)&t->run, &t->runs_cap, t->runs, sizeof(*t->run))) {
		t->lost = true;
	} else {
		redact_feed(&t->form, p, n, h->kind + raw);
		t->run[t->runs++] = (struct redact_run){t->at, raw, n};
	}
	t->at += n;
}

static void list_add(struct held_text *t, struct held_list *l, const struct held_value *v)
{
	if (l->n == HELD_VALUES_MAX || !grow((void **)&l->v, &l->cap, l->n, sizeof(*l->v)))
		t->lost = true;
	else
		l->v[l->n++] = *v;
}

static bool is_masked(const struct held_text *t, const struct held_value *v)
{
	for (size_t i = t->masked.n; i-- > 0;)
		if (t->masked.v[i].start <= v->start && v->end <= t->masked.v[i].end)
			return true;
	return false;
}

void held_text_value(void *ctx, unsigned class, uint64_t start, uint64_t end)
{
	const struct held_value v = {class, start, end};
	struct held_text *t = ctx;

	if (!is_masked(t, &v))
		list_add(t, &t->found, &v);
}

void held_text_free(struct held_text *t)
{
	free(t->found.v);
	free(t->masked.v);
	free(t->run);
	free(t->piece);
	EVP_MD_CTX_free(t->md);
	*t = (struct held_text){0};
}

/* --- masking ------------------------------------------------------------------------------------- */

static int spans_of(const struct held *h, const struct redact_write *w, struct held_value *v,
		    struct role_span *out, size_t cap, size_t *n, uint64_t *ret_bytes)
{
	static struct redact_span span[MASK_SPANS_MAX];
	size_t had = *n, k = 0;
	int r = redact_value(w, v->class, v->start, &v->end, span, cap - had, &k);

	*ret_bytes = 0;
	for (size_t i = 0; !r && i < k; i++) {
		out[(*n)++] = (struct role_span){span[i].at, span[i].n, frame_of(h, span[i].at)};
		*ret_bytes += span[i].n;
	}
	return r;
}

int held_spans(struct held *h, struct held_text *t, const bool wanted[static DATACLASS_MAX],
	       bool over, struct role_span *out, size_t cap, size_t *n,
	       void (*each)(void *ctx, const struct held_value *v, uint64_t bytes), void *ctx)
{
	const struct redact_write w = {h->bytes, h->kind, h->n, t->run, t->runs, over};
	size_t had = *n;
	int r = t->lost || h->cut ? -ENODATA : 0;

	if (cap > MASK_SPANS_MAX)
		cap = MASK_SPANS_MAX;
	for (size_t i = 0; !r && i < t->found.n; i++) {
		struct held_value v = t->found.v[i];
		uint64_t bytes;

		if (!wanted[v.class] || is_masked(t, &v))
			continue;
		r = spans_of(h, &w, &v, out, cap, n, &bytes);
		if (r)
			break;
		list_add(t, &t->masked, &v);
		each(ctx, &v, bytes);
	}
	if (r)
		*n = had;
	return r;
}

static int by_place(const void *a, const void *b)
{
	const struct role_span *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

size_t held_order(struct role_span *spans, size_t n)
{
	size_t left = 0;

	if (n)
		qsort(spans, n, sizeof(*spans), by_place);
	for (size_t i = 0; i < n; i++) {
		struct role_span *last = left ? &spans[left - 1] : NULL;
		uint32_t end = spans[i].at + spans[i].n;

		if (!last || last->at + last->n < spans[i].at || last->frame != spans[i].frame)
			spans[left++] = spans[i];
		else if (last->at + last->n < end)
			last->n = end - last->at;
	}
	return left;
}

void held_mask(struct held *h, const struct role_span *spans, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (spans[i].at <= h->n && spans[i].n <= h->n - spans[i].at)
			memset(h->bytes + spans[i].at, MASK_CHAR, spans[i].n);
}

/* --- the hash -------------------------------------------------------------------------------------- */

static void hash(struct held_text *t, const uint8_t *p, size_t n)
{
	if (!t->md && t->hashed)
		return;
	if (!t->md) {
		t->md = EVP_MD_CTX_new();
		if (!t->md || !EVP_DigestInit_ex(t->md, EVP_sha256(), NULL)) {
			EVP_MD_CTX_free(t->md);
			t->md = NULL;
			return;
		}
	}
	EVP_DigestUpdate(t->md, p, n);
	t->hashed += n;
}

static void flush(struct held *h, struct held_text *t)
{
	for (size_t i = 0; i < t->pieces; i++)
		hash(t, h->bytes + t->piece[i].at, t->piece[i].n);
	t->pieces = 0;
}

void held_text_body(struct held *h, struct held_text *t, const uint8_t *p, size_t n)
{
	int64_t raw = place(h, p, n);

	if (raw >= 0 && grow((void **)&t->piece, &t->pieces_cap, t->pieces, sizeof(*t->piece))) {
		t->piece[t->pieces++] = (struct redact_span){raw, n};
		return;
	}
	flush(h, t);
	hash(t, p, n);
}

void held_text_left(struct held *h, struct held_text *t)
{
	size_t left = 0;

	flush(h, t);
	t->runs = 0;
	/* What was not masked stays: a rule that asks for it later is told that it is too late. */
	for (size_t i = 0; i < t->found.n; i++)
		if (!is_masked(t, &t->found.v[i]))
			t->found.v[left++] = t->found.v[i];
	t->found.n = left;
}

bool held_text_hash(struct held_text *t, uint64_t body, uint8_t ret[static 32])
{
	bool whole = t->md && t->hashed == body;

	if (whole)
		EVP_DigestFinal_ex(t->md, ret, NULL);
	EVP_MD_CTX_free(t->md);
	t->md = NULL;
	return whole;
}
