// SPDX-License-Identifier: Apache-2.0
/*
 * head → payload → unmask → inflate → message, across fragments, with control frames between them.
 *
 * Missing bytes inside a frame are counted and the frame goes on; its message is cut there. Any
 * other gap loses the place: nothing inside a masked frame shows where it ends. Senders write a
 * frame at a time, so the begin of each further chunk is tried (ws_frame_plausible) and the rest
 * of a chunk that does not fit is missing too.
 *
 * Inflate: a message refers to the ones before it unless "no context takeover" was agreed. Once
 * one of them was not seen, inflate begins with an empty window. zlib refuses to look beyond it,
 * so what comes out is right, and a message that refers to what is lost ends there, undecodable.
 *
 * Memory: one head and zlib's window (32 KiB and its tables). A message over FLOW_BODY_MAX plain
 * bytes is not read on, so that a bomb costs one buffer at a time.
 */
#include "ws_reader.h"

#include <string.h>

#include "flow.h"

#define PIECE 4096 /* plain bytes at a time, on the stack */

static const struct ws_flaw
	missing = {GAP, "bytes of a WebSocket message are missing"},
	broken = {UNDECODABLE, "WebSocket framing is broken"},
	bad_deflate = {UNDECODABLE, "WebSocket compression is broken"},
	no_context = {UNDECODABLE, "WebSocket compression refers to what was not seen"},
	too_large = {TRUNCATED, "WebSocket message is larger than the 16 MiB that are read"},
	cut = {TRUNCATED, "a WebSocket message ends early"},
	no_memory = {UNDECODABLE, "out of memory"};

void ws_reader_init(struct ws_reader *r, const struct ws_sink *sink, bool client,
		    const struct ws_deflate *deflate)
{
	*r = (struct ws_reader){.sink = sink,
				.client = client,
				.deflate = deflate->on,
				.no_context = deflate->no_context[client ? 0 : 1]};
}

void ws_reader_exit(struct ws_reader *r)
{
	if (r->inflating)
		inflateEnd(&r->z);
	r->inflating = false;
}

/* --- messages -------------------------------------------------------------------------------- */

static void flawed(struct ws_reader *r, const struct ws_flaw *flaw)
{
	if (!r->flaw)
		r->flaw = flaw;
	r->restart |= r->packed;
}

static void give(struct ws_reader *r, const uint8_t *p, size_t n, const struct flow_masked *at)
{
	if (n > FLOW_BODY_MAX - r->plain) {
		n = FLOW_BODY_MAX - r->plain;
		flawed(r, &too_large);
	}
	r->plain += n;
	if (n)
		r->sink->data(r->sink->ctx, p, n, at);
}

/* The stream may end inside a message and go on with what came before in its window. */
static bool inflate_again(struct ws_reader *r)
{
	uint8_t window[32768];
	uInt n = 0;

	return inflateGetDictionary(&r->z, window, &n) == Z_OK && inflateReset(&r->z) == Z_OK &&
	       inflateSetDictionary(&r->z, window, n) == Z_OK;
}

static void inflate_some(struct ws_reader *r, const uint8_t *p, size_t n)
{
	uint8_t out[PIECE];
	int e = Z_OK;

	r->z.next_in = (Bytef *)p;
	r->z.avail_in = (uInt)n;
	do {
		r->z.next_out = out;
		r->z.avail_out = sizeof(out);
		e = inflate(&r->z, Z_SYNC_FLUSH);
		if (e == Z_OK || e == Z_STREAM_END || e == Z_BUF_ERROR)
			give(r, out, sizeof(out) - r->z.avail_out, NULL);
		else
			flawed(r, e == Z_MEM_ERROR ? &no_memory
				  : r->stale	   ? &no_context
						   : &bad_deflate);
		if (e == Z_STREAM_END && r->z.avail_in && !inflate_again(r))
			flawed(r, &no_memory);
	} while (!r->flaw && e != Z_BUF_ERROR && (r->z.avail_in || !r->z.avail_out));
}

static void payload(struct ws_reader *r, const uint8_t *p, size_t n, const struct flow_masked *at)
{
	if (r->flaw)
		return;
	if (!r->packed)
		give(r, p, n, at);
	else
		inflate_some(r, p, n);
}

static void inflate_begin(struct ws_reader *r)
{
	r->stale |= r->restart;
	if (!r->inflating)
		r->inflating = inflateInit2(&r->z, -15) == Z_OK;
	else if (r->no_context || r->restart)
		inflateReset2(&r->z, -15);
	r->restart = false;
	if (r->no_context)
		r->stale = false;
	if (!r->inflating)
		flawed(r, &no_memory);
}

static void message_begin(struct ws_reader *r)
{
	r->open = true;
	r->packed = r->frame.rsv1;
	r->flaw = NULL;
	r->plain = 0;
	r->sink->begin(r->sink->ctx, r->head_offset, r->frame.opcode == WS_TEXT);
	if (r->packed)
		inflate_begin(r);
}

static void message_end(struct ws_reader *r)
{
	static const uint8_t tail[4] = {0, 0, 0xff, 0xff};

	if (!r->open)
		return;
	if (r->packed && !r->flaw)
		inflate_some(r, tail, sizeof(tail));
	r->open = false;
	r->sink->end(r->sink->ctx, r->flaw);
}

static void lose(struct ws_reader *r, const struct ws_flaw *flaw)
{
	bool inside = r->open;

	if (inside)
		flawed(r, flaw);
	message_end(r);
	r->restart |= r->deflate;
	r->head_n = 0;
	r->state = WS_LOST;
	r->sink->lost(r->sink->ctx, flaw);
}

/* --- frames ---------------------------------------------------------------------------------- */

static bool is_control(const struct ws_reader *r)
{
	return r->frame.opcode & 8;
}

static void frame_over(struct ws_reader *r)
{
	r->state = WS_AT_HEAD;
	r->head_n = 0;
	if (!is_control(r)) {
		if (r->frame.fin)
			message_end(r);
	} else if (r->frame.opcode == WS_CLOSE) {
		r->sink->close(r->sink->ctx,
			       r->frame.len >= 2 ? r->control[0] << 8 | r->control[1] : 0);
	}
}

static void frame_begin(struct ws_reader *r)
{
	bool goes_on = r->frame.opcode == WS_CONTINUE;

	r->state = WS_IN_PAYLOAD;
	r->at = 0;
	memset(r->control, 0, sizeof(r->control));
	if (!is_control(r)) {
		if (!goes_on && r->open) { /* no sender begins one inside another */
			flawed(r, &cut);
			message_end(r);
		}
		if (!goes_on) {
			message_begin(r);
		} else if (!r->open) { /* its beginning was lost */
			r->frame.rsv1 = false;
			message_begin(r);
			flawed(r, &missing);
		}
	}
	if (!r->frame.len)
		frame_over(r);
}

static void frame_payload(struct ws_reader *r, const uint8_t *p, size_t n)
{
	uint8_t plain[PIECE];

	if (is_control(r)) {
		for (size_t i = 0; i < n && r->at + i < sizeof(r->control); i++)
			ws_unmask(&r->frame, r->at + i, &r->control[r->at + i], p + i, 1);
		r->at += n;
		return;
	}
	r->sink->wire(r->sink->ctx, n);
	if (!r->frame.masked)
		payload(r, p, n, NULL);
	for (size_t done = 0, len; r->frame.masked && done < n; done += len) {
		const struct flow_masked at = {.offset = r->offset + done, .head = r->head_offset};

		len = n - done < PIECE ? n - done : PIECE;
		ws_unmask(&r->frame, r->at + done, plain, p + done, len);
		payload(r, plain, len, &at);
	}
	r->at += n;
}

/* Takes what it needs of the head; gives how many bytes. */
static size_t frame_head(struct ws_reader *r, const uint8_t *p, size_t n)
{
	size_t old = r->head_n, take = sizeof(r->head) - old, used = 0;
	enum ws_answer a;

	if (take > n)
		take = n;
	if (!old)
		r->head_offset = r->offset;
	memcpy(r->head + old, p, take);
	r->head_n += take;
	a = ws_frame_parse(r->client, r->deflate, r->head, r->head_n, &r->frame, &used);
	if (a == WS_MORE)
		return take;
	if (a == WS_BAD) {
		lose(r, &broken);
		return n;
	}
	frame_begin(r);
	return used - old;
}

void ws_reader_data(struct ws_reader *r, const uint8_t *p, size_t n)
{
	if (r->state == WS_LOST) {
		if (!ws_frame_plausible(r->client, r->deflate, p, n)) {
			r->offset += n;
			r->sink->lost(r->sink->ctx, &missing);
			return;
		}
		r->state = WS_AT_HEAD;
	}
	while (n) {
		uint64_t left = r->frame.len - r->at;
		size_t used = left < n ? (size_t)left : n;

		if (r->state == WS_LOST)
			used = n; /* this chunk's rest is not readable */
		else if (r->state == WS_AT_HEAD)
			used = frame_head(r, p, n);
		else
			frame_payload(r, p, used);
		r->offset += used;
		p += used;
		n -= used;
		if (r->state == WS_IN_PAYLOAD && r->at == r->frame.len)
			frame_over(r);
	}
}

void ws_reader_gap(struct ws_reader *r, uint64_t n)
{
	r->offset += n;
	if (r->state == WS_LOST)
		return;
	if (r->state != WS_IN_PAYLOAD || n > r->frame.len - r->at) {
		if (r->state == WS_IN_PAYLOAD && !is_control(r))
			r->sink->wire(r->sink->ctx, r->frame.len - r->at);
		lose(r, &missing);
		return;
	}
	r->at += n;
	if (!is_control(r)) {
		r->sink->wire(r->sink->ctx, n);
		flawed(r, &missing);
	}
	if (r->at == r->frame.len)
		frame_over(r);
}

void ws_reader_end(struct ws_reader *r, const struct ws_flaw *flaw)
{
	if (r->open)
		flawed(r, flaw);
	message_end(r);
}

void ws_reader_lose(struct ws_reader *r)
{
	r->state = WS_LOST;
	r->restart |= r->deflate;
}
