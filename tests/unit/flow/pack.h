/* SPDX-License-Identifier: Apache-2.0 */
/* Codes bytes with the real compressors: what a server would send. */
#ifndef PROBITY_TESTS_FLOW_PACK_H
#define PROBITY_TESTS_FLOW_PACK_H

#include <brotli/encode.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

struct packed {
	uint8_t *p;
	size_t n;
};

static inline struct packed pack_zlib(const void *p, size_t n, int wbits)
{
	z_stream z = {0};
	struct packed r = {malloc(n + 4096), 0};

	if (deflateInit2(&z, 6, Z_DEFLATED, wbits, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		abort();
	z.next_in = (Bytef *)p;
	z.avail_in = n;
	z.next_out = r.p;
	z.avail_out = n + 4096;
	if (deflate(&z, Z_FINISH) != Z_STREAM_END)
		abort();
	r.n = z.total_out;
	deflateEnd(&z);
	return r;
}

static inline struct packed pack_brotli(const void *p, size_t n)
{
	struct packed r = {malloc(n + 4096), n + 4096};

	if (!BrotliEncoderCompress(5, 22, BROTLI_MODE_GENERIC, n, p, &r.n, r.p))
		abort();
	return r;
}

static inline struct packed pack_zstd(const void *p, size_t n)
{
	struct packed r = {malloc(n + 4096), 0};

	r.n = ZSTD_compress(r.p, n + 4096, p, n, 3);
	if (ZSTD_isError(r.n))
		abort();
	return r;
}

static inline struct packed pack_one(const char *coding, const void *p, size_t n)
{
	if (!strcmp(coding, "gzip") || !strcmp(coding, "x-gzip"))
		return pack_zlib(p, n, 15 + 16);
	if (!strcmp(coding, "deflate"))
		return pack_zlib(p, n, 15);
	if (!strcmp(coding, "raw"))
		return pack_zlib(p, n, -15);
	if (!strcmp(coding, "br"))
		return pack_brotli(p, n);
	if (!strcmp(coding, "zstd"))
		return pack_zstd(p, n);
	abort();
}

/* Two parts, one coded stream after the other. */
static inline struct packed pack_join(struct packed a, struct packed b)
{
	a.p = realloc(a.p, a.n + b.n);
	memcpy(a.p + a.n, b.p, b.n);
	a.n += b.n;
	free(b.p);
	return a;
}

#endif
