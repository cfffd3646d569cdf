/* SPDX-License-Identifier: Apache-2.0 */
/* Uprobes on one file: for one process or for all; and letting them go, which waits. */
#ifndef PROBITY_AGENT_ATTACH_LINKS_H
#define PROBITY_AGENT_ATTACH_LINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bpf_program;
struct pins;
struct links; /* the probes of one file, for one process or for all */

struct linker {
	struct bpf_program *prog;
	struct pins *pins; /* NULL: what is attached ends with this process */
	bool multi;	   /* uprobe_multi is there */
	bool again;	   /* the program can have a call made again: sites say from where */
	bool multi_pid;	   /* and its pid means the process, all its threads and nobody else */
};
/* Tries what the kernel has. */
void linker_init(struct linker *l, struct bpf_program *prog, struct pins *pins);
const char *linker_program(const struct linker *l);
const char *linker_backend(const struct linker *l, bool by_pid);

/* pid 0: every process. All sites or none. name: for pins_probe(). 0 or -errno (-ESRCH: that process has
 * ended). */
int links_open(const struct linker *l, int fd, const uint64_t *offset, const uint64_t *cookie,
	       size_t n, pid_t pid, const char *name, struct links **ret);
/* Those a former agent attached at n sites, if it was of this build: by the beginning of their name.
 * 0 and the whole name, or -ENOENT. */
int links_adopt(const struct linker *l, const char *begins, size_t n, pid_t pid, char *ret_name,
		struct links **ret);
void links_close(
	struct links *k); /* waits for the kernel's readers, 20 ms and more; NULL is fine */

/* Threads that do links_close, so that nobody else waits. */
struct closer;
struct closer *closer_new(void);
void closer_give(struct closer *c, struct links *k); /* takes k; NULL is fine */
unsigned closer_waiting(const struct closer *c);
uint64_t closer_done(const struct closer *c);
void closer_free(struct closer *c); /* after the last one is closed */

#endif
