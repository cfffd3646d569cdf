// SPDX-License-Identifier: Apache-2.0
/*
 * Records in, what the server chose out. Read as a ClientHello is (handshake.h): any cut gives what
 * was reached. A chosen version that no server can choose, more than one protocol, or a name that is
 * no text is BAD.
 */
#include "serverhello.h"

#include <string.h>

#include "handshake.h"

#define RECORD_ALERT 21
#define MESSAGE_SERVER_HELLO 2
#define BODY_MAX (16 * 1024)
#define RANDOM_SIZE 32
#define EXT_ALPN 16
#define EXT_SUPPORTED_VERSIONS 43

/* The random that says: this is a HelloRetryRequest (RFC 8446, 4.1.3). */
static const uint8_t retry_random[RANDOM_SIZE] = {
	0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
	0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
	0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
};

static void protocol(struct handshake *c, size_t left, struct serverhello *ret)
{
	size_t list = handshake_len(c, 2, &left), len;
	char name[SERVERHELLO_ALPN_MAX];

	if (list != left)
		c->bad |= !c->more;
	len = handshake_len(c, 1, &list);
	if (!handshake_stopped(c) && (!len || len != list || len >= sizeof(name)))
		c->bad = true;
	for (size_t i = 0; i < len && !handshake_stopped(c); i++) {
		uint8_t ch = handshake_take(c, 1);

		if (!handshake_stopped(c) && (ch <= ' ' || ch >= 0x7f))
			c->bad = true;
		name[i] = ch;
	}
	if (handshake_stopped(c))
		return;
	memcpy(ret->alpn, name, len);
	ret->alpn[len] = '\0';
}

static void version(struct handshake *c, size_t len, struct serverhello *ret)
{
	uint16_t v = len == 2 ? handshake_take(c, 2) : 0;

	if (handshake_stopped(c))
		return;
	if (v >> 8 != 3 && v >> 8 != 0x7f) /* 0x7f: drafts of 1.3 */
		c->bad = true;
	else
		ret->version = v;
}

static void extensions(struct handshake *c, size_t left, struct serverhello *ret)
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
		if (type == EXT_ALPN)
			protocol(c, len, ret);
		else if (type == EXT_SUPPORTED_VERSIONS)
			version(c, len, ret);
		else
			handshake_skip(c, len);
		left -= len;
	}
}

static void message(struct handshake *c, struct serverhello *ret)
{
	size_t left = handshake_head(c, MESSAGE_SERVER_HELLO, BODY_MAX), len;
	bool retry = true;

	ret->version = handshake_take(c, 2);
	if (!handshake_stopped(c) && (ret->version >> 8 != 3 || left < 2 + RANDOM_SIZE + 4))
		c->bad = true;
	if (handshake_stopped(c))
		return;
	left -= 2 + RANDOM_SIZE;
	for (size_t i = 0; i < RANDOM_SIZE; i++)
		retry &= handshake_take(c, 1) == retry_random[i];
	ret->retry = retry && !handshake_stopped(c);
	len = handshake_len(c, 1, &left); /* session */
	if (!handshake_stopped(c) && len + 3 > left)
		c->bad = true;
	handshake_skip(c, len);
	ret->cipher = handshake_take(c, 2);
	handshake_skip(c, 1); /* compression */
	if (handshake_stopped(c))
		return;
	left -= len + 3;
	if (!left)
		return;
	if (handshake_len(c, 2, &left) != left)
		c->bad |= !c->more;
	extensions(c, left, ret);
}

/* An alert before any handshake message is in clear. */
static bool is_alert(const uint8_t *p, size_t n, struct serverhello *ret)
{
	if (n < 7 || p[0] != RECORD_ALERT || p[1] != 3 || p[3] || p[4] != 2)
		return false;
	*ret = (struct serverhello){.alert = p[6]};
	return true;
}

enum serverhello_answer serverhello_parse(const uint8_t *p, size_t n, struct serverhello *ret)
{
	struct handshake c = handshake_of(p, n);
	struct serverhello h = {0};

	if (n && p[0] == RECORD_ALERT)
		return is_alert(p, n, ret)	       ? SERVERHELLO_ALERT
		       : n < 7 && (n < 2 || p[1] == 3) ? SERVERHELLO_MORE
						       : SERVERHELLO_BAD;
	message(&c, &h);
	if (c.bad)
		return SERVERHELLO_BAD;
	*ret = h;
	return c.more ? SERVERHELLO_MORE : SERVERHELLO_OK;
}
