/* SPDX-License-Identifier: Apache-2.0 */
/* Content decoding, piece by piece: gzip, x-gzip, deflate (zlib or raw), br, zstd; two stacked. */
#ifndef PROBITY_FLOW_DECODE_H
#define PROBITY_FLOW_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DECODE_STACK_MAX 2
#define DECODE_ZSTD_WINDOW_LOG 23 /* 8 MiB, the most that zstd in HTTP may ask for (RFC 9659) */
/* Memory of one decoder at most: brotli's 16 MiB window and its tables, per stacked coding. */
#define DECODE_MEM_MAX (DECODE_STACK_MAX * (20u << 20))

struct decode;
/*
 * codings: comma-separated in the order applied, lower case, without "identity"; not empty.
 * -ENOTSUP: one is not known or there are too many. -ENOMEM.
 */
int decode_new(const char *codings, struct decode **ret);
void decode_free(struct decode *d);
/*
 * Takes bytes from *p, *n and writes up to cap bytes to out; how many is in *ret_n. Call again
 * until *n is 0 and *ret_n is less than cap. -EBADMSG: not in this coding; -ENOMEM.
 */
int decode_next(struct decode *d, const uint8_t **p, size_t *n, uint8_t *out, size_t cap,
		size_t *ret_n);
/* All that began has also ended (also when nothing began). */
bool decode_whole(const struct decode *d);

#endif
