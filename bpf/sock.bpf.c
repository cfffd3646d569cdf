// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * Where to: TCP connections begin and end, and which TLS handle speaks over which of them.
 *
 * A TLS handle without a socket marks its thread as pending (tls.bpf.c). The next TCP send of that
 * thread carries its ciphertext: inside the TLS call for socket BIOs, right after it for memory
 * BIOs (flag ADJACENT). No struct offsets of any TLS library, no syscall tracing: the hook is the
 * raw tracepoint sock_send_length (6.3 and later) or a kprobe on tcp_sendmsg, whichever loads.
 */
#include "lib/emit.h"

#define AF_INET 2
#define AF_INET6 10

static __always_inline bool addrs(struct sock *sk, struct event_conn *e)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	__builtin_memset(&e->local, 0, sizeof(e->local));
	__builtin_memset(&e->peer, 0, sizeof(e->peer));
	e->local.family = e->peer.family = family;
	e->local.port = BPF_CORE_READ(sk, __sk_common.skc_num);
	e->peer.port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	e->cookie = (__u64)sk;
	if (family == AF_INET) {
		BPF_CORE_READ_INTO((__u32 *)e->local.addr, sk, __sk_common.skc_rcv_saddr);
		BPF_CORE_READ_INTO((__u32 *)e->peer.addr, sk, __sk_common.skc_daddr);
		return true;
	}
	if (family == AF_INET6) {
		BPF_CORE_READ_INTO((struct in6_addr *)e->local.addr, sk,
				   __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO((struct in6_addr *)e->peer.addr, sk, __sk_common.skc_v6_daddr);
		return true;
	}
	return false;
}

static __always_inline void tell(struct sock *sk, __u16 kind, __u64 conn, __u64 start_ns,
				 __u32 flags)
{
	struct event_conn *e = reserve(sizeof(*e));

	if (!e)
		return;
	head(&e->h, kind, sizeof(*e));
	e->h.conn = conn;
	e->h.start_ns = start_ns;
	e->h.flags = flags;
	if (!addrs(sk, e)) {
		bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
		return;
	}
	commit(e);
}

/* Whether the thread is below the stack pointer of the TLS call that waits for its socket. */
static __always_inline bool inside(const struct call *c)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	__u64 sp = PT_REGS_SP_CORE(regs);

	return sp < c->sp && c->sp - sp < NEST_WINDOW;
}

static __always_inline int bind_conn(struct sock *sk)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct call *c = bpf_map_lookup_elem(&calls, &tid);
	__u64 key = (__u64)sk, me = bpf_get_current_pid_tgid() & ~0xffffffffull;
	struct conn *conn;

	if (!c || !c->pending)
		return 0;
	if (BPF_CORE_READ_BITFIELD_PROBED(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	c->pending = 0;
	conn = bpf_map_lookup_elem(&conns, &c->key);
	if (!conn || conn->flags & CONN_BOUND)
		return 0;
	if (!bpf_map_lookup_elem(&socks, &key)) { /* not connected from here: accepted */
		bpf_map_update_elem(&socks, &key, &me, BPF_ANY);
		tell(sk, EVENT_ACCEPT, 0, conn->start_ns, 0);
	}
	conn->flags |= CONN_BOUND;
	tell(sk, EVENT_CONN, conn->id, conn->start_ns,
	     (conn->flags & 0xffff) | (inside(c) ? 0 : EVENT_F_ADJACENT));
	return 0;
}

SEC("raw_tp/sock_send_length")
int sock_send(struct bpf_raw_tracepoint_args *ctx)
{
	return bind_conn((struct sock *)ctx->args[0]);
}

SEC("kprobe/tcp_sendmsg")
int BPF_KPROBE(sock_send_kprobe, struct sock *sk)
{
	return bind_conn(sk);
}

SEC("raw_tp/inet_sock_set_state")
int sock_state(struct bpf_raw_tracepoint_args *ctx)
{
	struct sock *sk = (struct sock *)ctx->args[0];
	int to = ctx->args[2];
	__u64 key = (__u64)sk, me = bpf_get_current_pid_tgid() & ~0xffffffffull;

	if (to == TCP_SYN_SENT) { /* connect(2), in the caller's context */
		struct task_struct *t = (void *)bpf_get_current_task();

		bpf_map_update_elem(&socks, &key, &me, BPF_ANY);
		tell(sk, EVENT_CONNECT, 0, task_start(t), 0);
	} else if (to == TCP_CLOSE) { /* any context: the socket is all that is said */
		if (bpf_map_lookup_elem(&socks, &key)) {
			bpf_map_delete_elem(&socks, &key);
			tell(sk, EVENT_SOCK_CLOSE, 0, 0, 0);
		}
	}
	return 0;
}
