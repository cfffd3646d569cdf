// SPDX-License-Identifier: Apache-2.0
/*
 * The files beside the segments: reserve (space for LOSS records on a full disk), acked (the
 * collector's last word), tiled (how many leaves are in durable tiles), checkpoints, and whose the files
 * are. All of them may vanish or lie without harm to the chain: acked decides only whether the spool's
 * bound takes a segment with or without a LOSS record, and the collector's own answer corrects it.
 *
 * Checkpoints are made again each few seconds, so nothing waits until they are on disk.
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
#include "base/log.h"

DEFINE_CLEANUP(DIR, closedir)

int spool_reserve(struct spool *s)
{
	_cleanup_close_ int fd =
		openat(s->dir, "reserve", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	if (fd < 0)
		return -errno;
	r = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, SPOOL_RESERVE) < 0 ? errno : 0;
	if (r == EOPNOTSUPP)
		r = posix_fallocate(fd, 0, SPOOL_RESERVE);
	if (r)
		unlinkat(s->dir, "reserve", 0);
	return -r;
}

/* "<chain> <number>", of fixed length. */
#define HINT_LEN 54
static void hint_text(const struct spool *s, uint64_t n, char ret[static HINT_LEN + 1])
{
	for (int i = 0; i < 16; i++)
		snprintf(ret + 2 * i, 3, "%02x", s->st.chain[i]);
	snprintf(ret + 32, HINT_LEN + 1 - 32, " %020" PRIu64 "\n", n);
}

/* -ENOENT: none of this chain. */
static int hint_read(struct spool *s, const char *name, uint64_t *ret)
{
	_cleanup_close_ int fd = openat(s->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char text[HINT_LEN + 1] = "", want[HINT_LEN + 1];
	uint64_t n;

	if (fd < 0)
		return -errno;
	if (pread(fd, text, HINT_LEN, 0) != HINT_LEN || sscanf(text + 32, "%" SCNu64, &n) != 1)
		return -ENOENT;
	hint_text(s, n, want);
	if (strcmp(text, want))
		return -ENOENT;
	*ret = n;
	return 0;
}

int spool_acked_read(struct spool *s, uint64_t *ret_seq)
{
	uint64_t seq;
	int r = hint_read(s, "acked", &seq);

	if (!r && seq >= s->st.durable_seq)
		r = -ENOENT;
	if (!r)
		*ret_seq = seq;
	return r;
}

int spool_acked_write(struct spool *s, uint64_t seq)
{
	char text[HINT_LEN + 1];

	hint_text(s, seq, text);
	return spool_replace(s, "acked", text, HINT_LEN);
}

int spool_tiled_read(struct spool *s, uint64_t *ret)
{
	return hint_read(s, "tiled", ret);
}

/* In place: on a full disk, too. What cannot be synced is not asked again. */
int spool_tiled_write(struct spool *s, uint64_t n, bool durable)
{
	_cleanup_close_ int fd =
		openat(s->dir, "tiled", O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	char text[HINT_LEN + 1];
	int r = fd < 0 ? -errno : 0;

	hint_text(s, n, text);
	if (!r && pwrite(fd, text, HINT_LEN, 0) != HINT_LEN)
		r = errno ? -errno : -EIO;
	if (!r && durable && (fdatasync(fd) < 0 || fsync(s->dir) < 0))
		r = -errno;
	if (r) {
		unlinkat(s->dir, "tiled", 0);
		return r;
	}
	s->tiled_said = n;
	s->tiled = durable ? n : s->tiled;
	return 0;
}

int spool_replace(struct spool *s, const char *name, const char *text, size_t n)
{
	_cleanup_close_ int fd = -1;
	char temp[64];
	int r;

	snprintf(temp, sizeof(temp), "%s.tmp", name);
	fd = openat(s->dir, temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	r = fd < 0 ? -errno : fs_write_all(fd, text, n);
	if (!r && renameat(s->dir, temp, s->dir, name) < 0)
		r = -errno;
	return r;
}

void spool_replaced_check(struct spool *s)
{
	static const char *const names[] = {"checkpoint", "witnessed"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_close_ int fd =
			openat(s->dir, names[i], O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		_cleanup_free_ char *text = NULL;
		size_t n, at = 0;

		if (fd < 0 || fs_read_fd(fd, NOTE_MAX, &text, &n))
			continue;
		while (at < n && !text[at])
			at++;
		if (at == n && !unlinkat(s->dir, names[i], 0))
			log_warn("spool %s: %s: empty, as a power cut leaves it; removed", s->path,
				 names[i]);
	}
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
