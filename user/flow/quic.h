/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ClientHello in the Initial packets of a QUIC client, versions 1 (RFC 9000, 9001) and 2 (RFC
 * 9369). Initials are encrypted with keys that anybody can derive from them. PURE.
 */
#ifndef PROBITY_FLOW_QUIC_H
#define PROBITY_FLOW_QUIC_H

#include <stddef.h>
#include <stdint.h>

#include "flow/clienthello.h"

#define QUIC_CID_MAX 20

enum quic_answer {
	QUIC_OK,   /* the ClientHello is whole: *ret is filled */
	QUIC_MORE, /* an Initial, but the ClientHello goes on in another one */
	QUIC_BAD,  /* not a client's Initial, or it cannot be opened */
};

/* What Initials of one connection have brought so far; bounded, about 9 KiB. */
struct quic_hello;
struct quic_hello *quic_hello_new(void); /* NULL: no memory */
void quic_hello_free(struct quic_hello *q);

/* One datagram. Its Initials may come in any order, and more than once. BAD leaves q as it was. */
enum quic_answer quic_initial(struct quic_hello *q, const uint8_t *p, size_t n,
			      struct clienthello *ret);

/* For the test vectors. */
struct quic_keys {
	uint8_t key[16], iv[12], hp[16];
};
void quic_client_keys(uint32_t version, const uint8_t *dcid, size_t n, struct quic_keys *ret);

#endif
