/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * One call's bytes on their way up, in chunks, each in a record sized to it: a reservation at the
 * maximum would lose the ring to air.
 *
 * Where the program may sleep (PROBITY_SLEEPS), a page that is not there is fetched, outside of any
 * reservation, because one that is held stops the reader. And a full ring makes the call wait: as
 * long as the reader moves, at most shared.wait_us without it moving and ten times that in all; at
 * most shared.waiters_max calls at once, so that a CPU is left for the reader. A reader that let
 * somebody wait in vain is not waited for again before it moves. What then finds no room is a
 * counted gap.
 *
 * PROBITY_OLD: kernels without bpf_loop, whose verifier walks through each round of a loop: there a round is
 * one call of a function it goes through once.
 */
#ifndef PROBITY_BPF_CHUNK_H
#define PROBITY_BPF_CHUNK_H

#include "bound.h"
#include "emit.h"

#define CHUNK (64 << 10)
#define CHUNKS_MAX 64 /* × 64 KiB = 4 MiB a call */
#define CALL_MAX ((__u64)CHUNK * CHUNKS_MAX)
#define PAGE 4096
#define STEPS_MAX (1 << 22) /* of a call that waits; the time ends it long before */
_Static_assert((CHUNK & (CHUNK - 1)) == 0, "CHUNK is a power of two");

struct flight { /* one call's bytes on their way up, a chunk at a time */
	__u64 conn_id, start_ns, buf, offset;
	__u32 left, told; /* told: bytes that found their way */
	__u16 flags, dir;
	__u16 waits, fetched; /* fetched: the pages of this chunk */
#ifdef PROBITY_SLEEPS
	__u64 until, end; /* of waiting: without progress of the reader, and in all */
	__u64 reader;	  /* where it stood when `until` was set */
#endif
};

enum { SENT, NO_ROOM, NOT_THERE };

#define EMIT_TIER(cap)                                                                      \
	do {                                                                                \
		struct event_data *e = bpf_ringbuf_reserve(&events, sizeof(*e) + (cap), 0); \
		__u64 m = n;                                                                \
		if (!e)                                                                     \
			return NO_ROOM;                                                     \
		head(&e->h, EVENT_DATA, sizeof(*e) + (cap));                                \
		e->h.conn = f->conn_id;                                                     \
		e->h.start_ns = f->start_ns;                                                \
		e->h.flags = f->flags;                                                      \
		e->offset = f->offset;                                                      \
		e->dir = f->dir;                                                            \
		BOUND(m, cap);                                                              \
		e->size = m;                                                                \
		if (bpf_probe_read_user(e->bytes, m, (void *)f->buf)) {                     \
			bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);                           \
			return NOT_THERE;                                                   \
		}                                                                           \
		commit(e);                                                                  \
	} while (0)

static __noinline int emit_some(struct flight *f, __u32 n)
{
	if (n <= 512)
		EMIT_TIER(512);
	else if (n <= 4096)
		EMIT_TIER(4096);
	else if (n <= 16384)
		EMIT_TIER(16384);
	else
		EMIT_TIER(CHUNK);
	return SENT;
}

static __always_inline void sent_or_not(struct flight *f, int why, __u32 n)
{
	if (why)
		drop(why == NO_ROOM ? DROP_RING_FULL : DROP_READ_FAULT);
	else
		f->told += n;
}

static __always_inline void next_chunk(struct flight *f, __u32 n)
{
	f->buf += n;
	f->offset += n;
	f->left -= n;
	f->fetched = 0;
}

#ifdef PROBITY_SLEEPS

static __always_inline struct tally *tally_of(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&tally, &zero);
}

static __always_inline bool has_room(__u32 n)
{
	__u64 need = sizeof(struct event_data) + n + 16; /* tiers: at most four times n */

	need += n <= 512 ? 512 : n <= 4096 ? 4096 : n <= 16384 ? 16384 : CHUNK;
	return bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) + need <=
	       bpf_ringbuf_query(&events, BPF_RB_RING_SIZE);
}

static __always_inline bool begin_wait(struct flight *f)
{
	__u64 reader = bpf_ringbuf_query(&events, BPF_RB_CONS_POS), now;
	struct shared *sh = shared_of();
	struct tally *st = tally_of();

	if (!sh || !st || !sh->wait_us || st->stuck == reader + 1)
		return false;
	now = bpf_ktime_get_ns();
	if (!f->end)
		f->end = now + 10000ull * sh->wait_us;
	else if (now >= f->end)
		return false;
	if (__sync_fetch_and_add(&st->waiters, 1) >= sh->waiters_max) {
		__sync_fetch_and_add(&st->waiters, -1);
		return false;
	}
	__sync_fetch_and_add(&st->waited, 1);
	f->reader = reader;
	f->until = now + 1000ull * sh->wait_us;
	f->waits = 1;
	return true;
}

static __always_inline void end_wait(struct flight *f)
{
	struct tally *st = tally_of();

	f->waits = 0;
	if (st)
		__sync_fetch_and_add(&st->waiters, -1);
}

/* A look at the time and the ring, and a point where the kernel may run somebody else. False: the
 * wait is over. */
static __always_inline bool goes_on(struct flight *f, __u32 n)
{
	__u64 now = bpf_ktime_get_ns(), reader;
	struct shared *sh = shared_of();
	struct tally *st = tally_of();
	char c;

	if (has_room(n) || !sh || !st)
		return false;
	bpf_copy_from_user(&c, 1, (void *)f->buf);
	reader = bpf_ringbuf_query(&events, BPF_RB_CONS_POS);
	if (reader != f->reader) {
		f->reader = reader;
		f->until = now + 1000ull * sh->wait_us;
	}
	if (now < f->until && now < f->end)
		return true;
	if (now >= f->until)
		st->stuck = reader + 1;
	f->end = 1; /* no more waiting in this call */
	return false;
}

/* Its result says nothing: what is not there will be seen. */
__weak __noinline int fetch(__u64 buf, __u32 n)
{
	char c;

	for (__u32 at = 0; at < CHUNK; at += PAGE) {
		if (at >= n)
			break;
		bpf_copy_from_user(&c, 1, (void *)(buf + at));
	}
	if (n)
		bpf_copy_from_user(&c, 1, (void *)(buf + n - 1));
	return 0;
}

static long emit_step(__u32 i, void *p)
{
	struct flight *f = p;
	__u32 n = f->left;
	int r;

	if (!n)
		return 1;
	if (n > CHUNK)
		n = CHUNK;
	if (f->waits) {
		if (goes_on(f, n))
			return 0;
		end_wait(f);
	}
	r = emit_some(f, n);
	if (r == NO_ROOM && begin_wait(f))
		return 0;
	if (r == NOT_THERE && !f->fetched) {
		fetch(f->buf, n);
		f->fetched = 1;
		return 0;
	}
	sent_or_not(f, r, n);
	next_chunk(f, n);
	return 0;
}

static __always_inline void emit_all(struct flight *f)
{
	bpf_loop(STEPS_MAX, emit_step, f, 0);
	if (f->waits)
		end_wait(f);
}

#else

static long emit_step(__u32 i, void *p)
{
	struct flight *f = p;
	__u32 n = f->left;

	if (!n)
		return 1;
	if (n > CHUNK)
		n = CHUNK;
	sent_or_not(f, emit_some(f, n), n);
	next_chunk(f, n);
	return 0;
}

#ifdef PROBITY_OLD
/* Memory of a map and not of the stack, which a round could not be given. Programs of these kernels are not
 * preempted. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flight);
} old_flight SEC(".maps");

ONCE(int, emit_step_old)(__u32 i)
{
	__u32 zero = 0;
	struct flight *f = bpf_map_lookup_elem(&old_flight, &zero);

	return f ? emit_step(i, f) : 1;
}

static __always_inline void emit_all(struct flight *stack)
{
	__u32 zero = 0;
	struct flight *f = bpf_map_lookup_elem(&old_flight, &zero);

	if (!f)
		return;
	*f = *stack;
	for (int i = 0; i < CHUNKS_MAX; i++)
		if (emit_step_old(i))
			break;
	stack->told = f->told;
}
#else
static __always_inline void emit_all(struct flight *f)
{
	bpf_loop(CHUNKS_MAX, emit_step, f, 0);
}
#endif

#endif

/* No more than five arguments can be passed, and memory of the caller could not be the loop's. rest: length,
 * direction << 31, flags << 32. */
#define FLIGHT(conn_id_, start_ns_, buf_, offset_, rest)                                    \
	{                                                                                   \
		.conn_id = conn_id_, .start_ns = start_ns_, .buf = buf_, .offset = offset_, \
		.left = (rest)&0x7fffffff, .dir = (rest) >> 31 & 1,                         \
		.flags = (rest) >> 32 & 0xffff,                                             \
	}

#ifdef PROBITY_SLEEPS
/* Verifiers before 6.7 walk through a loop's callback once, with the values of the first round: what it
 * knows to be zero there it takes for zero in all, and removes what follows from anything else. So there
 * is nothing here that it knows. */
ONCE(int, emit_waiting)(__u64 conn_id, __u64 start_ns, __u64 buf, __u64 offset, __u64 rest)
{
	struct flight f = FLIGHT(conn_id, start_ns, buf, offset, rest);
	__u64 zero = rest >> 63; /* of a bit that is not in use */

	f.told = f.waits = f.fetched = zero;
	f.until = f.end = f.reader = zero;
	emit_all(&f);
	return f.told;
}

static __noinline int emit_small(__u64 conn_id, __u64 start_ns, __u64 buf, __u64 offset, __u64 rest)
{
	struct flight f = FLIGHT(conn_id, start_ns, buf, offset, rest);

	return emit_some(&f, f.left);
}

/* How much was told. It has no flight of its own: on 6.1 all frames of a chain of calls share 512 bytes. */
ONCE(int, emit_flight)(__u64 conn_id, __u64 start_ns, __u64 buf, __u64 offset, __u64 rest)
{
	__u32 n = rest & 0x7fffffff;

	if (n && n <= 4096 && emit_small(conn_id, start_ns, buf, offset, rest) == SENT)
		return n;
	return emit_waiting(conn_id, start_ns, buf, offset, rest);
}
#else
/* How much was told. */
ONCE(int, emit_flight)(__u64 conn_id, __u64 start_ns, __u64 buf, __u64 offset, __u64 rest)
{
	struct flight f = FLIGHT(conn_id, start_ns, buf, offset, rest);

	if (f.left && f.left <= 4096)
		sent_or_not(&f, emit_some(&f, f.left), f.left);
	else
		emit_all(&f);
	return f.told;
}
#endif

/* Offsets go on whatever happens to the bytes. Old kernels cannot add and fetch at once: there two
 * threads in the same direction of one handle, which no library allows, would share an offset. */
static __always_inline __u64 take_offset(struct conn *conn, __u32 dir, __u64 len)
{
#ifdef PROBITY_OLD
	__u64 at = conn->offset[dir & 1];

	conn->offset[dir & 1] = at + len;
	return at;
#else
	return __sync_fetch_and_add(&conn->offset[dir & 1], len);
#endif
}

/* A write goes out before its bytes are told, and another thread may read the answer in between:
 * until they are, there is nothing the worker can have read. */
static __always_inline void turn_begins(struct conn *conn)
{
	if (conn->turn_dir == EVENT_WRITE)
		return;
	conn->turn_dir = EVENT_WRITE;
	conn->turn = 0;
	conn->asked = ~0ull;
}

/* How many of the next n bytes of a quiet connection are told, from the first one on: `before` went
 * in this turn already. */
static __always_inline __u64 quiet_part(__u64 before, __u32 dir, __u64 n)
{
	__u64 most = dir == EVENT_WRITE ? QUIET_CALL : 0;

	if (before < QUIET_TURN && QUIET_TURN - before > most)
		most = QUIET_TURN - before;
	return n < most ? n : most;
}

/* By the verdict of now and not of the call's entry: a read may have waited for long. */
static __noinline __u64 wanted_part(struct conn *conn, __u32 dir, __u64 n)
{
	struct verdict_slot *v;
	__u64 before;
	bool told_all;
	__u32 slot;

	if (!conn)
		return n;
	/* Before the verdict is looked at, which the worker writes before it says what it has read. */
	told_all = !was_read(conn->asked);
	if (conn->turn_dir != dir) {
		conn->turn_dir = dir;
		conn->turn = 0;
	}
	before = conn->turn;
	conn->turn = before + n;
	slot = conn->id & (VERDICT_SLOTS - 1);
	v = bpf_map_lookup_elem(&verdicts, &slot);
	if (!v || v->conn != conn->id || v->verdict != VERDICT_QUIET || told_all)
		return n;
	return quiet_part(before, dir, n);
}

/* Bytes that were told before they went (lib/gate.h). */
static __always_inline void went(struct conn *conn, __u64 len)
{
	take_offset(conn, EVENT_WRITE, len);
	wanted_part(conn, EVENT_WRITE, len);
	conn->asked = bpf_ringbuf_query(&events, BPF_RB_PROD_POS);
}

static __always_inline void emit(struct conn *conn, __u32 dir, __u64 buf, __u64 len, __u32 flags)
{
	__u64 offset = take_offset(conn, dir, len), whole = len;

	len = wanted_part(conn, dir & 1, len);
	if (!len)
		return;
	if (len > CALL_MAX) {
		drop(DROP_TOO_LARGE);
		len = CALL_MAX;
	}
	flags |= conn->flags & 0xffff;
	emit_flight(conn->id, conn->start_ns, buf, offset,
		    len | (__u64)(dir & 1) << 31 | (__u64)flags << 32);
	if (dir == EVENT_WRITE && conn->turn - whole < QUIET_TURN)
		conn->asked = bpf_ringbuf_query(&events, BPF_RB_PROD_POS);
}

#endif
