// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* tls_sleep.bpf.c where a probe may set the registers its task goes on with (6.19 and later): a gated
 * write waits by being made again, and is refused by an error of its own function (lib/gate.h). */
#define PROBITY_SLEEPS
#define PROBITY_REEXEC
#include "lib/tls.h"

SEC("uprobe.s")
int tls_reexec(struct pt_regs *ctx)
{
	return tls_site(ctx, bpf_get_attach_cookie(ctx));
}
