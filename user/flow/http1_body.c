// SPDX-License-Identifier: Apache-2.0
/*
 * Where a body ends: message bytes in, runs of body bytes out, never copied.
 *
 * Bodies are framed by length, by chunks, or by the end of the connection. Chunk sizes come with
 * extensions, trailers follow the last chunk; both are skipped, and more than HTTP1_HEAD_MAX of
 * them in one body is BAD. When bytes are missing inside a chunk of known size the count goes on;
 * otherwise the chunk border is searched: CRLF, hex digits, CRLF. Until it is found no byte is
 * given out, since what is size and what is body is not known. A border found so is a guess (the gap
 * may have ended inside a number): when what follows does not bear it out the search goes on, and
 * a guessed end of the body must be followed by its empty line at once.
 */
#include "http1.h"

#include <string.h>

#define DIGITS_MAX 15 /* hex digits of a chunk size; more would not be a real length */

enum state {
	SIZE,	  /* hex digits */
	SIZE_EXT, /* the rest of the size's line */
	DATA,	  /* remaining bytes of the chunk */
	DATA_CR,  /* CR LF, or LF, after it */
	DATA_LF,
	TRAILER,    /* at the start of a line after the last chunk */
	TRAILER_CR, /* CR at that place */
	TRAILER_LINE,
	OVER,
	/* Border lost: */
	LOST,	     /* anything */
	LOST_CR,     /* after CR */
	LOST_SIZE,   /* after CR LF, or at the first byte after the gap */
	LOST_SIZE_CR /* after CR LF digits CR */
};

void http1_body_init(struct http1_body *b, bool request, const struct http1_head *h, bool to_head)
{
	*b = (struct http1_body){.mode = HTTP1_NONE};
	if (!request && (to_head || h->status < 200 || h->status == 204 || h->status == 304))
		return;
	if (h->chunked) /* wins over Content-Length, RFC 9112 6.3 */
		b->mode = HTTP1_CHUNKED;
	else if (h->has_length && !h->has_transfer)
		*b = (struct http1_body){.mode = HTTP1_LENGTH, .remaining = h->length};
	else if (!request)
		b->mode = HTTP1_CLOSE;
}

bool http1_body_over(const struct http1_body *b)
{
	switch (b->mode) {
	case HTTP1_LENGTH:
		return !b->remaining;
	case HTTP1_CHUNKED:
		return b->state == OVER;
	case HTTP1_CLOSE:
		return false;
	default:
		return true;
	}
}

bool http1_body_lost(const struct http1_body *b)
{
	return b->mode == HTTP1_CHUNKED && b->state >= LOST;
}

static int hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void size_start(struct http1_body *b, enum state s)
{
	b->state = s;
	b->remaining = 0;
	b->digits = 0;
}

static void size_end(struct http1_body *b)
{
	b->state = b->remaining ? DATA : TRAILER;
}

static bool size_digit(struct http1_body *b, int v)
{
	b->remaining = b->remaining << 4 | v;
	return ++b->digits <= DIGITS_MAX;
}

static bool in_size(struct http1_body *b, uint8_t c)
{
	int v = hex(c);

	if (v >= 0)
		return size_digit(b, v);
	if (!b->digits)
		return false;
	if (c == '\n')
		size_end(b);
	else if (c == '\r' || c == ';' || c == ' ' || c == '\t')
		b->state = SIZE_EXT;
	else
		return false;
	return true;
}

static void in_lost(struct http1_body *b, uint8_t c)
{
	int v = hex(c);

	if (b->state == LOST_SIZE && v >= 0 && size_digit(b, v))
		return;
	if (b->state == LOST_SIZE_CR && c == '\n')
		size_end(b);
	else if (c == '\r')
		b->state = b->state == LOST_SIZE && b->digits ? LOST_SIZE_CR : LOST_CR;
	else if (b->state == LOST_CR && c == '\n')
		size_start(b, LOST_SIZE);
	else
		b->state = LOST;
}

static bool in_trailer(struct http1_body *b, uint8_t c)
{
	if (b->guessed && c != '\n' && (c != '\r' || b->state != TRAILER))
		return false;
	if (c == '\n')
		b->state = b->state == TRAILER_LINE ? TRAILER : OVER;
	else if (b->state == TRAILER && c == '\r')
		b->state = TRAILER_CR;
	else
		b->state = TRAILER_LINE;
	return ++b->junk <= HTTP1_HEAD_MAX;
}

/* One byte that is not body; false when it breaks the syntax. */
static bool chunk_byte(struct http1_body *b, uint8_t c)
{
	switch ((enum state)b->state) {
	case SIZE:
		return in_size(b, c);
	case SIZE_EXT:
		if (c == '\n')
			size_end(b);
		return ++b->junk <= HTTP1_HEAD_MAX;
	case DATA_CR:
	case DATA_LF:
		if (c == '\n')
			size_start(b, SIZE);
		else if (c == '\r' && b->state == DATA_CR)
			b->state = DATA_LF;
		else
			return false;
		return true;
	case TRAILER:
	case TRAILER_CR:
	case TRAILER_LINE:
		return in_trailer(b, c);
	default:
		in_lost(b, c);
		return true;
	}
}

static void give(struct http1_body *b, const uint8_t *p, size_t n, const uint8_t **ret_data,
		 size_t *ret_n, size_t *ret_used)
{
	size_t run = b->mode != HTTP1_CLOSE && b->remaining < n ? b->remaining : n;

	if (b->mode != HTTP1_CLOSE)
		b->remaining -= run;
	*ret_data = p;
	*ret_n = run;
	*ret_used += run;
}

enum http1_answer http1_body_step(struct http1_body *b, const uint8_t *p, size_t n,
				  size_t *ret_used, const uint8_t **ret_data, size_t *ret_n)
{
	size_t used = 0;

	*ret_n = 0;
	if (b->mode == HTTP1_CHUNKED) {
		while (used < n && b->state != DATA && b->state != OVER) {
			if (chunk_byte(b, p[used++]))
				continue;
			if (!b->guessed)
				return HTTP1_BAD;
			b->state = LOST;
			in_lost(b, p[used - 1]);
		}
		if (used < n && b->state == DATA)
			give(b, p + used, n - used, ret_data, ret_n, &used);
		if (b->state == DATA && !b->remaining)
			b->state = DATA_CR;
	} else if (b->mode != HTTP1_NONE) {
		give(b, p, n, ret_data, ret_n, &used);
	}
	*ret_used = used;
	return http1_body_over(b) ? HTTP1_OK : HTTP1_MORE;
}

enum http1_answer http1_body_gap(struct http1_body *b, uint64_t n)
{
	if (b->mode == HTTP1_CLOSE)
		return HTTP1_OK;
	if (b->mode == HTTP1_LENGTH || (b->mode == HTTP1_CHUNKED && b->state == DATA)) {
		if (n <= b->remaining) {
			b->remaining -= n;
			if (b->mode == HTTP1_CHUNKED && !b->remaining)
				b->state = DATA_CR;
			return HTTP1_OK;
		}
	}
	if (b->mode != HTTP1_CHUNKED || b->state == OVER)
		return HTTP1_BAD;
	size_start(b, LOST_SIZE);
	b->guessed = true;
	return HTTP1_MORE;
}
