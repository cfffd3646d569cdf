/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The kernel rules of a server's name. */
#ifndef PROBITY_BPF_HOSTKEY_H
#define PROBITY_BPF_HOSTKEY_H

#include "maps.h"

/* ASCII in lower case, without a branch: each of a loop's would be walked through in each round. */
static __always_inline __u8 lower(__u64 c)
{
	__u64 letter = (c - 'A') & 0xff;

	asm volatile("" : "+r"(letter));
	return c + ((letter - 26) >> 63 << 5);
}

/*
 * Of the longest pattern that covers the name of n bytes in k, the rest of which is 0: looked up
 * whole, then cut at each dot. The key is the name reversed, in lower case, and is used up.
 */
static __always_inline __u64 *host_rules(struct krule_host_key *k, __u32 n)
{
	__u64 *rules;

	if (k->name[(n - 1) & (KRULE_HOST_MAX - 1)] == '.')
		k->name[--n & (KRULE_HOST_MAX - 1)] = 0;
	for (__u32 i = 0; i < KRULE_HOST_MAX / 2; i++) {
		__u32 a = i & (KRULE_HOST_MAX - 1), z = (n - 1 - i) & (KRULE_HOST_MAX - 1);
		__u8 x, y;

		if (i * 2 >= n)
			break;
		x = k->name[a];
		y = k->name[z];
		k->name[a] = lower(y);
		k->name[z] = lower(x);
	}
	rules = bpf_map_lookup_elem(&krule_hosts, k);
	if (rules)
		return rules;
	for (int i = KRULE_HOST_MAX - 1; i >= 0; i--) {
		if (k->name[i] == '.') {
			rules = bpf_map_lookup_elem(&krule_hosts, k);
			if (rules)
				return rules;
		}
		k->name[i] = 0;
	}
	return NULL;
}

#endif
