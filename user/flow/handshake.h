/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TLS handshake message read as one run of bytes, wherever the records it lies in are cut. No
 * copy is made. Three things end it: the bytes given (more), the message, or a length that points
 * beyond what encloses it (bad). Both flags stick, and reading past either gives 0.
 */
#ifndef PROBITY_FLOW_HANDSHAKE_H
#define PROBITY_FLOW_HANDSHAKE_H

#include "base/reader.h"

struct handshake {
	struct reader wire;
	size_t record; /* bytes left in the record */
	bool more;     /* the wire has ended */
	bool bad;
};

static inline struct handshake handshake_of(const void *p, size_t n)
{
	return (struct handshake){.wire = reader_of(p, n)};
}
static inline bool handshake_stopped(const struct handshake *c)
{
	return c->more || c->bad;
}

/* A big-endian number of up to 8 bytes. */
uint64_t handshake_take(struct handshake *c, size_t bytes);
void handshake_skip(struct handshake *c, size_t n);
/* A length field of `bytes` bytes inside *left, which it is taken from; what it names must fit into
 * the rest. */
size_t handshake_len(struct handshake *c, size_t bytes, size_t *left);
/* The message's head: its type must be this. Returns its length, at most max. */
size_t handshake_head(struct handshake *c, uint8_t type, size_t max);

/* Values that mean nothing, sent to keep others tolerant (RFC 8701). */
static inline bool handshake_grease(uint16_t v)
{
	return (v & 0x0f0f) == 0x0a0a && v >> 8 == (v & 0xff);
}

#endif
