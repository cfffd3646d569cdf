// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * What: plaintext of TLS reads and writes, and the kill before a write.
 *
 * Each function is probed at its entry and at each of its RET instructions (no uretprobes: from
 * 6.11 on they make the target run a system call its own seccomp filter may kill it for). One
 * program stands at all of them and is told by the attach cookie which function it is and where its
 * values are (proto/event.h): an image then costs one link, and one wait at detach. lib/tls.h says
 * what happens at which site, lib/call.h how returns find their calls, lib/aead.h what is done where
 * only the record layer can be seen, lib/chunk.h how bytes go up.
 *
 * Bytes go up at return, with the length that was really moved: partial writes and retries are never
 * counted twice. A connection the worker does not want costs the probe and two look-ups (hits,
 * conns). Everything the kernel refuses is counted in `drops`, and shows as a gap because offsets
 * go on.
 *
 * This variant neither sleeps nor waits: kernels before 6.0, and where tls_sleep.bpf.c is refused.
 */
#include "lib/tls.h"

SEC("uprobe")
int tls(struct pt_regs *ctx)
{
	return tls_site(ctx, bpf_get_attach_cookie(ctx));
}
