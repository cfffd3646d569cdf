/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* One call's bytes on their way up, in chunks, each in a record sized to it: a reservation at the
 * maximum would lose the ring to air. */
#ifndef PROBITY_BPF_CHUNK_H
#define PROBITY_BPF_CHUNK_H

#include "bound.h"
#include "emit.h"

#define CHUNK (64 << 10)
#define CHUNKS_MAX 64 /* × 64 KiB = 4 MiB a call */
_Static_assert((CHUNK & (CHUNK - 1)) == 0, "CHUNK is a power of two");

struct flight { /* one call's bytes on their way up, a chunk at a time */
	struct conn *conn;
	__u64 conn_id, start_ns, buf, offset;
	__u32 left, dir, flags;
};

#define EMIT_TIER(cap)                                                  \
	do {                                                            \
		struct event_data *e = reserve(sizeof(*e) + (cap));     \
		__u64 m = n;                                            \
		if (!e)                                                 \
			return;                                         \
		head(&e->h, EVENT_DATA, sizeof(*e) + (cap));            \
		e->h.conn = f->conn_id;                                 \
		e->h.start_ns = f->start_ns;                            \
		e->h.flags = f->flags;                                  \
		e->offset = f->offset;                                  \
		e->dir = f->dir;                                        \
		BOUND(m, cap);                                          \
		e->size = m;                                            \
		if (bpf_probe_read_user(e->bytes, m, (void *)f->buf)) { \
			drop(DROP_READ_FAULT);                          \
			bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);       \
			return;                                         \
		}                                                       \
		commit(e);                                              \
	} while (0)

static __always_inline void emit_small(struct flight *f, __u32 n)
{
	if (n <= 512)
		EMIT_TIER(512);
	else
		EMIT_TIER(4096);
}
static __always_inline void emit_large(struct flight *f, __u32 n)
{
	if (n <= 4096)
		emit_small(f, n);
	else if (n <= 16384)
		EMIT_TIER(16384);
	else
		EMIT_TIER(CHUNK);
}

static long emit_chunk(__u32 i, void *p)
{
	struct flight *f = p;
	__u32 n = f->left;

	if (!n)
		return 1;
	if (n > CHUNK)
		n = CHUNK;
	emit_large(f, n);
	f->buf += n;
	f->offset += n;
	f->left -= n;
	return 0;
}

static __always_inline void emit(struct conn *conn, __u32 dir, __u64 buf, __u64 len, __u32 flags)
{
	struct flight f = {
		.conn_id = conn->id,
		.start_ns = conn->start_ns,
		.buf = buf,
		.dir = dir,
		.flags = (conn->flags & 0xffff) | flags,
		.left = len,
	};

	f.offset = __sync_fetch_and_add(&conn->offset[dir & 1], len);
	if (len <= 4096) {
		emit_small(&f, len);
		return;
	}
	if (len > (__u64)CHUNK * CHUNKS_MAX) {
		drop(DROP_TOO_LARGE);
		f.left = CHUNK * CHUNKS_MAX;
	}
	bpf_loop(CHUNKS_MAX, emit_chunk, &f, 0);
}

#endif
