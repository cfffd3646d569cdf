/* SPDX-License-Identifier: Apache-2.0 */
/* The TLS program for kernels without attach cookies (before 5.15): a copy of it per cookie. */
#ifndef PROBITY_AGENT_BPF_COPIES_H
#define PROBITY_AGENT_BPF_COPIES_H

#include <stddef.h>
#include <stdint.h>

struct bpf_program;

/* The descriptor of the copy with that cookie, loaded now if it is not there; or -errno. It stays ours. */
int bpf_copy_of(struct bpf_program *prog, uint64_t cookie);
/*
 * The same without waiting: 0 when there is a copy for each of these cookies, -EAGAIN while the missing ones
 * are being loaded, or -errno of one that the kernel refused.
 */
int bpf_copies_prepare(struct bpf_program *prog, const uint64_t *cookie, size_t n);
void bpf_copies_free(void);

#endif
