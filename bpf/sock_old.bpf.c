// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * sock.bpf.c's hooks on kernels before 6.3: kprobes. The saved registers of user mode lie at the end
 * of the kernel stack; the helper that knows it is newer than some of these kernels (5.15).
 */
#define PROBITY_OLD
#include "lib/bind.h"

#define KERNEL_STACK (16 << 10) /* x86-64 and arm64 with 4 KiB pages */

static __always_inline __u64 user_sp(void)
{
	struct task_struct *t = (void *)bpf_get_current_task();
	void *regs = BPF_CORE_READ(t, stack) + KERNEL_STACK - sizeof(struct pt_regs);

	return PT_REGS_SP_CORE((struct pt_regs *)regs);
}

SEC("kprobe/tcp_sendmsg")
int BPF_KPROBE(sock_send_kprobe, struct sock *sk)
{
	struct call *c = awaits(sk);

	return c ? sent(c, sk, user_sp()) : 0;
}

/* At the end of a receive, with how much it was. */
SEC("kprobe/tcp_cleanup_rbuf")
int BPF_KPROBE(sock_recv_kprobe, struct sock *sk, int copied)
{
	return received(sk, copied);
}
