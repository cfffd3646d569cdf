// SPDX-License-Identifier: Apache-2.0
/*
 * The actions of the dialects' rules: JSON values in, facts of the interaction out.
 *
 * A fact is written only from a whole value, so a document cut anywhere gives fewer facts, never
 * wrong ones. What depends on the dialect waits in struct facts until the document ends.
 *
 * Tool calls: streams send one call in pieces. A piece belongs to the call with its id; without
 * an id to the call with its (choice, index); else it begins a new call. Past TOOL_CALLS_MAX calls
 * are counted only, and a piece is then compared with the last one counted.
 *
 * No text of prompts and answers is kept: rules on such fields are given no text at all.
 */
#include "facts.h"

#include <string.h>

#define REQUEST 0
#define RESPONSE 1
/* No real count comes near; sums of a few cannot overflow. */
#define COUNT_MAX 1000000000000000

void facts_init(struct facts *f, struct interaction *it)
{
	memset(f, 0, sizeof(*f));
	f->it = it;
	f->stream = -1;
	for (size_t i = 0; i < RAW__MAX; i++)
		f->raw[i] = -1;
}

static bool fits(const struct rule *r, const char *p, size_t n)
{
	size_t len = r->text ? strlen(r->text) : 0;

	if (!len)
		return true;
	if (r->text[len - 1] == '*')
		return n >= len - 1 && !memcmp(p, r->text, len - 1);
	return n == len && !memcmp(p, r->text, n);
}

/* --- tools offered --------------------------------------------------------------------------- */

static void offer_mcp(struct facts *f, const char *label, size_t n)
{
	char name[128] = "mcp:";

	if (!n)
		return;
	text_copy(name + 4, sizeof(name) - 4, label, n);
	names_add(&f->it->tools_offered, name, strlen(name));
}

static void item_begun(struct facts_side *s, uint32_t dialects)
{
	memset(&s->item, 0, sizeof(s->item));
	s->item.index = NO_INDEX;
	s->item_of = dialects;
	s->item_named = false;
}

/* A tool without a name is one the service brings along: its type names it. */
static void offer_ended(struct facts *f)
{
	struct facts_side *s = &f->side[REQUEST];
	const struct item *i = &s->item;

	if (!s->item_of)
		return;
	s->item_of = 0;
	if (s->item_named || !*i->type || !strcmp(i->type, "function"))
		return;
	if (!strncmp(i->type, "mcp", 3) && *i->label)
		offer_mcp(f, i->label, strlen(i->label));
	else
		names_add(&f->it->tools_offered, i->type, strlen(i->type));
}

/* --- tool calls ------------------------------------------------------------------------------ */

static bool same_key(struct call_key a, struct call_key b)
{
	return a.index >= 0 && a.choice == b.choice && a.index == b.index;
}

static struct tool_call *find_call(struct facts *f, struct call_key key, const char *id)
{
	uint32_t n = f->it->tool_calls_count;

	if (n > TOOL_CALLS_MAX)
		n = TOOL_CALLS_MAX;
	for (uint32_t i = 0; *id && i < n; i++)
		if (!strcmp(f->it->tool_calls[i].id, id))
			return &f->it->tool_calls[i];
	/* Newest first. With an id of its own it is another call, even under a used index: some
	 * servers give all calls the index 0. */
	for (uint32_t i = n; i-- > 0;)
		if (same_key(f->calls[i], key))
			return *id && *f->it->tool_calls[i].id ? NULL : &f->it->tool_calls[i];
	return NULL;
}

static void refuse_call(struct facts *f, struct call_key key, const char *id)
{
	if (*id ? !strcmp(id, f->refused_id) : same_key(f->refused, key))
		return;
	f->refused = key;
	TEXT_SET(f->refused_id, id, strlen(id));
	f->it->tool_calls_count++;
}

static void call_seen(struct facts *f, const struct item *i, const char *id)
{
	struct call_key key = {f->choice, i->index};
	struct tool_call *c = find_call(f, key, id);

	if (!c) {
		if (!*i->name && !*id)
			return;
		if (f->it->tool_calls_count >= TOOL_CALLS_MAX) {
			refuse_call(f, key, id);
			return;
		}
		f->calls[f->it->tool_calls_count] = key;
		c = &f->it->tool_calls[f->it->tool_calls_count++];
	}
	if (!*c->name)
		TEXT_SET(c->name, i->name, strlen(i->name));
	if (!*c->id)
		TEXT_SET(c->id, id, strlen(id));
}

static void call_ended(struct facts *f, bool cut)
{
	struct facts_side *s = &f->side[RESPONSE];
	const struct dialect_def *d = NULL;
	struct item *i = &s->item;

	/* A call's path belongs to one dialect. */
	if (s->item_of)
		d = dialect_def((enum dialect)__builtin_ctz(s->item_of));
	s->item_of = 0;
	if (!d)
		return;
	if (d->is_call ? d->is_call(i, cut) : *i->name)
		call_seen(f, i, *i->call_id ? i->call_id : i->id);
}

static void call_begun(struct facts *f, const struct rule *r, uint32_t dialects)
{
	struct item *i = &f->side[RESPONSE].item;

	item_begun(&f->side[RESPONSE], dialects);
	i->index = r->arg;
	if (r->text)
		TEXT_SET(i->name, r->text, strlen(r->text));
}

static void item_field(struct item *i, int8_t field, const char *p, size_t n)
{
	switch ((enum item_field)field) {
	case ITEM_TYPE:
		TEXT_SET(i->type, p, n);
		break;
	case ITEM_NAME:
		TEXT_SET(i->name, p, n);
		break;
	case ITEM_ID:
		TEXT_SET(i->id, p, n);
		break;
	case ITEM_CALL_ID:
		TEXT_SET(i->call_id, p, n);
		break;
	case ITEM_LABEL:
		TEXT_SET(i->label, p, n);
		break;
	}
}

/* --- counts, errors, ends -------------------------------------------------------------------- */

static void count(struct facts *f, int8_t which, bool most, const char *p, size_t n)
{
	int64_t v = p ? json_count(p, n) : -1;

	if (v >= 0 && v <= COUNT_MAX && (!most || v > f->raw[which]))
		f->raw[which] = v;
}

static void error_named(struct facts *f, const struct rule *r, const char *p, size_t n)
{
	if (!n || r->arg < f->error_rank)
		return;
	f->error_rank = r->arg;
	TEXT_SET(f->error_text, p, n);
}

void facts_erred(struct facts *f)
{
	f->erred = UINT32_MAX;
}

static void mark_token(struct facts *f, uint32_t dialects)
{
	for (size_t d = 0; d < DIALECT__MAX; d++)
		if (dialects >> d & 1 && !f->token_ns[d])
			f->token_ns[d] = f->now;
}

/* --- rules ----------------------------------------------------------------------------------- */

static void apply_request(struct facts *f, const struct rule *r, uint32_t dialects,
			  enum json_event ev, const char *p, size_t n)
{
	struct facts_side *s = &f->side[REQUEST];

	switch ((enum act)r->act) {
	case ACT_REQUEST_MODEL:
		if (!n)
			break;
		if (r->arg == Q_MODEL || !*f->it->request_model)
			TEXT_SET(f->it->request_model, p, n);
		s->seen |= 1ull << r->arg;
		break;
	case ACT_STREAM:
		f->stream = ev == JSON_TRUE;
		break;
	case ACT_MESSAGE:
		f->messages[r->arg]++;
		break;
	case ACT_OFFER:
		names_add(&f->it->tools_offered, p, n);
		s->item_named = true;
		break;
	case ACT_OFFER_AS:
		names_add(&f->it->tools_offered, r->text, strlen(r->text));
		s->item_named = true;
		break;
	case ACT_OFFER_MCP:
		offer_mcp(f, p, n);
		break;
	case ACT_OFFER_ITEM:
		if (ev == JSON_OBJECT)
			item_begun(s, dialects);
		else
			offer_ended(f);
		break;
	default:
		break;
	}
}

static void apply_call(struct facts *f, const struct rule *r, uint32_t dialects, enum json_event ev,
		       const char *p, size_t n)
{
	switch ((enum act)r->act) {
	case ACT_CHOICE:
		f->choice = 0;
		break;
	case ACT_CHOICE_INDEX:
		f->choice = p ? json_count(p, n) : -1;
		break;
	case ACT_CALL:
		if (ev == JSON_OBJECT)
			call_begun(f, r, dialects);
		else
			call_ended(f, false);
		break;
	case ACT_ITEM_INDEX:
		f->side[RESPONSE].item.index = p ? json_count(p, n) : NO_INDEX;
		break;
	default:
		break;
	}
}

static void apply_response(struct facts *f, const struct rule *r, uint32_t dialects,
			   enum json_event ev, const char *p, size_t n)
{
	switch ((enum act)r->act) {
	case ACT_RESPONSE_MODEL:
		if (!n)
			break;
		TEXT_SET(f->it->response_model, p, n);
		f->side[RESPONSE].seen |= 1ull << R_MODEL;
		break;
	case ACT_RESPONSE_OTHER:
		if (!*f->it->response_model)
			TEXT_SET(f->it->response_model, p, n);
		break;
	case ACT_TIER:
		if (n)
			TEXT_SET(f->it->service_tier, p, n);
		break;
	case ACT_RESPONSE_ID:
		if (n)
			TEXT_SET(f->it->response_id, p, n);
		break;
	case ACT_FINISH:
		if (!n || (n == 4 && !memcmp(p, "null", 4))) /* as a text, where it goes on */
			break;
		TEXT_SET(f->it->finish_reason, p, n);
		f->finish_set = true;
		break;
	case ACT_FINISH_AS:
		TEXT_SET(f->it->finish_reason, r->text, strlen(r->text));
		f->finish_set = true;
		break;
	case ACT_FINISH_WEAK:
		TEXT_SET(f->finish_weak, p, n);
		break;
	case ACT_ERROR:
		error_named(f, r, p, n);
		break;
	case ACT_ERRED:
		f->erred |= dialects;
		f->error_whole = ev == JSON_OBJECT_END;
		break;
	case ACT_COUNT:
	case ACT_COUNT_MOST:
		count(f, r->arg, r->act == ACT_COUNT_MOST, p, n);
		break;
	case ACT_USAGE:
		f->usage_open = ev == JSON_OBJECT;
		break;
	case ACT_TOKEN:
		mark_token(f, dialects);
		break;
	case ACT_LAST:
		f->last |= dialects;
		break;
	default:
		apply_call(f, r, dialects, ev, p, n);
	}
}

void facts_apply(struct facts *f, unsigned side, const struct rule *r, uint32_t dialects,
		 enum json_event ev, const char *p, size_t n)
{
	if (ev == JSON_STRING_END && !fits(r, p, n))
		return;
	if (r->act == ACT_SEEN)
		f->side[side].seen |= 1ull << r->arg;
	else if (r->act == ACT_ITEM)
		item_field(&f->side[side].item, r->arg, p, n);
	else if (side == REQUEST)
		apply_request(f, r, dialects, ev, p, n);
	else
		apply_response(f, r, dialects, ev, p, n);
}

/* --- into the interaction -------------------------------------------------------------------- */

void facts_request_ended(struct facts *f, bool whole)
{
	const struct dialect_def *d = dialect_def(f->it->dialect);

	f->side[REQUEST].item_of = 0;
	if (!d)
		return;
	f->it->messages = 0;
	for (size_t i = 0; i < FROM__MAX; i++)
		if (d->message_sources >> i & 1)
			f->it->messages += f->messages[i];
	if (f->stream > 0 || (f->stream < 0 && whole && d->streams_by_default))
		f->it->stream_requested = true;
}

void facts_response_begun(struct facts *f)
{
	f->side[RESPONSE].item_of = 0;
	f->usage_open = f->error_whole = f->finish_set = false;
	f->erred = 0;
	f->error_rank = 0;
	f->last = 0;
	f->choice = 0;
	*f->finish_weak = *f->error_text = '\0';
}

static void publish_error(struct facts *f, bool whole)
{
	const char *type = "error";

	if (!(f->it->dialect == DIALECT_NONE ? f->erred : f->erred >> f->it->dialect & 1))
		return;
	/* A better name than the lowest ranked one may have been cut off. */
	if (*f->error_text && (whole || f->error_whole || f->error_rank > 1))
		type = f->error_text;
	TEXT_SET(f->it->error_type, type, strlen(type));
}

void facts_response_ended(struct facts *f, bool whole)
{
	const struct dialect_def *d = dialect_def(f->it->dialect);

	if (f->side[RESPONSE].item_of)
		call_ended(f, true);
	publish_error(f, whole);
	if (whole && !f->finish_set && *f->finish_weak)
		TEXT_SET(f->it->finish_reason, f->finish_weak, strlen(f->finish_weak));
	if (whole)
		f->done |= f->last;
	if (!d)
		return;
	d->count(f->raw, f->usage_open, &f->it->tokens);
	if (!f->it->first_token_ns &&
	    (!d->always_delta || f->it->stream_requested || f->it->stream_answered))
		f->it->first_token_ns = f->token_ns[d->id];
}
