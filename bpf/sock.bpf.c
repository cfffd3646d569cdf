// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * Where to: TCP connections begin and end, and which TLS handle speaks over which of them.
 *
 * A TLS handle without a socket marks its thread as pending (lib/call.h). The next TCP send of that
 * thread carries its ciphertext: inside the TLS call for socket BIOs, right after it for memory
 * BIOs (flag ADJACENT). The key of an AEAD that opens is bound to what its thread received from
 * last. No struct offsets of any TLS library, no syscall tracing: the hooks are the raw tracepoints
 * sock_send_length and sock_recv_length (6.3 and later) or kprobes (sock_old.bpf.c), whichever
 * loads.
 *
 * A connection whose own end no probe shows (AEAD, stripped libraries, Go) ends with its socket. A
 * socket that was closed but has not ended yet takes no more: its writing half ends there, and a
 * write on a full handle is another connection at the same address.
 */
#include "lib/bind.h"

SEC("raw_tp/sock_send_length")
int sock_send(struct bpf_raw_tracepoint_args *ctx)
{
	struct sock *sk = (struct sock *)ctx->args[0];
	struct call *c = awaits(sk);
	struct pt_regs *regs;

	if (!c)
		return 0;
	regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	return sent(c, sk, PT_REGS_SP_CORE(regs));
}

SEC("raw_tp/sock_recv_length")
int sock_recv(struct bpf_raw_tracepoint_args *ctx)
{
	return received((struct sock *)ctx->args[0], (int)ctx->args[1]);
}

/* Its connections, when it ended or takes no more. */
static __always_inline void end_conns(struct sock_use *u, __u64 sk, bool ended)
{
	for (int i = 0; i < SOCK_CONNS; i++) {
		struct conn_key k = u->conn[i];
		struct conn *conn;

		if (!k.ssl)
			continue;
		conn = bpf_map_lookup_elem(&conns, &k);
		if (!conn || conn->sk != sk || conn->flags & CONN_SHAKEN)
			continue;
		if (ended || (conn->flags & EVENT_F_HALF && !(k.ssl & 1)))
			conn_end(conn, &k);
		else
			conn->flags |= CONN_SHUT;
	}
}

/* How much went over it: what was sent again counts once, also the packets net.bpf.c held. */
static __noinline void tell_end(struct sock *sk)
{
	struct event_sock_end *e = reserve(sizeof(*e));
	struct tcp_sock *t = (struct tcp_sock *)sk;

	if (!e)
		return;
	head(&e->c.h, EVENT_SOCK_CLOSE, sizeof(*e));
	e->c.h.conn = 0;
	e->c.h.start_ns = 0;
	e->c.h.flags = 0;
	e->sent = BPF_CORE_READ(t, bytes_sent) - BPF_CORE_READ(t, bytes_retrans);
	e->received = BPF_CORE_READ(t, bytes_received);
	if (!addrs(sk, &e->c)) {
		bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
		return;
	}
	commit(e);
}

SEC("raw_tp/inet_sock_set_state")
int sock_state(struct bpf_raw_tracepoint_args *ctx)
{
	struct sock *sk = (struct sock *)ctx->args[0];
	int to = ctx->args[2];
	__u64 key = (__u64)sk;
	struct sock_use *u;

	if (to == TCP_SYN_SENT) { /* connect(2), in the caller's context */
		struct task_struct *t = (void *)bpf_get_current_task();

		bpf_map_update_elem(&socks, &key, &no_use, BPF_ANY);
		u = bpf_map_lookup_elem(&socks, &key);
		if (u)
			u->owner = bpf_get_current_pid_tgid() & ~0xffffffffull;
		tell(sk, EVENT_CONNECT, 0, task_start(t), 0);
	} else if (to == TCP_CLOSE || to == TCP_FIN_WAIT1 || to == TCP_LAST_ACK) {
		u = bpf_map_lookup_elem(&socks, &key);
		if (!u)
			return 0;
		end_conns(u, key, to == TCP_CLOSE);
		if (to != TCP_CLOSE)
			return 0;
		bpf_map_delete_elem(&socks, &key); /* any context: the socket is all that is said */
		tell_end(sk);
	}
	return 0;
}
