// SPDX-License-Identifier: Apache-2.0
/*
 * Records in, what the client offers out: name, protocols, versions.
 *
 * Read through a cursor (handshake.h), because a message may be split over records anywhere and a
 * captured prefix is the usual case: what was reached is given, and MORE. A name that is not
 * plausible text is BAD: it would be a lie. Lists are bounded: what does not fit is left out, and the
 * list says so; GREASE is nobody's offer.
 */
#include "clienthello.h"

#include <string.h>

#include "handshake.h"

#define MESSAGE_CLIENT_HELLO 1
#define EXT_SERVER_NAME 0
#define EXT_ALPN 16
#define EXT_SUPPORTED_VERSIONS 43
#define EXT_ECH 0xfe0d

static bool is_host_char(uint8_t ch)
{
	return (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '-' || ch == '.' ||
	       ch == '_' || ch == '*';
}

static void host_name(struct handshake *c, size_t len, struct clienthello *ret)
{
	char name[CLIENTHELLO_SNI_MAX];

	if (!len || len >= sizeof(name)) {
		c->bad = true;
		return;
	}
	for (size_t i = 0; i < len; i++) {
		uint8_t ch = handshake_take(c, 1);

		if (handshake_stopped(c)) /* half a name is no name */
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

static void server_name(struct handshake *c, size_t left, struct clienthello *ret)
{
	size_t list = handshake_len(c, 2, &left);

	if (list != left)
		c->bad |= !c->more;
	while (list && !handshake_stopped(c)) {
		uint8_t type = handshake_take(c, 1);
		size_t len;

		list--;
		len = handshake_len(c, 2, &list);
		if (handshake_stopped(c))
			return;
		if (!type && !ret->sni_seen)
			host_name(c, len, ret);
		else
			handshake_skip(c, len);
		list -= len;
	}
}

static bool is_protocol_char(uint8_t ch)
{
	return ch > ' ' && ch < 0x7f && ch != ',';
}

/* One name into the list; one that is no text (GREASE) is left out. */
static void protocol(struct handshake *c, size_t len, struct clienthello *ret)
{
	char name[CLIENTHELLO_ALPN_MAX];
	size_t used = strlen(ret->alpn);
	bool text = true, fits = used + (used > 0) + len < sizeof(ret->alpn);

	for (size_t i = 0; i < len; i++) {
		uint8_t ch = handshake_take(c, 1);

		if (handshake_stopped(c))
			return;
		text &= is_protocol_char(ch);
		if (i < sizeof(name))
			name[i] = ch;
	}
	ret->h2 |= len == 2 && !memcmp(name, "h2", 2);
	ret->http1 |= len == 8 && !memcmp(name, "http/1.1", 8);
	if (!text)
		return;
	if (!fits) {
		ret->alpn_cut = true;
		return;
	}
	if (used)
		ret->alpn[used++] = ',';
	memcpy(ret->alpn + used, name, len);
	ret->alpn[used + len] = '\0';
}

static void alpn(struct handshake *c, size_t left, struct clienthello *ret)
{
	size_t list = handshake_len(c, 2, &left);

	if (list != left)
		c->bad |= !c->more;
	while (list && !handshake_stopped(c)) {
		size_t len = handshake_len(c, 1, &list);

		if (!handshake_stopped(c) && !len)
			c->bad = true;
		if (handshake_stopped(c))
			return;
		protocol(c, len, ret);
		list -= len;
	}
	ret->alpn_seen |= !handshake_stopped(c);
}

static void versions(struct handshake *c, size_t left, struct clienthello *ret)
{
	size_t list = handshake_len(c, 1, &left);

	if (list != left || list % 2)
		c->bad |= !c->more;
	for (; list && !handshake_stopped(c); list -= 2) {
		uint16_t v = handshake_take(c, 2);

		if (handshake_stopped(c))
			return;
		if (!handshake_grease(v) && ret->versions_n < CLIENTHELLO_VERSIONS_MAX)
			ret->versions[ret->versions_n++] = v;
	}
}

static void extensions(struct handshake *c, size_t left, struct clienthello *ret)
{
	while (left && !handshake_stopped(c)) {
		uint16_t type;
		size_t len;

		if (left < 4) {
			c->bad = true;
			return;
		}
		type = handshake_take(c, 2);
		left -= 2;
		len = handshake_len(c, 2, &left);
		if (handshake_stopped(c))
			return;
		if (type == EXT_SERVER_NAME)
			server_name(c, len, ret);
		else if (type == EXT_ALPN)
			alpn(c, len, ret);
		else if (type == EXT_SUPPORTED_VERSIONS)
			versions(c, len, ret);
		else
			handshake_skip(c, len);
		ret->ech |= type == EXT_ECH && !handshake_stopped(c);
		left -= len;
	}
	ret->extensions_whole = !handshake_stopped(c);
}

static void message(struct handshake *c, struct clienthello *ret)
{
	size_t left = handshake_head(c, MESSAGE_CLIENT_HELLO, CLIENTHELLO_BODY_MAX);

	ret->version = handshake_take(c, 2);
	if (!handshake_stopped(c) && (ret->version >> 8 != 3 || left < 2 + 32))
		c->bad = true;
	if (handshake_stopped(c))
		return;
	handshake_skip(c, 32); /* random */
	left -= 2 + 32;
	for (size_t bytes = 1; bytes <= 3 && !handshake_stopped(c); bytes++) {
		/* session id, cipher suites, compression methods */
		size_t len = handshake_len(c, bytes == 2 ? 2 : 1, &left);

		if (handshake_stopped(c))
			return;
		handshake_skip(c, len);
		left -= len;
	}
	if (handshake_stopped(c))
		return;
	if (!left) { /* before TLS 1.2 there may be none */
		ret->extensions_whole = true;
		return;
	}
	if (handshake_len(c, 2, &left) != left)
		c->bad |= !c->more;
	extensions(c, left, ret);
}

enum clienthello_answer clienthello_parse(const uint8_t *p, size_t n, struct clienthello *ret)
{
	struct handshake c = handshake_of(p, n);
	struct clienthello h = {0};

	message(&c, &h);
	if (c.bad)
		return CLIENTHELLO_BAD;
	*ret = h;
	return c.more ? CLIENTHELLO_MORE : CLIENTHELLO_OK;
}

uint16_t clienthello_version(const struct clienthello *h)
{
	uint16_t most = h->versions_n ? 0 : h->version;

	for (unsigned i = 0; i < h->versions_n; i++)
		if (h->versions[i] > most && h->versions[i] >> 8 == 3)
			most = h->versions[i];
	return most;
}
