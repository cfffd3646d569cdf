// SPDX-License-Identifier: Apache-2.0
/*
 * 10,000 recorded streams, each changed in ways a network, a kernel or an attacker would: bytes
 * flipped, parts cut, doubled, spliced from other streams; chunks lost, repeated, reordered; cut
 * at random. Under the sanitizers nothing may crash, no exchange of interest may end without its
 * one done or dropped, and the flow's heap stays in its bound (counted by the allocator's hooks,
 * while flow/ runs).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/cleanup.h"
#include "flow/decode.h"
#include "flow/flow.h"
#include "flow/http1.h"
#include "feed.h"
#include "vectors.h"

#define STREAMS 10000
#define STREAM_MAX 65536
#define CHUNKS_MAX 512

/* --- the flow's heap ------------------------------------------------------------------------ */

/* Of the sanitizer's runtime; gcc brings the functions but not the header. */
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
					      void (*on_free)(const volatile void *));
size_t __sanitizer_get_allocated_size(const volatile void *p);

static bool counting;
static size_t heap, peak;

static void on_malloc(const volatile void *p, size_t n)
{
	if (!counting)
		return;
	heap += n;
	if (heap > peak)
		peak = heap;
}

static void on_free(const volatile void *p)
{
	if (counting && p)
		heap -= __sanitizer_get_allocated_size(p);
}

/* --- callbacks ------------------------------------------------------------------------------ */

struct tally {
	unsigned open, ended, verdicts[UNDECODABLE + 1], dropped;
	bool coded;
};

static void look(struct tally *t, const struct interaction *it)
{
	t->coded |= *it->request_encoding || *it->response_encoding;
	if (strlen(it->host) >= sizeof(it->host) || strlen(it->path) >= sizeof(it->path) ||
	    strlen(it->request_model) >= sizeof(it->request_model) ||
	    it->request_body > FLOW_BODY_MAX || it->response_body > FLOW_BODY_MAX)
		abort();
}

static enum flow_interest on_head(void *ctx, const struct interaction *it)
{
	struct tally *t = ctx;

	look(t, it);
	if (!strncmp(it->host, "no", 2))
		return FLOW_NO;
	t->open++;
	return !strncmp(it->host, "ai", 2) ? FLOW_YES : FLOW_MAYBE;
}

static void on_text(void *ctx, const struct interaction *it, enum flow_dir dir, const uint8_t *p,
		    size_t n)
{
	static volatile uint8_t sink;

	look(ctx, it);
	if (!n)
		abort();
	sink += p[0] + p[n - 1];
}

static void on_request(void *ctx, const struct interaction *it)
{
	look(ctx, it);
}

static void on_done(void *ctx, const struct interaction *it)
{
	struct tally *t = ctx;

	look(t, it);
	t->verdicts[it->completeness]++;
	t->ended++;
	/* a verdict and its reason come together */
	if ((it->completeness == COMPLETE) != !*it->incomplete_reason || it->end_ns < it->start_ns)
		abort();
}

static void on_dropped(void *ctx, const struct interaction *it)
{
	struct tally *t = ctx;

	look(t, it);
	t->ended++;
	t->dropped++;
}

static const struct flow_ops ops = {.head = on_head,
				    .text = on_text,
				    .request = on_request,
				    .done = on_done,
				    .dropped = on_dropped};

/* --- streams -------------------------------------------------------------------------------- */

struct bytes {
	uint8_t p[STREAM_MAX];
	size_t n;
};

static void append(struct bytes *b, const void *p, size_t n)
{
	if (n > STREAM_MAX - b->n)
		n = STREAM_MAX - b->n;
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

static const char *const hosts[] = {"ai.example", "maybe.example", "ai", "no.example"};
static const char *const codings[] = {"", "", "gzip", "deflate", "br", "zstd"};

/* One to four exchanges of one kind of coding. */
static void record(uint64_t *seed, struct bytes dir[2])
{
	unsigned count = 1 + rnd(seed) % 4;
	const char *coding = codings[rnd(seed) % ARRAY_SIZE(codings)];

	dir[0].n = dir[1].n = 0;
	for (unsigned i = 0; i < count; i++) {
		const struct vector *v = &vectors[rnd(seed) % VECTORS];
		const char *host = hosts[rnd(seed) % 16 ? rnd(seed) % 3 : 3];
		struct wire q = {.n = 0}, a = {.n = 0};

		wire_request(&q, v, host, rnd(seed) % 2, coding);
		wire_answer(&a, v, rnd(seed) % 8 ? rnd(seed) % 2 : BY_CLOSE, coding,
			    1 + rnd(seed) % 200);
		append(&dir[0], q.p, q.n);
		append(&dir[1], a.p, a.n);
	}
}

static void insert(struct bytes *b, size_t at, const uint8_t *p, size_t n)
{
	if (n > STREAM_MAX - b->n)
		n = STREAM_MAX - b->n;
	memmove(b->p + at + n, b->p + at, b->n - at);
	memcpy(b->p + at, p, n);
	b->n += n;
}

static void mutate(uint64_t *seed, struct bytes *b, const struct bytes *other)
{
	static const char marks[] = "\r\n :;{}[]\"0\xff"; /* and the NUL at its end */
	size_t at, n;
	uint8_t copy[512];

	if (!b->n)
		return;
	at = rnd(seed) % b->n;
	n = rnd(seed) % (rnd(seed) % 4 ? 16 : 512);
	switch (rnd(seed) % 6) {
	case 0: /* flip */
		b->p[at] ^= 1 << rnd(seed) % 8;
		break;
	case 1: /* another byte, often one with a meaning */
		b->p[at] = rnd(seed) % 2 ? (uint8_t)marks[rnd(seed) % sizeof(marks)]
					 : (uint8_t)rnd(seed);
		break;
	case 2: /* cut out */
		n = n < b->n - at ? n : b->n - at;
		memmove(b->p + at, b->p + at + n, b->n - at - n);
		b->n -= n;
		break;
	case 3: /* double */
		n = n < b->n - at ? n : b->n - at;
		memcpy(copy, b->p + at, n);
		insert(b, rnd(seed) % b->n, copy, n);
		break;
	case 4: /* splice */
		if (other->n > n)
			insert(b, at, other->p + rnd(seed) % (other->n - n), n);
		break;
	default: /* end */
		if (rnd(seed) % 4 == 0)
			b->n = at;
	}
}

struct piece {
	enum flow_dir dir;
	uint64_t offset;
	uint8_t *p;
	size_t n;
};

/* Both directions in pieces, merged at random; some lost, repeated, swapped or moved. */
static size_t cut(uint64_t *seed, const struct bytes dir[2], struct piece *out)
{
	size_t at[2] = {0, 0}, count = 0, most = 1 + rnd(seed) % (rnd(seed) % 3 ? 900 : 30);
	unsigned loss = rnd(seed) % 3 ? 0 : 2 + rnd(seed) % 30,
		 trouble = rnd(seed) % 3 ? 0 : 2 + rnd(seed) % 20;

	while (count < CHUNKS_MAX && (at[0] < dir[0].n || at[1] < dir[1].n)) {
		unsigned d = at[0] == dir[0].n || (at[1] < dir[1].n && rnd(seed) % 3 == 0);
		size_t n = 1 + rnd(seed) % most;
		struct piece *c = &out[count];

		n = n < dir[d].n - at[d] ? n : dir[d].n - at[d];
		*c = (struct piece){d, at[d], malloc(n), n};
		memcpy(c->p, dir[d].p + at[d], n);
		at[d] += n;
		if (loss && rnd(seed) % loss == 0) {
			free(c->p);
			continue;
		}
		if (trouble && rnd(seed) % trouble == 0)
			c->offset += (int64_t)(rnd(seed) % 64) - 32;
		if (trouble && count && rnd(seed) % trouble == 0) {
			struct piece before = c[-1];

			c[-1] = *c;
			*c = before;
		}
		count++;
	}
	return count;
}

static void run(uint64_t *seed, struct piece *pieces, size_t count, struct tally *t)
{
	bool late = rnd(seed) % 5 == 0, close = rnd(seed) % 8;
	struct flow *f;

	heap = peak = 0;
	counting = true;
	f = flow_new(&ops, t, late);
	for (size_t i = 0; i < count; i++) {
		struct piece *c = &pieces[i];

		if (flow_data(f, c->dir, c->offset, c->p, c->n, 1000 + i) == FLOW_IGNORE &&
		    rnd(seed) % 2)
			break;
		flow_busy(f);
	}
	if (close)
		flow_close(f, 1000 + count);
	flow_free(f);
	counting = false;
	assert_int_equal(heap, 0);
	if (close)
		assert_int_equal(t->open, t->ended);
	else
		assert_true(t->ended <= t->open);
	/* A silent end may hide a coding, so the tight bound is for those that were closed. */
	assert_true(peak <= FLOW_MEM_MAX + (t->coded || !close ? 2 * DECODE_MEM_MAX : 0));
}

static void test_mutated_streams(void **state)
{
	static struct bytes dir[2], other[2];
	static struct piece pieces[CHUNKS_MAX];
	unsigned verdicts[UNDECODABLE + 1] = {0}, dropped = 0;
	size_t most = 0;
	uint64_t seed = 20240501;

	record(&seed, other);
	for (unsigned i = 0; i < STREAMS; i++) {
		struct tally t = {0};
		size_t count;

		record(&seed, dir);
		for (unsigned m = rnd(&seed) % 12; m; m--)
			mutate(&seed, &dir[rnd(&seed) % 2], &other[rnd(&seed) % 2]);
		count = cut(&seed, dir, pieces);
		run(&seed, pieces, count, &t);
		while (count)
			free(pieces[--count].p);
		for (unsigned v = 0; v <= UNDECODABLE; v++)
			verdicts[v] += t.verdicts[v];
		dropped += t.dropped;
		if (!t.coded && peak > most)
			most = peak;
		if (i % 97 == 0)
			memcpy(other, dir, sizeof(dir));
	}
	print_message("complete %u, truncated %u, gap %u, undecodable %u, dropped %u, heap %zu\n",
		      verdicts[COMPLETE], verdicts[TRUNCATED], verdicts[GAP], verdicts[UNDECODABLE],
		      dropped, most);
	/* The mutations did reach every way to end, and spared enough. */
	assert_true(verdicts[COMPLETE] > STREAMS / 10);
	assert_true(verdicts[TRUNCATED] > STREAMS / 100);
	assert_true(verdicts[GAP] > STREAMS / 100);
	assert_true(verdicts[UNDECODABLE] > STREAMS / 100);
	assert_true(dropped > STREAMS / 100);
}

/* The most that identity streams can make a flow hold: all exchanges and two long heads. */
static void test_memory_at_its_worst(void **state)
{
	static char junk[HTTP1_HEAD_MAX];
	static const char q[] =
		"POST /v1/chat/completions HTTP/1.1\r\nHost: ai\r\nContent-Length: 52\r\n\r\n"
		"{\"model\":\"m\",\"messages\":[{\"role\":\"a\",\"content\":\"b\"}]}";
	static const char a[] = "HTTP/1.1 200 OK\r\nX: ";
	static const char next[] = "POST /v1/chat/completions HTTP/1.1\r\nX: ";
	struct tally t = {0};
	uint64_t at = 0;
	struct flow *f;

	memset(junk, 'x', sizeof(junk));
	heap = peak = 0;
	counting = true;
	f = flow_new(&ops, &t, false);
	for (unsigned i = 0; i < FLOW_PIPELINE_MAX; i++, at += sizeof(q) - 1)
		flow_data(f, FLOW_REQUEST, at, (const uint8_t *)q, sizeof(q) - 1, 1);
	flow_data(f, FLOW_REQUEST, at, (const uint8_t *)next, sizeof(next) - 1, 2);
	flow_data(f, FLOW_REQUEST, at + sizeof(next) - 1, (const uint8_t *)junk,
		  sizeof(junk) - sizeof(next), 2);
	flow_data(f, FLOW_RESPONSE, 0, (const uint8_t *)a, sizeof(a) - 1, 3);
	flow_data(f, FLOW_RESPONSE, sizeof(a) - 1, (const uint8_t *)junk, sizeof(junk) - sizeof(a),
		  3);
	assert_int_equal(t.open, FLOW_PIPELINE_MAX);
	assert_int_equal(t.ended, 0);
	assert_true(flow_busy(f));
	flow_close(f, 4);
	flow_free(f);
	counting = false;
	print_message("heap %zu of %d\n", peak, FLOW_MEM_MAX);
	assert_true(peak > 16 * sizeof(struct interaction));
	assert_true(peak <= FLOW_MEM_MAX);
	assert_int_equal(heap, 0);
	assert_int_equal(t.ended, FLOW_PIPELINE_MAX);
}

/* A full hold beside a long head and an open exchange. */
static void test_memory_with_hold(void **state)
{
	static uint8_t body[65536];
	static const char q[] =
		"POST /v1/chat/completions HTTP/1.1\r\nHost: ai\r\nContent-Length: 52\r\n\r\n{\"mo";
	struct tally t = {0};
	struct flow *f;

	memset(body, ' ', sizeof(body));
	memcpy(body, "HTTP/1.1 200 OK\r\nX: ", 20);
	heap = peak = 0;
	counting = true;
	f = flow_new(&ops, &t, false);
	flow_data(f, FLOW_REQUEST, 0, (const uint8_t *)q, sizeof(q) - 1, 1);
	for (unsigned i = 0; i < 64; i++)
		flow_data(f, FLOW_RESPONSE, i * 1024, body + i * 1024, 1024, 2 + i);
	flow_data(f, FLOW_RESPONSE, sizeof(body), body, 10, 99);
	flow_close(f, 100);
	flow_free(f);
	counting = false;
	assert_true(peak > 65536);
	assert_true(peak <= FLOW_MEM_MAX);
	assert_int_equal(heap, 0);
	assert_int_equal(t.ended, 1);
}

/* Libraries that set themselves up on first use do it before anything is counted. */
static int warm_up(void **state)
{
	struct tally t = {0};

	for (unsigned c = 1; c < ARRAY_SIZE(codings); c++) {
		struct flow *f = flow_new(&ops, &t, false);
		struct wire q = {.n = 0}, a = {.n = 0};

		wire_request(&q, &vectors[0], "ai", BY_LENGTH, codings[c]);
		wire_answer(&a, &vectors[0], BY_LENGTH, codings[c], 1);
		flow_data(f, FLOW_REQUEST, 0, q.p, q.n, 1);
		flow_data(f, FLOW_RESPONSE, 0, a.p, a.n, 1);
		flow_free(f);
	}
	return __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free) ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory_at_its_worst),
		cmocka_unit_test(test_memory_with_hold),
		cmocka_unit_test(test_mutated_streams),
	};

	return cmocka_run_group_tests(tests, warm_up, NULL);
}
