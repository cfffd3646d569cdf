/* SPDX-License-Identifier: Apache-2.0 */
/* What ws.c (bytes to messages) and ws_turns.c (messages to turns) share. */
#ifndef PROBITY_FLOW_WS_IMPL_H
#define PROBITY_FLOW_WS_IMPL_H

#include "ws.h"
#include "ws_peek.h"
#include "ws_reader.h"
#include "ws_turn.h"

#define WS_HOLD_MAX 8192 /* of a message, until it says whose it is */

#define WS_PIECES_MAX 64 /* of what is held, by the frames it came in */

struct ws_piece {
	size_t n;
	bool masked;
	struct flow_masked at;
};

/* One direction. */
struct ws_way {
	struct ws *w;
	enum flow_dir dir;
	struct ws_reader reader;
	struct ws_sink sink;
	const struct ws_flaw *missed; /* since the last turn began */
	/* The message in progress. */
	struct ws_peek peek;
	struct ws_turn *turn; /* NULL: nobody's, or not known yet */
	bool routed, text;
	uint64_t offset, wire;
	size_t hold_n, pieces;
	struct ws_piece piece[WS_PIECES_MAX];
	uint8_t hold[WS_HOLD_MAX];
};

struct ws {
	const struct flow_ops *ops;
	void *ctx;
	struct interaction base; /* what every turn begins with */
	enum dialect dialect;	 /* by the path, until borne_out */
	bool borne_out, late, unknown;
	bool dead; /* not AI */
	bool over; /* the server has said goodbye */
	bool ended;
	bool prompted; /* the server is to speak without having been asked */
	bool ai_seen;
	unsigned close_code; /* 0 = none */
	struct ws_way way[2];
	struct ws_turn *pending; /* what the client said since it last asked */
	struct ws_turn *asked[WS_TURNS_MAX];
	unsigned count; /* of asked, oldest first */
	uint32_t turns, messages;
	uint64_t bytes, ns;
};

/* Whose the message is that way->peek has looked at: sets way->turn. */
void ws_route(struct ws_way *way);
/* It has ended: what follows for the turns. */
void ws_settle(struct ws_way *way, const struct ws_flaw *flaw);
/* Bytes are missing between messages. */
void ws_missed(struct ws_way *way, const struct ws_flaw *flaw);
void ws_end_all(struct ws *w);

#endif
