// SPDX-License-Identifier: Apache-2.0
/*
 * prelude (lengths, checksum) → headers → payload → checksum, over and over.
 *
 * Payloads are given as they come, so a wrong checksum at an event's end is told after its
 * document; a wrong one in a prelude means that the place in the stream is lost. Then, and after a
 * gap, every byte may begin an event: the prelude's checksum says which one does.
 *
 * Nothing is held but a prelude, the first EVENTSTREAM_HEADERS bytes of an event's headers, and
 * three bytes of base64.
 */
#include "eventstream.h"

#include <string.h>
#include <zlib.h>

#include "base/reader.h"

enum state { IN_PRELUDE, IN_HEADERS, IN_PAYLOAD, IN_CHECKSUM, SEEKING };

#define MINIMUM 16 /* an event without headers and payload */

void eventstream_init(struct eventstream *s, const struct eventstream_sink *sink)
{
	memset(s, 0, sizeof(*s));
	s->sink = sink;
}

/* --- headers --------------------------------------------------------------------------------- */

struct header {
	const char *name, *value;
	size_t name_n, value_n;
};

static bool next_header(struct reader *r, struct header *h)
{
	/* by type: true, false, byte, short, int, long, bytes, string, time, uuid */
	static const uint8_t sizes[] = {0, 0, 1, 2, 4, 8, 0, 0, 8, 16};
	uint8_t type;

	h->name_n = reader_u8(r);
	h->name = (const char *)reader_take(r, h->name_n);
	type = reader_u8(r);
	if (type >= sizeof(sizes))
		return false;
	h->value_n = type == 6 || type == 7 ? reader_u16(r) : sizes[type];
	h->value = (const char *)reader_take(r, h->value_n);
	return !r->bad;
}

static bool is(const char *s, size_t n, const char *text)
{
	return n == strlen(text) && !memcmp(s, text, n);
}

static void keep(char *dst, size_t cap, const struct header *h)
{
	size_t n = h->value_n < cap - 1 ? h->value_n : cap - 1;

	memcpy(dst, h->value, n);
	dst[n] = '\0';
}

static void json_event(void *ctx, enum json_event ev, const char *p, size_t n);

static void read_headers(struct eventstream *s)
{
	struct reader r = reader_of(s->headers, s->headers_n);
	char fault[64] = "";
	bool event = true;
	struct header h;

	*s->event = '\0';
	s->skip = false;
	while (reader_left(&r) && next_header(&r, &h)) {
		if (is(h.name, h.name_n, ":event-type"))
			keep(s->event, sizeof(s->event), &h);
		else if (is(h.name, h.name_n, ":exception-type") ||
			 is(h.name, h.name_n, ":error-code"))
			keep(fault, sizeof(fault), &h);
		else if (is(h.name, h.name_n, ":message-type"))
			event = is(h.value, h.value_n, "event");
		else if (is(h.name, h.name_n, ":content-type"))
			s->skip = !is(h.value, h.value_n, "application/json");
	}
	if (*fault || !event)
		s->sink->fault(s->sink->doc.ctx, *fault ? fault : "error");
	s->skip |= *fault || !event;
	s->chunk = !strcmp(s->event, "chunk");
	if (!s->chunk)
		return;
	json_init(&s->json, json_event, s, false);
	s->in_bytes = false;
	s->bits_n = 0;
}

/* --- payload --------------------------------------------------------------------------------- */

static void give(struct eventstream *s, const uint8_t *p, size_t n)
{
	if (!n || s->skip)
		return;
	if (!s->open)
		s->sink->doc.begin(s->sink->doc.ctx, *s->event ? s->event : NULL);
	s->open = true;
	s->sink->doc.data(s->sink->doc.ctx, p, n);
}

static int base64(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

static void unpack(struct eventstream *s, const char *p, size_t n)
{
	uint8_t out[256];
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		int v = base64(p[i]);

		if (v < 0) /* padding */
			continue;
		s->bits = s->bits << 6 | (uint32_t)v;
		s->bits_n += 6;
		if (s->bits_n < 8)
			continue;
		s->bits_n -= 8;
		out[used++] = (uint8_t)(s->bits >> s->bits_n);
		if (used == sizeof(out)) {
			give(s, out, used);
			used = 0;
		}
	}
	give(s, out, used);
}

static void json_event(void *ctx, enum json_event ev, const char *p, size_t n)
{
	struct eventstream *s = ctx;

	if (ev == JSON_KEY)
		s->in_bytes = s->json.depth == 1 && p && is(p, n, "bytes");
	else if (ev == JSON_STRING && s->in_bytes)
		unpack(s, p, n);
	else if (ev != JSON_STRING)
		s->in_bytes = false;
}

static void payload(struct eventstream *s, const uint8_t *p, size_t n)
{
	if (!s->chunk)
		give(s, p, n);
	else
		json_feed(&s->json, p, n);
}

static void close_doc(struct eventstream *s, bool cut)
{
	if (s->open)
		s->sink->doc.end(s->sink->doc.ctx, cut);
	s->open = false;
}

/* --- framing --------------------------------------------------------------------------------- */

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool prelude_is_good(const uint8_t *p)
{
	uint32_t total = be32(p), headers = be32(p + 4);

	return total >= MINIMUM && total <= EVENTSTREAM_MAX && headers <= total - MINIMUM &&
	       crc32(0, p, 8) == be32(p + 8);
}

static void seek(struct eventstream *s)
{
	close_doc(s, true);
	s->state = SEEKING;
}

static void begin_event(struct eventstream *s)
{
	uint32_t headers = be32(s->prelude + 4);

	s->crc = (uint32_t)crc32(0, s->prelude, EVENTSTREAM_PRELUDE);
	s->payload = be32(s->prelude) - headers - MINIMUM;
	s->left = headers;
	s->headers_n = 0;
	s->prelude_n = 0;
	s->state = IN_HEADERS;
}

static void prelude_byte(struct eventstream *s, uint8_t c)
{
	if (s->prelude_n == EVENTSTREAM_PRELUDE)
		memmove(s->prelude, s->prelude + 1, --s->prelude_n);
	s->prelude[s->prelude_n++] = c;
	if (s->prelude_n < EVENTSTREAM_PRELUDE)
		return;
	if (prelude_is_good(s->prelude)) {
		begin_event(s);
	} else if (s->state == IN_PRELUDE) {
		s->sink->bad(s->sink->doc.ctx, "event stream framing is broken");
		s->state = SEEKING;
	}
}

/* Enters the next part as soon as the one before is over, also when it is empty. */
static void advance(struct eventstream *s)
{
	if (s->state == IN_HEADERS && !s->left) {
		read_headers(s);
		s->left = s->payload;
		s->state = IN_PAYLOAD;
	}
	if (s->state == IN_PAYLOAD && !s->left) {
		s->left = 4;
		s->state = IN_CHECKSUM;
	} else if (s->state == IN_CHECKSUM && !s->left) {
		bool good = be32(s->headers) == s->crc;

		if (!good)
			s->sink->bad(s->sink->doc.ctx, "event stream checksum is wrong");
		close_doc(s, !good);
		s->prelude_n = 0;
		s->state = IN_PRELUDE;
	}
}

static void part(struct eventstream *s, const uint8_t *p, size_t n)
{
	size_t room;

	if (s->state == IN_CHECKSUM) {
		memcpy(s->headers + 4 - s->left, p, n); /* the headers have been read */
		return;
	}
	s->crc = (uint32_t)crc32(s->crc, p, (uInt)n);
	if (s->state == IN_PAYLOAD) {
		payload(s, p, n);
		return;
	}
	room = sizeof(s->headers) - s->headers_n;
	memcpy(s->headers + s->headers_n, p, n < room ? n : room);
	s->headers_n += (uint16_t)(n < room ? n : room);
}

void eventstream_data(struct eventstream *s, const uint8_t *p, size_t n)
{
	while (n) {
		size_t used = s->left < n ? s->left : n;

		if (s->state == IN_PRELUDE || s->state == SEEKING) {
			prelude_byte(s, *p);
			used = 1;
		} else {
			part(s, p, used);
			s->left -= (uint32_t)used;
		}
		p += used;
		n -= used;
		advance(s);
	}
}

void eventstream_gap(struct eventstream *s)
{
	seek(s);
	s->prelude_n = 0;
}

bool eventstream_end(struct eventstream *s, bool cut)
{
	bool between = s->state == IN_PRELUDE && !s->prelude_n;

	close_doc(s, true);
	s->state = SEEKING;
	s->prelude_n = 0;
	return between;
}
