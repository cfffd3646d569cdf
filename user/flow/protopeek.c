// SPDX-License-Identifier: Apache-2.0
/*
 * Protobuf messages in, facts of the interaction out, by a table of field numbers.
 *
 * The schemas are those Google publishes for google.ai.generativelanguage (v1, v1alpha, v1beta)
 * and google.cloud.aiplatform.v1; field numbers are facts of the wire. Messages are walked as they
 * come: a field of the table is entered or read, any other is skipped by its length. Nothing is
 * kept but the open messages (DEPTH_MAX deep) and the text being read, cut at TEXT_MAX.
 *
 * Counts repeat in every message of a stream, the last ones hold. In OpenTelemetry's meaning:
 * input is prompt and what tools fed back, output is candidates and thoughts. As proto3 leaves
 * zeros out, a usage message without a count says 0 of it.
 * What is not protobuf leaves its message unread and no verdict: the framing around it was whole.
 */
#include "protopeek.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define DEPTH_MAX 8
#define TEXT_MAX 128
#define VARINT_BYTES_MAX 10

enum message {
	NONE,
	AI_REQUEST,
	AI_RESPONSE,
	AI_USAGE,
	AI_CANDIDATE,
	VX_REQUEST,
	VX_RESPONSE,
	VX_USAGE,
	VX_CANDIDATE,
	CONTENT,
	PART,
	CALL,
	TOOL,
	FUNCTION,
};

enum act {
	ENTER,	 /* a message; arg: which */
	MESSAGE, /* one of the conversation */
	REQUEST_MODEL,
	RESPONSE_MODEL,
	RESPONSE_ID,
	OFFER,
	CALL_NAME,
	CALL_ID,
	FINISH,
	TOKEN, /* generated content is there */
	COUNT, /* arg: enum count */
};

enum count { PROMPT, CANDIDATES, CACHED, THOUGHTS, TOOL_PROMPT, COUNTS };

static const struct row {
	uint8_t in;
	uint8_t field;
	uint8_t act;
	uint8_t arg;
} rows[] = {
	{AI_REQUEST, 1, REQUEST_MODEL, 0},
	{AI_REQUEST, 2, MESSAGE, 0},
	{AI_REQUEST, 5, ENTER, TOOL},
	{AI_RESPONSE, 1, ENTER, AI_CANDIDATE},
	{AI_RESPONSE, 3, ENTER, AI_USAGE},
	{AI_RESPONSE, 4, RESPONSE_MODEL, 0},
	{AI_USAGE, 1, COUNT, PROMPT},
	{AI_USAGE, 2, COUNT, CANDIDATES},
	{AI_USAGE, 4, COUNT, CACHED},
	{AI_USAGE, 8, COUNT, TOOL_PROMPT},
	{AI_USAGE, 10, COUNT, THOUGHTS},
	{AI_CANDIDATE, 1, ENTER, CONTENT},
	{AI_CANDIDATE, 2, FINISH, 0},
	{VX_REQUEST, 5, REQUEST_MODEL, 0},
	{VX_REQUEST, 2, MESSAGE, 0},
	{VX_RESPONSE, 2, ENTER, VX_CANDIDATE},
	{VX_RESPONSE, 4, ENTER, VX_USAGE},
	{VX_RESPONSE, 11, RESPONSE_MODEL, 0},
	{VX_RESPONSE, 13, RESPONSE_ID, 0},
	{VX_USAGE, 1, COUNT, PROMPT},
	{VX_USAGE, 2, COUNT, CANDIDATES},
	{VX_USAGE, 5, COUNT, CACHED},
	{VX_USAGE, 14, COUNT, THOUGHTS},
	{CONTENT, 1, ENTER, PART},
	{PART, 2, TOKEN, 0},
	{PART, 4, ENTER, CALL},
	{CALL, 1, CALL_NAME, 0},
	{CALL, 3, CALL_ID, 0},
	{TOOL, 1, ENTER, FUNCTION},
	{FUNCTION, 1, OFFER, 0},
};

static const struct service {
	const char *prefix;
	uint8_t request, response;
} services[] = {
	{"/google.ai.generativelanguage.v1.GenerativeService/", AI_REQUEST, AI_RESPONSE},
	{"/google.ai.generativelanguage.v1alpha.GenerativeService/", AI_REQUEST, AI_RESPONSE},
	{"/google.ai.generativelanguage.v1beta.GenerativeService/", AI_REQUEST, AI_RESPONSE},
	{"/google.cloud.aiplatform.v1.PredictionService/", VX_REQUEST, VX_RESPONSE},
};

enum state { TAG, VARINT, LENGTH, FIXED, TEXT, SKIP };

struct protopeek {
	struct interaction *it;
	uint8_t root;
	bool request, bad, open;
	enum state state;
	uint8_t depth;
	struct level {
		uint8_t message;
		uint64_t left; /* bytes of it to come; of the root: no end */
	} level[DEPTH_MAX];
	uint64_t value, left; /* of the field being read */
	uint8_t shift;
	const struct row *row; /* NULL: skip the field */
	size_t text_n;
	char text[TEXT_MAX];
	bool asked, usage, call;
	struct tool_call tool;
	int64_t counts[COUNTS];
};

static const struct service *service_of(const char *path, const char **ret_method)
{
	for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
		size_t n = strlen(services[i].prefix);

		if (!strncmp(path, services[i].prefix, n)) {
			*ret_method = path + n;
			return &services[i];
		}
	}
	return NULL;
}

struct protopeek *protopeek_new(struct interaction *it, bool request)
{
	const char *method;
	const struct service *s = service_of(it->path, &method);
	bool stream = s && !strcmp(method, "StreamGenerateContent");
	struct protopeek *p;

	if (!s || (!stream && strcmp(method, "GenerateContent")))
		return NULL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->it = it;
	p->request = request;
	p->root = request ? s->request : s->response;
	if (stream && request)
		it->stream_requested = true;
	if (stream && !request)
		it->stream_answered = true;
	return p;
}

void protopeek_free(struct protopeek *p)
{
	free(p);
}

/* --- facts ------------------------------------------------------------------------------------- */

static void on_finish(struct interaction *it, uint64_t v)
{
	static const char *const names[] = {
		NULL,
		"STOP",
		"MAX_TOKENS",
		"SAFETY",
		"RECITATION",
		"OTHER",
		"LANGUAGE",
		"BLOCKLIST",
		"PROHIBITED_CONTENT",
		"SPII",
		"MALFORMED_FUNCTION_CALL",
		"IMAGE_SAFETY",
	};

	if (v >= ARRAY_SIZE(names))
		snprintf(it->finish_reason, sizeof(it->finish_reason), "%llu",
			 (unsigned long long)v);
	else if (v) /* 0 is unset */
		TEXT_SET(it->finish_reason, names[v], strlen(names[v]));
}

static void on_number(struct protopeek *p, uint64_t v)
{
	if (p->row->act == COUNT && v <= INT32_MAX)
		p->counts[p->row->arg] = (int64_t)v;
	else if (p->row->act == FINISH)
		on_finish(p->it, v);
}

/* "models/gemini-pro" or a longer name of a resource. */
static void set_model(struct protopeek *p)
{
	const char *slash = memrchr(p->text, '/', p->text_n);
	const char *from = slash ? slash + 1 : p->text;

	TEXT_SET(p->it->request_model, from, p->text + p->text_n - from);
	p->asked = true;
}

static void on_text(struct protopeek *p)
{
	struct interaction *it = p->it;

	switch (p->row->act) {
	case REQUEST_MODEL:
		set_model(p);
		break;
	case RESPONSE_MODEL:
		TEXT_SET(it->response_model, p->text, p->text_n);
		break;
	case RESPONSE_ID:
		TEXT_SET(it->response_id, p->text, p->text_n);
		break;
	case OFFER:
		names_add(&it->tools_offered, p->text, p->text_n);
		break;
	case CALL_NAME:
		TEXT_SET(p->tool.name, p->text, p->text_n);
		break;
	case CALL_ID:
		TEXT_SET(p->tool.id, p->text, p->text_n);
		break;
	}
}

static void on_usage_end(struct protopeek *p)
{
	struct tokens *t = &p->it->tokens;

	t->input = p->counts[PROMPT] + p->counts[TOOL_PROMPT];
	t->output = p->counts[CANDIDATES] + p->counts[THOUGHTS];
	t->cached = p->counts[CACHED];
	t->reasoning = p->counts[THOUGHTS];
	p->usage = true;
}

static void on_call_end(struct protopeek *p)
{
	struct interaction *it = p->it;

	if (!*p->tool.name)
		return;
	if (it->tool_calls_count < TOOL_CALLS_MAX)
		it->tool_calls[it->tool_calls_count] = p->tool;
	it->tool_calls_count++;
}

static void on_level_end(struct protopeek *p, uint8_t message)
{
	if (message == AI_USAGE || message == VX_USAGE)
		on_usage_end(p);
	else if (message == CALL)
		on_call_end(p);
}

/* --- walk -------------------------------------------------------------------------------------- */

static const struct row *row_of(uint8_t message, uint64_t field)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].in == message && rows[i].field == field)
			return &rows[i];
	return NULL;
}

static void expect(struct protopeek *p, enum state s)
{
	p->state = s;
	p->value = 0;
	p->shift = 0;
}

static void on_tag(struct protopeek *p)
{
	uint8_t type = p->value & 7;

	p->row = row_of(p->level[p->depth].message, p->value >> 3);
	if (type == 0) {
		expect(p, VARINT);
	} else if (type == 2) {
		expect(p, LENGTH);
	} else if (type == 1 || type == 5) {
		p->left = type == 1 ? 8 : 4;
		p->bad = p->left > p->level[p->depth].left;
		expect(p, SKIP);
	} else { /* groups are of another age */
		p->bad = true;
	}
}

static bool is_text(const struct row *r)
{
	return r && r->act >= REQUEST_MODEL && r->act <= CALL_ID;
}

static void on_length(struct protopeek *p, uint64_t ns)
{
	const struct row *r = p->row;
	struct level *l = &p->level[p->depth];

	p->left = p->value;
	if (p->left > l->left) {
		p->bad = true;
		return;
	}
	expect(p, SKIP);
	if (r && r->act == MESSAGE)
		p->it->messages++;
	if (r && r->act == TOKEN && p->left && !p->request && !p->it->first_token_ns)
		p->it->first_token_ns = ns;
	if (is_text(r)) {
		p->text_n = 0;
		p->state = TEXT;
	} else if (r && r->act == ENTER && p->depth + 1 < DEPTH_MAX) {
		l->left -= p->left;
		p->level[++p->depth] = (struct level){r->arg, p->left};
		p->left = 0;
		if (r->arg == AI_USAGE || r->arg == VX_USAGE)
			memset(p->counts, 0, sizeof(p->counts));
		if (r->arg == CALL)
			memset(&p->tool, 0, sizeof(p->tool));
		expect(p, TAG);
	}
}

/* The open value is over where its bytes are. */
static void close_ended(struct protopeek *p)
{
	if ((p->state == SKIP || p->state == TEXT) && !p->left) {
		if (p->state == TEXT)
			on_text(p);
		expect(p, TAG);
	}
	while (p->depth && !p->level[p->depth].left && p->state == TAG && !p->shift) {
		on_level_end(p, p->level[p->depth].message);
		p->depth--;
	}
	/* A field that goes past its message. */
	if (p->depth && !p->level[p->depth].left)
		p->bad = true;
}

static void varint_byte(struct protopeek *p, uint8_t c, uint64_t ns)
{
	enum state was = p->state;

	if (p->shift >= 7 * VARINT_BYTES_MAX) {
		p->bad = true;
		return;
	}
	if (p->shift < 64)
		p->value |= (uint64_t)(c & 0x7f) << p->shift;
	p->shift += 7;
	if (c & 0x80)
		return;
	if (was == TAG) {
		on_tag(p);
	} else if (was == LENGTH) {
		on_length(p, ns);
	} else {
		if (p->row)
			on_number(p, p->value);
		expect(p, TAG);
	}
}

static size_t run(struct protopeek *p, const uint8_t *bytes, size_t n)
{
	size_t room = TEXT_MAX - p->text_n;

	n = n < p->left ? n : p->left;
	if (p->state == TEXT) {
		memcpy(p->text + p->text_n, bytes, n < room ? n : room);
		p->text_n += n < room ? n : room;
	}
	p->left -= n;
	return n;
}

void protopeek_begin(struct protopeek *p)
{
	p->bad = false;
	p->open = true;
	p->depth = 0;
	p->level[0] = (struct level){p->root, UINT64_MAX};
	expect(p, TAG);
}

void protopeek_data(struct protopeek *p, const uint8_t *bytes, size_t n, uint64_t ns)
{
	if (!p->open)
		protopeek_begin(p);
	while (n && !p->bad) {
		uint8_t depth = p->depth;
		size_t used = 1;

		if (p->state == SKIP || p->state == TEXT)
			used = run(p, bytes, n);
		/* Before a new level is entered, which was taken from this one's bytes. */
		p->level[depth].left -= used;
		if (p->state != SKIP && p->state != TEXT)
			varint_byte(p, *bytes, ns);
		bytes += used;
		n -= used;
		if (!p->bad)
			close_ended(p);
	}
}

void protopeek_end(struct protopeek *p, bool cut)
{
	if (!p->open)
		return;
	p->open = false;
	if ((p->request && p->asked) || (!p->request && p->usage)) {
		p->it->dialect = DIALECT_GEMINI;
		p->it->dialect_by_path = false;
	}
}
