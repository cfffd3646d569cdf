// SPDX-License-Identifier: Apache-2.0
/*
 * One exchange: JSON documents of both sides in, facts in the interaction out.
 *
 * Each side has one document open at most; its bytes go through the scanner (json.c), the path
 * tree (jsonpath.c) and the dialects' rules (dialect/). When a document ends, the evidence of its
 * shape is weighed, in this order:
 *   the path names the dialect and the request fits it;
 *   the request fits another dialect better than chance: that one;
 *   the answer clearly is of a dialect, and the above left doubt: that one.
 * A path that other services use too must be borne out by a body before dialect_by_path is
 * cleared. Facts of an exchange whose dialect stays NONE are unexplained values of well-known
 * fields, no more.
 *
 * Memory is this struct, whatever comes: no document, and no text of prompt or answer, is kept.
 */
#include "extract.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "dialect/facts.h"
#include "dialect/rules.h"
#include "extract_path.h"

#define TEXT_MAX 256 /* no fact is longer than 128 */

struct doc {
	struct extract *x;
	const struct rules *rules;
	enum extract_side side;
	bool open, bad, any;
	int8_t marker; /* bytes of "[DONE]" matched, -1 = something else */
	bool some;     /* the string being read is not empty */
	bool error_event;
	uint16_t text_len;
	char text[TEXT_MAX];
	struct json json;
	struct jsonwalk walk;
};

struct extract {
	struct interaction *it;
	struct facts facts;
	struct doc doc[2];
	enum extract_side side;	 /* of the bytes to come */
	bool firm;		 /* dialect is beyond doubt */
	bool asked, asked_whole; /* the request's document has ended, and not by a cut */
	bool done_marker;
};

static const char done_marker[] = "[DONE]";

/* --- dialect by shape ------------------------------------------------------------------------ */

static void settle(struct extract *x, enum dialect d, bool firm)
{
	x->it->dialect = d;
	x->it->dialect_by_path = false;
	x->firm = firm;
}

static void judge_request(struct extract *x)
{
	uint64_t seen = x->facts.side[EXTRACT_REQUEST].seen;
	enum dialect hint = x->it->dialect, best = DIALECT_NONE;
	enum fit hint_fit = FIT_NOT, best_fit = FIT_NOT;
	bool strong = extract_path_is_strong(x->it);

	if (x->firm)
		return;
	for (enum dialect d = DIALECT_NONE + 1; d < DIALECT__MAX; d++) {
		enum fit fit = dialect_def(d)->asks(seen, d == hint);

		if (d == hint) {
			hint_fit = fit;
		} else if (fit > best_fit) {
			best = d;
			best_fit = fit;
		}
	}
	if (hint_fit == FIT_AGREES && !strong && best_fit == FIT_CLEAR)
		settle(x, best, true);
	else if (hint_fit != FIT_NOT)
		settle(x, hint, strong || hint_fit == FIT_CLEAR);
	else if (best_fit >= FIT_LIKELY)
		settle(x, best, false);
}

static void judge_response(struct extract *x)
{
	uint64_t seen = x->facts.side[EXTRACT_RESPONSE].seen;

	for (enum dialect d = DIALECT_NONE + 1; d < DIALECT__MAX && !x->firm; d++)
		if (dialect_def(d)->answers(seen) == FIT_CLEAR)
			settle(x, d, true);
}

/* Also when the answer tells a dialect other than the request did. */
static void publish_request(struct extract *x)
{
	if (!x->asked)
		return;
	facts_request_ended(&x->facts, x->asked_whole);
	extract_path_facts(x->it, x->asked_whole);
}

static void end_request(struct extract *x, bool whole)
{
	x->asked = true;
	x->asked_whole = whole;
	judge_request(x);
	publish_request(x);
}

static void end_response(struct extract *x, bool whole)
{
	enum dialect asked = x->it->dialect;

	if (x->doc[EXTRACT_RESPONSE].error_event)
		facts_erred(&x->facts);
	judge_response(x);
	if (x->it->dialect != asked)
		publish_request(x);
	facts_response_ended(&x->facts, whole);
}

/* --- documents ------------------------------------------------------------------------------- */

static uint32_t speakers(const struct doc *d)
{
	uint32_t named = 1u << d->x->it->dialect;

	if (d->side == EXTRACT_RESPONSE && d->x->firm)
		return named;
	return d->rules->by_shape | named;
}

static void apply_rules(struct doc *d, uint16_t node, enum json_event ev, const char *p, size_t n)
{
	uint32_t who = speakers(d);

	/* Only Gemini sends a list of documents. */
	if (jsonwalk_in_list(&d->walk))
		who &= 1u << DIALECT_GEMINI;
	for (uint16_t i = d->rules->first[node]; i; i = d->rules->row[i].next) {
		const struct rule_row *r = &d->rules->row[i];

		if (r->rule->on >> ev & 1 && r->dialects & who)
			facts_apply(&d->x->facts, d->side, r->rule, r->dialects & who, ev, p, n);
	}
}

static void text_add(struct doc *d, const char *p, size_t n)
{
	size_t room = sizeof(d->text) - d->text_len;

	if (n > room)
		n = room;
	memcpy(d->text + d->text_len, p, n);
	d->text_len += (uint16_t)n;
}

static void on_string(struct doc *d, uint16_t node, const char *p, size_t n)
{
	if (!d->some)
		apply_rules(d, node, JSON_STRING, NULL, 0);
	d->some = true;
	if (d->rules->text[node])
		text_add(d, p, n);
}

static void on_event(void *ctx, enum json_event ev, const char *p, size_t n)
{
	struct doc *d = ctx;
	uint16_t node = jsonwalk_step(&d->walk, ev, p, n);

	if (ev == JSON_STRING) {
		if (node)
			on_string(d, node, p, n);
		return;
	}
	if (node && ev == JSON_STRING_END)
		apply_rules(d, node, ev, d->text, d->text_len);
	else if (node)
		apply_rules(d, node, ev, p, n);
	if (ev == JSON_STRING_END) {
		d->text_len = 0;
		d->some = false;
	}
	if (ev == JSON_OBJECT_END && jsonwalk_in_list(&d->walk) && d->walk.depth == 1) {
		d->x->it->stream_answered = true; /* a list, sent element by element */
		end_response(d->x, true);
		facts_response_begun(&d->x->facts);
	}
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The stream's end, in the place of a document; the scanner takes its '[' for an array. */
static void follow_marker(struct doc *d, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n && d->marker >= 0; i++) {
		if (is_space(p[i]) && (d->marker == 0 || !done_marker[d->marker]))
			continue;
		if (p[i] && p[i] == (uint8_t)done_marker[d->marker])
			d->marker++;
		else
			d->marker = -1;
	}
}

static bool is_marker(const struct doc *d)
{
	return d->marker > 0 && !done_marker[d->marker];
}

struct extract *extract_new(struct interaction *it)
{
	struct extract *x;

	if (!rules_get(EXTRACT_REQUEST) || !rules_get(EXTRACT_RESPONSE))
		return NULL;
	x = calloc(1, sizeof(*x));
	if (!x)
		return NULL;
	x->it = it;
	facts_init(&x->facts, it);
	for (size_t i = 0; i < ARRAY_SIZE(x->doc); i++) {
		x->doc[i].x = x;
		x->doc[i].side = (enum extract_side)i;
		x->doc[i].rules = rules_get((unsigned)i);
	}
	extract_path_facts(it, false);
	return x;
}

void extract_free(struct extract *x)
{
	free(x);
}

void extract_speaks(struct extract *x, enum dialect d)
{
	settle(x, d, true);
}

void extract_field(struct extract *x, const char *name, const char *value, size_t n)
{
	if (!strcmp(name, "model") && n) {
		TEXT_SET(x->it->request_model, value, n);
		x->facts.side[EXTRACT_REQUEST].seen |= 1ull << Q_MODEL;
	} else if (!strcmp(name, "stream")) {
		x->facts.stream = n == 4 && !memcmp(value, "true", 4);
	} else if (!strcmp(name, "prompt") && n) {
		x->facts.messages[FROM_PROMPT]++;
	}
}

void extract_form_end(struct extract *x, bool whole)
{
	enum dialect d = x->it->dialect;

	if ((d == DIALECT_OPENAI_AUDIO || d == DIALECT_OPENAI_IMAGES) &&
	    saw(x->facts.side[EXTRACT_REQUEST].seen, Q_MODEL))
		settle(x, d, true);
	x->asked = true;
	x->asked_whole = whole;
	publish_request(x);
}

void extract_select(struct extract *x, enum extract_side side)
{
	x->side = side;
}

void extract_begin(struct extract *x, enum extract_side side, const char *event)
{
	struct doc *d = &x->doc[side];

	x->side = side;
	if (d->open)
		extract_end(x, true);
	x->side = side;
	d->open = true;
	d->bad = d->any = d->some = false;
	d->error_event = event && !strcmp(event, "error");
	d->marker = side == EXTRACT_RESPONSE ? 0 : -1;
	d->text_len = 0;
	json_init(&d->json, on_event, d, false);
	jsonwalk_init(&d->walk, &d->rules->tree, side == EXTRACT_RESPONSE);
	if (side == EXTRACT_RESPONSE)
		facts_response_begun(&x->facts);
}

int extract_data(struct extract *x, const uint8_t *p, size_t n, uint64_t ns)
{
	struct doc *d = &x->doc[x->side];

	if (!d->open || !n)
		return 0;
	for (size_t i = 0; i < n && !d->any; i++)
		d->any = !is_space(p[i]);
	x->facts.now = ns;
	follow_marker(d, p, n);
	if (!d->bad)
		d->bad = json_feed(&d->json, p, n) == JSON_BAD;
	return d->bad && d->marker < 0 ? -EBADMSG : 0;
}

void extract_end(struct extract *x, bool cut)
{
	struct doc *d = &x->doc[x->side];
	enum json_status status;

	if (!d->open)
		return;
	d->open = false;
	/* A cut may fall behind the last byte that matters. A bare number has no last byte. */
	status = cut ? json_feed(&d->json, NULL, 0) : json_end(&d->json);
	if (is_marker(d)) {
		x->done_marker = true;
	} else if (d->any) {
		if (!cut && status == JSON_MORE && x->it->dialect != DIALECT_NONE)
			interaction_incomplete(x->it, TRUNCATED, "a JSON document ends early");
		if (d->side == EXTRACT_REQUEST)
			end_request(x, status == JSON_DONE);
		else
			end_response(x, status == JSON_DONE);
	}
	if (x->doc[!x->side].open)
		x->side = !x->side;
}

bool extract_stream_done(const struct extract *x)
{
	return x->done_marker || x->facts.done >> x->it->dialect & 1;
}
