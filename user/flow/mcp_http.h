/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MCP over HTTP: the JSON-RPC messages in the bodies of one exchange, plain or as server-sent
 * events, and which session they belong to. Both transports: Streamable HTTP (also of the stateless
 * era) and the older HTTP+SSE. PURE.
 */
#ifndef PROBITY_FLOW_MCP_HTTP_H
#define PROBITY_FLOW_MCP_HTTP_H

#include "flow.h"
#include "http1.h"
#include "mcp.h"

struct mcp_http;
/* NULL when this request cannot carry MCP (or out of memory, or nobody asked for it). */
struct mcp_http *mcp_http_new(const struct flow_ops *ops, void *ctx, const struct interaction *it,
			      const struct http1_head *h);
void mcp_http_free(struct mcp_http *m); /* NULL is fine, for all of these; tells nothing */
void mcp_http_answer(struct mcp_http *m, const struct http1_head *h);
/* Documents of the bodies: as doc.h, by direction. */
void mcp_http_begin(struct mcp_http *m, enum flow_dir dir, const char *event);
void mcp_http_data(struct mcp_http *m, enum flow_dir dir, const uint8_t *p, size_t n, uint64_t ns);
void mcp_http_doc_end(struct mcp_http *m, enum flow_dir dir, bool cut);
/* The exchange is over. */
void mcp_http_end(struct mcp_http *m, uint64_t ns);

bool mcp_http_found(const struct mcp_http *m); /* a message of MCP was seen */
/* The request says nothing; the answer may be a stream of messages. */
bool mcp_http_waits(const struct mcp_http *m);

#endif
