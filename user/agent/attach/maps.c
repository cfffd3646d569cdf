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
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

static bool parse(char *line, struct mapping *m)
{
	size_t mode = strcspn(line, " ");
	char perm[5];
	int at = 0;

	if (strlen(line) < mode + 4 || line[mode + 3] != 'x') /* most are not: sscanf is slow */
		return false;
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

/* Whoever maps it may have put a device in its place by now, and to open one can do something. */
static int open_regular(const char *path)
{
	_cleanup_close_ int at = open(path, O_PATH | O_CLOEXEC);
	char again[32];
	struct stat st;
	int fd;

	if (at < 0 || fstat(at, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	snprintf(again, sizeof(again), "/proc/self/fd/%d", at);
	fd = open(again, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int maps_open(pid_t pid, uint64_t from, uint64_t to, const char *path)
{
	char p[PATH_MAX];
	int fd;

	snprintf(p, sizeof(p), "/proc/%d/map_files/%lx-%lx", pid, from, to);
	fd = open_regular(p);
	if (fd >= 0)
		return fd;
	snprintf(p, sizeof(p), "/proc/%d/root%s", pid, path);
	return open_regular(p);
}
