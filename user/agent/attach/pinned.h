/* SPDX-License-Identifier: Apache-2.0 */
/* PURE. The name under which probes of one file in one process are pinned, so that the next keeper knows
 * which they are without asking the kernel. */
#ifndef PROBITY_AGENT_ATTACH_PINNED_H
#define PROBITY_AGENT_ATTACH_PINNED_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What must be the same. pid and start 0: for everybody. */
struct pinned_id {
	pid_t pid;
	uint64_t start_ns, dev, ino;
	uint64_t sites; /* pinned_sites() */
};
/* What is carried over. */
struct pinned_as {
	uint16_t index; /* of the image, in the cookies */
	uint64_t since_ns;
};

/* Of a generation of a file, and what stands where in it: program, offsets, cookies. */
uint64_t pinned_sites(const char *program, uint64_t size, uint64_t mtime_ns, const uint64_t *offset,
		      const uint64_t *cookie, size_t n);
/* "pid_start_device_inode_sites_", what comes before pinned_as. 0 or -ENAMETOOLONG. */
int pinned_begins(char *to, size_t cap, const struct pinned_id *id);
int pinned_name(char *to, size_t cap, const struct pinned_id *id, const struct pinned_as *as);
/* Of a whole name, also with more behind it. 0 or -EBADMSG. */
int pinned_read(const char *name, struct pinned_as *ret);

#endif
