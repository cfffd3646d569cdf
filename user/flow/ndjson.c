// SPDX-License-Identifier: Apache-2.0
/*
 * Lines in, documents out. A line is never held, so its length does not matter. Blank lines are
 * no documents. After a gap the rest of the line is skipped: it may be the tail of another.
 */
#include "ndjson.h"

#include <string.h>

void ndjson_init(struct ndjson *s, const struct doc_sink *sink)
{
	*s = (struct ndjson){.sink = sink};
}

static void close_doc(struct ndjson *s, bool cut)
{
	if (s->open)
		s->sink->end(s->sink->ctx, cut);
	s->open = false;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void line_part(struct ndjson *s, const uint8_t *p, size_t n)
{
	if (s->skip)
		return;
	while (!s->open && n && is_blank(*p)) {
		p++;
		n--;
	}
	if (!n)
		return;
	if (!s->open)
		s->sink->begin(s->sink->ctx, NULL);
	s->open = true;
	s->sink->data(s->sink->ctx, p, n);
}

void ndjson_data(struct ndjson *s, const uint8_t *p, size_t n)
{
	const uint8_t *end = p + n;

	while (p < end) {
		const uint8_t *lf = memchr(p, '\n', end - p);

		line_part(s, p, (lf ? lf : end) - p);
		if (!lf)
			return;
		close_doc(s, false);
		s->skip = false;
		p = lf + 1;
	}
}

void ndjson_gap(struct ndjson *s)
{
	close_doc(s, true);
	s->skip = true;
}

void ndjson_end(struct ndjson *s, bool cut)
{
	close_doc(s, cut);
	s->skip = true;
}
