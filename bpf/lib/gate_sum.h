/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Of the write gate (gate.h): is a write that is tried again the one that passed? In: its buffer and
 * length. Out: a number that is the same for the same bytes, and of which nobody who does not know its
 * key, drawn anew for each write, can make another with that number: SipHash-1-3.
 *
 * Only taken where it is needed: of a write that passed and moved nothing, and of the one that looks
 * like it. What is longer than SUM_MAX, or cannot be read, has none, and is judged again.
 */
#ifndef PROBITY_BPF_GATE_SUM_H
#define PROBITY_BPF_GATE_SUM_H

#include "chunk.h"

#define SUM_BLOCK 64
#ifdef PROBITY_OLD
#define SUM_MAX (64 << 10) /* each block is one round of a loop that the verifier walks through */
#else
#define SUM_MAX CALL_MAX
#endif

struct sum {
	__u64 v[4];
	__u64 block[SUM_BLOCK / 8];
	__u64 buf;
	__u32 left, failed;
};

#define ROTATE(x, n) ((x) << (n) | (x) >> (64 - (n)))

static __always_inline void sip_round(__u64 *v)
{
	v[0] += v[1];
	v[1] = ROTATE(v[1], 13) ^ v[0];
	v[0] = ROTATE(v[0], 32);
	v[2] += v[3];
	v[3] = ROTATE(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = ROTATE(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = ROTATE(v[1], 17) ^ v[2];
	v[2] = ROTATE(v[2], 32);
}

static __always_inline void sip_word(__u64 *v, __u64 word)
{
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
}

static long sum_step(__u32 i, void *p)
{
	struct sum *s = p;
	__u64 n = s->left;

	if (!n)
		return 1;
	for (int k = 0; k < SUM_BLOCK / 8; k++)
		s->block[k] = 0;
	BOUND(n, SUM_BLOCK);
#ifdef PROBITY_SLEEPS
	if (bpf_copy_from_user(s->block, n, (void *)s->buf)) {
#else
	if (bpf_probe_read_user(s->block, n, (void *)s->buf)) {
#endif
		s->failed = 1;
		return 1;
	}
	s->buf += n;
	s->left -= n;
	for (int k = 0; k < SUM_BLOCK / 8; k++)
		sip_word(s->v, s->block[k]);
	return 0;
}

#ifdef PROBITY_OLD
/* Memory of a map, as of old_flight. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sum);
} old_sum SEC(".maps");

ONCE(int, sum_step_old)(__u32 i)
{
	__u32 zero = 0;
	struct sum *s = bpf_map_lookup_elem(&old_sum, &zero);

	return s ? sum_step(i, s) : 1;
}

static __always_inline void sum_all(struct sum *stack)
{
	__u32 zero = 0;
	struct sum *s = bpf_map_lookup_elem(&old_sum, &zero);

	stack->failed = 1;
	if (!s)
		return;
	*s = *stack;
	s->failed = 0;
	for (int i = 0; i < SUM_MAX / SUM_BLOCK; i++)
		if (sum_step_old(i))
			break;
	*stack = *s;
}
#else
static __always_inline void sum_all(struct sum *s)
{
	bpf_loop(SUM_MAX / SUM_BLOCK, sum_step, s, 0);
}
#endif

/* 0 = none. */
ONCE_OLD(__u64, sum_of)(__u64 buf, __u64 len, __u64 key)
{
	struct sum s = {.buf = buf, .left = len};

	if (!len || len > SUM_MAX)
		return 0;
	s.v[0] = key ^ 0x736f6d6570736575ull;
	s.v[1] = ~key ^ 0x646f72616e646f6dull;
	s.v[2] = key ^ 0x6c7967656e657261ull;
	s.v[3] = ~key ^ 0x7465646279746573ull;
	sum_all(&s);
	if (s.failed)
		return 0;
	sip_word(s.v, len);
	s.v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(s.v);
	return (s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3]) | 1;
}

/* A write that passed has moved nothing: it will come again. */
static __always_inline void retry_comes(struct conn *conn, __u64 buf, __u64 len)
{
	if (conn->passed_len != len || conn->passed_buf != buf ||
	    conn->passed != conn->offset[EVENT_WRITE])
		return;
	conn->passed_key = (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32();
	conn->passed_sum = sum_of(buf, len, conn->passed_key);
}

static __always_inline bool is_retry(const struct conn *conn, __u64 buf, __u64 len)
{
	return conn->passed_sum && conn->passed_len == len && conn->passed_buf == buf &&
	       conn->passed == conn->offset[EVENT_WRITE] &&
	       sum_of(buf, len, conn->passed_key) == conn->passed_sum;
}

#endif
