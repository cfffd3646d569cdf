// SPDX-License-Identifier: Apache-2.0
/*
 * The bytes of one direction, message by message: heads are parsed where they lie, and copied
 * only when they come in pieces; bodies go to their exchange without a copy.
 *
 * A request whose head cannot be read whole (too long, bad syntax) is reported by what can be.
 */
#include <stdlib.h>
#include <string.h>

#include "h2.h"

#define HEAD_STEP 2048 /* a head in pieces takes this much of a chunk at a time */

void head_drop(struct side *s)
{
	free(s->head);
	s->head = NULL;
	s->head_n = s->head_cap = s->head_seen = 0;
}

bool head_keep(struct side *s, const uint8_t *p, size_t n)
{
	if (s->head_n + n > s->head_cap) {
		size_t cap = (s->head_n + n + HEAD_STEP - 1) / HEAD_STEP * HEAD_STEP;
		uint8_t *head = realloc(s->head, cap);

		if (!head)
			return false;
		s->head = head;
		s->head_cap = cap;
	}
	memcpy(s->head + s->head_n, p, n);
	s->head_n += n;
	return true;
}

static void on_head(struct flow *f, enum flow_dir dir, const struct http1_head *h,
		    const uint8_t *base, const struct pair_flaw *flaw, uint64_t ns)
{
	struct side *s = &f->side[dir];

	if (dir == FLOW_REQUEST)
		pair_request(f, h, s->head_offset + ((const uint8_t *)h->method.p - base), flaw,
			     ns);
	else
		pair_answer(f, h, ns);
}

static void on_garbage(struct flow *f, enum flow_dir dir, const uint8_t *p, size_t n, uint64_t ns)
{
	static const struct pair_flaw flaw = {UNDECODABLE, "request head is not valid HTTP/1"};
	struct exchange *x = pair_awaiting(f);
	struct http1_head h;

	f->side[dir].phase = LOST;
	if (dir == FLOW_REQUEST && http1_head_salvage(true, p, n, &h) == HTTP1_OK) {
		on_head(f, dir, &h, p, &flaw, ns);
	} else if (!f->asked && !f->late) {
		f->ignored = true;
	} else if (dir == FLOW_REQUEST) {
		f->unpaired = true;
	} else if (x) {
		exchange_incomplete(x, UNDECODABLE, "answer is not HTTP/1");
	}
}

/* HTTP/2 begins here, or perhaps does: the bytes taken are kept until that is known. */
static bool preface(struct flow *f, const uint8_t *p, size_t n, size_t *ret_used, uint64_t ns)
{
	struct side *s = &f->side[FLOW_REQUEST];
	size_t old = s->head_n, take;

	if (old >= H2_PREFACE_LEN || memcmp(s->head ? s->head : p, h2_preface, old))
		return false;
	take = n < H2_PREFACE_LEN - old ? n : H2_PREFACE_LEN - old;
	if (memcmp(p, h2_preface + old, take))
		return false;
	*ret_used = take;
	if (old + take < H2_PREFACE_LEN)
		return head_keep(s, p, take);
	pair_close(f, ns);
	h2_begin(f, false, H2_PREFACE_LEN);
	return true;
}

size_t message_head(struct flow *f, enum flow_dir dir, const uint8_t *p, size_t n, uint64_t ns)
{
	struct side *s = &f->side[dir];
	size_t old = s->head_n, take = old && n > HEAD_STEP ? HEAD_STEP : n, used = 0;
	bool request = dir == FLOW_REQUEST;
	const uint8_t *base = p;
	size_t base_n = take;
	struct http1_head h;
	enum http1_answer a;

	if (!old) {
		if (f->asked && (*p == '\r' || *p == '\n'))
			return 1; /* some clients end a body with an empty line of its own */
		s->head_offset = s->next;
		s->head_ns = ns;
	}
	if (request && preface(f, p, n, &used, ns))
		return used;
	if (!old) {
		a = http1_head_parse(request, p, n, &s->head_seen, &h, &used);
		if (a == HTTP1_MORE)
			a = head_keep(s, p, n) ? HTTP1_MORE : HTTP1_BAD;
	} else if (head_keep(s, p, take)) {
		base = s->head;
		base_n = s->head_n;
		a = http1_head_parse(request, base, base_n, &s->head_seen, &h, &used);
	} else {
		a = HTTP1_BAD;
	}
	if (a == HTTP1_MORE)
		return take;
	if (a == HTTP1_OK) {
		on_head(f, dir, &h, base, NULL, ns);
		used -= old;
	} else {
		on_garbage(f, dir, base, base_n, ns);
		used = old ? 0 : 1;
	}
	head_drop(s);
	return used;
}

size_t message_body(struct flow *f, enum flow_dir dir, const uint8_t *p, size_t n, uint64_t ns)
{
	struct side *s = &f->side[dir];
	const uint8_t *data;
	size_t used = n, data_n = 0;
	enum http1_answer a = http1_body_step(&s->framing, p, n, &used, &data, &data_n);

	if (a == HTTP1_BAD) {
		if (s->x)
			exchange_incomplete(s->x, UNDECODABLE, "chunked framing is broken");
		pair_message_lost(f, dir, ns);
		return 0;
	}
	if (data_n && s->x) {
		exchange_data(s->x, dir, data, data_n, ns);
		pair_dropped(f, s->x);
	}
	if (a == HTTP1_OK) {
		if (dir == FLOW_RESPONSE && s->framing.guessed)
			recover_answer_over(f);
		pair_message_over(f, dir, false, ns);
	}
	return used;
}
