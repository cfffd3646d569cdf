// SPDX-License-Identifier: Apache-2.0
/*
 * Places of values in a text in; spans of the write that hold them out.
 *
 * A text is the content of one message. It may be cut over several runs of a write (chunks, frames),
 * and other bytes of the write are never its text: those are left alone whatever they look like. In
 * JSON only what is between quotes may be masked, but for escapes: a number would become no number.
 * Keys and tokens are known by their heads; they are masked as far as they go on.
 *
 * Invariant: a value is masked whole or not at all. Bytes above 0x7f are never part of one.
 */
#include "redact.h"

#include <errno.h>
#include <string.h>

#define KEY_END "-----END "

/* --- what a byte is ---------------------------------------------------------------------------- */

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_hex(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static void sniff(struct redact_text *t, uint8_t c)
{
	if (!is_blank(c) && c < 0x80) /* a byte order mark says nothing */
		t->form = c == '{' || c == '[' || c == '"' ? REDACT_JSON : REDACT_PLAIN;
}

/* The byte after a backslash, and the digits of \u. */
static enum redact_byte in_escape(struct redact_text *t, uint8_t c)
{
	if (t->escape == 5)
		t->escape = c == 'u' ? 4 : 0;
	else
		t->escape = is_hex(c) ? t->escape - 1 : 0;
	return REDACT_KEEP;
}

static enum redact_byte kind_of(struct redact_text *t, uint8_t c)
{
	if (t->form == REDACT_SNIFF)
		sniff(t, c);
	if (t->escape)
		return in_escape(t, c);
	if (t->form != REDACT_PLAIN && c == '"') {
		t->string = !t->string;
		return REDACT_KEEP;
	}
	if (t->form != REDACT_PLAIN && !t->string)
		return is_blank(c) ? REDACT_KEEP : REDACT_NEVER;
	if (c == '\\') {
		t->escape = 5;
		return REDACT_KEEP;
	}
	return c < 0x20 || c >= 0x7f || c == '"' ? REDACT_KEEP : REDACT_MAY;
}

void redact_feed(struct redact_text *t, const uint8_t *p, size_t n, uint8_t *ret_kind)
{
	for (size_t i = 0; i < n; i++)
		ret_kind[i] = kind_of(t, p[i]);
}

/* --- the text, over its runs ------------------------------------------------------------------- */

/* The text's bytes from one on. */
struct cursor {
	const struct redact_write *w;
	size_t run;
	uint64_t at; /* in the text */
};

static bool cursor_at(struct cursor *c, const struct redact_write *w, uint64_t at)
{
	size_t lo = 0, hi = w->runs;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (w->run[mid].text + w->run[mid].n <= at)
			lo = mid + 1;
		else
			hi = mid;
	}
	*c = (struct cursor){w, lo, at};
	return lo < w->runs && w->run[lo].text <= at;
}

/* Where the byte is in the write, or -1: the text's part in this write is over. */
static int64_t here(const struct cursor *c)
{
	const struct redact_run *r = c->run < c->w->runs ? &c->w->run[c->run] : NULL;
	uint64_t raw;

	if (!r || c->at < r->text || c->at >= r->text + r->n)
		return -1;
	raw = r->raw + (c->at - r->text);
	return raw < c->w->n ? (int64_t)raw : -1;
}

static void step(struct cursor *c)
{
	const struct redact_run *r = &c->w->run[c->run];

	if (++c->at >= r->text + r->n)
		c->run++;
}

/* --- how far a value goes ---------------------------------------------------------------------- */

static bool is_token(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       strchr("_-+/=.~", c);
}

static bool follows(struct cursor c, const char *text)
{
	int64_t raw;

	for (; *text && (raw = here(&c)) >= 0 && c.w->bytes[raw] == (uint8_t)*text; text++)
		step(&c);
	return !*text;
}

/* A key in PEM: up to the line that ends it, else up to the string's end. */
static void to_key_end(struct cursor *c)
{
	unsigned dashes = 0;
	int64_t raw;

	for (; (raw = here(c)) >= 0; step(c)) {
		if (c->w->kind[raw] == REDACT_NEVER ||
		    (c->w->kind[raw] == REDACT_KEEP && c->w->bytes[raw] == '"' &&
		     !(raw && c->w->bytes[raw - 1] == '\\')))
			return;
		if (follows(*c, KEY_END))
			break;
	}
	for (unsigned i = 0; i < strlen(KEY_END) && here(c) >= 0; i++)
		step(c);
	for (; (raw = here(c)) >= 0 && dashes < 5 && c->w->kind[raw] == REDACT_MAY; step(c))
		dashes = c->w->bytes[raw] == '-' ? dashes + 1 : 0;
}

static void to_token_end(struct cursor *c)
{
	int64_t raw;

	while ((raw = here(c)) >= 0 && c->w->kind[raw] == REDACT_MAY && is_token(c->w->bytes[raw]))
		step(c);
}

/* The end of a value whose head is [start, end). 0: it is not in this write. */
static uint64_t whole(const struct redact_write *w, unsigned class, uint64_t end)
{
	struct cursor c;

	if (dataclass_kind(class) != DATACLASS_CREDENTIAL)
		return end;
	if (!cursor_at(&c, w, end)) /* it ends where the text does */
		return w->over ? end : 0;
	if (!strcmp(dataclass_id(class), "private_key"))
		to_key_end(&c);
	else
		to_token_end(&c);
	return here(&c) >= 0 || w->over ? c.at : 0;
}

/* --- spans --------------------------------------------------------------------------------------- */

static int add(struct redact_span *out, size_t cap, size_t *n, uint32_t raw)
{
	if (*n && out[*n - 1].at + out[*n - 1].n == raw) {
		out[*n - 1].n++;
		return 0;
	}
	if (*n == cap)
		return -ENOBUFS;
	out[(*n)++] = (struct redact_span){raw, 1};
	return 0;
}

int redact_value(const struct redact_write *w, unsigned class, uint64_t start, uint64_t *end,
		 struct redact_span *out, size_t cap, size_t *n)
{
	size_t had = *n;
	struct redact_span last = had ? out[had - 1] : (struct redact_span){0, 0};
	uint64_t to = whole(w, class, *end);
	struct cursor c;
	int r = 0;

	if (to <= start || !cursor_at(&c, w, start))
		return -ERANGE;
	for (; !r && c.at < to; step(&c)) {
		int64_t raw = here(&c);

		if (raw < 0)
			r = -ERANGE;
		else if (w->kind[raw] == REDACT_NEVER)
			r = -EILSEQ;
		else if (w->kind[raw] == REDACT_MAY)
			r = add(out, cap, n, raw);
		if (r)
			break;
	}
	if (!r) {
		*end = to;
		return 0;
	}
	*n = had;
	if (had)
		out[had - 1] = last;
	return r;
}
