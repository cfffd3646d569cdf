// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * tls.bpf.c for kernels without attach cookies and bpf_loop (5.10). The loader makes one copy of the
 * program for each cookie in use, with the cookie in place of COOKIE_HERE (agent/bpf_copies.c).
 */
#define PROBITY_OLD
#include "lib/tls.h"

SEC("uprobe")
int tls_old(struct pt_regs *ctx)
{
	__u64 cookie;

	asm volatile("%0 = 0x7072626379636b69 ll" : "=r"(cookie));
	return tls_site(ctx, cookie);
}
