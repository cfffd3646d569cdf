/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the TLS programs this kernel takes, and uprobes by perf event for all of them. */
#ifndef PROBITY_AGENT_BPF_VARIANT_H
#define PROBITY_AGENT_BPF_VARIANT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct bpf_program;

/* Best last. */
enum bpf_variant {
	BPF_VARIANT_OLD, /* no attach cookies, no bpf_loop: a small program per cookie before it */
	BPF_VARIANT_PLAIN,  /* one program for all sites */
	BPF_VARIANT_SLEEPS, /* which fetches pages, waits for room in the ring and for verdicts */
	BPF_VARIANT_REEXEC, /* and may set registers: calls are made again, or fail */
};
enum bpf_variant bpf_variant_probe(void);
const char *bpf_variant_program(enum bpf_variant v);
const char *bpf_variant_note(enum bpf_variant v); /* for people */
bool bpf_has_task_regs(void);

/*
 * One probe: prog (of bpf_tls_program) with that cookie at that offset of a file; pid 0: of every
 * process. A descriptor, by whose close the probe goes, or -errno. Works on every kernel.
 */
int bpf_uprobe(struct bpf_program *prog, const char *path, uint64_t offset, uint64_t cookie,
	       pid_t pid);

#endif
