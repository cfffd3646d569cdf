/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MCP over stdio: what a server reads on its standard input and writes on its standard output,
 * one JSON-RPC message a line. PURE.
 */
#ifndef PROBITY_FLOW_MCP_PIPE_H
#define PROBITY_FLOW_MCP_PIPE_H

#include "flow.h"
#include "mcp.h"

struct mcp_pipe;
/* late: bytes before the first chunk are unknown. NULL when out of memory. */
struct mcp_pipe *mcp_pipe_new(const struct mcp_ops *ops, void *ctx, bool late);
void mcp_pipe_free(struct mcp_pipe *p); /* tells nothing */
/* FLOW_REQUEST is the server's input. Chunks of a direction come by offset, as flow_data's. */
enum flow_state mcp_pipe_data(struct mcp_pipe *p, enum flow_dir dir, uint64_t offset,
			      const uint8_t *bytes, size_t n, uint64_t ns);
void mcp_pipe_close(struct mcp_pipe *p, uint64_t ns);
bool mcp_pipe_is_mcp(const struct mcp_pipe *p); /* a message of MCP was seen */
struct mcp_session *mcp_pipe_session(struct mcp_pipe *p);

#endif
