/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first TLS records a client writes: which server it names and which protocols it offers.
 * Nothing here is trusted: every length is checked, nothing is allocated.
 */
#ifndef PROBITY_FLOW_CLIENTHELLO_H
#define PROBITY_FLOW_CLIENTHELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENTHELLO_SNI_MAX 256
#define CLIENTHELLO_BODY_MAX (16 * 1024) /* a longer handshake message is BAD */

enum clienthello_answer {
	CLIENTHELLO_OK,	  /* all of it was read */
	CLIENTHELLO_MORE, /* fine so far; what was reached is filled */
	CLIENTHELLO_BAD,  /* not a TLS ClientHello */
};

struct clienthello {
	char sni[CLIENTHELLO_SNI_MAX]; /* lower case; "" = none, or not reached */
	bool sni_seen;		       /* the extension was reached */
	bool alpn_seen;
	bool h2, http1;	       /* offered in ALPN */
	bool extensions_whole; /* no extension lies beyond the bytes given: an absent SNI is absent */
	uint16_t version;      /* legacy_version of the message */
};

/* *ret is filled as far as the bytes go, unless BAD. */
enum clienthello_answer clienthello_parse(const uint8_t *p, size_t n, struct clienthello *ret);

#endif
