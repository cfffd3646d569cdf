// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* The peer of the probe benchmark: what a uprobe costs that does nothing. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("uprobe")
int empty(struct pt_regs *ctx)
{
	return 0;
}
