// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes of both directions of an HTTP/2 connection in, header blocks (h2_block.c), contents and
 * ends of its streams (h2_stream.c) out.
 *
 * Each direction is a state machine: preface, frame head, payload, seeking. Contents go to their
 * stream where they lie, without a copy. Every header block is read, also of streams of no
 * interest, as later blocks depend on it.
 *
 * Missing bytes inside a content or a frame that says nothing to us are counted, and the place is
 * kept. Inside a header block the block is lost and the table begins anew. Between frames, or
 * beyond the end of one, the place is lost: all open streams of that direction are marked, and the
 * next frame is sought (h2_seek.c). Broken framing is treated the same, as undecodable.
 *
 * An answer to a stream of which no request was seen makes the flow hold the answers, up to
 * HOLD_MAX bytes, until the request is there; not when requests may have been missed.
 *
 * Memory: two HPACK tables of at most HPACK_MEM_MAX, two blocks of H2_BLOCK_MAX, the hold, and
 * what H2_STREAMS_MAX exchanges need.
 */
#include "h2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static const struct pair_flaw flaw_late = {
	LATE_ATTACH, "header fields from before the attachment are not known"};
static const struct pair_flaw flaw_block = {GAP, "bytes of the header block are missing"};
static const struct pair_flaw flaw_frame = {UNDECODABLE, "HTTP/2 framing is broken"};
static const struct pair_flaw flaw_missing[2] = {
	{GAP, "bytes of the request are missing"},
	{GAP, "bytes of the answer are missing"},
};

static struct h2_side *side_of(struct flow *f, enum flow_dir dir)
{
	return &f->h2->side[dir];
}

/* --- losing and finding the place --------------------------------------------------------------- */

static void missed_blocks(struct h2_side *s)
{
	hpack_missed(s->hpack);
	s->unknown = h2_flaw_unknown;
}

static void lose(struct flow *f, enum flow_dir dir, const struct pair_flaw *flaw, uint64_t ns)
{
	struct h2_side *s = side_of(f, dir);

	if (s->block.open) {
		s->block.lost = true;
		s->block.flaw = *flaw;
		h2_block_over(f, dir, s->block.p, s->block.n, ns);
	}
	if (f->ignored)
		return;
	h2_all_gapped(f, dir, flaw);
	if (dir == FLOW_REQUEST)
		f->h2->unpaired = true;
	missed_blocks(s);
	s->phase = H2_SEEKING;
	s->orphan = true;
	s->win.n = 0;
}

/* --- frames ------------------------------------------------------------------------------------ */

static bool is_block(uint8_t type)
{
	return type == H2_HEADERS || type == H2_CONTINUATION || type == H2_PUSH_PROMISE;
}

static void on_code(struct flow *f, enum flow_dir dir, uint64_t ns)
{
	struct h2_side *s = side_of(f, dir);
	uint32_t last =
		((uint32_t)s->code[0] << 24 | s->code[1] << 16 | s->code[2] << 8 | s->code[3]) &
		0x7fffffff;

	if (s->frame.type == H2_RST_STREAM)
		h2_on_reset(f, s->frame.stream, ns);
	else if (s->frame.type == H2_GOAWAY && dir == FLOW_RESPONSE && s->code_n == sizeof(s->code))
		h2_on_goaway(f, last, ns);
}

static void frame_over(struct flow *f, enum flow_dir dir, uint64_t ns)
{
	struct h2_side *s = side_of(f, dir);

	s->phase = H2_IN_HEAD;
	s->win.n = 0;
	if (s->frame.type == H2_DATA && s->frame.flags & H2_END_STREAM)
		h2_on_end(f, dir, s->frame.stream, ns);
	else if (is_block(s->frame.type) && s->block.open && !h2_block_frame_over(f, dir, ns))
		lose(f, dir, &flaw_frame, ns);
	else if (s->frame.type == H2_RST_STREAM || s->frame.type == H2_GOAWAY)
		on_code(f, dir, ns);
	if (s->frame.type == H2_CONTINUATION && s->frame.flags & H2_END_HEADERS)
		s->orphan = false;
}

static bool legal(const struct h2_side *s, const struct h2_frame *fr)
{
	if (!h2_frame_legal(fr))
		return false;
	if (s->block.open)
		return fr->type == H2_CONTINUATION && fr->stream == s->block.first.stream;
	return fr->type != H2_CONTINUATION || s->orphan;
}

static void frame_begin(struct flow *f, enum flow_dir dir, uint64_t ns)
{
	struct h2_side *s = side_of(f, dir);

	s->phase = H2_IN_PAYLOAD;
	s->left = s->frame.length;
	s->pad = 0;
	s->pad_unread = s->frame.type == H2_DATA && s->frame.flags & H2_PADDED && s->left;
	s->code_n = 0;
	if (s->frame.type != H2_CONTINUATION)
		s->orphan = false;
	if (is_block(s->frame.type) && !s->orphan)
		h2_block_begin(s);
	if (!s->left)
		frame_over(f, dir, ns);
}

/* A frame about a stream of which the request is perhaps still to come. */
static bool too_early(const struct flow *f, const struct h2_frame *fr)
{
	const struct h2 *h = f->h2;

	return (fr->type == H2_HEADERS || fr->type == H2_DATA || fr->type == H2_RST_STREAM) &&
	       fr->stream % 2 && fr->stream > h->last && fr->stream > h->given_up && !h->unpaired &&
	       !f->overtake && h->side[FLOW_REQUEST].phase != H2_SEEKING;
}

bool h2_must_hold(const struct flow *f)
{
	const struct h2_frame fr = {.type = H2_HEADERS, .stream = f->h2->waits_for};

	return too_early(f, &fr);
}

static size_t step_head(struct flow *f, enum flow_dir dir, const uint8_t *p, size_t n, uint64_t ns)
{
	struct h2_side *s = side_of(f, dir);
	size_t take = H2_FRAME_HEAD - s->win.n;
	struct h2_frame fr;

	if (!s->win.n) {
		s->offset = f->side[dir].next;
		s->ns = ns;
	}
	if (take > n) {
		memcpy(s->win.p + s->win.n, p, n);
		s->win.n += n;
		return n;
	}
	memcpy(s->win.p + s->win.n, p, take);
	if (dir == FLOW_REQUEST && !memcmp(s->win.p, h2_preface, H2_FRAME_HEAD)) {
		s->preface_n = H2_FRAME_HEAD;
		h2_restart(f, ns);
		return take;
	}
	fr = h2_frame_of(s->win.p);
	if (dir == FLOW_RESPONSE && too_early(f, &fr)) {
		f->h2->waits_for = fr.stream;
		return 0;
	}
	f->h2->waits_for = 0;
	if (!legal(s, &fr)) {
		lose(f, dir, &flaw_frame, ns);
		return take;
	}
	s->frame = fr;
	frame_begin(f, dir, ns);
	return take;
}

static size_t step_data(struct flow *f, enum flow_dir dir, const uint8_t *p, size_t n, uint64_t ns)
{
	struct h2_side *s = side_of(f, dir);

	if (s->pad_unread) {
		s->pad_unread = false;
		s->pad = *p;
		s->left--;
		if (s->pad > s->left) {
			lose(f, dir, &flaw_frame, ns);
			return 1;
		}
		n = 1;
	} else if (s->left > s->pad) {
		n = n < s->left - s->pad ? n : s->left - s->pad;
		s->left -= n;
		h2_on_data(f, dir, s->frame.stream, p, n, ns);
	} else {
		n = n < s->left ? n : s->left;
		s->left -= n;
	}
	return n;
}

static size_t step_payload(struct flow *f, enum flow_dir dir, const uint8_t *p, size_t n,
			   uint64_t ns)
{
	struct h2_side *s = side_of(f, dir);

	if (s->frame.type == H2_DATA) {
		n = step_data(f, dir, p, n, ns);
		if (s->phase != H2_IN_PAYLOAD)
			return n;
	} else {
		n = n < s->left ? n : s->left;
		if (is_block(s->frame.type) && s->block.open) {
			if (n == s->left && h2_block_in_place(f, dir, p, ns)) {
				s->phase = H2_IN_HEAD;
				s->win.n = 0;
				return n;
			}
			h2_block_bytes(f, dir, p, n);
		}
		for (size_t i = 0; i < n && s->code_n < sizeof(s->code); i++)
			s->code[s->code_n++] = p[i];
		s->left -= n;
	}
	if (!s->left)
		frame_over(f, dir, ns);
	return n;
}

static size_t step_preface(struct flow *f, enum flow_dir dir, const uint8_t *p, size_t n,
			   uint64_t ns)
{
	struct h2_side *s = side_of(f, dir);
	size_t take = 0;

	while (take < n && s->preface_n < H2_PREFACE_LEN && p[take] == h2_preface[s->preface_n]) {
		take++;
		s->preface_n++;
	}
	if (s->preface_n == H2_PREFACE_LEN) {
		s->phase = H2_IN_HEAD;
		s->win.n = 0;
	} else if (take < n) {
		lose(f, dir, &flaw_frame, ns);
	}
	return take;
}

static size_t step_seek(struct flow *f, enum flow_dir dir, const uint8_t *p, size_t n, uint64_t ns)
{
	struct h2 *h = f->h2;
	struct h2_side *s = side_of(f, dir);
	uint32_t most = h->last ? h->last + 8192 : 0;
	size_t used;

	if (!h2_seek(&s->win, dir, most, p, n, &used))
		return n;
	s->offset = f->side[dir].next + used - H2_FRAME_HEAD;
	s->ns = ns;
	if (dir == FLOW_REQUEST && !memcmp(s->win.p, h2_preface, H2_FRAME_HEAD)) {
		s->preface_n = H2_FRAME_HEAD;
		h2_restart(f, ns);
		return used;
	}
	s->frame = h2_frame_of(s->win.p);
	frame_begin(f, dir, ns);
	return used;
}

/* --- interface ---------------------------------------------------------------------------------- */

size_t h2_step(struct flow *f, enum flow_dir dir, const uint8_t *p, size_t n, uint64_t ns)
{
	switch (side_of(f, dir)->phase) {
	case H2_IN_PREFACE:
		return step_preface(f, dir, p, n, ns);
	case H2_IN_HEAD:
		return step_head(f, dir, p, n, ns);
	case H2_IN_PAYLOAD:
		return step_payload(f, dir, p, n, ns);
	default:
		return step_seek(f, dir, p, n, ns);
	}
}

/* In a frame's payload: whether its end is still known. */
static bool gap_in_payload(struct flow *f, enum flow_dir dir, uint64_t n, uint64_t ns)
{
	struct h2_side *s = side_of(f, dir);
	uint32_t content = s->left - s->pad, most = n < s->left ? n : s->left;

	if (s->frame.type == H2_DATA) {
		/* How much padding there is may be what is missing. */
		s->pad_unread = false;
		if (content)
			h2_on_gap(f, dir, s->frame.stream, most < content ? most : content);
		if (most > content)
			s->pad -= most - content;
	} else if (is_block(s->frame.type) && s->block.open) {
		h2_block_lose(&s->block, &flaw_block);
	}
	s->left -= most;
	if (n > most)
		return false;
	if (!s->left)
		frame_over(f, dir, ns);
	return true;
}

void h2_gap(struct flow *f, enum flow_dir dir, uint64_t n, uint64_t ns)
{
	struct h2_side *s = side_of(f, dir);

	if (s->phase == H2_IN_PAYLOAD && gap_in_payload(f, dir, n, ns))
		return;
	if (!f->ignored)
		lose(f, dir, &flaw_missing[dir], ns);
}

static int side_begin(struct h2_side *s, bool late)
{
	struct hpack *hpack = hpack_new(late);

	if (!hpack)
		return -ENOMEM;
	h2_block_free(s);
	hpack_free(s->hpack);
	*s = (struct h2_side){
		.phase = late ? H2_SEEKING : H2_IN_HEAD,
		.orphan = late,
		.hpack = hpack,
		.unknown = flaw_late,
	};
	return 0;
}

void h2_free(struct h2 *h)
{
	if (!h)
		return;
	while (h->count)
		exchange_free(h->streams[--h->count].x);
	for (unsigned dir = 0; dir < 2; dir++) {
		h2_block_free(&h->side[dir]);
		hpack_free(h->side[dir].hpack);
	}
	free(h->streams);
	free(h);
}
DEFINE_CLEANUP(struct h2, h2_free)

int h2_begin(struct flow *f, bool late, unsigned preface_n)
{
	_cleanup_(h2_freep) struct h2 *h = calloc(1, sizeof(*h));

	if (!h || side_begin(&h->side[FLOW_REQUEST], late) ||
	    side_begin(&h->side[FLOW_RESPONSE], late)) {
		f->ignored = true;
		return -ENOMEM;
	}
	h->unpaired = late;
	if (!late) {
		h->side[FLOW_REQUEST].phase = H2_IN_PREFACE;
		h->side[FLOW_REQUEST].preface_n = preface_n;
	}
	head_drop(&f->side[FLOW_REQUEST]);
	head_drop(&f->side[FLOW_RESPONSE]);
	f->overtake = f->deaf = f->ignored = false;
	f->h2 = TAKE_PTR(h);
	return 0;
}

void h2_upgraded(struct flow *f, struct exchange *x)
{
	if (h2_begin(f, false, 0)) {
		exchange_free(x);
		return;
	}
	f->h2->last = 1;
	f->h2->streams = malloc(sizeof(*f->h2->streams));
	if (!f->h2->streams) {
		exchange_free(x);
		return;
	}
	if (x->it) {
		TEXT_SET(x->it->http_version, "2", 1);
		x->it->stream_id = 1;
	}
	f->h2->streams[0] = (struct h2_stream){.id = 1, .x = x};
	f->h2->count = f->h2->cap = 1;
}

void h2_restart(struct flow *f, uint64_t ns)
{
	struct h2 *h = f->h2;
	struct h2_side *s = &h->side[FLOW_REQUEST];
	uint8_t preface_n = s->preface_n;

	h2_all_over(f, "connection began anew", ns);
	if (side_begin(s, false) || side_begin(&h->side[FLOW_RESPONSE], false)) {
		f->ignored = true;
		return;
	}
	s->phase = H2_IN_PREFACE;
	s->preface_n = preface_n;
	h->last = h->given_up = h->waits_for = 0;
	h->unpaired = false;
}

bool h2_busy(const struct h2 *h)
{
	const struct h2_side *s = &h->side[FLOW_REQUEST];

	return h->count || s->block.open || (s->phase == H2_IN_HEAD && s->win.n);
}

void h2_close(struct flow *f, uint64_t ns)
{
	h2_all_over(f, NULL, ns);
}
