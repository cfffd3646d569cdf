// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* tls.bpf.c as a program that may sleep (6.0 and later): bytes that are not in memory are fetched,
 * and a full ring makes the call wait a bounded time (lib/chunk.h). */
#define PROBITY_SLEEPS
#include "lib/tls.h"

SEC("uprobe.s")
int tls_sleep(struct pt_regs *ctx)
{
	return tls_site(ctx, bpf_get_attach_cookie(ctx));
}
