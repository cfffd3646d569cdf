// SPDX-License-Identifier: Apache-2.0
/*
 * OpenAI Responses over a WebSocket: each message is one event. The client's response.create has
 * the fields of a request over HTTP, the server's events are those of the HTTP stream; who says
 * which turn they belong to is ws_turns.c.
 *
 * It is never found by the shape of a body: only a WebSocket can carry it (ws_peek.c).
 */
#include "dialect.h"

static const struct rule none[] = {{0}};

static enum fit fits_nothing(uint64_t seen)
{
	return FIT_NOT;
}

static enum fit asks(uint64_t seen, bool by_path)
{
	return FIT_NOT;
}

static void count(const int64_t raw[RAW__MAX], bool open, struct tokens *t)
{
	dialect_openai_responses.count(raw, open, t);
}

static bool is_call(struct item *i, bool cut)
{
	return dialect_openai_responses.is_call(i, cut);
}

static const struct dialect_path paths[] = {{0}};

const struct dialect_def dialect_openai_responses_ws = {
	.id = DIALECT_OPENAI_RESPONSES_WS,
	.paths = paths,
	.request = none,
	.response = none,
	.base = &dialect_openai_responses,
	.asks = asks,
	.answers = fits_nothing,
	.count = count,
	.is_call = is_call,
	.message_sources = 1 << FROM_INPUT,
	.only_by_path = true,
};
