// SPDX-License-Identifier: Apache-2.0
/*
 * Records in, the handshake message inside them read as one run of bytes.
 *
 * The message may be split over records anywhere, so a cursor walks the records and the message's
 * fields are read through it byte by byte; no copy is made. Three things end it: the bytes given
 * (MORE, the usual case with a captured prefix), the message (OK), or a length that points beyond
 * what encloses it (BAD). A name that is not plausible text is BAD too: it would be a lie.
 */
#include "clienthello.h"

#include "base/reader.h"

#define RECORD_HANDSHAKE 22
#define RECORD_MAX (16384 + 256)
#define MESSAGE_CLIENT_HELLO 1
#define EXT_SERVER_NAME 0
#define EXT_ALPN 16

/* The message's bytes across records. */
struct cursor {
	struct reader wire;
	size_t record; /* bytes left in the record */
	bool more;     /* the wire has ended */
	bool bad;
};

static bool next_record(struct cursor *c)
{
	struct reader at = c->wire;
	uint8_t type = reader_u8(&at), major = reader_u8(&at);
	size_t len;

	reader_u8(&at); /* the minor version differs between stacks */
	len = reader_u16(&at);
	if (at.bad) {
		/* What is there of the header must still be one. */
		size_t left = reader_left(&c->wire);

		c->bad = (left > 0 && c->wire.p[0] != RECORD_HANDSHAKE) ||
			 (left > 1 && c->wire.p[1] != 3);
		c->more = true;
		return false;
	}
	if (type != RECORD_HANDSHAKE || major != 3 || !len || len > RECORD_MAX) {
		c->bad = true;
		return false;
	}
	c->wire = at;
	c->record = len;
	return true;
}

/* 0 once the wire has ended or is bad; both stick. */
static uint64_t take(struct cursor *c, size_t bytes)
{
	uint64_t v = 0;

	for (size_t i = 0; i < bytes; i++) {
		if (c->more || c->bad || (!c->record && !next_record(c)))
			return 0;
		if (!reader_left(&c->wire)) {
			c->more = true;
			return 0;
		}
		v = v << 8 | reader_u8(&c->wire);
		c->record--;
	}
	return v;
}

static bool stopped(const struct cursor *c)
{
	return c->more || c->bad;
}

static void skip(struct cursor *c, size_t n)
{
	while (n-- && !stopped(c))
		take(c, 1);
}

/* A length field of `bytes` bytes inside *left; what it names must fit into the rest. */
static size_t take_len(struct cursor *c, size_t bytes, size_t *left)
{
	size_t len;

	if (*left < bytes) {
		c->bad |= !c->more;
		return 0;
	}
	len = take(c, bytes);
	*left -= bytes;
	if (len > *left)
		c->bad |= !c->more;
	return stopped(c) ? 0 : len;
}

static bool is_host_char(uint8_t ch)
{
	return (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '-' || ch == '.' ||
	       ch == '_' || ch == '*';
}

static void host_name(struct cursor *c, size_t len, struct clienthello *ret)
{
	char name[CLIENTHELLO_SNI_MAX];

	if (!len || len >= sizeof(name)) {
		c->bad = true;
		return;
	}
	for (size_t i = 0; i < len; i++) {
		uint8_t ch = take(c, 1);

		if (stopped(c)) /* half a name is no name */
			return;
		ch = ch >= 'A' && ch <= 'Z' ? ch | 0x20 : ch;
		if (!is_host_char(ch)) {
			c->bad = true;
			return;
		}
		name[i] = ch;
	}
	if (len > 1 && name[len - 1] == '.')
		len--;
	for (size_t i = 0; i < len; i++)
		ret->sni[i] = name[i];
	ret->sni[len] = '\0';
	ret->sni_seen = true;
}

static void server_name(struct cursor *c, size_t left, struct clienthello *ret)
{
	size_t list = take_len(c, 2, &left);

	if (list != left)
		c->bad |= !c->more;
	while (list && !stopped(c)) {
		uint8_t type = take(c, 1);
		size_t len;

		list--;
		len = take_len(c, 2, &list);
		if (stopped(c))
			return;
		if (!type && !ret->sni_seen)
			host_name(c, len, ret);
		else
			skip(c, len);
		list -= len;
	}
}

static void protocol(struct cursor *c, size_t len, struct clienthello *ret)
{
	static const char http1[8] = {'h', 't', 't', 'p', '/', '1', '.', '1'};
	uint64_t v;

	if (len != 2 && len != sizeof(http1)) {
		skip(c, len);
		return;
	}
	v = take(c, len);
	if (stopped(c))
		return;
	if (len == 2)
		ret->h2 |= v == ('h' << 8 | '2');
	else {
		struct reader r = reader_of(http1, sizeof(http1));

		ret->http1 |= v == reader_u64(&r);
	}
}

static void alpn(struct cursor *c, size_t left, struct clienthello *ret)
{
	size_t list = take_len(c, 2, &left);

	if (list != left)
		c->bad |= !c->more;
	while (list && !stopped(c)) {
		size_t len = take_len(c, 1, &list);

		if (!stopped(c) && !len)
			c->bad = true;
		if (stopped(c))
			return;
		protocol(c, len, ret);
		list -= len;
	}
	ret->alpn_seen |= !stopped(c);
}

static void extensions(struct cursor *c, size_t left, struct clienthello *ret)
{
	while (left && !stopped(c)) {
		uint16_t type;
		size_t len;

		if (left < 4) {
			c->bad = true;
			return;
		}
		type = take(c, 2);
		left -= 2;
		len = take_len(c, 2, &left);
		if (stopped(c))
			return;
		if (type == EXT_SERVER_NAME)
			server_name(c, len, ret);
		else if (type == EXT_ALPN)
			alpn(c, len, ret);
		else
			skip(c, len);
		left -= len;
	}
	ret->extensions_whole = !stopped(c);
}

static void message(struct cursor *c, struct clienthello *ret)
{
	uint8_t type = take(c, 1);
	size_t left;

	if (!stopped(c) && type != MESSAGE_CLIENT_HELLO)
		c->bad = true;
	left = take(c, 3);
	if (left > CLIENTHELLO_BODY_MAX)
		c->bad = true;
	ret->version = take(c, 2);
	if (!stopped(c) && (ret->version >> 8 != 3 || left < 2 + 32))
		c->bad = true;
	if (stopped(c))
		return;
	skip(c, 32); /* random */
	left -= 2 + 32;
	for (size_t bytes = 1; bytes <= 3 && !stopped(c); bytes++) {
		/* session id, cipher suites, compression methods */
		size_t len = take_len(c, bytes == 2 ? 2 : 1, &left);

		if (stopped(c))
			return;
		skip(c, len);
		left -= len;
	}
	if (stopped(c))
		return;
	if (!left) { /* before TLS 1.2 there may be none */
		ret->extensions_whole = true;
		return;
	}
	if (take_len(c, 2, &left) != left)
		c->bad |= !c->more;
	extensions(c, left, ret);
}

enum clienthello_answer clienthello_parse(const uint8_t *p, size_t n, struct clienthello *ret)
{
	struct cursor c = {.wire = reader_of(p, n)};
	struct clienthello h = {0};

	message(&c, &h);
	if (c.bad)
		return CLIENTHELLO_BAD;
	*ret = h;
	return c.more ? CLIENTHELLO_MORE : CLIENTHELLO_OK;
}
