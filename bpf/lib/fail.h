/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * A write that returns an error without having run, and one that is made again: the program sets the
 * registers that its task goes on with. Kernels from 6.19 allow it (PROBITY_REEXEC); elsewhere nothing
 * here does anything.
 */
#ifndef PROBITY_BPF_FAIL_H
#define PROBITY_BPF_FAIL_H

#include "regs.h"

#if defined(PROBITY_REEXEC) && defined(__TARGET_ARCH_x86)

#define SET_REG(ctx, offset, v) \
	asm volatile("*(u64 *)(%0 + %1) = %2" : : "r"(ctx), "i"(offset), "r"((__u64)(v)) : "memory")

/* With a shadow stack the return address is there as well: its next RET would end the program. */
struct thread_struct___shstk {
	unsigned long features;
} __attribute__((preserve_access_index));
struct task_struct___shstk {
	struct thread_struct___shstk thread;
} __attribute__((preserve_access_index));
#define HAS_SHADOW_STACK 1

static __always_inline bool shadow_stack(void)
{
	struct task_struct___shstk *t = (void *)bpf_get_current_task();

	return bpf_core_field_exists(t->thread.features) &&
	       BPF_CORE_READ(t, thread.features) & HAS_SHADOW_STACK;
}

/*
 * What the function of a site returns when it failed. True: known. Not there: Go, whose error is an
 * interface in two registers; ring's Rust functions, which follow no written convention.
 */
static __always_inline bool fails_with(__u64 cookie, __u64 *ret)
{
	__u32 stack = TLS_COOKIE_STACK(cookie);

	switch (TLS_COOKIE_SITE(cookie)) {
	case TLS_WRITE:
		*ret = stack == EVENT_STACK_GNUTLS ? -53 : /* GNUTLS_E_PUSH_ERROR */
			       TLS_COOKIE_FLAGS(cookie) & TLS_L_ONE ? 0
								    : -1;
		return true;
	case TLS_WRITE_EX:
	case TLS_WRITE_EX2:
		*ret = 0;
		return true;
	case TLS_SEAL: /* EVP_AEAD_CTX_seal, _seal_scatter */
		*ret = 0;
		return stack == EVENT_STACK_AWS_LC;
	}
	return false;
}

/* The caller's address, where the call can be made to fail; else 0. At the entry of a function. */
static __always_inline __u64 way_out(struct pt_regs *ctx, __u64 cookie)
{
	__u64 ret, ra = 0;

	if (!fails_with(cookie, &ret) || shadow_stack() ||
	    bpf_probe_read_user(&ra, sizeof(ra), (void *)sp_of(ctx)))
		return 0;
	return ra;
}

static __always_inline void fail_call(struct pt_regs *ctx, __u64 cookie, __u64 ra)
{
	__u64 ret = 0;

	fails_with(cookie, &ret);
	SET_REG(ctx, REGS_RET, ret);
	SET_REG(ctx, REGS_SP, sp_of(ctx) + 8);
	SET_REG(ctx, AT(ip), ra);
}

static __always_inline void make_again(struct pt_regs *ctx, __u64 cookie)
{
	SET_REG(ctx, AT(ip), REG(ctx, AT(ip)) - TLS_COOKIE_SKIP(cookie));
}

#else

static __always_inline __u64 way_out(struct pt_regs *ctx, __u64 cookie)
{
	return 0;
}
static __always_inline void fail_call(struct pt_regs *ctx, __u64 cookie, __u64 ra) {}

#endif

#endif
