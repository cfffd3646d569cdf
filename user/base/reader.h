/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading binary input with a sticky error: after the first over-read every call gives 0 and
 * moves nothing, so a parser is a straight line with one check of `bad` at its end. Big-endian.
 */
#ifndef PROBITY_BASE_READER_H
#define PROBITY_BASE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
	const uint8_t *p, *end;
	bool bad;
};

static inline struct reader reader_of(const void *p, size_t n)
{
	return (struct reader){.p = p, .end = n ? (const uint8_t *)p + n : p};
}
static inline size_t reader_left(const struct reader *r)
{
	return r->end - r->p;
}
/* n bytes, or NULL (and bad). */
static inline const uint8_t *reader_take(struct reader *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->bad || reader_left(r) < n) {
		r->bad = true;
		return NULL;
	}
	r->p += n;
	return p;
}
static inline uint64_t reader_be(struct reader *r, size_t bytes)
{
	const uint8_t *p = reader_take(r, bytes);
	uint64_t v = 0;

	for (size_t i = 0; p && i < bytes; i++)
		v = v << 8 | p[i];
	return v;
}
static inline uint8_t reader_u8(struct reader *r)
{
	return reader_be(r, 1);
}
static inline uint16_t reader_u16(struct reader *r)
{
	return reader_be(r, 2);
}
static inline uint32_t reader_u24(struct reader *r)
{
	return reader_be(r, 3);
}
static inline uint32_t reader_u32(struct reader *r)
{
	return reader_be(r, 4);
}
static inline uint64_t reader_u64(struct reader *r)
{
	return reader_be(r, 8);
}
/* Copies n bytes, zeros on bad. */
void reader_bytes(struct reader *r, void *dst, size_t n);

static inline void put_be(uint8_t *p, size_t bytes, uint64_t v)
{
	while (bytes--) {
		p[bytes] = v;
		v >>= 8;
	}
}

#endif
