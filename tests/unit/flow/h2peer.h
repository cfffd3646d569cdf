/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/2 conversations between a client and a server of nghttp2, in memory: what both sent, in
 * the order they sent it, and what the server knows it was asked and has answered.
 */
#ifndef PROBITY_TESTS_FLOW_H2PEER_H
#define PROBITY_TESTS_FLOW_H2PEER_H

#include <nghttp2/nghttp2.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "feed.h"
#include "flow/flow.h"

#define PEER_CALLS_MAX 64
#define PEER_CHUNKS_MAX 4096

struct peer_call {
	int32_t stream;
	char path[64], model[32];
	unsigned status, tokens;
	uint64_t request_at; /* offset of the chunk its head is in, or before */
	unsigned chunk;	     /* first chunk sent after it was submitted */
	bool sse, trailers, interim, early, no_end;
	uint8_t *body[2];
	size_t n[2], sent[2];
	bool eof[2];
};

struct peer_chunk {
	enum flow_dir dir;
	uint64_t offset;
	size_t n;
	uint8_t *p;
};

struct peer {
	uint64_t seed;
	nghttp2_session *session[2]; /* by who sends: client, server */
	struct peer_call calls[PEER_CALLS_MAX];
	unsigned count;
	struct peer_chunk chunks[PEER_CHUNKS_MAX];
	unsigned chunks_n;
	uint64_t sent[2];
	unsigned pad; /* up to this much on every frame */
	bool big;     /* heads that need CONTINUATION */
};

static inline uint8_t *peer_text(size_t *ret_n, const char *before, size_t fill, const char *after)
{
	size_t a = strlen(before), b = strlen(after);
	uint8_t *p = malloc(a + fill + b + 1);

	memcpy(p, before, a);
	for (size_t i = 0; i < fill; i++)
		p[a + i] = "abcdefgh ijklmnop"[i % 17];
	memcpy(p + a + fill, after, b);
	*ret_n = a + fill + b;
	return p;
}

static inline struct peer_call *peer_by_stream(struct peer *p, int32_t id)
{
	for (unsigned i = 0; i < p->count; i++)
		if (p->calls[i].stream == id)
			return &p->calls[i];
	return NULL;
}

static inline ssize_t peer_read(nghttp2_session *s, int32_t id, uint8_t *buf, size_t len,
				uint32_t *flags, nghttp2_data_source *source, void *user)
{
	struct peer *p = user;
	struct peer_call *c = peer_by_stream(p, id);
	unsigned dir = s == p->session[1];
	size_t left = c->n[dir] - c->sent[dir], most = 1 + rnd(&p->seed) % 20000;

	len = len < most ? len : most;
	len = len < left ? len : left;
	memcpy(buf, c->body[dir] + c->sent[dir], len);
	c->sent[dir] += len;
	if (c->sent[dir] == c->n[dir]) {
		*flags |= NGHTTP2_DATA_FLAG_EOF;
		if (dir && (c->trailers || c->no_end))
			*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
		if (dir && c->trailers) {
			nghttp2_nv nv = {(uint8_t *)"grpc-status", (uint8_t *)"0", 11, 1, 0};

			nghttp2_submit_trailer(s, id, &nv, 1);
		}
	}
	return (ssize_t)len;
}

#define PEER_NV(name, value)                                                              \
	((nghttp2_nv){(uint8_t *)(name), (uint8_t *)(value), strlen(name), strlen(value), \
		      NGHTTP2_NV_FLAG_NONE})

static inline void peer_answer(struct peer *p, struct peer_call *c)
{
	char status[8] = "200";
	nghttp2_nv nv[] = {
		PEER_NV(":status", status),
		PEER_NV("content-type", c->sse ? "text/event-stream" : "application/json"),
		PEER_NV("server", "peer/1.0"),
		PEER_NV("x-request-id", c->path),
	};
	nghttp2_data_provider data = {.read_callback = peer_read};

	snprintf(status, sizeof(status), "%u", c->status);
	nv[0].valuelen = strlen(status);
	if (c->interim) {
		nghttp2_nv hint = PEER_NV(":status", "103");

		nghttp2_submit_headers(p->session[1], 0, c->stream, NULL, &hint, 1, NULL);
	}
	nghttp2_submit_response(p->session[1], c->stream, nv, 4, &data);
}

static inline int peer_on_frame(nghttp2_session *s, const nghttp2_frame *f, void *user)
{
	struct peer *p = user;
	struct peer_call *c;

	if (s != p->session[1] || (f->hd.type != NGHTTP2_HEADERS && f->hd.type != NGHTTP2_DATA))
		return 0;
	c = peer_by_stream(p, f->hd.stream_id);
	if (c && (f->hd.flags & NGHTTP2_FLAG_END_STREAM ||
		  (c->early && f->hd.type == NGHTTP2_HEADERS))) {
		if (!c->early || f->hd.type == NGHTTP2_HEADERS)
			peer_answer(p, c);
	}
	return 0;
}

static inline ssize_t peer_padding(nghttp2_session *s, const nghttp2_frame *f, size_t max,
				   void *user)
{
	struct peer *p = user;
	size_t n = f->hd.length + (p->pad ? rnd(&p->seed) % p->pad : 0);

	return (ssize_t)(n < max ? n : max);
}

/* A head of a random client, much of it equal from call to call. */
static inline void peer_ask(struct peer *p)
{
	struct peer_call *c = &p->calls[p->count];
	char before[160], after[160], turn[32], *huge = NULL;
	size_t fill = rnd(&p->seed) % 4 ? rnd(&p->seed) % 2000 : rnd(&p->seed) % 40000, huge_n = 1;
	nghttp2_data_provider data = {.read_callback = peer_read};

	memset(c, 0, sizeof(*c));
	c->tokens = 1 + rnd(&p->seed) % 100000;
	c->status = 200;
	c->sse = rnd(&p->seed) % 2;
	c->trailers = rnd(&p->seed) % 4 == 0;
	c->interim = rnd(&p->seed) % 8 == 0;
	c->early = rnd(&p->seed) % 8 == 0;
	snprintf(c->model, sizeof(c->model), "model-%u", rnd(&p->seed) % 1000);
	snprintf(c->path, sizeof(c->path), "/v1/%u/chat/completions", p->count % 3);
	snprintf(before, sizeof(before),
		 "{\"model\":\"%s\",\"messages\":[{\"role\":\"user\",\"content\":\"", c->model);
	c->body[0] = peer_text(&c->n[0], before, fill, "\"}]}");
	fill = rnd(&p->seed) % 4 ? rnd(&p->seed) % 2000 : rnd(&p->seed) % 40000;
	snprintf(
		before, sizeof(before),
		"%s{\"id\":\"r%u\",\"object\":\"chat.completion%s\",\"model\":\"%s\",\"choices\":[{"
		"\"index\":0,\"%s\":{\"content\":\"",
		c->sse ? "data: " : "", c->tokens, c->sse ? ".chunk" : "", c->model,
		c->sse ? "delta" : "message");
	snprintf(after, sizeof(after),
		 "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":%u,"
		 "\"completion_tokens\":7}}%s",
		 c->tokens, c->sse ? "\n\ndata: [DONE]\n\n" : "");
	c->body[1] = peer_text(&c->n[1], before, fill, after);
	snprintf(turn, sizeof(turn), "turn-%u", rnd(&p->seed) % 4);
	if (p->big && rnd(&p->seed) % 2) {
		huge_n = 20000 + rnd(&p->seed) % 20000;
		huge = malloc(huge_n);
		for (size_t i = 0; i < huge_n; i++)
			huge[i] = (char)(' ' + rnd(&p->seed) % 90);
		huge[0] = huge[huge_n - 1] = 'x';
	}
	nghttp2_nv nv[] = {
		PEER_NV(":method", "POST"),
		PEER_NV(":scheme", "https"),
		PEER_NV(":authority", "ai.example"),
		PEER_NV(":path", c->path),
		PEER_NV("content-type", "application/json"),
		PEER_NV("user-agent", "peer-client/2.0 (test)"),
		PEER_NV("authorization", "Bearer of-nothing-at-all"),
		PEER_NV("x-turn", turn),
		PEER_NV("x-model", c->model),
		{(uint8_t *)"x-huge", (uint8_t *)(huge ? huge : "-"), 6, huge_n,
		 rnd(&p->seed) % 2 ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE},
	};

	c->chunk = p->chunks_n;
	c->request_at = p->sent[0];
	p->count++;
	c->stream = nghttp2_submit_request(p->session[0], NULL, nv, sizeof(nv) / sizeof(*nv), &data,
					   NULL);
	if (c->stream < 0)
		abort();
	free(huge);
}

static inline void peer_keep(struct peer *p, unsigned dir, const uint8_t *bytes, size_t n)
{
	struct peer_chunk *c = &p->chunks[p->chunks_n++];

	if (p->chunks_n == PEER_CHUNKS_MAX)
		abort();
	*c = (struct peer_chunk){dir, p->sent[dir], n, malloc(n)};
	memcpy(c->p, bytes, n);
	p->sent[dir] += n;
}

/* One side says some of what it has to say. Gives whether it had any. */
static inline bool peer_turn(struct peer *p, unsigned dir)
{
	unsigned most = 1 + rnd(&p->seed) % 6;
	bool some = false;

	while (most--) {
		const uint8_t *bytes;
		ssize_t n = nghttp2_session_mem_send(p->session[dir], &bytes);

		if (n < 0)
			abort();
		if (!n)
			break;
		some = true;
		peer_keep(p, dir, bytes, n);
		if (nghttp2_session_mem_recv(p->session[!dir], bytes, n) != n)
			abort();
	}
	return some;
}

static inline void peer_settle(struct peer *p)
{
	while (peer_turn(p, 0) | peer_turn(p, 1))
		;
}

static inline struct peer *peer_new(uint64_t seed)
{
	static const uint32_t tables[] = {0, 128, 4096, 4096, 65536, 1 << 20};
	static const uint32_t windows[] = {1000, 65535, 65535, 1 << 20};
	struct peer *p = calloc(1, sizeof(*p));
	nghttp2_session_callbacks *cb;

	p->seed = seed ? seed : 1;
	for (unsigned i = 0; i < 8; i++)
		rnd(&p->seed);
	p->pad = rnd(&p->seed) % 3 ? 0 : 200;
	p->big = rnd(&p->seed) % 8 == 0;
	nghttp2_session_callbacks_new(&cb);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, peer_on_frame);
	nghttp2_session_callbacks_set_select_padding_callback(cb, peer_padding);
	nghttp2_session_client_new(&p->session[0], cb, p);
	nghttp2_session_server_new(&p->session[1], cb, p);
	nghttp2_session_callbacks_del(cb);
	for (unsigned i = 0; i < 2; i++) {
		nghttp2_settings_entry iv[] = {
			{NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, tables[rnd(&p->seed) % 6]},
			{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, windows[rnd(&p->seed) % 4]},
			{NGHTTP2_SETTINGS_MAX_FRAME_SIZE, rnd(&p->seed) % 2 ? 16384 : 65536},
		};

		nghttp2_submit_settings(p->session[i], 0, iv, 3);
	}
	return p;
}

static inline struct peer *peer_talk(uint64_t seed, unsigned calls)
{
	struct peer *p = peer_new(seed);

	for (unsigned i = 0; i < calls; i++) {
		peer_ask(p);
		while (rnd(&p->seed) % 3 && (peer_turn(p, 0) | peer_turn(p, 1)))
			;
		if (rnd(&p->seed) % 4 == 0)
			peer_settle(p);
		if (rnd(&p->seed) % 8 == 0)
			nghttp2_submit_ping(p->session[rnd(&p->seed) % 2], 0,
					    (const uint8_t *)"pingpong");
	}
	peer_settle(p);
	return p;
}

static inline void peer_free(struct peer *p)
{
	for (unsigned i = 0; i < p->count; i++) {
		free(p->calls[i].body[0]);
		free(p->calls[i].body[1]);
	}
	for (unsigned i = 0; i < p->chunks_n; i++)
		free(p->chunks[i].p);
	nghttp2_session_del(p->session[0]);
	nghttp2_session_del(p->session[1]);
	free(p);
}

#endif
