// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * tls.bpf.c for kernels without attach cookies and bpf_loop (5.10). At each probe stands a copy of a few
 * instructions with the site's cookie in place of COOKIE_HERE (agent/bpf_copies.c). It leaves the cookie
 * where the program for all sites, to which it goes on, finds it: a uprobe's program is not preempted on
 * these kernels, and no other one of its kind runs within it.
 */
#define PROBITY_OLD
#include "lib/tls.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} old_cookie SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} old_sites SEC(".maps"); /* 0: tls_old_sites */

SEC("uprobe")
int tls_old(struct pt_regs *ctx)
{
	__u32 zero = 0;
	__u64 *at = bpf_map_lookup_elem(&old_cookie, &zero), cookie;

	if (!at)
		return 0;
	asm volatile("%0 = 0x7072626379636b69 ll" : "=r"(cookie));
	*at = cookie;
	bpf_tail_call(ctx, &old_sites, 0);
	return 0;
}

SEC("uprobe")
int tls_old_sites(struct pt_regs *ctx)
{
	__u32 zero = 0;
	__u64 *cookie = bpf_map_lookup_elem(&old_cookie, &zero);

	return cookie ? tls_site(ctx, *cookie) : 0;
}
