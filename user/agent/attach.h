/* SPDX-License-Identifier: Apache-2.0 */
/* Probes on files: each (device, inode) once, for every process that maps it now or later. */
#ifndef PROBITY_AGENT_ATTACH_H
#define PROBITY_AGENT_ATTACH_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct bpf_program;
struct attach;

/* user(ctx, pid): that process maps a file with TLS functions; told again at every look. */
struct attach *attach_new(struct bpf_program *prog, void (*user)(void *ctx, pid_t pid), void *ctx);
void attach_free(struct attach *a);

/*
 * A file that a process maps executable. 2: probes were attached now; 1: they were already; 0: no
 * TLS functions; -errno with one log line. `fd` is used and not kept.
 */
int attach_file(struct attach *a, int fd, const char *path, bool late);
/* By the process that maps it: survives other mount namespaces and deleted files. */
int attach_map(struct attach *a, pid_t pid, uint64_t start, uint64_t end, const char *path,
	       bool late);
/* Every executable mapping of every process, then the usual places of libssl and node. */
void attach_scan(struct attach *a);
/* Detaches what no process maps and no path leads to any more. Returns how many. */
unsigned attach_sweep(struct attach *a);

unsigned attach_images(const struct attach *a);
unsigned attach_sites(const struct attach *a);
const char *attach_backend(const struct attach *a);
json_t *attach_status(const struct attach *a);

#endif
