/* SPDX-License-Identifier: Apache-2.0 */
/* One end of a WebSocket that sends: messages in, bytes of frames out (RFC 6455, RFC 7692). */
#ifndef PROBITY_TESTS_FLOW_WSGEN_H
#define PROBITY_TESTS_FLOW_WSGEN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "feed.h"

struct wsgen {
	bool client, deflate, no_context;
	unsigned fragment; /* bytes per frame; 0 = one frame */
	bool pings;	   /* between fragments */
	int level;
	uint64_t *seed;
	z_stream z;
	bool z_ready;
	uint8_t *p; /* what was sent and not yet taken */
	size_t n;
};

static inline void wsgen_free(struct wsgen *g)
{
	if (g->z_ready)
		deflateEnd(&g->z);
	free(g->p);
	*g = (struct wsgen){0};
}

static inline void wsgen_bytes(struct wsgen *g, const void *p, size_t n)
{
	g->p = realloc(g->p, g->n + n + 1);
	if (n)
		memcpy(g->p + g->n, p, n);
	g->n += n;
}

static inline void wsgen_frame(struct wsgen *g, uint8_t first, const uint8_t *p, size_t n)
{
	uint8_t head[14] = {first}, mask[4] = {0}, bit = g->client ? 0x80 : 0;
	size_t len = 2, at;

	if (n < 126) {
		head[1] = bit | (uint8_t)n;
	} else if (n < 65536) {
		head[1] = bit | 126;
		head[2] = (uint8_t)(n >> 8);
		head[3] = (uint8_t)n;
		len = 4;
	} else {
		head[1] = bit | 127;
		for (int i = 0; i < 8; i++)
			head[2 + i] = (uint8_t)((uint64_t)n >> (56 - 8 * i));
		len = 10;
	}
	for (int i = 0; g->client && i < 4; i++)
		head[len++] = mask[i] = (uint8_t)rnd(g->seed);
	wsgen_bytes(g, head, len);
	at = g->n;
	wsgen_bytes(g, p, n);
	for (size_t i = 0; i < n; i++)
		g->p[at + i] ^= mask[i & 3];
}

/* Deflated, without the four bytes at its end; to be freed. */
static inline uint8_t *wsgen_pack(struct wsgen *g, const void *p, size_t *n)
{
	size_t cap = *n + 1024;
	uint8_t *out = malloc(cap);

	if (!g->z_ready && deflateInit2(&g->z, g->level, Z_DEFLATED, -15, 8, 0) != Z_OK)
		abort();
	if (g->z_ready && g->no_context)
		deflateReset(&g->z);
	g->z_ready = true;
	g->z.next_in = (Bytef *)p;
	g->z.avail_in = (uInt)*n;
	g->z.next_out = out;
	g->z.avail_out = (uInt)cap;
	if (deflate(&g->z, Z_SYNC_FLUSH) != Z_OK || g->z.avail_in || !g->z.avail_out)
		abort();
	*n = cap - g->z.avail_out - 4;
	return out;
}

static inline void wsgen_message(struct wsgen *g, uint8_t opcode, const void *text, size_t n)
{
	uint8_t *packed = g->deflate ? wsgen_pack(g, text, &n) : NULL;
	const uint8_t *p = packed ? packed : text;
	uint8_t rsv = packed ? 0x40 : 0;
	size_t step = g->fragment ? g->fragment : n + 1;

	for (size_t at = 0, len; at < n || !at; at += len) {
		bool last = n - at <= step;

		len = last ? n - at : step;
		wsgen_frame(g, (last ? 0x80 : 0) | (at ? 0 : opcode | rsv), p + at, len);
		if (!last && g->pings)
			wsgen_frame(g, 0x89, (const uint8_t *)"ping", 4);
		if (last)
			break;
	}
	free(packed);
}

static inline void wsgen_say(struct wsgen *g, const char *json)
{
	wsgen_message(g, 1, json, strlen(json));
}

#endif
