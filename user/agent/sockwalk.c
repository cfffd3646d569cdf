// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: a pid. Flows out: each of its sockets, duplicated into this process for a moment. The
 * process is held by a pidfd before its descriptors are read, so what is duplicated is its own; a
 * descriptor that was closed meanwhile is passed over. Limit: SOCKWALK_FDS descriptors, and the
 * table of the process's first thread (one that has unshared its table is not seen).
 */
#include "sockwalk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

static void cleanup_dirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

static int one(int pidfd, int dir, const char *name, int (*each)(void *, int), void *ctx)
{
	_cleanup_close_ int sock = -1;
	char to[16] = "";

	if (name[0] == '.' || readlinkat(dir, name, to, sizeof(to) - 1) < 0 ||
	    strncmp(to, "socket:", 7))
		return 0;
	sock = syscall(SYS_pidfd_getfd, pidfd, atoi(name), 0);
	if (sock < 0)
		return errno == EBADF ? 0 : -errno; /* closed meanwhile */
	return each(ctx, sock);
}

int sockwalk(uint32_t pid, int (*each)(void *ctx, int sock), void *ctx)
{
	_cleanup_close_ int pidfd = syscall(SYS_pidfd_open, pid, 0);
	_cleanup_(cleanup_dirp) DIR *d = NULL;
	char path[32];
	struct dirent *e;
	int r = 0, counted = 0;

	if (pidfd < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/%u/fd", pid);
	d = opendir(path);
	if (!d)
		return -errno;
	for (unsigned i = 0; i < SOCKWALK_FDS && r >= 0 && r < 2 && (e = readdir(d)); i++) {
		r = one(pidfd, dirfd(d), e->d_name, each, ctx);
		counted += r > 0;
	}
	return r < 0 ? r : counted;
}

struct find {
	uint64_t cookie;
	int fd;
};

static int is_it(void *ctx, int sock)
{
	struct find *f = ctx;
	uint64_t cookie = 0;
	socklen_t n = sizeof(cookie);

	if (getsockopt(sock, SOL_SOCKET, SO_COOKIE, &cookie, &n) || cookie != f->cookie)
		return 0;
	f->fd = fcntl(sock, F_DUPFD_CLOEXEC, 3);
	return f->fd < 0 ? -errno : 2;
}

int sockwalk_find(uint32_t pid, uint64_t cookie)
{
	struct find f = {.cookie = cookie, .fd = -1};
	int r = cookie ? sockwalk(pid, is_it, &f) : -ENOENT;

	if (r < 0)
		return r;
	return f.fd >= 0 ? f.fd : -ENOENT;
}
