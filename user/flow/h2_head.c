// SPDX-License-Identifier: Apache-2.0
/*
 * Fields of a header block in, the head of a message out, in the form the rest of flow/ reads.
 *
 * Values are copied, each up to its bound, into one fixed text; no field that matters is longer
 * than that. Of fields that come twice the last one counts, as for HTTP/1.
 */
#include <string.h>

#include "base/cleanup.h"
#include "h2.h"

static struct slice keep(struct h2_head *h, const char *p, size_t n, size_t most)
{
	struct slice s = {h->text + h->used, n < most ? n : most};

	if (s.n > sizeof(h->text) - h->used)
		s.n = sizeof(h->text) - h->used;
	memcpy(h->text + h->used, p, s.n);
	h->used += s.n;
	return s;
}

enum what {
	METHOD,
	PATH,
	AUTHORITY,
	HOST,
	TYPE,
	CODINGS,
	AGENT,
	STATUS,
	PROTOCOL,
	MESSAGE_CODING,
	RPC_STATUS,
	CONNECT,
	ACCEPT,
	MCP_SESSION,
	MCP_VERSION,
};

static const struct {
	const char *name;
	enum what what;
	size_t most; /* bytes of the value */
} fields[] = {
	{":method", METHOD, 16},
	{":path", PATH, 1536}, /* with its query */
	{":authority", AUTHORITY, 300},
	{"host", HOST, 300},
	{"content-type", TYPE, 200},
	{"content-encoding", CODINGS, 64},
	{"user-agent", AGENT, 256},
	{":status", STATUS, 3},
	{":protocol", PROTOCOL, 16},
	{"grpc-encoding", MESSAGE_CODING, 16},
	{"connect-content-encoding", MESSAGE_CODING, 16},
	{"grpc-status", RPC_STATUS, 4},
	{"connect-protocol-version", CONNECT, 4},
	{"accept", ACCEPT, 200},
	{"mcp-session-id", MCP_SESSION, 512},
	{"mcp-protocol-version", MCP_VERSION, 32},
};

static unsigned number(struct slice s)
{
	unsigned v = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return 0;
		v = v * 10 + (s.p[i] - '0');
	}
	return v;
}

static void set(struct h2_head *h, enum what what, struct slice v)
{
	switch (what) {
	case METHOD:
		h->h.method = v;
		break;
	case PATH:
		h->h.target = v;
		break;
	case HOST:
		if (h->h.host.p)
			break;
		/* fallthrough */
	case AUTHORITY:
		h->h.host = v;
		break;
	case TYPE:
		h->h.content_type = v;
		break;
	case CODINGS:
		http1_codings_set(&h->h, v);
		break;
	case AGENT:
		h->h.user_agent = v;
		break;
	case STATUS:
		h->h.status = number(v);
		break;
	case PROTOCOL:
		h->websocket = v.n == 9 && !memcmp(v.p, "websocket", 9);
		break;
	case MESSAGE_CODING:
		h->h.message_coding = v;
		break;
	case RPC_STATUS:
		h->h.grpc_status = v;
		break;
	case CONNECT:
		h->h.connect = true;
		break;
	case ACCEPT:
		h->h.accept = v;
		break;
	case MCP_SESSION:
		h->h.mcp_session = v;
		break;
	case MCP_VERSION:
		h->h.mcp_version = v;
		break;
	}
}

void h2_head_init(struct h2_head *h, uint32_t stream)
{
	memset(h, 0, offsetof(struct h2_head, text));
	h->h.version = 20;
	h->h.stream = stream;
}

void h2_head_field(void *ctx, const char *name, size_t name_n, const char *value, size_t value_n)
{
	struct h2_head *h = ctx;

	if (name_n && *name == ':')
		h->pseudo = true;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (name_n == strlen(fields[i].name) && !memcmp(name, fields[i].name, name_n)) {
			struct slice v = keep(h, value, value_n, fields[i].most);

			if (v.n || !value_n) /* else full: what came first stays */
				set(h, fields[i].what, v);
			return;
		}
}
