// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * Before a connection: one verdict, asked by LSM hooks where they load and by cgroup hooks on every
 * kernel. In: who connects, and where to. Out: -EPERM, and one EVENT_DENY.
 *
 * An address is denied by a range that belongs to one service, or because this process was told it
 * by DNS for a name that a rule has (lib/dns.h), not longer ago than its TTL and ten seconds. Loopback,
 * the agent and what no pack can refuse are never denied. Rules on content are the write gate's; a
 * rule that kills acts at the write, where the process is known to speak to that name.
 *
 * lsm/socket_sendmsg also gives -EPERM to whoever sends on a socket that was refused, of any thread
 * and any process, and both judge datagrams to an address that no connect has shown.
 *
 * While the keeper changes the rules (some milliseconds) nothing is refused here; the ClientHello is
 * held instead (net.bpf.c). Datagrams in that time pass.
 */
#include "lib/deny.h"
#include "lib/krule.h"
#include "lib/peer.h"
#include "lib/udp.h"

#define EPERM 1
#define PASS 1
#define REFUSE 0 /* of a cgroup program: -EPERM */

struct connect_to {
	struct event_addr peer;
	__u64 cookie;
	__u16 hook, mechanism;
};

static __always_inline void tell(const struct connect_to *to, __u64 rules, __u64 policy,
				 __u16 evidence, bool watched, const char *name)
{
	struct deny d = {.rules = rules,
			 .policy = policy,
			 .cookie = to->cookie,
			 .hook = to->hook,
			 .mechanism = watched ? GATE_NONE : to->mechanism,
			 .evidence = evidence,
			 .watched = watched};
	const __u64 *w = (const __u64 *)to->peer.addr;

	d.peer = to->peer;
	d.subject = w[0] ^ w[1] * 0x9e3779b97f4a7c15ull ^ to->peer.port;
	deny_me(&d);
	deny_tell(&d, name);
}

/* Whether it is refused. */
static __noinline bool refused(struct connect_to *to)
{
	struct task_struct *t = (void *)bpf_get_current_task();
	struct shared *s = shared_of();
	struct krule_do *does = krule_does();
	struct dns_value *dns;
	struct krule_who who;
	__u64 nets, rules, mine;

	if (!to || !s || !does || !s->krule.all)
		return false;
	plain_v4(&to->peer);
	if (is_loopback(&to->peer))
		return false;
	who.tgid = bpf_get_current_pid_tgid() >> 32;
	who.uid = (__u32)bpf_get_current_uid_gid();
	nets = by_net(&to->peer);
	dns = by_dns(&to->peer, who.tgid, s);
	rules = (nets | (dns ? dns->rules : 0)) & (does->deny | does->watch) & ~does->content;
	if (!rules || krule_exempt(t, who.tgid))
		return false;
	who.start_ns = task_start(t);
	mine = krule_mine(&who, s);
	rules &= mine;
	if (!rules)
		return false;
	nets &= rules;
	tell(to, rules, s->krule.generation, nets ? GATE_BY_IP : GATE_BY_DNS,
	     !(rules & ~does->watch), !nets && dns ? dns->name : NULL);
	return rules & ~does->watch;
}

/* --- cgroup ------------------------------------------------------------------------------------- */

static __always_inline int refused4(struct bpf_sock_addr *ctx, __u16 hook)
{
	struct connect_to to = {.hook = hook, .mechanism = GATE_CGROUP_CONNECT};

	to.peer.family = AF_INET;
	to.peer.port = bpf_ntohs(ctx->user_port);
	*(__u32 *)to.peer.addr = ctx->user_ip4;
	to.cookie = bpf_get_socket_cookie(ctx);
	if (refused(&to))
		return REFUSE;
	udp_mark(ctx);
	return PASS;
}

static __always_inline int refused6(struct bpf_sock_addr *ctx, __u16 hook)
{
	struct connect_to to = {.hook = hook, .mechanism = GATE_CGROUP_CONNECT};
	__u32 *w = (__u32 *)to.peer.addr;

	to.peer.family = AF_INET6;
	to.peer.port = bpf_ntohs(ctx->user_port);
	w[0] = ctx->user_ip6[0];
	w[1] = ctx->user_ip6[1];
	w[2] = ctx->user_ip6[2];
	w[3] = ctx->user_ip6[3];
	to.cookie = bpf_get_socket_cookie(ctx);
	if (refused(&to))
		return REFUSE;
	udp_mark(ctx);
	return PASS;
}

SEC("cgroup/connect4")
int gate_connect4(struct bpf_sock_addr *ctx)
{
	return refused4(ctx, GATE_AT_CONNECT);
}

SEC("cgroup/connect6")
int gate_connect6(struct bpf_sock_addr *ctx)
{
	return refused6(ctx, GATE_AT_CONNECT);
}

SEC("cgroup/sendmsg4")
int gate_sendmsg4(struct bpf_sock_addr *ctx)
{
	return refused4(ctx, GATE_AT_SENDTO);
}

SEC("cgroup/sendmsg6")
int gate_sendmsg6(struct bpf_sock_addr *ctx)
{
	return refused6(ctx, GATE_AT_SENDTO);
}

/* --- LSM ------------------------------------------------------------------------------------------ */

static __always_inline bool peer_of(struct sockaddr *a, int n, struct event_addr *peer)
{
	if (!a || n < (int)sizeof(struct sockaddr_in))
		return false;
	peer->family = BPF_CORE_READ(a, sa_family);
	if (peer->family == AF_INET) {
		struct sockaddr_in *in = (void *)a;

		peer->port = bpf_ntohs(BPF_CORE_READ(in, sin_port));
		BPF_CORE_READ_INTO((__u32 *)peer->addr, in, sin_addr.s_addr);
		return true;
	}
	if (peer->family == AF_INET6 && n >= 24) { /* without sin6_scope_id, as the kernel */
		struct sockaddr_in6 *in6 = (void *)a;

		peer->port = bpf_ntohs(BPF_CORE_READ(in6, sin6_port));
		BPF_CORE_READ_INTO((struct in6_addr *)peer->addr, in6, sin6_addr);
		return true;
	}
	return false;
}

/* By a branch: clang would make the number out of the answer, and 6.12 takes none it cannot bound. */
static __always_inline int lsm_verdict(struct connect_to *to)
{
	long no = -EPERM;

	asm volatile("" : "+r"(no));
	return refused(to) ? no : 0;
}

SEC("lsm/socket_connect")
int BPF_PROG(gate_lsm_connect, struct socket *sock, struct sockaddr *address, int n, int ret)
{
	struct connect_to to = {.hook = GATE_AT_CONNECT, .mechanism = GATE_LSM_CONNECT};

	if (ret)
		return -EPERM; /* another program's refusal */
	if (!peer_of(address, n, &to.peer))
		return 0;
	to.cookie = BPF_CORE_READ(sock, sk, __sk_common.skc_cookie.counter);
	return lsm_verdict(&to);
}

SEC("lsm/socket_sendmsg")
int BPF_PROG(gate_lsm_sendmsg, struct socket *sock, struct msghdr *msg, int size, int ret)
{
	struct connect_to to = {.hook = GATE_AT_SENDTO, .mechanism = GATE_LSM_CONNECT};
	struct shared *s = shared_of();
	__u32 *verdict;

	if (ret)
		return -EPERM;
	if (!s)
		return 0;
	if (s->denied) {
		to.cookie = BPF_CORE_READ(sock, sk, __sk_common.skc_cookie.counter);
		verdict = bpf_map_lookup_elem(&sock_verdicts, &to.cookie);
		if (verdict && *verdict == SOCK_DENY)
			return -EPERM; /* it was told when the socket was refused */
	}
	if (!s->krule.all ||
	    !peer_of(BPF_CORE_READ(msg, msg_name), BPF_CORE_READ(msg, msg_namelen), &to.peer))
		return 0;
	return lsm_verdict(&to);
}
