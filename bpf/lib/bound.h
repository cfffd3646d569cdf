/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* A clamp clang can neither move nor split over two registers: the verifier sees the bound on the
 * very register the helper gets. max is a constant. */
#ifndef PROBITY_BPF_BOUND_H
#define PROBITY_BPF_BOUND_H

#define BOUND(n, max) \
	asm volatile("if %[r] <= %[m] goto +1\n%[r] = %[m]" : [r] "+r"(n) : [m] "i"(max))

#endif
