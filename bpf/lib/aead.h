/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * TLS seen at its record layer, where a library (rustls) has no C function to write to: one call
 * of an AEAD is one record. The additional data say that it is one and how long it is, and the
 * lengths must agree; anything else is another use of the cipher and is not ours. Of records only
 * application data count: in TLS 1.3 the type is the last byte of the plaintext that is not zero,
 * in TLS 1.2 it is in the additional data.
 *
 * A key is one direction of a connection, and a connection of its own here (EVENT_F_HALF). It
 * begins with its first application data, so keys of a handshake, which are freed at once, make
 * none. BoringSSL hands the type over apart from the plaintext; then the length is one more, and
 * what begins like a handshake message or is as long as an alert is none of ours.
 *
 * Sealing is told at entry, because it may be done in place; it does not fail in practice.
 */
#ifndef PROBITY_BPF_AEAD_H
#define PROBITY_BPF_AEAD_H

#include "call.h"
#include "sock.h"

#define TAG 16
#define APPLICATION_DATA 0x17
#define PADDING_MAX 16384

struct record {
	__u64 handle, len, seq; /* len: of the plaintext, its content type included in TLS 1.3 */
	__u32 tls;		/* EVENT_F_TLS12 or 13; 0 = not a record of application data */
};

static __always_inline __u32 be16(const __u8 *p)
{
	return (__u32)p[0] << 8 | p[1];
}

static __noinline void read_aad(__u64 aad, __u64 n, struct record *r)
{
	__u8 a[16] = {};

	r->tls = 0;
	if (n == 5) {
		if (bpf_probe_read_user(a, 5, (void *)aad))
			return;
		if (a[0] != APPLICATION_DATA || a[1] != 3 || a[2] != 3 || be16(a + 3) <= TAG)
			return;
		r->len = be16(a + 3) - TAG;
		r->seq = 0;
		r->tls = EVENT_F_TLS13;
	} else if (n == 13) {
		if (bpf_probe_read_user(a, 13, (void *)aad))
			return;
		if (a[8] != APPLICATION_DATA || a[9] != 3 || a[10] != 3)
			return;
		r->len = be16(a + 11);
		r->seq = bpf_be64_to_cpu(*(__u64 *)a);
		r->tls = EVENT_F_TLS12;
	}
}

struct padding {
	__u64 buf, len;
	__u8 type, failed;
};

static long unpad(__u32 i, void *p)
{
	struct padding *d = p;

	if (!d->len)
		return 1;
	d->len--;
	if (bpf_probe_read_user(&d->type, 1, (void *)(d->buf + d->len)))
		d->failed = 1;
	return d->type || d->failed;
}

#ifdef PROBITY_OLD
#define PADDING_ROUND 64

/* Of the len bytes that end there, how many zeros are last, PADDING_ROUND at most; -1: they cannot be read. */
ONCE(int, zeros_old)(__u64 end, __u64 len)
{
	__u8 c = 0;

	for (int i = 0; i < PADDING_ROUND; i++) {
		if (i >= len)
			return i;
		if (bpf_probe_read_user(&c, 1, (void *)(end - 1 - i)))
			return -1;
		if (c)
			return i;
	}
	return PADDING_ROUND;
}

static __always_inline void unpad_all(struct padding *d)
{
	int n = PADDING_ROUND;

	for (int i = 0; i < PADDING_MAX / PADDING_ROUND && n == PADDING_ROUND; i++) {
		n = zeros_old(d->buf + d->len, d->len);
		d->failed = n < 0;
		d->len -= n;
	}
	if (!d->failed)
		unpad(0, d);
}
#else
static __always_inline void unpad_all(struct padding *d)
{
	if (!unpad(0, d))
		bpf_loop(PADDING_MAX, unpad, d, 0);
}
#endif

/* Takes content type and padding off a TLS 1.3 plaintext. False: not application data. */
static __noinline bool is_data(__u64 buf, __u64 *len)
{
	struct padding d = {.buf = buf, .len = *len};

	unpad_all(&d);
	if (d.failed)
		drop(DROP_READ_FAULT);
	*len = d.len;
	return !d.failed && d.type == APPLICATION_DATA;
}

/* The type is not there to be looked at. */
static __noinline bool looks_like_data(__u64 buf, __u64 len)
{
	__u8 p[4] = {};

	if (len < 4 || bpf_probe_read_user(p, 4, (void *)buf))
		return len > 2;
	return !((p[0] == 0x14 || p[0] == 0x18 || p[0] == 4) && !p[1] && p[2] < 2 &&
		 !(p[2] && p[0] != 4));
}

static __always_inline void remember_process(__u32 tgid, __u32 start)
{
	__u32 *known = bpf_map_lookup_elem(&aead_procs, &tgid);

	if (known && *known == start)
		return;
	bpf_map_update_elem(&aead_procs, &tgid, &start, BPF_ANY);
	aead_seen = 1;
}

/* The half to go on with: another one where the numbers of its records begin anew. */
static __always_inline struct conn *half(struct conn_key *k, struct record *r, __u64 start_ns)
{
	struct conn *conn = bpf_map_lookup_elem(&conns, k);
	__u32 flags = EVENT_F_HALF | r->tls;

	if (conn && r->tls == EVENT_F_TLS12 && r->seq <= conn->seq) {
		conn_end(conn, k);
		conn = NULL;
	}
	if (!conn && r->seq > 1)
		flags |= EVENT_F_LATE;
	if (!conn)
		conn = conn_new(k, start_ns, flags);
	if (conn)
		conn->seq = r->seq;
	return conn;
}

/* The half of a key that has not ended. One that wrote, of which no send was seen (it was refused), and
 * that has another socket by now, is of a key that was freed. */
static __always_inline struct conn *half_known(const struct conn_key *k, struct named *likely)
{
	struct conn *conn = bpf_map_lookup_elem(&conns, k);

	if (conn && conn->flags & CONN_BOUND)
		return conn;
	if (!likely_socket(k, likely) || !conn || likely->cookie == conn->cookie ||
	    !conn->offset[EVENT_WRITE])
		return conn;
	conn_end(conn, k);
	return NULL;
}

/* A record that waited for the worker, and goes. */
static __always_inline int sealed(struct pt_regs *ctx, __u64 cookie, __u64 len)
{
	struct call *c = call_of(true);
	struct conn_key k = {};
	struct conn *conn;
	__u64 start_ns;

	key_of(&k, VALUE(HANDLE, LOC_ARG1) & ~1ull, &start_ns);
	conn = bpf_map_lookup_elem(&conns, &k);
	if (!conn || !c)
		return 0;
	wait_for_send(c, &k, sp_of(ctx));
	counted_return(cookie, len);
	of_stack(conn, cookie);
	went(conn, len);
	return 0;
}

static __always_inline int seal(struct pt_regs *ctx, __u64 cookie)
{
	__u64 buf, len = VALUE(LEN, LOC_STACK + 2), start_ns;
	struct conn_key k = {};
	struct named likely = {};
	struct conn *conn;
	struct record r;
	struct call *c;
	int way;

	way = gate_resume(ctx, cookie, VALUE(HANDLE, LOC_ARG1) & ~1ull, &len);
	if (way == GATE_TOLD)
		return sealed(ctx, cookie, len);
	if (way != GATE_GO)
		return 0;
	read_aad(VALUE(AAD, LOC_STACK + 3), VALUE(AADLEN, LOC_STACK + 4), &r);
	if (!r.tls || (len != r.len && !(r.tls == EVENT_F_TLS13 && len + 1 == r.len)))
		return 0;
	counted_entry(cookie);
	key_of(&k, VALUE(HANDLE, LOC_ARG1) & ~1ull, &start_ns);
	remember_process(k.tgid, k.start);
	conn = half_known(&k, &likely);
	if (conn && unwanted(conn))
		return 0;
	buf = VALUE(BUF, LOC_STACK + 1);
	if (r.tls == EVENT_F_TLS13 &&
	    !(len == r.len ? is_data(buf, &len) : looks_like_data(buf, len)))
		return 0;
	conn = half(&k, &r, start_ns);
	c = call_of(true);
	if (!conn || conn->ignored || !c || !len)
		return 0;
	name_by(conn, &likely);
	if (is_gated(conn))
		way = gate_write(ctx, cookie, conn, c, k.ssl, buf, len);
	if (way >= GATE_STOP)
		return 0;
	wait_for_send(c, &k, sp_of(ctx));
	counted_return(cookie, len);
	of_stack(conn, cookie);
	if (way == GATE_TOLD)
		went(conn, len);
	else
		emit(conn, EVENT_WRITE, buf, len, 0);
	return 0;
}

static __always_inline int open_begin(struct pt_regs *ctx, __u64 cookie)
{
	struct conn_key k = {};
	struct conn *conn;
	struct frame *f;
	struct record r;
	struct call *c;
	__u64 start_ns;

	read_aad(VALUE(AAD, LOC_STACK + 3), VALUE(AADLEN, LOC_STACK + 4), &r);
	if (!r.tls)
		return 0;
	if (TLS_COOKIE_FLAGS(cookie) & TLS_L_RUST) {
		__u64 n = VALUE(LEN, LOC_STACK + 1) - VALUE(SKIP, LOC_STACK + 2);

		if (n != r.len && n != r.len + TAG)
			return 0;
	}
	counted_entry(cookie);
	key_of(&k, VALUE(HANDLE, LOC_ARG1) | 1, &start_ns);
	remember_process(k.tgid, k.start);
	conn = bpf_map_lookup_elem(&conns, &k);
	if (conn && unwanted(conn))
		return 0;
	c = call_of(true);
	f = c ? push(c, &k, sp_of(ctx), EVENT_READ) : NULL;
	if (!f)
		return 0;
	f->buf = VALUE(BUF, LOC_ARG2);
	f->out = TLS_COOKIE_FLAGS(cookie) & TLS_L_RUST ? 0 : VALUE(OUT, LOC_ARG3);
	f->len = r.len;
	f->seq = r.seq;
	f->how = FRAME_OPEN | (TLS_COOKIE_FLAGS(cookie) & TLS_L_RUST) | r.tls << 8;
	return 0;
}

static __always_inline int open_done(struct call *c, const struct frame *f, __u64 cookie,
				     __u64 result)
{
	struct record r = {.len = f->len, .seq = f->seq, .tls = f->how >> 8};
	struct conn_key k = f->key;
	__u64 start_ns, n = 0;
	struct conn *conn;

	if (!(f->how & TLS_L_RUST) && (result & 0xff) != 1)
		return 0;
	if (f->out && (bpf_probe_read_user(&n, sizeof(n), (void *)f->out) || n != r.len))
		return 0;
	if (r.tls == EVENT_F_TLS13 && !is_data(f->buf, &r.len))
		return 0;
	key_of(&k, f->key.ssl, &start_ns);
	conn = half(&k, &r, start_ns);
	if (conn && c->received && (c->fresh || !(conn->flags & CONN_BOUND)))
		conn = rebind((struct sock *)c->received, conn, &k, 0);
	c->fresh = 0;
	if (!conn || conn->ignored || !r.len)
		return 0;
	counted_return(cookie, r.len);
	of_stack(conn, cookie);
	emit(conn, EVENT_READ, f->buf, r.len, 0);
	return 0;
}

#endif
