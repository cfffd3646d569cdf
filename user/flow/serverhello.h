/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first TLS records a server writes: which version and cipher it chose, and up to TLS 1.2 which
 * protocol (later it says that encrypted). Nothing is allocated, nothing trusted.
 */
#ifndef PROBITY_FLOW_SERVERHELLO_H
#define PROBITY_FLOW_SERVERHELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERVERHELLO_ALPN_MAX 64

enum serverhello_answer {
	SERVERHELLO_OK,	   /* all of it was read */
	SERVERHELLO_MORE,  /* fine so far; what was reached is filled */
	SERVERHELLO_ALERT, /* the server refused: only `alert` is filled */
	SERVERHELLO_BAD,   /* neither */
};

struct serverhello {
	uint16_t version; /* chosen: 0x303 = TLS 1.2. While MORE it may turn out to be 1.3 */
	uint16_t cipher;
	char alpn[SERVERHELLO_ALPN_MAX]; /* "" = none said here */
	bool retry;			 /* HelloRetryRequest: the client says its hello again */
	uint8_t alert;			 /* its description */
};

/* *ret is filled as far as the bytes go, unless BAD. */
enum serverhello_answer serverhello_parse(const uint8_t *p, size_t n, struct serverhello *ret);

#endif
