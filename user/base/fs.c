// SPDX-License-Identifier: Apache-2.0
/*
 * Durable files. Invariant: a reader of `path` sees the old file or the new one, whole. A failed
 * fsync is reported and never retried on the same file: the kernel has already dropped the page.
 */
#include "fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"

int fs_write_all(int fd, const void *p, size_t n)
{
	const uint8_t *b = p;

	while (n) {
		ssize_t k = write(fd, b, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		b += k;
		n -= k;
	}
	return 0;
}

int fs_fsync_parent(const char *path)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	_cleanup_close_ int fd = -1;

	if (!slash)
		snprintf(dir, sizeof(dir), ".");
	else
		snprintf(dir, sizeof(dir), "%.*s", slash == path ? 1 : (int)(slash - path), path);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

int fs_write_atomic(const char *path, const void *p, size_t n, mode_t mode)
{
	char tmp[PATH_MAX];
	_cleanup_close_ int fd = -1;
	int r;

	if (snprintf(tmp, sizeof(tmp), "%s.tmp.%d", path, (int)getpid()) >= (int)sizeof(tmp))
		return -ENAMETOOLONG;
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	r = fs_write_all(fd, p, n);
	if (!r && (fchmod(fd, mode) < 0 || fsync(fd) < 0 || rename(tmp, path) < 0))
		r = -errno;
	if (r) {
		unlink(tmp);
		return r;
	}
	return fs_fsync_parent(path);
}

int fs_write_atomic_at(int dir, const char *name, const void *p, size_t n, mode_t mode)
{
	char tmp[NAME_MAX + 1];
	_cleanup_close_ int fd = -1;
	int r;

	if (snprintf(tmp, sizeof(tmp), "%s.tmp", name) >= (int)sizeof(tmp))
		return -ENAMETOOLONG;
	fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return -errno;
	r = fs_write_all(fd, p, n);
	if (!r && (fsync(fd) < 0 || renameat(dir, tmp, dir, name) < 0))
		r = -errno;
	if (r) {
		unlinkat(dir, tmp, 0);
		return r;
	}
	return fsync(dir) < 0 ? -errno : 0;
}

int fs_mkdirs(const char *path, mode_t mode)
{
	char p[PATH_MAX];

	if (snprintf(p, sizeof(p), "%s", path) >= (int)sizeof(p))
		return -ENAMETOOLONG;
	for (char *s = p + 1; *s; s++) {
		if (*s != '/')
			continue;
		*s = '\0';
		if (mkdir(p, 0755) < 0 && errno != EEXIST)
			return -errno;
		*s = '/';
	}
	return mkdir(p, mode) < 0 && errno != EEXIST ? -errno : 0;
}

int fs_read_fd(int fd, size_t max, char **ret, size_t *ret_n)
{
	_cleanup_free_ char *b = NULL;
	size_t n = 0, cap = 0;

	for (;;) {
		ssize_t k;

		if (cap - n < 2) {
			char *bigger = realloc(b, cap = cap ? cap * 2 : 4096);

			if (!bigger)
				return -ENOMEM;
			b = bigger;
		}
		k = read(fd, b + n, cap - n - 1);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		if (k == 0)
			break;
		n += k;
		if (n > max)
			return -EFBIG;
	}
	b[n] = '\0';
	*ret = TAKE_PTR(b);
	if (ret_n)
		*ret_n = n;
	return 0;
}

int fs_read(const char *path, size_t max, char **ret, size_t *ret_n)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fs_read_fd(fd, max, ret, ret_n);
}
