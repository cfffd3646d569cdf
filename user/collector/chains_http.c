// SPDX-License-Identifier: Apache-2.0
/*
 * In: a request of somebody with an operator's certificate. Out: chains and their records as they were
 * received, read only. An answer is made whole from one read of the store, so memory is bounded by
 * CHAINS_PAGE or CHAINS_LIST and no cursor stays open between two requests; who wants more asks again.
 */
#include "chains_http.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>

#include "base/base64.h"
#include "base/log.h"
#include "http.h"
#include "out.h"
#include "proto/forward.pb-c.h"
#include "record/render.h"

#define QUERY_MAX 64

struct asked {
	struct store *store;
	struct ledger *ledger;
	uint8_t chain[16];
	uint64_t from;
};

/* --- what is asked for ----------------------------------------------------------------------------- */

static bool chain_of(const char *hex, uint8_t out[static 16])
{
	for (size_t i = 0; i < 16; i++) {
		unsigned v;

		if (strspn(hex + 2 * i, "0123456789abcdef") < 2 ||
		    sscanf(hex + 2 * i, "%2x", &v) != 1)
			return false;
		out[i] = v;
	}
	return true;
}

/* Of the query ?name=VALUE; "": not given. False: it does not fit. */
static bool query(struct evhttp_request *req, const char *name, char ret[static QUERY_MAX])
{
	const char *all = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(req)), *v = NULL;
	struct evkeyvalq q = {0};
	bool ok = true;

	ret[0] = '\0';
	if (!all)
		return true;
	if (evhttp_parse_query_str(all, &q))
		return false;
	v = evhttp_find_header(&q, name);
	if (v)
		ok = v[0] && snprintf(ret, QUERY_MAX, "%s", v) < QUERY_MAX;
	evhttp_clear_headers(&q);
	return ok;
}

/* ?from=SEQ, or nothing: from the first. */
static bool from_of(struct evhttp_request *req, uint64_t *ret)
{
	char v[QUERY_MAX], *end;

	*ret = 0;
	if (!query(req, "from", v))
		return false;
	if (!v[0])
		return true;
	errno = 0;
	*ret = strtoull(v, &end, 10);
	return v[0] >= '0' && v[0] <= '9' && !errno && !*end;
}

/* --- the list -------------------------------------------------------------------------------------- */

struct list {
	struct store *s;
	json_t *chains;
	char last[33];
};

static int chain_json(void *ctx, const struct store_chain *c)
{
	struct store_witness w = {.note = ""};
	struct list *l = ctx;
	json_t *o = json_object();
	char hex[33];
	int r;

	for (size_t i = 0; i < 16; i++)
		snprintf(hex + 2 * i, 3, "%02x", c->id[i]);
	r = store_witness_get(l->s, hex, &w);
	if (r && r != -ENOENT) {
		json_decref(o);
		return r;
	}
	memcpy(l->last, hex, sizeof(hex));
	json_object_set_new(o, "chain", json_string(hex));
	json_object_set_new(o, "host", render_text(c->host));
	json_object_set_new(o, "cn", render_text(c->cn));
	out_bytes(o, "public_key", c->public, sizeof(c->public));
	out_number(o, "first_seq", c->first_seq);
	out_number(o, "last_seq", c->last_seq);
	out_number(o, "records", c->records);
	json_object_set_new(o, "cosigned", json_string(r ? "" : w.note));
	return json_array_append_new(l->chains, o) ? -ENOMEM : 0;
}

static void answer_list(struct evhttp_request *req, struct store *s)
{
	struct list l = {.s = s};
	_cleanup_free_ char *text = NULL;
	uint8_t after[16];
	char v[QUERY_MAX];
	json_t *o;
	int r;

	if (!query(req, "after", v) || (v[0] && (strlen(v) != 32 || !chain_of(v, after)))) {
		http_text(req, 400, "after is not a chain\n");
		return;
	}
	l.chains = json_array();
	r = l.chains ? store_chains_after(s, v[0] ? after : NULL, CHAINS_LIST, chain_json, &l)
		     : -ENOMEM;
	o = json_pack("{s:o}", "chains", l.chains);
	if (!r && json_array_size(l.chains) == CHAINS_LIST)
		json_object_set_new(o, "next", json_string(l.last));
	text = !r && o ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	if (text)
		http_reply(req, 200, "application/json", text, strlen(text));
	else
		http_text(req, 503, "the store cannot be read now\n");
}

/* --- records --------------------------------------------------------------------------------------- */

#define PAGE_FULL 1

static int add_frame(void *ctx, const struct store_record *r)
{
	struct evbuffer *out = ctx;
	uint8_t head[SEGMENT_FRAME_LEN], *whole;
	size_t seal_n = r->mac_len + r->signature_len;
	int bad;

	if (evbuffer_get_length(out) + sizeof(head) + r->len + seal_n > CHAINS_PAGE)
		return PAGE_FULL;
	/* frame_head reads record and seal as one piece, as they lie in a segment */
	whole = malloc(r->len + seal_n);
	if (!whole)
		return -ENOMEM;
	memcpy(whole, r->bytes, r->len);
	memcpy(whole + r->len, r->mac, r->mac_len);
	if (r->signature_len)
		memcpy(whole + r->len + r->mac_len, r->signature, r->signature_len);
	frame_head(whole, r->len, seal_n, head);
	bad = evbuffer_add(out, head, sizeof(head)) || evbuffer_add(out, whole, r->len + seal_n);
	free(whole);
	return bad ? -ENOMEM : 0;
}

static void answer_records(struct evhttp_request *req, const struct asked *a)
{
	struct evbuffer *out = evbuffer_new();
	struct store *s = a->store;

	if (!out || store_records(s, a->chain, a->from, add_frame, out) < 0) {
		log_err("records for an operator: %s", store_error(s));
		http_text(req, 503, "the store cannot be read now\n");
	} else {
		evhttp_add_header(evhttp_request_get_output_headers(req), "Content-Type",
				  "application/octet-stream");
		evhttp_send_reply(req, 200, NULL, out);
	}
	if (out)
		evbuffer_free(out);
}

/* --- holes ----------------------------------------------------------------------------------------- */

static int send_hole(void *ctx, const struct store_hole *h)
{
	Probity__V1__Hole o = PROBITY__V1__HOLE__INIT;
	uint8_t *out;
	size_t n;

	o.first_seq = h->first_seq;
	o.last_seq = h->last_seq;
	o.proof = (ProtobufCBinaryData){h->proof_len, (uint8_t *)h->proof};
	n = probity__v1__hole__get_packed_size(&o);
	out = malloc(n);
	if (!out)
		return -ENOMEM;
	http_reply(ctx, 200, "application/x-protobuf", out, probity__v1__hole__pack(&o, out));
	free(out);
	return 0;
}

static void answer_hole(struct evhttp_request *req, const struct asked *a)
{
	int r = store_hole_from(a->store, a->chain, a->from, send_hole, req);

	if (r == -ENOENT)
		http_reply(req, 200, "application/x-protobuf", "", 0);
	else if (r)
		http_text(req, 503, "the store cannot be read now\n");
}

/* --- time stamps ----------------------------------------------------------------------------------- */

static char *stamp_json(const struct ledger_stamp *st)
{
	char *token = malloc(BASE64_LEN(st->token_n) + 1), *text;
	json_t *o;

	if (!token)
		return NULL;
	base64_encode(st->token, st->token_n, token);
	o = json_pack("{ss ss ss}", "proof", st->proof, "entry", st->entry, "token", token);
	text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	free(token);
	return text;
}

static void answer_stamp(struct evhttp_request *req, const struct asked *a)
{
	_cleanup_free_ char *text = NULL;
	struct ledger_stamp st = {.proof = NULL};
	char hex[33];
	int r;

	for (size_t i = 0; i < 16; i++)
		snprintf(hex + 2 * i, 3, "%02x", a->chain[i]);
	r = ledger_stamp(a->ledger, hex, &st);
	text = r ? NULL : stamp_json(&st);
	free(st.proof);
	free(st.token);
	if (r == -ENOENT)
		http_reply(req, 200, "application/json", "{}", 2);
	else if (text)
		http_reply(req, 200, "application/json", text, strlen(text));
	else
		http_text(req, 503, "the time stamp cannot be read now\n");
}

/* --- which ----------------------------------------------------------------------------------------- */

static const struct page {
	const char *name;
	void (*answer)(struct evhttp_request *req, const struct asked *a);
} pages[] = {{"/records", answer_records}, {"/hole", answer_hole}, {"/stamp", answer_stamp}};

static void answer_page(struct evhttp_request *req, const struct page *p, struct asked *a)
{
	struct store_chain c;
	int r = store_chain_get(a->store, a->chain, &c);

	if (r == -ENOENT)
		http_text(req, 404, "no such chain\n");
	else if (r)
		http_text(req, 503, "the store cannot be read now\n");
	else if (!from_of(req, &a->from))
		http_text(req, 400, "from is not a sequence number\n");
	else
		p->answer(req, a);
}

void chains_answer(struct evhttp_request *req, struct store *s, struct ledger *l, const char *rest)
{
	struct asked a = {.store = s, .ledger = l};

	if (evhttp_request_get_command(req) != EVHTTP_REQ_GET) {
		http_text(req, 405, "GET only\n");
		return;
	}
	if (!rest[0]) {
		answer_list(req, s);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
		if (strlen(rest) == 1 + 32 + strlen(pages[i].name) && chain_of(rest + 1, a.chain) &&
		    !strcmp(rest + 33, pages[i].name)) {
			answer_page(req, &pages[i], &a);
			return;
		}
	http_text(req, 404, "no such page\n");
}
