/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Calls: entry keeps the arguments, the RET whose stack pointer equals the entry's tells what was
 * moved. Innermost call last, so neither tail calls nor calls within calls need a table of who
 * calls whom. SSL_write_ex2 in SSL_write_ex is the same write; a write in a callback of a read is a
 * call of its own.
 *
 * Kept by thread; for Go by goroutine, with the stack pointer counted from the stack's end, because
 * a goroutine changes threads and its stack is moved when it grows.
 */
#ifndef PROBITY_BPF_CALL_H
#define PROBITY_BPF_CALL_H

#include "fd.h"
#include "gate.h"
#include "named.h"
#include "rules.h"

static __always_inline void counted_entry(__u64 cookie)
{
	__u32 image = TLS_COOKIE_IMAGE(cookie);
	struct image_hits *h = bpf_map_lookup_elem(&hits, &image);

	if (h)
		__sync_fetch_and_add(&h->entries, 1);
}

static __always_inline void of_stack(struct conn *conn, __u64 cookie)
{
	conn->flags |= (__u32)TLS_COOKIE_STACK(cookie) << EVENT_F_STACK_SHIFT;
}

static __always_inline void counted_return(__u64 cookie, __u64 bytes)
{
	__u32 image = TLS_COOKIE_IMAGE(cookie);
	struct image_hits *h = bpf_map_lookup_elem(&hits, &image);

	if (!h)
		return;
	__sync_fetch_and_add(&h->returns, 1);
	__sync_fetch_and_add(&h->bytes, bytes);
	h->last_ns = bpf_ktime_get_boot_ns();
}

static __always_inline struct frame *frame_at(struct call *c, __u64 i)
{
	BOUND(i, CALL_DEPTH - 1);
	return &c->frame[i];
}

/* The innermost call that lies around the stack pointer. What lies below it has returned where no
 * probe was (longjmp, a replaced image), and is forgotten. */
static __always_inline struct frame *around(struct call *c, __u64 sp)
{
	for (int i = 0; i < CALL_DEPTH && c->depth; i++) {
		struct frame *f = frame_at(c, c->depth - 1);

		if (f->sp > sp && f->sp - sp < NEST_WINDOW)
			return f;
		c->depth--;
	}
	return NULL;
}

/* Room for one call more; NULL: it is part of one that is told, or lies too deep. */
static __always_inline struct frame *push(struct call *c, const struct conn_key *k, __u64 sp,
					  __u32 dir)
{
	struct frame *f = around(c, sp);

	if (f && f->key.ssl == k->ssl && f->dir == dir)
		return NULL; /* one probed function in another: the outer return will tell */
	if (c->depth >= CALL_DEPTH) {
		drop(DROP_STASH_MISS);
		return NULL;
	}
	f = frame_at(c, c->depth);
	f->key = *k;
	f->sp = sp;
	f->dir = dir;
	c->depth++;
	return f;
}

/* The call that returns here; NULL: of an ignored or nested one. */
static __always_inline struct frame *pop(struct call *c, __u64 sp)
{
	struct frame *f = around(c, sp - 1);

	if (!f || f->sp != sp)
		return NULL;
	c->depth--;
	return f;
}

struct args {
	__u64 handle, buf, len, out, sp;
	__u32 dir, how;
	bool told; /* its bytes were told before it began */
};

/* The connection of a read or write that begins, if it is wanted. */
static __always_inline struct conn *conn_of(struct conn_key *k, const struct args *a)
{
	struct conn *conn;
	__u64 start_ns;

	key_of(k, a->handle, &start_ns);
	conn = bpf_map_lookup_elem(&conns, k);
	if (conn && unwanted(conn))
		return NULL;
	if (!conn && a->how & TLS_L_NSS)
		return NULL; /* a file, or a plain socket */
	if (conn && a->dir == EVENT_WRITE && (conn->flags & CONN_SHUT || is_anothers(conn))) {
		conn_end(conn, k);
		conn = NULL;
	}
	if (!conn)
		conn = conn_new(k, start_ns, a->how & TLS_L_BLIND ? 0 : EVENT_F_LATE);
	return conn && !conn->ignored ? conn : NULL;
}

/* A write that is to be repeated names no bytes: they are those of the call before (GnuTLS). */
static __always_inline void again(struct conn *conn, struct args *a)
{
	if (a->dir != EVENT_WRITE || !(a->how & TLS_L_LEN64))
		return;
	if (a->buf)
		conn->seq = a->buf;
	else
		a->buf = conn->seq;
}

/* Whether it is part of one that is told, and was decided on. */
static __always_inline bool is_inner(struct call *c, const struct args *a)
{
	struct frame *f = c ? around(c, a->sp) : NULL;

	return f && f->key.ssl == a->handle && f->dir == a->dir;
}

/* c: of the thread, or of the goroutine; t: of the thread. */
static __always_inline int begin(struct call *c, struct call *t, struct conn *conn,
				 const struct conn_key *k, const struct args *a)
{
	struct frame *f = push(c, k, a->sp, a->dir);

	if (!f)
		return 0;
	if (a->dir == EVENT_WRITE)
		turn_begins(conn);
	f->buf = a->buf;
	f->len = a->len;
	f->out = a->out;
	f->how = a->how | (a->told ? FRAME_TOLD : 0);
	/* A read sends only while it shakes hands. Later the thread's next send may be anyone's. */
	if (!(conn->flags & CONN_BOUND) &&
	    (a->dir == EVENT_WRITE ||
	     !(conn->flags & EVENT_F_LATE || conn->offset[0] || conn->offset[1])))
		wait_for_send(t, k, a->sp);
	return 0;
}

static __always_inline int enter(struct pt_regs *ctx, __u64 cookie, struct args *a)
{
	struct conn_key k = {};
	struct conn *conn;
	struct call *c;
	int way = GATE_GO;
	__u64 waited;

	a->sp = sp_of(ctx);
	a->how = TLS_COOKIE_FLAGS(cookie);
	if (a->dir == EVENT_WRITE)
		way = gate_resume(ctx, cookie, a->handle, &waited);
	if (way >= GATE_STOP)
		return 0;
	if (way == GATE_GO)
		counted_entry(cookie);
	conn = conn_of(&k, a);
	if (!conn)
		return 0;
	learn_again(conn);
	again(conn, a);
	c = call_of(true);
	if (a->dir == EVENT_WRITE && way == GATE_GO) {
		name_now(conn, &k);
		if (is_gated(conn) && a->len && !is_inner(c, a))
			way = gate_write(ctx, cookie, conn, c, a->handle, a->buf, a->len);
		if (way >= GATE_STOP)
			return 0;
	}
	a->told = way == GATE_TOLD;
	return c ? begin(c, c, conn, &k, a) : 0;
}

/* A return: whoever was stopped before this call runs. */
static __always_inline void seen_again(struct call *c)
{
	if (c && hold_seen && c->hold.seq && c->hold.how == GATE_STOPPED)
		stopped_over(c);
}

/* How much a call moved, by its result; 0: nothing, or it failed. */
static __always_inline __u64 moved_by(const struct frame *f, __u64 result)
{
	__u64 n;

	if (f->how & TLS_L_ONE ? (result & 0xff) != 1
			       : (f->how & TLS_L_LEN64 ? (__s64)result : (int)result) <= 0)
		return 0;
	if (f->out) {
		n = 0;
		if (bpf_probe_read_user(&n, sizeof(n), (void *)f->out)) {
			drop(DROP_READ_FAULT);
			return 0;
		}
		return n;
	}
	if (f->how & TLS_L_ONE)
		return f->len;
	return f->how & TLS_L_LEN64 ? result : (__u64)(int)result;
}

static __always_inline int done(const struct frame *f, __u64 cookie, __u64 result)
{
	__u64 n = moved_by(f, result);
	struct conn *conn;

	if (!n && !(f->how & FRAME_TOLD))
		return 0;
	conn = bpf_map_lookup_elem(&conns, &f->key);
	if (!conn) {
		drop(DROP_STASH_MISS);
		return 0;
	}
	if (!n) {
		retry_comes(conn, f->buf, f->len);
		return 0;
	}
	counted_return(cookie, n);
	of_stack(conn, cookie);
	if (f->how & FRAME_TOLD)
		went(conn, n);
	else if (n >> 63 == 0)
		emit(conn, f->dir, f->buf, n, 0);
	return 0;
}

/* --- Go ---------------------------------------------------------------------------------------- */

#define GO_STACK_HI 8	/* struct g begins with its stack: lowest address, highest address */
#define GO_CONN_VALUE 8 /* an interface: type, value */
#define GO_SYSFD \
	16 /* struct poll.FD, first in netFD: a lock of 16 bytes, the descriptor (Go 1.9 on) */

static const struct call no_go_call;

/* The goroutine's calls, and its stack pointer from the end of its stack. */
static __always_inline struct call *go_call(struct pt_regs *ctx, bool stack_convention, bool make,
					    __u64 *sp)
{
	__u64 g = goroutine(ctx, stack_convention), hi = 0, start_ns;
	struct conn_key k = {};
	struct call *c;

	if (!g || bpf_probe_read_user(&hi, sizeof(hi), (void *)(g + GO_STACK_HI))) {
		drop(DROP_STASH_MISS);
		return NULL;
	}
	*sp = sp_of(ctx) - hi;
	key_of(&k, g, &start_ns);
	c = bpf_map_lookup_elem(&go_calls, &k);
	if (!c && make) {
		if (bpf_map_update_elem(&go_calls, &k, &no_go_call, BPF_ANY))
			drop(DROP_CONN_FULL);
		c = bpf_map_lookup_elem(&go_calls, &k);
	}
	return c;
}

/* An internet socket; cookie 0: it is something else. */
static __noinline int socket_of(__u64 fd, struct named *ret)
{
	struct file *file = file_of((void *)bpf_get_current_task(), fd);
	struct socket *s;
	struct sock *sk;
	__u16 family;

	if (!ret || !file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	s = BPF_CORE_READ(file, private_data);
	sk = BPF_CORE_READ(s, sk);
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (family != AF_INET && family != AF_INET6)
		return 0;
	ret->sk = (__u64)sk;
	ret->cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	return 1;
}

/*
 * The socket a tls.Conn says it has: a net.Conn comes first in it, of a *net.TCPConn the value is where
 * its *netFD is, and in that the descriptor follows the lock. The goroutine that shook hands, and its
 * thread, are seldom those that write. Something else that is a net.Conn has no socket there.
 */
static __noinline int go_socket(__u64 handle, struct named *ret)
{
	__u64 at = 0, fd_of = 0;
	int fd = -1;

	if (bpf_probe_read_user(&at, sizeof(at), (void *)(handle + GO_CONN_VALUE)) ||
	    bpf_probe_read_user(&fd_of, sizeof(fd_of), (void *)at) ||
	    bpf_probe_read_user(&fd, sizeof(fd), (void *)(fd_of + GO_SYSFD)) || fd < 0)
		return 0;
	return socket_of(fd, ret);
}

static __always_inline void go_name(struct conn *conn, const struct conn_key *k)
{
	struct shared *sh = shared_of();
	struct named n = {};

	if (!sh || !sh->krule.all)
		return;
	if (!conn->cookie && go_socket(k->ssl, &n))
		name_by(conn, &n);
	else
		name_now(conn, k);
}

static __always_inline int go_enter(struct pt_regs *ctx, __u64 cookie, struct args *a)
{
	struct conn_key k = {};
	struct conn *conn;
	struct call *c, *t;

	counted_entry(cookie);
	a->how = TLS_L_LEN64 | TLS_L_BLIND;
	conn = conn_of(&k, a);
	if (!conn)
		return 0;
	if (!a->len)
		return 0;
	c = go_call(ctx, TLS_COOKIE_HANDLE(cookie) >= LOC_STACK, true, &a->sp);
	t = call_of(true);
	if (a->dir == EVENT_WRITE) {
		int way = GATE_GO;

		go_name(conn, &k);
		/* Not made again: the goroutine may go on in another thread. */
		if (is_gated(conn) && !is_inner(c, a))
			way = gate_write(ctx, cookie, conn, t, a->handle, a->buf, a->len);
		if (way >= GATE_STOP)
			return 0;
		a->told = way == GATE_TOLD;
	}
	if (!c || !t)
		return 0;
	begin(c, t, conn, &k, a);
	if (t->pending && t->key.ssl == k.ssl)
		t->sp = sp_of(ctx);
	return 0;
}

static __always_inline int go_leave(struct pt_regs *ctx, __u64 cookie)
{
	struct call *c, *t = call_of(false);
	struct frame *f;
	__u64 sp;

	seen_again(t);
	c = go_call(ctx, TLS_COOKIE_LEN(cookie) >= LOC_STACK, false, &sp);
	f = c ? pop(c, sp) : NULL;
	if (!f)
		return 0;
	/* It sends inside the call or not at all: what this thread sends next is another's. */
	if (t && t->pending && t->key.ssl == f->key.ssl)
		t->pending = 0;
	return done(f, cookie, VALUE(LEN, LOC_G1));
}

#endif
