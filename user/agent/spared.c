// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: a pid. Flows out: whether its program is one that no rule refuses: by its path, who owns
 * that file, and the mount namespace it is seen from, for in another one anybody may have a file of
 * that name. What cannot be read is not spared.
 */
#include "spared.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/builtin.h"

static bool same_mounts(uint32_t pid)
{
	struct stat a, b;
	char path[48];

	snprintf(path, sizeof(path), "/proc/%u/ns/mnt", pid);
	return !stat(path, &a) && !stat("/proc/self/ns/mnt", &b) && a.st_ino == b.st_ino &&
	       a.st_dev == b.st_dev;
}

bool spared_builtin(uint32_t pid)
{
	char path[32], exe[512];
	struct stat st;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%u/exe", pid);
	n = readlink(path, exe, sizeof(exe) - 1);
	if (n <= 0 || stat(path, &st))
		return false;
	exe[n] = '\0';
	return builtin_file(exe, st.st_uid, st.st_mode) && same_mounts(pid);
}
