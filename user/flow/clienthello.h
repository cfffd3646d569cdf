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

#define CLIENTHELLO_ALPN_MAX 64
#define CLIENTHELLO_VERSIONS_MAX 6

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
	char alpn[CLIENTHELLO_ALPN_MAX]; /* "h2,http/1.1": all that is offered, in its order */
	bool alpn_cut;			 /* and more that did not fit */
	uint16_t version;		 /* legacy_version of the message */
	uint16_t versions[CLIENTHELLO_VERSIONS_MAX]; /* supported_versions */
	unsigned versions_n;
	bool ech; /* encrypted_client_hello: the name may be a front's. Many send it without meaning */
};

/* *ret is filled as far as the bytes go, unless BAD. */
enum clienthello_answer clienthello_parse(const uint8_t *p, size_t n, struct clienthello *ret);
/* The highest version offered: 0x304 = TLS 1.3. */
uint16_t clienthello_version(const struct clienthello *h);

#endif
