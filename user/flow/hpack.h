/* SPDX-License-Identifier: Apache-2.0 */
/* Header blocks of one direction of an HTTP/2 connection, also of one joined in its middle. */
#ifndef PROBITY_FLOW_HPACK_H
#define PROBITY_FLOW_HPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HPACK_TABLE_MAX (64 * 1024) /* bytes of the dynamic table that are kept, as RFC 7541 4.1 */
#define HPACK_MEM_MAX (384 * 1024)  /* heap of one table, whatever its entries look like */

struct hpack;
/* late: there were header blocks before the first one given. NULL when out of memory. */
struct hpack *hpack_new(bool late);
void hpack_free(struct hpack *h); /* NULL is fine */
/* Blocks were missed here: what was known of the table no longer counts. */
int hpack_missed(struct hpack *h);

/* One field; valid during the call. */
typedef void hpack_fn(void *ctx, const char *name, size_t name_n, const char *value,
		      size_t value_n);
/*
 * One header block. cut: it is only the block's beginning. *ret_unknown: fields left out because
 * they refer to what was before the beginning (or the last missed block).
 * -EBADMSG: broken from some point on, the fields before it were given; counts as missed. -ENOMEM.
 */
int hpack_block(struct hpack *h, const uint8_t *p, size_t n, bool cut, hpack_fn *fn, void *ctx,
		unsigned *ret_unknown);

#endif
