/* SPDX-License-Identifier: Apache-2.0 */
/* What a WebSocket message is for, from the few fields that say so; read as the bytes come. */
#ifndef PROBITY_FLOW_WS_PEEK_H
#define PROBITY_FLOW_WS_PEEK_H

#include "interaction.h"
#include "jsonpath.h"

enum ws_event {
	WS_OTHER = 0, /* says nothing about turns */
	WS_PART,      /* client: of what will be asked */
	WS_ASK,	      /* client: now the model is to answer */
	WS_OPEN,      /* server: a new answer begins */
	WS_ANSWER,    /* server: of an answer */
	WS_USAGE,     /* server: counts, alone */
	WS_LAST,      /* server: the answer is over */
	WS_ERROR,     /* server: it failed, or a message of the client was refused */
};

struct ws_peek {
	struct json json;
	struct jsonwalk walk;
	uint32_t seen; /* bits by what the path tree marks */
	uint8_t first; /* first byte that is no blank */
	bool bad;
	uint8_t text_n;
	char text[64], type[64], lane[64], response_id[64], model[128];
};

void ws_peek_begin(struct ws_peek *k);
void ws_peek_data(struct ws_peek *k, const uint8_t *p, size_t n);
/* It may be JSON, by its first byte and what followed. */
bool ws_peek_is_json(const struct ws_peek *k);
/*
 * By what was read so far. hint: the connection's dialect, or NONE. *ret_dialect: the dialect that
 * speaks like this and no other does, or NONE.
 */
enum ws_event ws_peek_event(const struct ws_peek *k, bool client, enum dialect hint,
			    enum dialect *ret_dialect);
/* Enough is known to say whose the message is. */
bool ws_peek_ready(const struct ws_peek *k);
/* The setup of the session: its model and tools hold for all later turns. */
bool ws_peek_is_setup(const struct ws_peek *k);

#endif
