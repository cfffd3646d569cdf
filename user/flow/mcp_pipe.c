// SPDX-License-Identifier: Apache-2.0
/*
 * chunks → lines (ndjson.c) → messages (mcp_msg.c) → session (mcp.c)
 *
 * Most pipes of a process tree carry something else, and every byte of those is wasted work: a
 * channel is given up at the first thing on the server's input that is no JSON-RPC line, after
 * NOISE_MAX bytes of output without one (servers do print a banner), or after FOREIGN_MAX messages
 * none of which is MCP's (other protocols use the same framing). Once a message was MCP's the
 * channel stays, and lines that are none are skipped.
 *
 * Late: a first chunk that begins with a bracket is taken for the beginning of a line, since
 * writers write whole lines; any other is skipped to its first newline.
 */
#include "mcp_pipe.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "ndjson.h"

#define NOISE_MAX 4096
#define FOREIGN_MAX 16

struct lane {
	struct mcp_pipe *pipe;
	bool from_client;
	bool started, open;
	uint64_t next;	/* offset */
	uint64_t noise; /* bytes of lines that are no message */
	struct ndjson lines;
	struct doc_sink sink;
	struct mcp_reader *reader;
};

struct mcp_pipe {
	struct lane lane[2]; /* by enum flow_dir */
	struct mcp_session *session;
	uint64_t ns;
	unsigned foreign;
	bool late, is_mcp, ignored;
};

static void on_message(void *ctx, const struct mcp_msg *m)
{
	struct lane *l = ctx;
	struct mcp_pipe *p = l->pipe;

	/* An answer alone proves nothing. */
	if (!mcp_session_message(p->session, l->from_client, m, p->ns))
		p->foreign++;
	else if (m->kind != MCP_ANSWER)
		p->is_mcp = true;
	if (!p->is_mcp && p->foreign > FOREIGN_MAX)
		p->ignored = true;
}

static void line_begin(void *ctx, const char *event)
{
	struct lane *l = ctx;

	mcp_reader_begin(l->reader);
	l->open = true;
}

static void line_noise(struct lane *l, size_t n)
{
	struct mcp_pipe *p = l->pipe;

	l->noise += n;
	if (!p->is_mcp && (l->noise > NOISE_MAX || (l->from_client && !p->late)))
		p->ignored = true;
}

static void line_data(void *ctx, const uint8_t *p, size_t n)
{
	struct lane *l = ctx;

	mcp_reader_data(l->reader, p, n);
	if (mcp_reader_state(l->reader) == MCP_DOC_OTHER)
		line_noise(l, n);
}

static void line_end(void *ctx, bool cut)
{
	struct lane *l = ctx;

	l->open = false;
	if (mcp_reader_end(l->reader, cut) == MCP_DOC_OTHER && !cut)
		line_noise(l, 1);
}

static bool lane_init(struct mcp_pipe *p, enum flow_dir dir)
{
	struct lane *l = &p->lane[dir];

	l->pipe = p;
	l->from_client = dir == FLOW_REQUEST;
	l->sink = (struct doc_sink){line_begin, line_data, line_end, l};
	ndjson_init(&l->lines, &l->sink);
	l->reader = mcp_reader_new(on_message, l);
	return l->reader;
}

struct mcp_pipe *mcp_pipe_new(const struct mcp_ops *ops, void *ctx, bool late)
{
	struct mcp_pipe *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->late = late;
	p->session = mcp_session_new(ops, ctx);
	if (!lane_init(p, FLOW_REQUEST) || !lane_init(p, FLOW_RESPONSE) || !p->session) {
		mcp_pipe_free(p);
		return NULL;
	}
	return p;
}

void mcp_pipe_free(struct mcp_pipe *p)
{
	if (!p)
		return;
	mcp_reader_free(p->lane[0].reader);
	mcp_reader_free(p->lane[1].reader);
	mcp_session_free(p->session);
	free(p);
}

/* Where the first chunk of a lane, or the one after a gap, begins. */
static void lane_start(struct lane *l, uint64_t offset, const uint8_t *bytes)
{
	bool torn = offset != l->next || (!l->started && l->pipe->late);

	if (torn && (l->started || !l->pipe->late))
		mcp_session_gap(l->pipe->session, l->from_client);
	if (torn)
		ndjson_gap(&l->lines);
	if (torn && (bytes[0] == '{' || bytes[0] == '['))
		l->lines.skip = false;
	l->started = true;
	l->next = offset;
}

enum flow_state mcp_pipe_data(struct mcp_pipe *p, enum flow_dir dir, uint64_t offset,
			      const uint8_t *bytes, size_t n, uint64_t ns)
{
	struct lane *l = &p->lane[dir];

	if (p->ignored)
		return FLOW_IGNORE;
	if (l->started && offset < l->next) { /* seen already */
		size_t seen = l->next - offset < n ? l->next - offset : n;

		offset += seen;
		bytes += seen;
		n -= seen;
	}
	if (!n)
		return FLOW_MORE;
	p->ns = ns;
	lane_start(l, offset, bytes);
	l->next += n;
	ndjson_data(&l->lines, bytes, n);
	if (!p->ignored || p->is_mcp)
		return FLOW_MORE;
	mcp_session_end(p->session, "the channel turned out to be something else", ns);
	return FLOW_IGNORE;
}

void mcp_pipe_close(struct mcp_pipe *p, uint64_t ns)
{
	p->ns = ns;
	ndjson_end(&p->lane[0].lines, true);
	ndjson_end(&p->lane[1].lines, true);
	mcp_session_end(p->session, "the channel was closed before the answer", ns);
}

bool mcp_pipe_is_mcp(const struct mcp_pipe *p)
{
	return p->is_mcp;
}

struct mcp_session *mcp_pipe_session(struct mcp_pipe *p)
{
	return p->session;
}
