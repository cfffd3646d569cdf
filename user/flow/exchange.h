/* SPDX-License-Identifier: Apache-2.0 */
/* One request and its answer: what is known of it and what the caller has been told. */
#ifndef PROBITY_FLOW_EXCHANGE_H
#define PROBITY_FLOW_EXCHANGE_H

#include "body.h"
#include "flow.h"
#include "http1.h"

struct exchange {
	const struct flow_ops *ops;
	void *ctx;
	enum flow_interest interest;
	struct interaction *it;	 /* NULL: of no interest */
	struct extract *extract; /* NULL until there is a content */
	struct mcp_http *mcp;	 /* NULL: it cannot be of MCP */
	struct body *body[2];	 /* open contents, by enum flow_dir */
	uint64_t start_ns;
	bool to_head, to_connect; /* the method decides what follows the answer's head */
	bool only_mcp;		  /* of interest for its messages of MCP, no call of a model */
	bool request_over, request_whole, answer_begun, answer_over;
};

/* Asks ops->head. NULL when out of memory. */
struct exchange *exchange_new(const struct flow_ops *ops, void *ctx, const struct http1_head *h,
			      uint64_t offset, uint64_t ns);
/* Tells nothing. */
void exchange_free(struct exchange *x);
/* Tells done or dropped, and frees. */
void exchange_finish(struct exchange *x);

/* Its request is over and its answer far: keep only what was found. */
void exchange_rest(struct exchange *x);
/* A final answer's head. */
void exchange_answer(struct exchange *x, const struct http1_head *h, uint64_t ns);
/* Fields that may also follow the content. */
void exchange_trailers(struct exchange *x, const struct http1_head *h);
/* A content follows the head in this direction. */
void exchange_content(struct exchange *x, enum flow_dir dir, const struct http1_head *h);
/* A MAYBE is dropped here when it cannot become a YES: x->it is NULL then. */
void exchange_data(struct exchange *x, enum flow_dir dir, const uint8_t *p, size_t n, uint64_t ns);
void exchange_gap(struct exchange *x, enum flow_dir dir, uint64_t n);
/* The request is over; cut: its end was not seen. A MAYBE that was read to its end without a
 * dialect is dropped here: x->it is NULL then. */
void exchange_request_over(struct exchange *x, bool cut, uint64_t ns);
void exchange_answer_over(struct exchange *x, bool cut, uint64_t ns);
/* Gives the verdict if there is none yet. */
void exchange_incomplete(struct exchange *x, enum completeness c, const char *reason);
/* The answer said that it was the last of its stream. */
bool exchange_stream_done(const struct exchange *x);

#endif
