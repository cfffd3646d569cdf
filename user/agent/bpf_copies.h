/* SPDX-License-Identifier: Apache-2.0 */
/* For kernels without attach cookies (before 5.15): what stands at a probe in place of the TLS program. */
#ifndef PROBITY_AGENT_BPF_COPIES_H
#define PROBITY_AGENT_BPF_COPIES_H

#include <stdint.h>

struct bpf_object;
struct bpf_program;

/* The copies' way to the program for all sites; once, after the load. 0 or -errno. */
int bpf_copies_open(struct bpf_object *obj);
/* The descriptor of the copy with that cookie, ours until the next call; or -errno. */
int bpf_copy_of(const struct bpf_program *prog, uint64_t cookie);
void bpf_copies_free(void);

#endif
