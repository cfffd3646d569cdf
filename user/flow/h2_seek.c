// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes of which the place in the stream is not known in, the next frame's place out.
 *
 * Nine bytes are a frame's head if they are legal and usual: no reserved bit, only flags that the
 * type has, a length that the type allows, a stream the client opened or could open soon. Random
 * bytes pass about once in 10^9, and text never does, as it has no NUL. What follows in the same
 * chunk must agree: up to RUN_MAX frames, each beginning where the one before ends.
 *
 * Only the last eight bytes are kept between chunks; nothing is allocated.
 */
#include <string.h>

#include "h2.h"

#define RUN_MAX 4
#define USUAL_LENGTH_MAX (1u << 18)
#define USUAL_STREAM_MAX (1u << 20)
#define SETTINGS_MAX (64 * 6)

const uint8_t h2_preface[H2_PREFACE_LEN] = {
	'P', 'R', 'I',	' ',  '*',  ' ',  'H', 'T', 'T',  'P',	'/',  '2',
	'.', '0', '\r', '\n', '\r', '\n', 'S', 'M', '\r', '\n', '\r', '\n',
};

struct h2_frame h2_frame_of(const uint8_t p[H2_FRAME_HEAD])
{
	return (struct h2_frame){
		.length = (uint32_t)p[0] << 16 | p[1] << 8 | p[2],
		.type = p[3],
		.flags = p[4],
		.stream = ((uint32_t)p[5] << 24 | p[6] << 16 | p[7] << 8 | p[8]) & 0x7fffffff,
	};
}

enum on { ON_STREAM, ON_CONNECTION, ON_ANY };

static const struct kind {
	uint8_t flags; /* that it has */
	enum on on;
	uint32_t least, most; /* of its length */
} kinds[] = {
	[H2_DATA] = {H2_END_STREAM | H2_PADDED, ON_STREAM, 0, UINT32_MAX},
	[H2_HEADERS] = {H2_END_STREAM | H2_END_HEADERS | H2_PADDED | H2_HAS_PRIORITY, ON_STREAM, 0,
			UINT32_MAX},
	[H2_PRIORITY] = {0, ON_STREAM, 5, 5},
	[H2_RST_STREAM] = {0, ON_STREAM, 4, 4},
	[H2_SETTINGS] = {H2_ACK, ON_CONNECTION, 0, UINT32_MAX},
	[H2_PUSH_PROMISE] = {H2_END_HEADERS | H2_PADDED, ON_STREAM, 4, UINT32_MAX},
	[H2_PING] = {H2_ACK, ON_CONNECTION, 8, 8},
	[H2_GOAWAY] = {0, ON_CONNECTION, 8, UINT32_MAX},
	[H2_WINDOW_UPDATE] = {0, ON_ANY, 4, 4},
	[H2_CONTINUATION] = {H2_END_HEADERS, ON_STREAM, 0, UINT32_MAX},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

bool h2_frame_legal(const struct h2_frame *fr)
{
	const struct kind *k;

	if (fr->type >= KINDS)
		return true; /* extensions are free to be anything */
	k = &kinds[fr->type];
	if (k->on != ON_ANY && !fr->stream != (k->on == ON_CONNECTION))
		return false;
	if (fr->type == H2_SETTINGS && (fr->length % 6 || (fr->flags & H2_ACK && fr->length)))
		return false;
	return fr->length >= k->least && fr->length <= k->most;
}

static bool usual_length(const struct h2_frame *fr)
{
	switch (fr->type) {
	case H2_DATA: /* zeros are no frame */
		return fr->length ? fr->length <= USUAL_LENGTH_MAX : fr->flags == H2_END_STREAM;
	case H2_HEADERS:
	case H2_CONTINUATION:
	case H2_PUSH_PROMISE:
		return fr->length && fr->length <= H2_BLOCK_MAX;
	case H2_SETTINGS:
		return fr->length <= SETTINGS_MAX && (fr->length || fr->flags & H2_ACK);
	default:
		return fr->length <= USUAL_LENGTH_MAX;
	}
}

static bool usual(const uint8_t head[H2_FRAME_HEAD], uint32_t stream_max, bool first)
{
	struct h2_frame fr = h2_frame_of(head);

	if (head[5] & 0x80 || fr.stream > stream_max)
		return false;
	if (fr.type >= KINDS)
		return !first && (fr.type == H2_ALTSVC || fr.type == H2_ORIGIN ||
				  fr.type == H2_PRIORITY_UPDATE);
	if (fr.stream && fr.stream % 2 == 0 && fr.type != H2_RST_STREAM &&
	    fr.type != H2_WINDOW_UPDATE && fr.type != H2_PRIORITY)
		return false;
	return !(fr.flags & ~kinds[fr.type].flags) && h2_frame_legal(&fr) && usual_length(&fr);
}

/* p[0..n) is what follows head. */
static bool run_agrees(const uint8_t *head, uint32_t stream_max, const uint8_t *p, size_t n)
{
	for (unsigned i = 0; i < RUN_MAX; i++) {
		size_t len = h2_frame_of(head).length;

		if (n < len + H2_FRAME_HEAD)
			return true;
		head = p + len;
		if (!usual(head, stream_max, false))
			return false;
		p += len + H2_FRAME_HEAD;
		n -= len + H2_FRAME_HEAD;
	}
	return true;
}

/* p[0..n) is what follows head. */
static bool found(const uint8_t *head, enum flow_dir dir, uint32_t stream_max, const uint8_t *p,
		  size_t n)
{
	if (dir == FLOW_REQUEST && !memcmp(head, h2_preface, H2_FRAME_HEAD))
		return true;
	return usual(head, stream_max, true) && run_agrees(head, stream_max, p, n);
}

/* Most bytes are not the first of one: no frame so long, no such type. */
static bool may_be(const uint8_t *head)
{
	return (head[3] < KINDS && head[0] <= USUAL_LENGTH_MAX >> 16) || *head == *h2_preface;
}

bool h2_seek(struct h2_window *w, enum flow_dir dir, uint32_t stream_max, const uint8_t *p,
	     size_t n, size_t *ret_used)
{
	const size_t before = H2_FRAME_HEAD - 1;

	if (!stream_max)
		stream_max = USUAL_STREAM_MAX;
	/* Heads that begin in the bytes before p. */
	for (size_t i = 0; i < n && i < before; i++) {
		if (w->n == H2_FRAME_HEAD)
			memmove(w->p, w->p + 1, --w->n);
		w->p[w->n++] = p[i];
		if (w->n == H2_FRAME_HEAD && found(w->p, dir, stream_max, p + i + 1, n - i - 1)) {
			*ret_used = i + 1;
			return true;
		}
	}
	for (size_t i = 0; i + H2_FRAME_HEAD <= n; i++) {
		const uint8_t *after = p + i + H2_FRAME_HEAD;

		if (may_be(p + i) && found(p + i, dir, stream_max, after, p + n - after)) {
			memcpy(w->p, p + i, w->n = H2_FRAME_HEAD);
			*ret_used = i + H2_FRAME_HEAD;
			return true;
		}
	}
	if (n >= before)
		memcpy(w->p, p + n - before, w->n = before);
	return false;
}

bool h2_is_greeting(const uint8_t *p, size_t n)
{
	static const uint8_t settings[H2_FRAME_HEAD] = {0, 0, 0, H2_SETTINGS, 0, 0, 0, 0, 0};
	uint8_t head[H2_FRAME_HEAD];

	n = n < sizeof(head) ? n : sizeof(head);
	memcpy(head, p, n);
	if (n > 2 && head[2] % 6 == 0) /* the length's last two bytes are free */
		head[2] = 0;
	return n && !memcmp(head, settings, n);
}

size_t h2_detect(struct flow *f, enum flow_dir dir, const uint8_t *p, size_t n)
{
	size_t used;

	if (!h2_seek(&f->window[dir], dir, 0, p, n, &used) || h2_begin(f, true, 0))
		return 0;
	/* Its head is found once more, from its last byte on. */
	f->window[dir].n--;
	for (unsigned d = 0; d < 2; d++)
		f->h2->side[d].win = f->window[d];
	return used - 1;
}
