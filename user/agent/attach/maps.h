/* SPDX-License-Identifier: Apache-2.0 */
/* The files a process has mapped executable, and the way to each. */
#ifndef PROBITY_AGENT_ATTACH_MAPS_H
#define PROBITY_AGENT_ATTACH_MAPS_H

#include <stdint.h>
#include <sys/types.h>

struct mapping {
	uint64_t from, to, offset, ino;
	char dev[16];	/* as /proc writes it */
	char path[256]; /* cut to the field; for people and as a second way to the file */
};

#define MAPPINGS_MAX 4096 /* of one process; more are not looked at */
/* Executable mappings of files. How many, or -errno; free *ret. */
int maps_read(pid_t pid, struct mapping **ret);
/* The file of a mapping, also deleted or in another mount namespace. A descriptor or -errno. */
int maps_open(pid_t pid, uint64_t from, uint64_t to, const char *path);

#endif
