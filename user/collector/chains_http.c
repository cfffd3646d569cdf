// SPDX-License-Identifier: Apache-2.0
/*
 * In: a request of somebody with an operator's certificate. Out: chains and their records as they were
 * received, read only. An answer is made whole from one read of the store, so memory is bounded by
 * CHAINS_PAGE and no cursor stays open between two requests; who wants more asks again.
 */
#include "chains_http.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>

#include "base/log.h"
#include "http.h"
#include "out.h"
#include "record/render.h"

/* --- the list -------------------------------------------------------------------------------------- */

struct list {
	struct store *s;
	json_t *chains;
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
	struct list l = {s, json_array()};
	int r = l.chains ? store_chains(s, chain_json, &l) : -ENOMEM;
	json_t *o = json_pack("{s:o}", "chains", l.chains);
	_cleanup_free_ char *text = !r && o ? json_dumps(o, JSON_COMPACT) : NULL;

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

/* ?from=SEQ, or nothing: from the first. */
static bool from_of(struct evhttp_request *req, uint64_t *ret)
{
	const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(req)), *v;
	struct evkeyvalq q = {0};
	char *end;
	bool ok = true;

	*ret = 0;
	if (!query)
		return true;
	if (evhttp_parse_query_str(query, &q))
		return false;
	v = evhttp_find_header(&q, "from");
	if (v) {
		errno = 0;
		*ret = strtoull(v, &end, 10);
		ok = v[0] >= '0' && v[0] <= '9' && !errno && !*end;
	}
	evhttp_clear_headers(&q);
	return ok;
}

static void answer_records(struct evhttp_request *req, struct store *s, const uint8_t *chain)
{
	struct evbuffer *out = evbuffer_new();
	struct store_chain c;
	uint64_t from;
	int r = out ? store_chain_get(s, chain, &c) : -ENOMEM;

	if (r == -ENOENT) {
		http_text(req, 404, "no such chain\n");
	} else if (!r && !from_of(req, &from)) {
		http_text(req, 400, "from is not a sequence number\n");
	} else if (r || (r = store_records(s, chain, from, add_frame, out)) < 0) {
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

void chains_answer(struct evhttp_request *req, struct store *s, const char *rest)
{
	uint8_t chain[16];

	if (evhttp_request_get_command(req) != EVHTTP_REQ_GET)
		http_text(req, 405, "GET only\n");
	else if (!rest[0])
		answer_list(req, s);
	else if (strlen(rest) == 1 + 32 + 8 && chain_of(rest + 1, chain) &&
		 !strcmp(rest + 33, "/records"))
		answer_records(req, s, chain);
	else
		http_text(req, 404, "no such page\n");
}
