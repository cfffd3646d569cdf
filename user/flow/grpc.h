/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gRPC, gRPC-Web and Connect: a content that is a row of messages, each with a flag byte and a
 * length, some of them compressed on their own; and what such a call's end says.
 */
#ifndef PROBITY_FLOW_GRPC_H
#define PROBITY_FLOW_GRPC_H

#include "http1.h"
#include "interaction.h"

/* "grpc", "grpc-web", "connect", or "http", by the fields of a request. */
const char *grpc_wire(const struct http1_head *h);
/* Whether the content is a row of messages. */
bool grpc_framed(const struct http1_head *h);
/* Or one message without a frame, as in Connect's calls with one answer. */
bool grpc_messages(const struct http1_head *h);
bool grpc_is_json(struct slice content_type);

/* -1: not a status. */
int32_t grpc_status_parse(struct slice text);
/* A code's name in Connect, "resource_exhausted"; -1 if there is none. */
int32_t grpc_status_by_name(const char *name, size_t n);
void grpc_status_set(struct interaction *it, int32_t status);
/* What the HTTP status says of a Connect call without messages. */
void grpc_http_status(struct interaction *it);

/* Where messages go. */
struct grpc_sink {
	void (*begin)(void *ctx);
	/* Decompressed; false: give no more. */
	bool (*data)(void *ctx, const uint8_t *p, size_t n);
	void (*gap)(void *ctx); /* bytes of the open message are missing */
	void (*end)(void *ctx, bool cut);
	void (*unread)(void *ctx, const char *reason); /* the rest of it cannot be read */
	void *ctx;
};

struct grpc;
/* NULL when out of memory. */
struct grpc *grpc_new(struct interaction *it, const struct http1_head *h,
		      const struct grpc_sink *sink);
void grpc_free(struct grpc *g); /* NULL is fine */
void grpc_data(struct grpc *g, const uint8_t *p, size_t n);
/* Bytes are missing; n: how many, 0 if that is not known. */
void grpc_gap(struct grpc *g, uint64_t n);
/* Gives whether a message is open. */
bool grpc_end(struct grpc *g);

#endif
