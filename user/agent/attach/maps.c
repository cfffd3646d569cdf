// SPDX-License-Identifier: Apache-2.0
/*
 * In: a pid. Out: its executable file mappings. A mapping is opened by its place in memory
 * (map_files), which leads to the very file whatever became of its name; where the mapping was split
 * or merged meanwhile, by its name below the root of that process.
 */
#include "maps.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

static bool parse(char *line, struct mapping *m)
{
	char perm[5];
	int at = 0;

	if (sscanf(line, "%lx-%lx %4s %lx %15s %lu %n", &m->from, &m->to, perm, &m->offset, m->dev,
		   &m->ino, &at) < 6 ||
	    perm[2] != 'x' || !m->ino || line[at] != '/')
		return false;
	line[strcspn(line, "\n")] = '\0';
	snprintf(m->path, sizeof(m->path), "%s", line + at);
	return true;
}

int maps_read(pid_t pid, struct mapping **ret)
{
	_cleanup_fclose_ FILE *f = NULL;
	_cleanup_free_ struct mapping *all = NULL;
	char p[64], line[PATH_MAX + 128];
	unsigned n = 0, room = 0;

	snprintf(p, sizeof(p), "/proc/%d/maps", pid);
	f = fopen(p, "re");
	if (!f)
		return -errno;
	while (n < MAPPINGS_MAX && fgets(line, sizeof(line), f)) {
		if (n == room) {
			struct mapping *more = realloc(all, (room += 64) * sizeof(*all));

			if (!more)
				return -ENOMEM;
			all = more;
		}
		n += parse(line, &all[n]);
	}
	*ret = TAKE_PTR(all);
	return n;
}

int maps_open(pid_t pid, uint64_t from, uint64_t to, const char *path)
{
	char p[PATH_MAX];
	int fd;

	snprintf(p, sizeof(p), "/proc/%d/map_files/%lx-%lx", pid, from, to);
	fd = open(p, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	snprintf(p, sizeof(p), "/proc/%d/root%s", pid, path);
	fd = open(p, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}
