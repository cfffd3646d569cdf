// SPDX-License-Identifier: Apache-2.0
/*
 * The files beside the segments: reserve (space for LOSS records on a full disk), acked (the
 * collector's last word) and whose the files are. All of them may vanish or lie without harm to
 * the chain: acked decides only whether the spool's bound takes a segment with or without a LOSS
 * record, and the collector's own answer corrects it.
 */
#include "spool_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fs.h"

DEFINE_CLEANUP(DIR, closedir)

int spool_reserve(struct spool *s, bool keep)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (!keep)
		return unlinkat(s->dir, "reserve", 0) < 0 && errno != ENOENT ? -errno : 0;
	fd = openat(s->dir, "reserve", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = posix_fallocate(fd, 0, SPOOL_RESERVE);
	if (r)
		unlinkat(s->dir, "reserve", 0);
	return -r;
}

static int chain_hex(const struct spool *s, char ret[static 33])
{
	for (int i = 0; i < 16; i++)
		snprintf(ret + 2 * i, 3, "%02x", s->st.chain[i]);
	return 0;
}

int spool_acked_read(struct spool *s, uint64_t *ret_seq)
{
	_cleanup_close_ int fd = openat(s->dir, "acked", O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	char chain[33], want[33];
	uint64_t seq;
	int r;

	if (fd < 0)
		return -errno;
	r = fs_read_fd(fd, 256, &text, NULL);
	if (r)
		return r;
	chain_hex(s, want);
	if (sscanf(text, "%32s %" SCNu64, chain, &seq) != 2 || strcmp(chain, want) ||
	    seq >= s->st.durable_seq)
		return -ENOENT;
	*ret_seq = seq;
	return 0;
}

int spool_acked_write(struct spool *s, uint64_t seq)
{
	_cleanup_close_ int fd = -1;
	char chain[33], text[80];
	int n;

	chain_hex(s, chain);
	n = snprintf(text, sizeof(text), "%s %" PRIu64 "\n", chain, seq);
	fd = openat(s->dir, "acked.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, n) != n || renameat(s->dir, "acked.tmp", s->dir, "acked") < 0)
		return errno ? -errno : -EIO;
	return 0;
}

/* fd is taken over. At most DEPTH_MAX folders below each other: tiles have seven. */
#define DEPTH_MAX 12
static int give(int fd, uid_t uid, gid_t gid, int depth)
{
	_cleanup_(closedirp) DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	struct stat st;
	int r = 0;

	if (!d) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		return r;
	}
	while (errno = 0, !r && (e = readdir(d))) {
		if (!strcmp(e->d_name, ".."))
			continue;
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    fchownat(dirfd(d), e->d_name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		if (S_ISDIR(st.st_mode) && strcmp(e->d_name, ".") && depth)
			r = give(openat(dirfd(d), e->d_name,
					O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW),
				 uid, gid, depth - 1);
	}
	return r ? r : -errno;
}

int spool_chown(struct spool *s, uid_t uid, gid_t gid)
{
	return give(openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), uid, gid, DEPTH_MAX);
}
