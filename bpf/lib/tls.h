/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What stands at each probed address, by its cookie. Compiled once per variant of the program. */
#ifndef PROBITY_BPF_TLS_H
#define PROBITY_BPF_TLS_H

#include "aead.h"

#define SSL_CTRL_SET_TLSEXT_HOSTNAME 55

static __always_inline int named(__u64 ssl, int cmd, __u64 name)
{
	struct conn_key k = {};
	struct conn *conn;
	__u64 start_ns;

	if (cmd != SSL_CTRL_SET_TLSEXT_HOSTNAME || !name)
		return 0;
	key_of(&k, ssl, &start_ns);
	conn = bpf_map_lookup_elem(&conns, &k);
	if (!conn)
		conn = conn_new(&k, start_ns, 0);
	if (conn && !conn->ignored)
		learn_first(conn, name);
	return 0;
}

static __always_inline int shake(struct pt_regs *ctx, __u64 ssl, __u32 flags, bool sends)
{
	struct conn_key k = {};
	__u64 start_ns;
	struct conn *conn;
	struct call *c;

	key_of(&k, ssl, &start_ns);
	conn = bpf_map_lookup_elem(&conns, &k);
	/* A side is chosen once, on a new handle: bytes before that were another connection's (an
	 * image replaced by exec leaves its handles behind). */
	if (!conn || (!sends && (conn->offset[0] | conn->offset[1])))
		conn = conn_new(&k, start_ns, flags);
	if (!conn || conn->ignored)
		return 0;
	learn_again(conn);
	conn->flags |= CONN_SHAKEN | flags;
	if (!sends || conn->flags & CONN_BOUND)
		return 0;
	c = call_of(true);
	if (!c)
		return 0;
	around(c, sp_of(ctx));
	wait_for_send(c, &k, sp_of(ctx));
	return 0;
}

/* The address may come back as another connection. */
static __always_inline int gone(__u64 ssl, bool cleared)
{
	__u64 start_ns, rules, generation;
	struct conn_key k = {};
	struct conn *conn;

	key_of(&k, ssl, &start_ns);
	conn = bpf_map_lookup_elem(&conns, &k);
	if (!conn)
		return 0;
	/* Every OpenSSL handshake begins with a clear: what is known so far, the name, is of the
	 * connection that begins. */
	if (cleared && !(conn->offset[0] | conn->offset[1]))
		return 0;
	rules = conn->host_rules;
	generation = conn->host_generation;
	conn_end(conn, &k);
	if (!cleared)
		return 0;
	conn = conn_new(&k, start_ns, 0); /* the handle keeps its name, and so its rules */
	if (conn) {
		conn->host_rules = rules;
		conn->host_generation = generation;
	}
	return 0;
}

/* A new descriptor that is a TLS one; its address may have been another's. */
static __always_inline int imported(__u64 fd)
{
	struct conn_key k = {};
	struct conn *conn;
	__u64 start_ns;

	if (!fd)
		return 0;
	key_of(&k, fd, &start_ns);
	conn = bpf_map_lookup_elem(&conns, &k);
	if (conn)
		conn_end(conn, &k);
	conn_new(&k, start_ns, CONN_NSS);
	return 0;
}

static __always_inline int leave(struct pt_regs *ctx, __u64 cookie)
{
	struct call *c = call_of(false);
	struct frame *f;
	__u64 result = reg(ctx, LOC_RET);

	seen_again(c);
	f = c ? pop(c, sp_of(ctx) - 8 * TLS_COOKIE_SKIP(cookie)) : NULL;
	if (!f)
		return 0;
	return f->how & FRAME_OPEN ? open_done(c, f, cookie, result) : done(f, cookie, result);
}

static __always_inline int go_site(struct pt_regs *ctx, __u64 cookie, __u32 dir)
{
	struct args a = {
		.handle = VALUE(HANDLE, LOC_G1),
		.buf = VALUE(BUF, LOC_G2),
		.len = VALUE(LEN, LOC_G3),
		.dir = dir,
	};

	return go_enter(ctx, cookie, &a);
}

/*
 * From 6.13 on the kernel gives programs of this type a stack per CPU, in place of the task's. For a
 * uprobe that is wrong: its program is preempted, and sleeps, and the next one on that CPU writes over
 * what it has there (seen on 7.2: two threads of a process go on with each other's registers). A
 * program with a tail call keeps the task's stack. This one is never reached: the verifier sees that
 * and takes it out, after it has counted it.
 */
static __always_inline void keep_own_stack(void)
{
	asm volatile("r0 = 0\n"
		     "if r0 == 0 goto +1\n"
		     "call 12" /* bpf_tail_call */
		     :
		     :
		     : "r0", "r1", "r2", "r3", "r4", "r5");
}

static __always_inline int tls_site(struct pt_regs *ctx, __u64 cookie)
{
	struct args a = {.dir = EVENT_WRITE};
	__u64 ssl;

	keep_own_stack();
	switch (TLS_COOKIE_SITE(cookie)) {
	case TLS_RETURN:
		return leave(ctx, cookie);
	case TLS_SEAL:
		return seal(ctx, cookie);
	case TLS_OPEN:
		return open_begin(ctx, cookie);
	case TLS_GO_WRITE:
		return go_site(ctx, cookie, EVENT_WRITE);
	case TLS_GO_READ:
		return go_site(ctx, cookie, EVENT_READ);
	case TLS_GO_RETURN:
		return go_leave(ctx, cookie);
	case TLS_NSS_IMPORT:
		return imported(VALUE(HANDLE, LOC_RET));
	}
	ssl = VALUE(HANDLE, LOC_ARG1);
	switch (TLS_COOKIE_SITE(cookie)) {
	case TLS_HANDSHAKE:
		return shake(ctx, ssl, 0, true);
	case TLS_ACCEPT:
		return shake(ctx, ssl, EVENT_F_SERVER, true);
	case TLS_CLIENT:
		return shake(ctx, ssl, 0, false);
	case TLS_SERVER:
		return shake(ctx, ssl, EVENT_F_SERVER, false);
	case TLS_FREE:
		return gone(ssl, false);
	case TLS_CLEAR:
		return gone(ssl, true);
	case TLS_CTRL:
		return named(ssl,
			     TLS_COOKIE_BUF(cookie) == LOC_NONE ? SSL_CTRL_SET_TLSEXT_HOSTNAME
								: (int)VALUE(BUF, LOC_ARG2),
			     VALUE(OUT, LOC_ARG4));
	case TLS_WRITE_EX2:
		a.out = VALUE(OUT, LOC_ARG5);
		break;
	case TLS_READ_EX:
		a.dir = EVENT_READ;
		/* fallthrough */
	case TLS_WRITE_EX:
		a.out = VALUE(OUT, LOC_ARG4);
		break;
	case TLS_READ:
		a.dir = EVENT_READ;
		/* fallthrough */
	case TLS_WRITE:
		a.out = VALUE(OUT, LOC_NONE);
		break;
	default:
		return 0;
	}
	a.handle = ssl;
	a.buf = VALUE(BUF, LOC_ARG2);
	a.len = VALUE(LEN, LOC_ARG3);
	if (!a.out && !(TLS_COOKIE_FLAGS(cookie) & TLS_L_LEN64))
		a.len = (int)a.len < 0 ? 0 : (int)a.len;
	return enter(ctx, cookie, &a);
}

#endif
