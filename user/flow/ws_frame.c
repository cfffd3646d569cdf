// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes in, heads of frames out; nothing is kept. A head is refused when no sender that keeps to
 * RFC 6455 could have sent it: reserved bits and opcodes, a length not in its shortest form, a
 * long or split control frame, a mask on the wrong side. That strictness is what makes heads
 * recognisable after bytes are missing.
 */
#include "ws_frame.h"

#include <string.h>
#include <strings.h>

#include "base/reader.h"

static bool head_is_valid(const struct ws_frame *f, uint8_t first, uint8_t shortest, bool client,
			  bool deflate)
{
	bool control = f->opcode & 8;

	if (first & 0x30 || (f->opcode & 7) > 2 || f->masked != client)
		return false;
	if (control ? !f->fin || f->len > 125 || f->rsv1 : f->len >> 63)
		return false;
	if (f->rsv1 && (!deflate || f->opcode == WS_CONTINUE))
		return false;
	return shortest == 127 ? f->len > 0xffff : shortest == 126 ? f->len > 125 : true;
}

enum ws_answer ws_frame_parse(bool client, bool deflate, const uint8_t *p, size_t n,
			      struct ws_frame *ret, size_t *ret_used)
{
	struct reader r = reader_of(p, n);
	struct ws_frame f = {0};
	uint8_t first = reader_u8(&r), second = reader_u8(&r), len = second & 0x7f;

	if (n < 2)
		return WS_MORE;
	f.fin = first & 0x80;
	f.rsv1 = first & 0x40;
	f.opcode = first & 0x0f;
	f.masked = second & 0x80;
	f.len = len == 127 ? reader_u64(&r) : len == 126 ? reader_u16(&r) : len;
	/* Of a head that is not whole yet only the first two bytes can be judged. */
	if (!head_is_valid(&f, first, r.bad ? 0 : len, client, deflate))
		return WS_BAD;
	if (f.masked)
		reader_bytes(&r, f.mask, sizeof(f.mask));
	if (r.bad)
		return WS_MORE;
	*ret = f;
	*ret_used = n - reader_left(&r);
	return WS_OK;
}

void ws_unmask(const struct ws_frame *f, uint64_t at, uint8_t *dst, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dst[i] = p[i] ^ f->mask[(at + i) & 3];
}

/* The beginning of an object, and of its first key if there is room to see it. */
static bool is_json(const struct ws_frame *f, const uint8_t *p, size_t n)
{
	uint8_t text[8];
	size_t at = 1;

	if (n > sizeof(text))
		n = sizeof(text);
	ws_unmask(f, 0, text, p, n);
	while (at < n && (text[at] == ' ' || text[at] == '\n' || text[at] == '\r'))
		at++;
	return n > 1 && text[0] == '{' && (at == n || text[at] == '"');
}

bool ws_frame_plausible(bool client, bool deflate, const uint8_t *p, size_t n)
{
	bool any = false;

	while (n) {
		struct ws_frame f;
		size_t used;
		enum ws_answer a = ws_frame_parse(client, deflate, p, n, &f, &used);

		if (a != WS_OK)
			return a == WS_MORE && any;
		p += used;
		n -= used;
		if (f.len > n)
			return (any && f.len < 1u << 26) ||
			       (f.opcode && !f.rsv1 && is_json(&f, p, n));
		p += f.len;
		n -= f.len;
		any = true;
	}
	return any;
}

/* The next part of *s up to `sep`, without blanks around it; false at the end. */
static bool next_part(const char **p, size_t *n, char sep, const char **ret, size_t *ret_n)
{
	const char *end = *n ? memchr(*p, sep, *n) : NULL;
	size_t len = end ? (size_t)(end - *p) : *n;
	const char *s = *p;

	if (!*n)
		return false;
	*p += len + (end != NULL);
	*n -= len + (end != NULL);
	while (len && (*s == ' ' || *s == '\t'))
		s++, len--;
	while (len && (s[len - 1] == ' ' || s[len - 1] == '\t'))
		len--;
	*ret = s;
	*ret_n = len;
	return true;
}

static bool is(const char *s, size_t n, const char *name)
{
	return n == strlen(name) && !strncasecmp(s, name, n);
}

bool ws_extensions(const char *p, size_t n, struct ws_deflate *ret)
{
	const char *one, *part;
	size_t one_n, part_n;
	bool known = true;

	*ret = (struct ws_deflate){0};
	while (next_part(&p, &n, ',', &one, &one_n)) {
		if (!next_part(&one, &one_n, ';', &part, &part_n) || !part_n)
			continue;
		if (!is(part, part_n, "permessage-deflate")) {
			known = false;
			continue;
		}
		ret->on = true;
		/* Window sizes do not matter: the largest one reads them all. */
		while (next_part(&one, &one_n, ';', &part, &part_n)) {
			ret->no_context[0] |= is(part, part_n, "client_no_context_takeover");
			ret->no_context[1] |= is(part, part_n, "server_no_context_takeover");
		}
	}
	return known;
}
