// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: open files and paths. Flows out: who they are. The kernel knows a file by its file
 * system's device; stat(2) gives another one on btrfs and on some overlays, so the device is that of
 * the mount, from mountinfo. Files of other mount namespaces are not in there: theirs is taken from
 * stat(2), or from the kernel's own question.
 */
#include "exec_ident.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

#define MOUNTS_MAX 512
#define MOUNTS_S 30
#define LEVELS 6

static struct {
	uint64_t id, dev;
} mounts[MOUNTS_MAX];
static unsigned mounts_n;
static time_t mounts_read;

static uint64_t kernel_dev(unsigned maj, unsigned min)
{
	return (uint64_t)maj << 20 | min;
}

static void read_mounts(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[4096];
	unsigned id, maj, min;

	mounts_n = 0;
	mounts_read = time(NULL);
	while (f && mounts_n < MOUNTS_MAX && fgets(line, sizeof(line), f))
		if (sscanf(line, "%u %*u %u:%u", &id, &maj, &min) == 3) {
			mounts[mounts_n].id = id;
			mounts[mounts_n++].dev = kernel_dev(maj, min);
		}
}

static bool find_mount(uint64_t id, uint64_t *ret)
{
	for (unsigned i = 0; i < mounts_n; i++)
		if (mounts[i].id == id) {
			*ret = mounts[i].dev;
			return true;
		}
	return false;
}

struct exec_key exec_key_of(int fd, const struct stat *st)
{
	struct exec_key k = {.dev = kernel_dev(major(st->st_dev), minor(st->st_dev)),
			     .ino = st->st_ino};
	struct statx x;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &x) || !(x.stx_mask & STATX_MNT_ID))
		return k;
	if (find_mount(x.stx_mnt_id, &k.dev) && time(NULL) < mounts_read + MOUNTS_S)
		return k;
	if (time(NULL) >= mounts_read + 1)
		read_mounts();
	find_mount(x.stx_mnt_id, &k.dev);
	return k;
}

uint64_t exec_ctime_ns(const struct stat *st)
{
	return st->st_ctim.tv_sec * 1000000000ull + st->st_ctim.tv_nsec;
}

bool exec_path_of(int fd, char *ret, size_t cap)
{
	static const char gone[] = " (deleted)";
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, ret, cap - 1);
	if (n <= 0 || n == (ssize_t)cap - 1)
		return false;
	ret[n] = '\0';
	if (n > (ssize_t)sizeof(gone) && !strcmp(ret + n - sizeof(gone) + 1, gone))
		ret[n - sizeof(gone) + 1] = '\0';
	return ret[0] == '/';
}

bool exec_path_is(const char *path, const struct stat *st)
{
	struct stat here;

	return !stat(path, &here) && here.st_dev == st->st_dev && here.st_ino == st->st_ino;
}

int exec_open_as(uint32_t pid, const char *path)
{
	char at[PATH_MAX];
	struct stat st;
	int n, fd;

	if (!strncmp(path, "/dev/fd/", 8))
		n = snprintf(at, sizeof(at), "/proc/%u/fd/%s", pid, path + 8);
	else
		n = snprintf(at, sizeof(at), "/proc/%u/%s/%s", pid, path[0] == '/' ? "root" : "cwd",
			     path);
	if (n >= (int)sizeof(at))
		return -ENAMETOOLONG;
	if (stat(at, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	fd = open(at, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

int exec_package_json(const char *path)
{
	char at[PATH_MAX];
	char *slash;

	if (strlen(path) >= sizeof(at) - 16)
		return -1;
	strcpy(at, path);
	for (int i = 0; i < LEVELS && (slash = strrchr(at, '/')) && slash > at; i++) {
		struct stat st;
		int fd;

		strcpy(slash, "/package.json");
		fd = open(at, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY);
		if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode))
			return fd;
		if (fd >= 0)
			close(fd);
		*slash = '\0';
	}
	return -1;
}
