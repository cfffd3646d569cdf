// SPDX-License-Identifier: Apache-2.0
/*
 * Event stream in, the data of each event out as one document, as it comes: an event may be
 * larger than memory. Lines end with LF, CRLF or CR, split anywhere.
 *
 * Only field names and the event name are held, both bounded. As data is not held, the name of an
 * event counts only when it comes before its data, which is how every known sender writes it.
 * Events without data, comments, id and retry give nothing. An empty data line gives a document
 * only together with others. After a gap lines are ignored until one starts with "data" or
 * "event": nothing else tells the tail of a lost line from a new one.
 */
#include "sse.h"

#include <string.h>

enum state {
	FIELD,	     /* in the field name, perhaps before its first byte */
	COLON,	     /* just after it: one space is no data */
	DATA_VALUE,  /* in the value of "data" */
	EVENT_VALUE, /* … of "event" */
	SKIP_VALUE,  /* … of anything else */
};

static const uint8_t bom[3] = {0xef, 0xbb, 0xbf};

void sse_init(struct sse *s, const struct doc_sink *sink)
{
	*s = (struct sse){.sink = sink};
}

static void give(struct sse *s, const uint8_t *p, size_t n)
{
	if (!n)
		return;
	if (!s->open) {
		s->event[s->event_n] = '\0';
		s->sink->begin(s->sink->ctx, s->event_n ? s->event : NULL);
	}
	s->open = true;
	s->sink->data(s->sink->ctx, p, n);
}

static void end_event(struct sse *s, bool cut)
{
	if (s->open)
		s->sink->end(s->sink->ctx, cut);
	s->open = s->has_data = false;
	s->event_n = 0;
}

static bool field_is(const struct sse *s, const char *name)
{
	return s->field_n == strlen(name) && !memcmp(s->field, name, s->field_n);
}

/* The field name is whole: choose what its value is. */
static void field_done(struct sse *s)
{
	bool data = field_is(s, "data"), event = field_is(s, "event");

	if (data || event)
		s->in_doubt = false;
	if (s->in_doubt || (!data && !event)) {
		s->state = SKIP_VALUE;
	} else if (data) {
		if (s->has_data)
			give(s, (const uint8_t *)"\n", 1);
		s->has_data = true;
		s->state = DATA_VALUE;
	} else {
		s->event_n = 0;
		s->state = EVENT_VALUE;
	}
}

static void line_end(struct sse *s)
{
	if (s->state == FIELD && s->field_n)
		field_done(s); /* a name alone has an empty value */
	else if (s->state == FIELD && !s->in_doubt)
		end_event(s, false);
	s->state = FIELD;
	s->field_n = 0;
}

/* Bytes of a value up to the line's end or the end of p; gives how many. */
static size_t value(struct sse *s, const uint8_t *p, size_t n)
{
	const uint8_t *lf = memchr(p, '\n', n);
	const uint8_t *cr = memchr(p, '\r', lf ? (size_t)(lf - p) : n);
	size_t len = cr ? (size_t)(cr - p) : lf ? (size_t)(lf - p) : n;

	if (s->state == DATA_VALUE)
		give(s, p, len);
	for (size_t i = 0; s->state == EVENT_VALUE && i < len; i++)
		if (s->event_n < SSE_EVENT_MAX - 1)
			s->event[s->event_n++] = p[i];
	return len;
}

/* A byte of the field name, or the colon after it. */
static void name_byte(struct sse *s, uint8_t c)
{
	if (c != ':') {
		if (s->field_n < sizeof(s->field))
			s->field[s->field_n++] = c;
		return;
	}
	field_done(s);
	if (s->state == SKIP_VALUE)
		return;
	s->after_colon = s->state;
	s->state = COLON;
}

static bool skip_bom(struct sse *s, uint8_t c)
{
	if (s->bom < sizeof(bom) && c == bom[s->bom]) {
		s->bom++;
		return true;
	}
	s->bom = sizeof(bom);
	return false;
}

void sse_data(struct sse *s, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n;) {
		if (skip_bom(s, p[i])) {
			i++;
			continue;
		}
		if (s->after_cr && p[i] == '\n')
			i++;
		s->after_cr = false;
		if (i == n)
			return;
		if (s->state == COLON) {
			s->state = s->after_colon;
			i += p[i] == ' ';
		} else if (p[i] == '\n' || p[i] == '\r') {
			s->after_cr = p[i++] == '\r';
			line_end(s);
		} else if (s->state == FIELD) {
			name_byte(s, p[i++]);
		} else {
			i += value(s, p + i, n - i);
		}
	}
}

void sse_gap(struct sse *s)
{
	const struct doc_sink *sink = s->sink;

	end_event(s, true);
	*s = (struct sse){.sink = sink, .bom = sizeof(bom), .in_doubt = true};
}

void sse_end(struct sse *s, bool cut)
{
	end_event(s, cut);
	*s = (struct sse){.sink = s->sink, .bom = sizeof(bom), .in_doubt = true};
}
