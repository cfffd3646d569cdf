// SPDX-License-Identifier: Apache-2.0
/*
 * Records in, the bytes of the handshake message inside them out, one at a time: a message may be
 * split over records anywhere. A record that is not of the handshake, empty or too long is bad; the
 * end of the bytes given, inside a header too, is not.
 */
#include "handshake.h"

#define RECORD_HANDSHAKE 22
#define RECORD_MAX (16384 + 256)

static bool next_record(struct handshake *c)
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

uint64_t handshake_take(struct handshake *c, size_t bytes)
{
	uint64_t v = 0;

	for (size_t i = 0; i < bytes; i++) {
		if (handshake_stopped(c) || (!c->record && !next_record(c)))
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

void handshake_skip(struct handshake *c, size_t n)
{
	while (n-- && !handshake_stopped(c))
		handshake_take(c, 1);
}

size_t handshake_len(struct handshake *c, size_t bytes, size_t *left)
{
	size_t len;

	if (*left < bytes) {
		c->bad |= !c->more;
		return 0;
	}
	len = handshake_take(c, bytes);
	*left -= bytes;
	if (len > *left)
		c->bad |= !c->more;
	return handshake_stopped(c) ? 0 : len;
}

size_t handshake_head(struct handshake *c, uint8_t type, size_t max)
{
	uint8_t is = handshake_take(c, 1);
	size_t len;

	if (!handshake_stopped(c) && is != type)
		c->bad = true;
	len = handshake_take(c, 3);
	if (len > max)
		c->bad = true;
	return handshake_stopped(c) ? 0 : len;
}
