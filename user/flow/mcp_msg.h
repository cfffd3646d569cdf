/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of the Model Context Protocol: one JSON document (a JSON-RPC 2.0 message, or a batch of
 * them) in, in pieces of any size; what is known of each message out. No text of arguments or
 * results is kept.
 */
#ifndef PROBITY_FLOW_MCP_MSG_H
#define PROBITY_FLOW_MCP_MSG_H

#include "interaction.h"

#define MCP_MESSAGE_MAX (16u << 20) /* bytes; what is longer is declared */
#define MCP_META_MAX 4

enum mcp_kind { MCP_REQUEST = 1, MCP_ANSWER, MCP_NOTIFICATION };

struct mcp_id { /* of a JSON-RPC request: a number or a text, as sent */
	bool there, is_text;
	char text[64];
};
bool mcp_id_equal(const struct mcp_id *a, const struct mcp_id *b);

struct mcp_msg {
	enum mcp_kind kind;
	struct mcp_id id, cancels; /* cancels: params.requestId of notifications/cancelled */
	uint64_t bytes;
	char method[64];
	char tool[128];				   /* params.name */
	char protocol_version[32];		   /* in params, result or _meta */
	char client_name[128];			   /* clientInfo */
	char server_name[128], server_version[64]; /* serverInfo */
	char meta[MCP_META_MAX][64]; /* texts in params._meta: ids a client may have put there */
	unsigned metas;
	bool has_arguments;
	uint64_t arguments_bytes; /* of the JSON text, as sent */
	uint8_t arguments_sha256[32];
	bool has_result, is_error, has_error, has_code;
	int64_t code;
	struct names tools; /* result.tools[*].name */
	bool cut;	    /* its end was not seen, or it is longer than MCP_MESSAGE_MAX */
};
/* Whether a request or notification is one of MCP's methods, of any revision. */
bool mcp_method_known(const char *method);

typedef void mcp_msg_fn(void *ctx, const struct mcp_msg *m);

enum mcp_doc {
	MCP_DOC_OPEN,  /* no bracket has closed it yet */
	MCP_DOC_RPC,   /* at least one JSON-RPC message was given */
	MCP_DOC_OTHER, /* something else; further bytes of it are not looked at */
};

struct mcp_reader;
struct mcp_reader *mcp_reader_new(mcp_msg_fn *fn, void *ctx); /* NULL when out of memory */
void mcp_reader_free(struct mcp_reader *r);		      /* NULL is fine */
void mcp_reader_begin(struct mcp_reader *r);
void mcp_reader_data(struct mcp_reader *r, const uint8_t *p, size_t n);
/* cut: the document's end was not seen. A message in the open is then given as cut. */
enum mcp_doc mcp_reader_end(struct mcp_reader *r, bool cut);
/* What is known of the document so far. */
enum mcp_doc mcp_reader_state(const struct mcp_reader *r);

#endif
