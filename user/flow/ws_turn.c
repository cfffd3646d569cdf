// SPDX-License-Identifier: Apache-2.0
/*
 * Messages of one turn in; its facts, sizes and hashes into an interaction, and the caller's
 * callbacks out in the order of an HTTP exchange: head, bytes and text…, request, text…, then done or
 * dropped. Sizes and hashes are those of the messages' bytes one after the other.
 *
 * Memory is one interaction, one extract and two hashes; the number of turns is bounded by ws.c.
 */
#include "ws_turn.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

void ws_turn_free(struct ws_turn *t)
{
	if (!t)
		return;
	extract_free(t->extract);
	EVP_MD_CTX_free(t->md[0]);
	EVP_MD_CTX_free(t->md[1]);
	free(t);
}
DEFINE_CLEANUP(struct ws_turn, ws_turn_free)

struct ws_turn *ws_turn_new(const struct flow_ops *ops, void *ctx, const struct interaction *it)
{
	_cleanup_(ws_turn_freep) struct ws_turn *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->ops = ops;
	t->ctx = ctx;
	t->it = *it;
	t->extract = extract_new(&t->it);
	for (size_t i = 0; i < ARRAY_SIZE(t->md); i++) {
		t->md[i] = EVP_MD_CTX_new();
		if (!t->md[i] || !EVP_DigestInit_ex(t->md[i], EVP_sha256(), NULL))
			return NULL;
	}
	if (!t->extract)
		return NULL;
	t->interest = ops->head(ctx, &t->it);
	return t->interest == FLOW_NO ? NULL : TAKE_PTR(t);
}

void ws_turn_speaks(struct ws_turn *t, enum dialect d)
{
	extract_speaks(t->extract, d);
	t->it.stream_requested = true;
	if (t->interest == FLOW_YES)
		return;
	t->interest = FLOW_YES;
	if (t->asked)
		t->ops->request(t->ctx, &t->it);
}

void ws_turn_flaw(struct ws_turn *t, const struct ws_flaw *flaw)
{
	interaction_incomplete(&t->it, flaw->verdict, flaw->reason);
}

void ws_turn_doc(struct ws_turn *t, enum flow_dir dir)
{
	t->doc[dir] = true;
	extract_begin(t->extract, dir == FLOW_REQUEST ? EXTRACT_REQUEST : EXTRACT_RESPONSE, NULL);
}

void ws_turn_wire(struct ws_turn *t, enum flow_dir dir, uint64_t n)
{
	*(dir == FLOW_REQUEST ? &t->it.request_wire : &t->it.response_wire) += n;
}

static void answered(struct ws_turn *t, uint64_t ns)
{
	if (t->it.status)
		return;
	t->it.status = 101;
	t->it.stream_answered = true;
	t->it.first_byte_ns = ns;
}

static void tell(struct ws_turn *t, enum flow_dir dir, const struct ws_bytes *b)
{
	bool masked = b->at && t->ops->masked;

	if (masked)
		t->ops->masked(t->ctx, &t->it, b->p, b->n, b->at);
	if (dir == FLOW_REQUEST && t->ops->bytes)
		t->ops->bytes(t->ctx, &t->it, b->p, b->n);
	if (b->text)
		t->ops->text(t->ctx, &t->it, dir, b->p, b->n);
	if (masked)
		t->ops->masked(t->ctx, &t->it, NULL, 0, NULL);
}

void ws_turn_data(struct ws_turn *t, enum flow_dir dir, const struct ws_bytes *b, uint64_t ns)
{
	bool request = dir == FLOW_REQUEST;

	if (!b->n)
		return;
	*(request ? &t->it.request_body : &t->it.response_body) += b->n;
	EVP_DigestUpdate(t->md[dir], b->p, b->n);
	if (request)
		t->it.request_end_ns = ns;
	else
		answered(t, ns);
	t->it.end_ns = ns;
	tell(t, dir, b);
	if (!t->doc[dir])
		return;
	extract_select(t->extract, request ? EXTRACT_REQUEST : EXTRACT_RESPONSE);
	if (extract_data(t->extract, b->p, b->n, ns)) {
		interaction_incomplete(&t->it, UNDECODABLE,
				       "a WebSocket message is not valid JSON");
		ws_turn_doc_end(t, dir, true);
	}
}

void ws_turn_doc_end(struct ws_turn *t, enum flow_dir dir, bool cut)
{
	if (!t->doc[dir])
		return;
	t->doc[dir] = false;
	extract_select(t->extract, dir == FLOW_REQUEST ? EXTRACT_REQUEST : EXTRACT_RESPONSE);
	extract_end(t->extract, cut);
	/* Found by its shape, as in a body. */
	if (t->interest == FLOW_MAYBE && t->it.dialect != DIALECT_NONE && !t->it.dialect_by_path)
		ws_turn_speaks(t, t->it.dialect);
}

void ws_turn_ask(struct ws_turn *t, uint64_t ns)
{
	t->asked = true;
	if (!t->it.request_end_ns)
		t->it.request_end_ns = ns;
	if (t->interest == FLOW_YES)
		t->ops->request(t->ctx, &t->it);
}

static void order_times(struct interaction *it)
{
	if (it->end_ns < it->start_ns)
		it->end_ns = it->start_ns;
	if (it->first_byte_ns && it->first_byte_ns < it->start_ns)
		it->first_byte_ns = it->start_ns;
	if (it->first_token_ns && it->first_token_ns < it->start_ns)
		it->first_token_ns = it->start_ns;
}

void ws_turn_finish(struct ws_turn *t, uint64_t ns)
{
	ws_turn_doc_end(t, FLOW_REQUEST, true);
	ws_turn_doc_end(t, FLOW_RESPONSE, true);
	if (t->it.request_body)
		EVP_DigestFinal_ex(t->md[FLOW_REQUEST], t->it.request_sha256, NULL);
	if (t->it.response_body)
		EVP_DigestFinal_ex(t->md[FLOW_RESPONSE], t->it.response_sha256, NULL);
	if (!t->it.end_ns || t->it.completeness != COMPLETE)
		t->it.end_ns = ns;
	order_times(&t->it);
	if (t->interest == FLOW_YES)
		t->ops->done(t->ctx, &t->it);
	else
		t->ops->dropped(t->ctx, &t->it);
	ws_turn_free(t);
}
