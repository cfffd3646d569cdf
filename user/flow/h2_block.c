// SPDX-License-Identifier: Apache-2.0
/*
 * Payloads of HEADERS, CONTINUATION and PUSH_PROMISE in, heads of messages out (h2_stream.c).
 *
 * A block that lies whole in one chunk is read there. Else its frames are collected, without their
 * padding and priorities, up to H2_BLOCK_MAX bytes. Of a longer block, or one of which bytes are
 * missing, the beginning is read: it says what was asked, as pseudo-fields come first. The table
 * then begins anew (hpack.c), and fields that later blocks take from before are not known.
 */
#include "h2.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_STEP 4096

const struct pair_flaw h2_flaw_unknown = {GAP, "header fields from missing bytes are not known"};
static const struct pair_flaw flaw_long = {UNDECODABLE, "header block is larger than 64 KiB"};
static const struct pair_flaw flaw_hpack = {UNDECODABLE, "header block is not valid HPACK"};

void h2_block_free(struct h2_side *s)
{
	free(s->block.p);
	s->block = (struct h2_block){0};
}

/* Padding, priority and promised stream off the payload of a block's first frame. */
static bool strip(const struct h2_frame *fr, const uint8_t **p, size_t *n)
{
	size_t before = 0, after = 0;

	if (fr->type == H2_CONTINUATION)
		return true;
	if (fr->flags & H2_PADDED) {
		if (!*n)
			return false;
		after = **p;
		before = 1;
	}
	if (fr->type == H2_PUSH_PROMISE)
		before += 4;
	else if (fr->flags & H2_HAS_PRIORITY)
		before += 5;
	if (before + after > *n)
		return false;
	*p += before;
	*n -= before + after;
	return true;
}

static void give_head(struct flow *f, enum flow_dir dir, struct h2_head *head, unsigned unknown,
		      int broken, uint64_t ns)
{
	struct h2_side *s = &f->h2->side[dir];
	const struct h2_block *b = &s->block;
	const struct pair_flaw *flaw = b->lost	 ? &b->flaw
				       : broken	 ? &flaw_hpack
				       : unknown ? &s->unknown
						 : NULL;
	struct h2_message m = {
		.head = head,
		.stream = b->first.stream,
		.offset = b->offset,
		.ns = b->ns,
		.end = b->first.flags & H2_END_STREAM,
		.flaw = flaw,
	};

	/* Streams of the server's own are not read. */
	if (b->first.type == H2_HEADERS && b->first.stream % 2)
		h2_on_head(f, dir, &m, ns);
}

void h2_block_over(struct flow *f, enum flow_dir dir, const uint8_t *p, size_t n, uint64_t ns)
{
	struct h2_side *s = &f->h2->side[dir];
	struct h2_head head;
	unsigned unknown = 0;
	int broken;

	h2_head_init(&head, s->block.first.stream);
	broken = hpack_block(s->hpack, p ? p : (const uint8_t *)"", n, s->block.lost, h2_head_field,
			     &head, &unknown);
	give_head(f, dir, &head, unknown, broken, ns);
	if (broken || s->block.lost)
		s->unknown = h2_flaw_unknown;
	h2_block_free(s);
}

/* Gives false when its memory is not there or used up. */
static bool block_keep(struct h2_block *b, const uint8_t *p, size_t n)
{
	if (b->n + n > H2_BLOCK_MAX)
		return false;
	if (b->n + n > b->cap) {
		size_t cap = (b->n + n + BLOCK_STEP - 1) / BLOCK_STEP * BLOCK_STEP;
		uint8_t *grown = realloc(b->p, cap);

		if (!grown)
			return false;
		b->p = grown;
		b->cap = cap;
	}
	memcpy(b->p + b->n, p, n);
	b->n += n;
	return true;
}

void h2_block_begin(struct h2_side *s)
{
	struct h2_block *b = &s->block;

	b->fragment = b->n;
	if (s->frame.type == H2_CONTINUATION)
		return;
	b->open = true;
	b->first = s->frame;
	b->offset = s->offset;
	b->ns = s->ns;
}

void h2_block_lose(struct h2_block *b, const struct pair_flaw *flaw)
{
	if (!b->lost)
		b->flaw = *flaw;
	b->lost = true;
}

void h2_block_bytes(struct flow *f, enum flow_dir dir, const uint8_t *p, size_t n)
{
	struct h2_side *s = &f->h2->side[dir];
	struct h2_block *b = &s->block;

	if (!b->lost && !block_keep(b, p, n)) {
		block_keep(b, p, H2_BLOCK_MAX - b->n < n ? H2_BLOCK_MAX - b->n : 0);
		h2_block_lose(b, &flaw_long);
	}
}

bool h2_block_frame_over(struct flow *f, enum flow_dir dir, uint64_t ns)
{
	struct h2_side *s = &f->h2->side[dir];
	struct h2_block *b = &s->block;
	const uint8_t *p = b->p ? b->p + b->fragment : NULL;
	size_t n = b->n - b->fragment;

	if (n && !strip(&s->frame, &p, &n)) {
		if (!b->lost)
			return false;
		n = 0;
	}
	if (n)
		memmove(b->p + b->fragment, p, n);
	b->n = b->fragment + n;
	if (s->frame.flags & H2_END_HEADERS)
		h2_block_over(f, dir, b->p, b->n, ns);
	return true;
}

bool h2_block_in_place(struct flow *f, enum flow_dir dir, const uint8_t *p, uint64_t ns)
{
	struct h2_side *s = &f->h2->side[dir];
	size_t n = s->left;

	if (s->frame.type == H2_CONTINUATION || s->block.n || s->block.lost || n > H2_BLOCK_MAX ||
	    n != s->frame.length || !(s->frame.flags & H2_END_HEADERS) || !strip(&s->frame, &p, &n))
		return false;
	h2_block_over(f, dir, p, n, ns);
	return true;
}
