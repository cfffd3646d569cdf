/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to tool servers (Model Context Protocol) of this host: events and messages in, records
 * out. */
#ifndef PROBITY_AGENT_WORKER_MCP_H
#define PROBITY_AGENT_WORKER_MCP_H

#include "agent/worker/links.h"
#include "agent/worker/worker.h"
#include "flow/flow.h"
#include "flow/mcp.h"

#define MCP_CHANNELS_MAX 1024 /* servers on pipes, at once */
#define MCP_SESSIONS_MAX 1024 /* over HTTP */

struct conn;
struct mcps;
struct mcps *mcps_new(struct worker *w);
void mcps_free(struct mcps *m);

/* Events of the data ring. Here and below a NULL mcps reads nothing. */
void mcps_data(struct mcps *m, const struct event_data *e); /* EVENT_F_PIPE */
void mcps_peer(struct mcps *m, const struct event_pipe *e);
void mcps_file(struct mcps *m, const struct event_file *e);
void mcps_connect(struct mcps *m, const struct event_conn *e);
/* A new image: its ends are others. */
void mcps_exec(struct mcps *m, const struct event_exec *e);
void mcps_exit(struct mcps *m, const struct event *e);
void mcps_close_all(struct mcps *m, uint64_t ns);

/* Of the flows: a message of MCP in an exchange of this connection; flow_ops.mcp. */
void mcps_http(struct mcps *m, const struct conn *c, const struct interaction *it,
	       const struct mcp_where *w, enum flow_dir dir, const struct mcp_msg *msg,
	       uint64_t ns);
/* A model's call is over: its tool_uses. */
void mcps_model_call(struct mcps *m, const struct conn *c, const struct interaction *it,
		     uint32_t from, uint64_t ns);

struct mcp_counts {
	uint64_t calls;	   /* recorded */
	uint64_t ignored;  /* channels of something else */
	uint64_t evicted;  /* channels and sessions */
	uint64_t unlinked; /* tools/call without a tool_use */
};
const struct mcp_counts *mcps_counts(const struct mcps *m);

/* --- for mcp_record.c --- */

struct mcp_party {		   /* everything of a request that is not in its messages */
	struct who client, server; /* pid 0: not known */
	uint32_t client_uid, server_uid;
	const char *transport;
	const char *server_address;    /* of HTTP, "" */
	const uint8_t *session_sha256; /* 32 bytes or NULL */
	const struct mcp_facts *facts;
	const struct tool_use *use; /* NULL: none found */
	const char *use_how;
	const struct effects *effects; /* NULL: none watched */
};
/* Bytes of the payload written to out, never more than cap. */
size_t mcp_record(struct worker *w, const struct mcp_party *p, const struct mcp_call *c,
		  const struct names *tools, uint8_t *out, size_t cap);

#endif
