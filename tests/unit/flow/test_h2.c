// SPDX-License-Identifier: Apache-2.0
/*
 * Conversations of nghttp2's client and server, read as they were sent, in pieces, out of order
 * between the directions, with bytes lost, and joined anywhere: what comes out equals what the
 * server knows, or is declared incomplete.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "h2peer.h"
#include "rig.h"

#define CONVERSATIONS 200

struct told {
	unsigned heads, ends;
	unsigned count;
	struct interaction it[PEER_CALLS_MAX];
};

static enum flow_interest on_head(void *ctx, const struct interaction *it)
{
	struct told *t = ctx;

	t->heads++;
	return FLOW_YES;
}

static void on_text(void *ctx, const struct interaction *it, enum flow_dir dir, const uint8_t *p,
		    size_t n)
{
	static volatile uint8_t sink;

	sink += p[0] + p[n - 1];
}

static void on_request(void *ctx, const struct interaction *it) {}

static void on_done(void *ctx, const struct interaction *it)
{
	struct told *t = ctx;

	t->ends++;
	if ((it->completeness == COMPLETE) != !*it->incomplete_reason || it->end_ns < it->start_ns)
		abort();
	if (t->count < PEER_CALLS_MAX)
		t->it[t->count++] = *it;
}

static void on_mcp(void *ctx, const struct interaction *it, const struct mcp_where *w,
		   enum flow_dir dir, const struct mcp_msg *m, uint64_t ns)
{
}

static const struct flow_ops ops = {
	.head = on_head,
	.text = on_text,
	.request = on_request,
	.done = on_done,
	.mcp = on_mcp,
	.dropped = on_done,
};

static const struct interaction *told_of(const struct told *t, int32_t stream)
{
	for (unsigned i = 0; i < t->count; i++)
		if (t->it[i].stream_id == (uint32_t)stream)
			return &t->it[i];
	return NULL;
}

/* What differs; NULL: nothing. */
static const char *odd(const struct interaction *it, const struct peer_call *c)
{
	uint8_t sum[2][32];

	sha256(c->body[0], c->n[0], sum[0]);
	sha256(c->body[1], c->n[1], sum[1]);
	if (strcmp(it->path, c->path) || strcmp(it->method, "POST") ||
	    strcmp(it->host, "ai.example"))
		return "target";
	if (it->status != c->status)
		return "status";
	if (memcmp(sum[0], it->request_sha256, 32) || it->request_body != c->n[0])
		return "request";
	if (memcmp(sum[1], it->response_sha256, 32) || it->response_body != c->n[1])
		return "answer";
	if (strcmp(it->request_model, c->model) || it->tokens.input != c->tokens ||
	    strcmp(it->finish_reason, "stop"))
		return "facts";
	if (strcmp(it->http_version, "2") || it->dialect != DIALECT_OPENAI_CHAT)
		return "wire";
	if (c->trailers != (it->grpc_status == 0))
		return "trailers";
	return NULL;
}

static void give(struct flow *f, enum flow_dir dir, uint64_t offset, const uint8_t *p, size_t n,
		 uint64_t ns)
{
	uint8_t *copy = memcpy(malloc(n), p, n);

	assert_int_equal(flow_data(f, dir, offset, copy, n, ns), FLOW_MORE);
	free(copy);
}

static void check_all(const struct peer *p, const struct told *t, const char *how)
{
	assert_int_equal(t->heads, t->ends);
	for (unsigned i = 0; i < p->count; i++) {
		const struct peer_call *c = &p->calls[i];
		const struct interaction *it = told_of(t, c->stream);
		const char *what = it ? odd(it, c) : "everything";

		if (what || it->completeness != COMPLETE)
			fail_msg("seed %llu, %s: stream %d: %s, %s %s", (unsigned long long)p->seed,
				 how, c->stream, what ? what : "-",
				 it ? completeness_name(it->completeness) : "",
				 it ? it->incomplete_reason : "");
	}
	assert_int_equal(t->count, p->count);
}

/* What is called complete is so; nothing is told twice. */
static unsigned check_declared(const struct peer *p, const struct told *t, const char *how)
{
	unsigned complete = 0;

	assert_int_equal(t->heads, t->ends);
	for (unsigned i = 0; i < t->count; i++) {
		const struct interaction *it = &t->it[i];
		const struct peer_call *c = NULL;
		const char *what;

		for (unsigned k = 0; k < p->count; k++)
			if ((uint32_t)p->calls[k].stream == it->stream_id)
				c = &p->calls[k];
		assert_non_null(c);
		assert_ptr_equal(told_of(t, c->stream), it);
		if (it->completeness != COMPLETE)
			continue;
		complete++;
		what = odd(it, c);
		if (what)
			fail_msg("seed %llu, %s: stream %u is complete but for its %s",
				 (unsigned long long)p->seed, how, it->stream_id, what);
	}
	return complete;
}

/* --- ways to read a conversation ---------------------------------------------------------------- */

static void read_whole(const struct peer *p, struct told *t)
{
	struct flow *f = flow_new(&ops, t, false);

	for (unsigned i = 0; i < p->chunks_n; i++)
		give(f, p->chunks[i].dir, p->chunks[i].offset, p->chunks[i].p, p->chunks[i].n,
		     1 + i);
	assert_false(flow_busy(f));
	flow_close(f, p->chunks_n + 1);
	flow_free(f);
}

static void read_pieces(const struct peer *p, struct told *t, uint64_t *seed, size_t most)
{
	struct flow *f = flow_new(&ops, t, false);

	for (unsigned i = 0; i < p->chunks_n; i++) {
		const struct peer_chunk *c = &p->chunks[i];

		for (size_t at = 0, n; at < c->n; at += n) {
			n = 1 + rnd(seed) % most;
			n = n < c->n - at ? n : c->n - at;
			give(f, c->dir, c->offset + at, c->p + at, n, 1 + i);
		}
	}
	flow_close(f, p->chunks_n + 1);
	flow_free(f);
}

/* Answers overtake requests, by less than what is held. */
static void read_out_of_order(const struct peer *p, struct told *t, uint64_t *seed)
{
	struct flow *f = flow_new(&ops, t, false);
	unsigned late[PEER_CHUNKS_MAX], from = 0, to = 0;
	size_t ahead = 0;
	uint64_t ns = 1;

	for (unsigned i = 0; i <= p->chunks_n; i++) {
		const struct peer_chunk *c = i < p->chunks_n ? &p->chunks[i] : NULL;

		if (c && c->dir == FLOW_RESPONSE && ahead + c->n < 40000) {
			ahead += from < to ? c->n : 0;
			give(f, c->dir, c->offset, c->p, c->n, ns++);
			continue;
		}
		if (c && c->dir == FLOW_REQUEST)
			late[to++] = i;
		/* Requests wait for some time, unless the answers would run too far ahead. */
		if (c && c->dir == FLOW_REQUEST && rnd(seed) % 4)
			continue;
		for (; from < to; from++) {
			const struct peer_chunk *q = &p->chunks[late[from]];

			give(f, q->dir, q->offset, q->p, q->n, ns++);
		}
		ahead = 0;
		if (c && c->dir == FLOW_RESPONSE)
			give(f, c->dir, c->offset, c->p, c->n, ns++);
	}
	flow_close(f, ns);
	flow_free(f);
}

static void read_with_loss(const struct peer *p, struct told *t, uint64_t *seed, unsigned one_in)
{
	struct flow *f = flow_new(&ops, t, false);

	for (unsigned i = 0; i < p->chunks_n; i++) {
		const struct peer_chunk *c = &p->chunks[i];

		for (size_t at = 0, n; at < c->n; at += n) {
			n = 1 + rnd(seed) % (rnd(seed) % 2 ? 20000 : 200);
			n = n < c->n - at ? n : c->n - at;
			if (rnd(seed) % one_in)
				give(f, c->dir, c->offset + at, c->p + at, n, 1 + i);
		}
	}
	flow_close(f, p->chunks_n + 1);
	flow_free(f);
}

static void read_late(const struct peer *p, struct told *t, uint64_t from)
{
	struct flow *f = flow_new(&ops, t, true);
	uint64_t all = 0;

	for (unsigned i = 0; i < p->chunks_n; i++) {
		const struct peer_chunk *c = &p->chunks[i];
		size_t skip = all >= from ? 0 : from - all < c->n ? from - all : c->n;

		if (skip < c->n)
			give(f, c->dir, c->offset + skip, c->p + skip, c->n - skip, 1 + i);
		all += c->n;
	}
	flow_close(f, p->chunks_n + 1);
	flow_free(f);
}

/* --- tests ---------------------------------------------------------------------------------------- */

static struct told told;

static const struct told *fresh(void)
{
	memset(&told, 0, sizeof(told));
	return &told;
}

static void test_conversations(void **state)
{
	uint64_t seed = 4711;
	unsigned calls = 0, lossy = 0, complete = 0;

	for (unsigned i = 0; i < CONVERSATIONS; i++) {
		struct peer *p = peer_talk(1000 + i, 1 + i % 12);

		fresh();
		read_whole(p, &told);
		check_all(p, &told, "whole");
		fresh();
		read_pieces(p, &told, &seed, 1 + rnd(&seed) % 5000);
		check_all(p, &told, "pieces");
		fresh();
		read_out_of_order(p, &told, &seed);
		check_all(p, &told, "out of order");
		fresh();
		read_with_loss(p, &told, &seed, 5 + i % 60);
		complete += check_declared(p, &told, "with loss");
		lossy += p->count;
		calls += p->count;
		peer_free(p);
	}
	print_message("%u calls; with bytes lost %u of %u complete\n", calls, complete, lossy);
	assert_true(complete > lossy / 10 && complete < lossy);
}

static void test_byte_by_byte(void **state)
{
	uint64_t seed = 1;

	for (unsigned i = 0; i < 8; i++) {
		struct peer *p = peer_talk(50 + i, 3);

		fresh();
		read_pieces(p, &told, &seed, 1);
		check_all(p, &told, "byte by byte");
		peer_free(p);
	}
}

/* Calls begun after the join are told, and their contents are right. */
static void check_late(const struct peer *p, const struct told *t, uint64_t from, unsigned *whole,
		       unsigned *unsure)
{
	uint64_t all = 0;

	check_declared(p, t, "late");
	for (unsigned i = 0, chunk = 0; i < p->count; i++) {
		const struct peer_call *c = &p->calls[i];
		const struct interaction *it = told_of(t, c->stream);
		uint8_t sum[32];

		for (; chunk < c->chunk; chunk++)
			all += p->chunks[chunk].n;
		/* With the frames in progress at the join: they must be over by then. */
		if (all < from + 70000)
			continue;
		if (!it)
			fail_msg("seed %llu, joined at %llu: stream %d is not told",
				 (unsigned long long)p->seed, (unsigned long long)from, c->stream);
		sha256(c->body[1], c->n[1], sum);
		assert_memory_equal(sum, it->response_sha256, 32);
		sha256(c->body[0], c->n[0], sum);
		assert_memory_equal(sum, it->request_sha256, 32);
		if (it->completeness == COMPLETE)
			++*whole;
		else
			++*unsure;
		assert_true(it->completeness == COMPLETE || it->completeness == LATE_ATTACH);
	}
}

static void test_joined_anywhere(void **state)
{
	unsigned whole = 0, unsure = 0;
	uint64_t seed = 99;

	for (unsigned i = 0; i < 30; i++) {
		struct peer *p = peer_talk(300 + i, 24);
		uint64_t all = p->sent[0] + p->sent[1];

		for (unsigned k = 0; k < 6; k++) {
			uint64_t from = rnd(&seed) % (all / 2);

			fresh();
			read_late(p, &told, from);
			check_late(p, &told, from, &whole, &unsure);
		}
		peer_free(p);
	}
	print_message("joined late: %u calls complete, %u with fields unknown\n", whole, unsure);
	assert_true(whole > 0);
	assert_true(unsure > 0);
}

/* At every single byte of a short one: nothing false comes out. */
static void test_joined_at_every_byte(void **state)
{
	struct peer *p = peer_new(77);
	unsigned complete = 0;

	for (unsigned i = 0; i < 6; i++) {
		peer_ask(p);
		free(p->calls[i].body[0]);
		free(p->calls[i].body[1]);
		p->calls[i].body[0] =
			peer_text(&p->calls[i].n[0],
				  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}]}", 0, "");
		p->calls[i].body[1] =
			peer_text(&p->calls[i].n[1], "{\"object\":\"chat.completion\"}", 0, "");
		peer_settle(p);
	}
	for (uint64_t from = 0; from < p->sent[0] + p->sent[1]; from++) {
		unsigned got = 0;

		fresh();
		read_late(p, &told, from);
		assert_int_equal(told.heads, told.ends);
		for (unsigned i = 0; i < told.count; i++) {
			const struct peer_call *c = NULL;

			for (unsigned k = 0; k < p->count; k++)
				if ((uint32_t)p->calls[k].stream == told.it[i].stream_id)
					c = &p->calls[k];
			assert_non_null(c);
			if (told.it[i].completeness != COMPLETE)
				continue;
			got++;
			assert_string_equal(told.it[i].path, c->path);
			assert_int_equal(told.it[i].request_body, c->n[0]);
			assert_int_equal(told.it[i].response_body, c->n[1]);
		}
		complete += got;
		if (from == 0)
			assert_int_equal(got, 6);
	}
	assert_true(complete > 6);
	peer_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conversations),
		cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_joined_anywhere),
		cmocka_unit_test(test_joined_at_every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
