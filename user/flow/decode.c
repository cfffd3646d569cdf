// SPDX-License-Identifier: Apache-2.0
/*
 * Coded bytes in, plain bytes out, into the caller's buffer: a bomb costs the caller one buffer
 * at a time and the caller stops when it has had enough.
 *
 * A stage is one coding; two stages are joined by a small buffer. Memory is the decoder's window:
 * 32 KiB (zlib), up to 16 MiB (brotli), up to 8 MiB (zstd, larger windows are refused). After the
 * end of a gzip member or a zstd frame another may follow; anything else there is an error, as
 * are bytes after the end of the codings that know no second part.
 */
#include "decode.h"

#include <brotli/decode.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/cleanup.h"

#define MIDDLE_SIZE 4096
#define GZIP_WBITS (15 + 16)

struct stage;
struct coding {
	const char *name;
	int (*init)(struct stage *s);
	void (*exit)(struct stage *s);
	/* One call of the library; takes and gives what it can. */
	int (*run)(struct stage *s, const uint8_t **p, size_t *n, uint8_t **out, size_t *cap);
};

struct stage {
	const struct coding *c;
	bool begun; /* bytes went in */
	bool ended; /* at the end of a stream, member or frame */
	/* deflate: zlib or raw is seen from two bytes */
	uint8_t peek[2], peeked, peek_used;
	bool ready;
	z_stream z;
	BrotliDecoderState *br;
	ZSTD_DCtx *zstd;
};

struct decode {
	unsigned stages; /* stage 0 takes the wire's bytes */
	struct stage s[DECODE_STACK_MAX];
	uint8_t middle[MIDDLE_SIZE]; /* between two stages */
	size_t middle_at, middle_n;
};

static int gzip_init(struct stage *s)
{
	s->ready = inflateInit2(&s->z, GZIP_WBITS) == Z_OK;
	return s->ready ? 0 : -ENOMEM;
}

static void zlib_exit(struct stage *s)
{
	if (s->ready)
		inflateEnd(&s->z);
}

static int inflate_some(struct stage *s, const uint8_t **p, size_t *n, uint8_t **out, size_t *cap)
{
	size_t in = *n < UINT32_MAX ? *n : UINT32_MAX, room = *cap < UINT32_MAX ? *cap : UINT32_MAX;
	int r;

	s->z.next_in = (Bytef *)*p;
	s->z.avail_in = in;
	s->z.next_out = *out;
	s->z.avail_out = room;
	r = inflate(&s->z, Z_SYNC_FLUSH);
	*p += in - s->z.avail_in;
	*n -= in - s->z.avail_in;
	*out += room - s->z.avail_out;
	*cap -= room - s->z.avail_out;
	s->ended = r == Z_STREAM_END;
	if (r == Z_OK || r == Z_STREAM_END || r == Z_BUF_ERROR)
		return 0;
	return r == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
}

static int gzip_run(struct stage *s, const uint8_t **p, size_t *n, uint8_t **out, size_t *cap)
{
	if (s->ended && *n && inflateReset(&s->z) != Z_OK)
		return -EBADMSG;
	return inflate_some(s, p, n, out, cap);
}

static int deflate_init(struct stage *s)
{
	return 0;
}

/* "deflate" means zlib, and some senders mean raw: a zlib header is a multiple of 31. */
static int deflate_detect(struct stage *s)
{
	bool zlib = (s->peek[0] & 0x0f) == 8 && s->peek[0] >> 4 <= 7 &&
		    (s->peek[0] << 8 | s->peek[1]) % 31 == 0;

	s->ready = inflateInit2(&s->z, zlib ? 15 : -15) == Z_OK;
	return s->ready ? 0 : -ENOMEM;
}

static int deflate_run(struct stage *s, const uint8_t **p, size_t *n, uint8_t **out, size_t *cap)
{
	const uint8_t *peek;
	size_t left;
	int r = 0;

	while (*n && s->peeked < sizeof(s->peek)) {
		s->peek[s->peeked++] = *(*p)++;
		--*n;
	}
	if (s->peeked < sizeof(s->peek))
		return 0;
	if (!s->ready)
		r = deflate_detect(s);
	peek = s->peek + s->peek_used;
	left = s->peeked - s->peek_used;
	if (!r && left) {
		r = inflate_some(s, &peek, &left, out, cap);
		s->peek_used = s->peeked - left;
	}
	if (r || left)
		return s->ended && left ? -EBADMSG : r;
	return s->ended ? (*n ? -EBADMSG : 0) : inflate_some(s, p, n, out, cap);
}

static int brotli_init(struct stage *s)
{
	s->br = BrotliDecoderCreateInstance(NULL, NULL, NULL);
	return s->br ? 0 : -ENOMEM;
}

static void brotli_exit(struct stage *s)
{
	BrotliDecoderDestroyInstance(s->br);
}

static int brotli_run(struct stage *s, const uint8_t **p, size_t *n, uint8_t **out, size_t *cap)
{
	BrotliDecoderResult r;

	if (s->ended)
		return *n ? -EBADMSG : 0;
	r = BrotliDecoderDecompressStream(s->br, n, p, cap, out, NULL);
	s->ended = r == BROTLI_DECODER_RESULT_SUCCESS;
	return r == BROTLI_DECODER_RESULT_ERROR ? -EBADMSG : 0;
}

static int zstd_init(struct stage *s)
{
	s->zstd = ZSTD_createDCtx();
	if (!s->zstd)
		return -ENOMEM;
	ZSTD_DCtx_setParameter(s->zstd, ZSTD_d_windowLogMax, DECODE_ZSTD_WINDOW_LOG);
	return 0;
}

static void zstd_exit(struct stage *s)
{
	ZSTD_freeDCtx(s->zstd);
}

static int zstd_run(struct stage *s, const uint8_t **p, size_t *n, uint8_t **out, size_t *cap)
{
	ZSTD_inBuffer in = {.src = *p, .size = *n};
	ZSTD_outBuffer o = {.dst = *out, .size = *cap};
	size_t r;

	if (s->ended && !*n)
		return 0;
	r = ZSTD_decompressStream(s->zstd, &o, &in);
	*p += in.pos;
	*n -= in.pos;
	*out += o.pos;
	*cap -= o.pos;
	s->ended = r == 0;
	return ZSTD_isError(r) ? -EBADMSG : 0;
}

static const struct coding codings[] = {
	{"gzip", gzip_init, zlib_exit, gzip_run},
	{"x-gzip", gzip_init, zlib_exit, gzip_run},
	{"deflate", deflate_init, zlib_exit, deflate_run},
	{"br", brotli_init, brotli_exit, brotli_run},
	{"zstd", zstd_init, zstd_exit, zstd_run},
};

void decode_free(struct decode *d)
{
	for (unsigned i = 0; d && i < DECODE_STACK_MAX; i++)
		if (d->s[i].c)
			d->s[i].c->exit(&d->s[i]);
	free(d);
}
DEFINE_CLEANUP(struct decode, decode_free)

static int stage_init(struct stage *s, const char *name, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(codings); i++) {
		int r;

		if (strlen(codings[i].name) != n || memcmp(codings[i].name, name, n) != 0)
			continue;
		r = codings[i].init(s);
		if (!r)
			s->c = &codings[i];
		return r;
	}
	return -ENOTSUP;
}

int decode_new(const char *names, struct decode **ret)
{
	_cleanup_(decode_freep) struct decode *d = NULL;
	unsigned count = 1;

	for (const char *c = names; *c; c++)
		count += *c == ',';
	if (count > DECODE_STACK_MAX)
		return -ENOTSUP;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->stages = count;
	/* What was applied last is taken off first. */
	for (unsigned i = count; i--;) {
		size_t len = strcspn(names, ",");
		int r = stage_init(&d->s[i], names, len);

		if (r)
			return r;
		names += len + 1;
	}
	*ret = TAKE_PTR(d);
	return 0;
}

/* Runs one stage until it has taken all or filled out. */
static int stage_run(struct stage *s, const uint8_t **p, size_t *n, uint8_t *out, size_t cap,
		     size_t *ret_n)
{
	uint8_t *at = out;
	size_t room = cap;

	if (*n)
		s->begun = true;
	while (room && s->begun) {
		size_t n_before = *n, room_before = room;
		int r = s->c->run(s, p, n, &at, &room);

		if (r) {
			*ret_n = at - out;
			return r;
		}
		if (*n == n_before && room == room_before)
			break;
	}
	*ret_n = at - out;
	return 0;
}

/* Stage 0 into the middle, the middle into stage 1, until out is full or nothing moves. */
static int two_stages(struct decode *d, const uint8_t **p, size_t *n, uint8_t *out, size_t cap,
		      size_t *ret_n)
{
	size_t got = 0, left, more, n_before;
	int r = 0;

	do {
		const uint8_t *m;

		n_before = *n;
		if (d->middle_at == d->middle_n) {
			d->middle_at = 0;
			r = stage_run(&d->s[0], p, n, d->middle, MIDDLE_SIZE, &d->middle_n);
		}
		m = d->middle + d->middle_at;
		left = d->middle_n - d->middle_at;
		more = 0;
		if (!r)
			r = stage_run(&d->s[1], &m, &left, out + got, cap - got, &more);
		got += more;
		if (d->middle_n - d->middle_at != left)
			n_before = SIZE_MAX; /* something moved */
		d->middle_at = d->middle_n - left;
	} while (!r && got < cap && (more || *n != n_before));
	*ret_n = got;
	return r;
}

int decode_next(struct decode *d, const uint8_t **p, size_t *n, uint8_t *out, size_t cap,
		size_t *ret_n)
{
	size_t n_before = *n;
	int r = d->stages == 1 ? stage_run(&d->s[0], p, n, out, cap, ret_n)
			       : two_stages(d, p, n, out, cap, ret_n);

	/* A library that neither takes nor gives would hold the caller in its loop. */
	return !r && *n && *n == n_before && !*ret_n ? -EBADMSG : r;
}

bool decode_whole(const struct decode *d)
{
	for (unsigned i = 0; i < d->stages; i++)
		if (d->s[i].begun && !d->s[i].ended)
			return false;
	return true;
}
