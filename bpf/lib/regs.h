/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Where values are at a probed address: one row per architecture, nothing else in bpf/ knows it. */
#ifndef PROBITY_BPF_REGS_H
#define PROBITY_BPF_REGS_H

#include "maps.h"

#if defined(__TARGET_ARCH_x86)
#define AT(r) __builtin_offsetof(struct pt_regs, r)
#define REGS_ARGS                                              \
	{                                                      \
		AT(di), AT(si), AT(dx), AT(cx), AT(r8), AT(r9) \
	}
#define REGS_GO                                        \
	{                                              \
		AT(ax), AT(bx), AT(cx), AT(di), AT(si) \
	}
#define REGS_RET AT(ax)
#define REGS_SP AT(sp)
#define REGS_G AT(r14)
#elif defined(__TARGET_ARCH_arm64)
#define AT(n) (8 * (n))
#define REGS_ARGS                                        \
	{                                                \
		AT(0), AT(1), AT(2), AT(3), AT(4), AT(5) \
	}
#define REGS_GO                                   \
	{                                         \
		AT(0), AT(1), AT(2), AT(3), AT(4) \
	}
#define REGS_RET AT(0)
#define REGS_SP AT(31)
#define REGS_G AT(28)
#else
#error "no register description for this architecture"
#endif

/* The verifier wants each register read from the context itself, at an offset that is a constant;
 * the compiler would rather compute it. */
#define REG(ctx, offset)                                                                   \
	({                                                                                 \
		__u64 v_;                                                                  \
		asm volatile("%0 = *(u64 *)(%1 + %2)" : "=r"(v_) : "r"(ctx), "i"(offset)); \
		v_;                                                                        \
	})

#define REGS_CASE(loc, offset) \
	case loc:              \
		return REG(ctx, offset)

static __always_inline __u64 reg(struct pt_regs *ctx, __u32 loc)
{
	static const int arg[] = REGS_ARGS, go[] = REGS_GO;

	switch (loc) {
		REGS_CASE(LOC_ARG1, arg[0]);
		REGS_CASE(LOC_ARG2, arg[1]);
		REGS_CASE(LOC_ARG3, arg[2]);
		REGS_CASE(LOC_ARG4, arg[3]);
		REGS_CASE(LOC_ARG5, arg[4]);
		REGS_CASE(LOC_ARG6, arg[5]);
		REGS_CASE(LOC_RET, REGS_RET);
		REGS_CASE(LOC_G1, go[0]);
		REGS_CASE(LOC_G2, go[1]);
		REGS_CASE(LOC_G3, go[2]);
		REGS_CASE(LOC_G4, go[3]);
		REGS_CASE(LOC_G5, go[4]);
		REGS_CASE(LOC_GOROUTINE, REGS_G);
	}
	return 0;
}

static __always_inline __u64 sp_of(struct pt_regs *ctx)
{
	return REG(ctx, REGS_SP);
}

/* A stack that cannot be read gives 0, as a register may hold: what is done with it then fails and
 * is counted there. */
static __always_inline __u64 stack_word(struct pt_regs *ctx, __u32 k)
{
	__u64 v = 0;

	bpf_probe_read_user(&v, sizeof(v), (void *)(sp_of(ctx) + 8 * (__u64)k));
	return v;
}

static __noinline __u64 value(struct pt_regs *ctx, __u32 loc)
{
	if (loc >= LOC_STACK)
		return stack_word(ctx, loc - LOC_STACK);
	return reg(ctx, loc);
}

/* usual: a constant, so that the C calling convention costs no more than it did without cookies. */
static __always_inline __u64 value_or(struct pt_regs *ctx, __u32 loc, const int usual)
{
	if (loc)
		return loc == LOC_NONE ? 0 : value(ctx, loc);
	if (usual == LOC_NONE)
		return 0;
	return usual >= LOC_STACK ? stack_word(ctx, usual - LOC_STACK) : reg(ctx, usual);
}
#define VALUE(field, usual) value_or(ctx, TLS_COOKIE_##field(cookie), usual)

/* The running goroutine. Before Go 1.17 no register holds it on x86: it is the word below the
 * thread's segment base, where Go's linker puts it in programs without C. */
static __always_inline __u64 goroutine(struct pt_regs *ctx, bool stack_convention)
{
#if defined(__TARGET_ARCH_x86)
	struct task_struct *t = (void *)bpf_get_current_task();
	__u64 g = 0;

	if (stack_convention) {
		bpf_probe_read_user(&g, sizeof(g), (void *)(BPF_CORE_READ(t, thread.fsbase) - 8));
		return g;
	}
#endif
	return REG(ctx, REGS_G);
}

#endif
