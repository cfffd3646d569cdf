// SPDX-License-Identifier: Apache-2.0
/*
 * One JSON message in, its place in the conversation out. OpenAI's APIs name it in "type", Gemini
 * by the message's one key. Only these names, two ids and a model are held, all bounded; where
 * they are missing the message is WS_OTHER.
 */
#include "ws_peek.h"

#include <pthread.h>
#include <string.h>

#include "base/cleanup.h"

enum mark {
	TYPE,
	LANE,
	RESPONSE_ID,
	RESPONSE_OBJECT,
	MODEL,
	INPUT,
	RESPONSE,
	SESSION,
	SESSION_MODEL,
	SETUP,
	SETUP_MODEL,
	SETUP_DONE,
	CONTENT,
	CONTENT_DONE,
	REALTIME,
	TOOL_RESPONSE,
	SERVER_CONTENT,
	TURN_COMPLETE,
	TOOL_CALL,
	TOOL_CANCEL,
	USAGE,
	REALTIME_RESPONSE,
	MARKS
};

static const struct {
	const char *path;
	uint8_t mark;
	bool text; /* of a string, which is read; else of any value that is not false or null */
} marks[] = {
	{"type", TYPE, true},
	{"stream_id", LANE, true},
	{"response.id", RESPONSE_ID, true},
	{"response_id", RESPONSE_ID, true},
	{"response.object", RESPONSE_OBJECT, true},
	{"model", MODEL, true},
	{"input", INPUT, false},
	{"response", RESPONSE, false},
	{"session", SESSION, false},
	{"session.model", SESSION_MODEL, true},
	{"setup", SETUP, false},
	{"setup.model", SETUP_MODEL, true},
	{"setupComplete", SETUP_DONE, false},
	{"clientContent", CONTENT, false},
	{"client_content", CONTENT, false},
	{"clientContent.turnComplete", CONTENT_DONE, false},
	{"client_content.turn_complete", CONTENT_DONE, false},
	{"realtimeInput", REALTIME, false},
	{"realtime_input", REALTIME, false},
	{"toolResponse", TOOL_RESPONSE, false},
	{"tool_response", TOOL_RESPONSE, false},
	{"serverContent", SERVER_CONTENT, false},
	{"serverContent.turnComplete", TURN_COMPLETE, false},
	{"toolCall", TOOL_CALL, false},
	{"toolCallCancellation", TOOL_CANCEL, false},
	{"usageMetadata", USAGE, false},
};

static struct jsonpath tree;
static uint8_t mark_of[JSONPATH_NODES]; /* index in marks + 1 */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void compile(void)
{
	jsonpath_init(&tree);
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
		mark_of[jsonpath_add(&tree, marks[i].path)] = (uint8_t)(i + 1);
}

static void text_done(struct ws_peek *k, enum mark m)
{
	k->text[k->text_n] = '\0';
	if (m == TYPE)
		TEXT_SET(k->type, k->text, k->text_n);
	else if (m == LANE)
		TEXT_SET(k->lane, k->text, k->text_n);
	else if (m == RESPONSE_ID)
		TEXT_SET(k->response_id, k->text, k->text_n);
	else if (m == SESSION_MODEL || m == SETUP_MODEL)
		TEXT_SET(k->model, k->text, k->text_n);
	else if (m == RESPONSE_OBJECT && !strcmp(k->text, "realtime.response"))
		k->seen |= 1u << REALTIME_RESPONSE;
	k->seen |= 1u << m;
}

static void on_event(void *ctx, enum json_event ev, const char *p, size_t n)
{
	struct ws_peek *k = ctx;
	uint16_t node = jsonwalk_step(&k->walk, ev, p, n);
	uint8_t at = node ? mark_of[node] : 0;

	if (!at || ev == JSON_OBJECT_END || ev == JSON_ARRAY_END || ev == JSON_KEY)
		return;
	if (!marks[at - 1].text) {
		if (ev != JSON_FALSE && ev != JSON_NULL)
			k->seen |= 1u << marks[at - 1].mark;
	} else if (ev == JSON_STRING) {
		size_t room = sizeof(k->text) - 1 - k->text_n;

		memcpy(k->text + k->text_n, p, n < room ? n : room);
		k->text_n += (uint8_t)(n < room ? n : room);
	} else if (ev == JSON_STRING_END) {
		text_done(k, (enum mark)marks[at - 1].mark);
		k->text_n = 0;
	}
}

void ws_peek_begin(struct ws_peek *k)
{
	pthread_once(&once, compile);
	memset(k, 0, sizeof(*k));
	json_init(&k->json, on_event, k, false);
	jsonwalk_init(&k->walk, &tree, false);
}

void ws_peek_data(struct ws_peek *k, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n && !k->first; i++)
		if (!strchr(" \t\r\n", p[i]))
			k->first = p[i];
	if (!k->first || k->bad)
		return;
	k->bad = k->first != '{' || json_feed(&k->json, p, n) == JSON_BAD;
}

bool ws_peek_is_json(const struct ws_peek *k)
{
	return k->first == '{' && !k->bad;
}

static bool saw(const struct ws_peek *k, enum mark m)
{
	return k->seen >> m & 1;
}

static bool begins(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

static bool is_one_of(const char *s, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(s, list[i]))
			return true;
	return false;
}

bool ws_peek_ready(const struct ws_peek *k)
{
	/* The lane comes with the type, or nowhere near. */
	if (saw(k, TYPE))
		return strcmp(k->type, "response.created") || saw(k, RESPONSE_ID);
	return k->seen & (1u << SETUP | 1u << CONTENT | 1u << REALTIME | 1u << TOOL_RESPONSE |
			  1u << SERVER_CONTENT | 1u << TOOL_CALL | 1u << SETUP_DONE);
}

bool ws_peek_is_setup(const struct ws_peek *k)
{
	return saw(k, SETUP) || begins(k->type, "session.");
}

/* --- Gemini Live ----------------------------------------------------------------------------- */

static enum ws_event gemini_client(const struct ws_peek *k, enum dialect *d)
{
	if (saw(k, SETUP_MODEL) || saw(k, CONTENT) || saw(k, REALTIME))
		*d = DIALECT_GEMINI_LIVE_WS;
	if (saw(k, TOOL_RESPONSE) || saw(k, CONTENT_DONE))
		return WS_ASK;
	return saw(k, SETUP) || saw(k, CONTENT) || saw(k, REALTIME) ? WS_PART : WS_OTHER;
}

static enum ws_event gemini_server(const struct ws_peek *k, enum dialect *d)
{
	if (saw(k, SETUP_DONE) || saw(k, SERVER_CONTENT))
		*d = DIALECT_GEMINI_LIVE_WS;
	if (saw(k, TURN_COMPLETE) || saw(k, TOOL_CALL))
		return WS_LAST;
	if (saw(k, SERVER_CONTENT))
		return WS_ANSWER;
	return saw(k, USAGE) ? WS_USAGE : WS_OTHER;
}

/* --- OpenAI ---------------------------------------------------------------------------------- */

static bool is_realtime(const char *type)
{
	return begins(type, "session.") || begins(type, "conversation.") ||
	       begins(type, "input_audio_buffer.") || begins(type, "output_audio_buffer.") ||
	       begins(type, "transcription_session.");
}

static enum ws_event openai_client(const struct ws_peek *k, enum dialect *d)
{
	static const char *const control[] = {"response.cancel", "conversation.item.retrieve",
					      "output_audio_buffer.clear"};
	bool create = !strcmp(k->type, "response.create");

	if (create && (saw(k, MODEL) || saw(k, INPUT)))
		*d = DIALECT_OPENAI_RESPONSES_WS;
	else if ((create && saw(k, RESPONSE)) || begins(k->type, "input_audio_buffer.") ||
		 begins(k->type, "conversation.item.") || !strcmp(k->type, "session.update"))
		*d = DIALECT_OPENAI_REALTIME_WS;
	if (create)
		return WS_ASK;
	if (is_one_of(k->type, control, ARRAY_SIZE(control)))
		return WS_OTHER;
	return is_realtime(k->type) || begins(k->type, "response.") ? WS_PART : WS_OTHER;
}

static enum ws_event openai_server(const struct ws_peek *k, enum dialect *d)
{
	static const char *const last[] = {"response.completed", "response.failed",
					   "response.incomplete", "response.done",
					   "response.cancelled"};
	bool named = begins(k->type, "response.");

	if (!strcmp(k->type, "response.done") || saw(k, REALTIME_RESPONSE) ||
	    !strcmp(k->type, "session.created") || !strcmp(k->type, "session.updated"))
		*d = DIALECT_OPENAI_REALTIME_WS;
	else if (named && (!strcmp(k->type, "response.completed") ||
			   !strcmp(k->type, "response.in_progress") ||
			   !strcmp(k->type, "response.incomplete")))
		*d = DIALECT_OPENAI_RESPONSES_WS;
	if (!strcmp(k->type, "error"))
		return WS_ERROR;
	if (!strcmp(k->type, "response.created"))
		return WS_OPEN;
	if (is_one_of(k->type, last, ARRAY_SIZE(last)))
		return WS_LAST;
	return named && !begins(k->type, "response.steer.") ? WS_ANSWER : WS_OTHER;
}

enum ws_event ws_peek_event(const struct ws_peek *k, bool client, enum dialect hint,
			    enum dialect *ret_dialect)
{
	enum dialect d = DIALECT_NONE;
	enum ws_event ev = WS_OTHER;

	if (hint != DIALECT_GEMINI_LIVE_WS && *k->type)
		ev = client ? openai_client(k, &d) : openai_server(k, &d);
	else if (hint == DIALECT_NONE || hint == DIALECT_GEMINI_LIVE_WS)
		ev = client ? gemini_client(k, &d) : gemini_server(k, &d);
	*ret_dialect = d;
	return ev;
}
