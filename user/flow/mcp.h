/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One MCP session, whatever carries it: messages of both sides in; requests, matched with their
 * answers by id, out. PURE.
 */
#ifndef PROBITY_FLOW_MCP_H
#define PROBITY_FLOW_MCP_H

#include "mcp_msg.h"

#define MCP_OPEN_MAX 1024 /* requests without an answer, per session */

struct mcp_facts { /* what the two sides said of themselves */
	char server_name[128], server_version[64], client_name[128], protocol_version[32];
};

struct mcp_call {
	struct mcp_call *next; /* the session's */
	uint64_t start_ns, end_ns;
	bool from_server; /* sampling, elicitation, roots: the server asks the client */
	struct mcp_id id;
	char method[64], tool[128];
	char meta[MCP_META_MAX][64];
	unsigned metas;
	uint64_t request_bytes, response_bytes, arguments_bytes;
	bool has_arguments;
	uint8_t arguments_sha256[32];
	bool answered, is_error, has_code;
	int64_t code;
	enum completeness completeness;
	const char *reason; /* static text, "" when complete */
	void *user;	    /* the caller's */
};

struct mcp_ops {
	/* A request was seen; call->user may be set. */
	void (*opened)(void *ctx, struct mcp_call *call);
	/* It is over, answered or not. Exactly once for each `opened`. tools: of tools/list. */
	void (*done)(void *ctx, struct mcp_call *call, const struct names *tools);
};

struct mcp_session;
struct mcp_session *mcp_session_new(const struct mcp_ops *ops, void *ctx);
/* Tells nothing; for what is open call mcp_session_end before. */
void mcp_session_free(struct mcp_session *s);
struct mcp_facts *mcp_session_facts(struct mcp_session *s);

/* Takes a message; false: it is of a method that is not MCP's, and was left out. */
bool mcp_session_message(struct mcp_session *s, bool from_client, const struct mcp_msg *m,
			 uint64_t ns);
/* Bytes are missing: the requests that are open may have been answered in them. */
void mcp_session_gap(struct mcp_session *s, bool from_client);
/* What is still open will not be answered. reason: static text. */
void mcp_session_end(struct mcp_session *s, const char *reason, uint64_t ns);
/* Only those `of` says yes to. */
void mcp_session_end_some(struct mcp_session *s, bool (*of)(const struct mcp_call *c, void *arg),
			  void *arg, const char *reason, uint64_t ns);
unsigned mcp_session_open(const struct mcp_session *s); /* requests */

#endif
