/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The content of one message of interest: transferred bytes in; text, hash, sizes and facts out,
 * into the interaction.
 */
#ifndef PROBITY_FLOW_BODY_H
#define PROBITY_FLOW_BODY_H

#include "extract.h"
#include "flow.h"
#include "http1.h"

struct body;
struct body_out {
	const struct flow_ops *ops;
	void *ctx;
	struct interaction *it;
	struct extract *extract; /* outlives the body */
	struct mcp_http *mcp;	 /* as well; may be NULL */
	enum flow_dir dir;
};
/* NULL when out of memory. */
struct body *body_new(const struct body_out *out, struct slice content_type, const char *codings);
/* Its bytes are the messages of a call, by the fields of h; before the first byte. */
void body_messages(struct body *b, const struct http1_head *h);
void body_free(struct body *b); /* NULL is fine; tells nothing */

void body_data(struct body *b, const uint8_t *p, size_t n, uint64_t ns);
/* Counts as transferred also the missing bytes whose number is known.
 * n bytes are missing here; 0: not known how many. The caller has given the verdict. */
void body_gap(struct body *b, uint64_t n);
/* cut: the message did not reach its end. Gives the hash and, if not cut, the last verdict. */
void body_end(struct body *b, bool cut);
/* It is known to be no document of any kind: no dialect will be found in it. */
bool body_opaque(const struct body *b);
/* Not a byte of it remained unread (not decoded, over the bound, missing). */
bool body_readable(const struct body *b);

#endif
