/* SPDX-License-Identifier: Apache-2.0 */
/* Encodes AWS event streams: what Bedrock would send. */
#ifndef PROBITY_TESTS_FLOW_AWSGEN_H
#define PROBITY_TESTS_FLOW_AWSGEN_H

#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

struct awsgen {
	uint8_t p[65536];
	size_t n;
};

static inline void aws_be(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static inline size_t aws_header(uint8_t *p, const char *name, const char *value)
{
	size_t a = strlen(name), b = strlen(value);

	p[0] = (uint8_t)a;
	memcpy(p + 1, name, a);
	p[1 + a] = 7;
	p[2 + a] = (uint8_t)(b >> 8);
	p[3 + a] = (uint8_t)b;
	memcpy(p + 4 + a, value, b);
	return 4 + a + b;
}

/* kind: "event" or "exception". */
static inline void aws_event(struct awsgen *g, const char *kind, const char *type,
			     const char *content, const char *payload)
{
	uint8_t *p = g->p + g->n;
	size_t h = 12, n = strlen(payload);

	h += aws_header(p + h, strcmp(kind, "event") ? ":exception-type" : ":event-type", type);
	p[h++] = 1; /* a header that is no text */
	p[h++] = 'x';
	p[h++] = 0;
	h += aws_header(p + h, ":content-type", content);
	h += aws_header(p + h, ":message-type", kind);
	aws_be(p, (uint32_t)(h + n + 4));
	aws_be(p + 4, (uint32_t)(h - 12));
	aws_be(p + 8, (uint32_t)crc32(0, p, 8));
	memcpy(p + h, payload, n);
	aws_be(p + h + n, (uint32_t)crc32(0, p, (uInt)(h + n)));
	g->n += h + n + 4;
	if (g->n > sizeof(g->p) / 2)
		abort();
}

static inline void aws_chunk(struct awsgen *g, const char *json)
{
	char text[4096], base64[3000];

	EVP_EncodeBlock((unsigned char *)base64, (const unsigned char *)json, (int)strlen(json));
	snprintf(text, sizeof(text), "{\"bytes\":\"%s\",\"p\":\"abcdefgh\"}", base64);
	aws_event(g, "event", "chunk", "application/json", text);
}

#endif
