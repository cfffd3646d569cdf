// SPDX-License-Identifier: Apache-2.0
/*
 * Files in, a folder and its manifest out. tar wants each size before the bytes, and the manifest wants
 * all hashes, so the bundle is written to disk before it is packed: it needs its unpacked size of room
 * beside the output, and little memory. Invariant: a file in the folder has a line in the manifest whose
 * hash was taken of what was written, not of what was read.
 */
#include "bundle_stage.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "tidy.h"

#define FILE_MAX (1ull << 30)
#define BLOCK 65536

DEFINE_CLEANUP(EVP_MD_CTX, EVP_MD_CTX_free)
DEFINE_CLEANUP(FTS, fts_close)

static int failed(struct stage *s, int r, const char *what)
{
	if (!s->err[0])
		snprintf(s->err, sizeof(s->err), "%.400s: %s", what, strerror(-r));
	return r;
}

int stage_open(const char *out, struct stage *s)
{
	int r;

	memset(s, 0, sizeof(*s));
	if (snprintf(s->dir, sizeof(s->dir), "%s.XXXXXX", out) >= (int)sizeof(s->dir))
		return failed(s, -ENAMETOOLONG, out);
	r = tidy_folder(s->dir);
	if (!r)
		return 0;
	s->dir[0] = '\0';
	return failed(s, r, out);
}

void stage_done(struct stage *s)
{
	if (s->dir[0])
		tidy_done();
	manifest_done(&s->manifest);
}

int stage_hash(int dir, const char *path, struct manifest_file *ret)
{
	_cleanup_close_ int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	_cleanup_(EVP_MD_CTX_freep) EVP_MD_CTX *c = EVP_MD_CTX_new();
	_cleanup_free_ uint8_t *b = malloc(BLOCK);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (!c || !b || EVP_DigestInit_ex(c, EVP_sha256(), NULL) != 1)
		return -ENOMEM;
	ret->size = 0;
	while ((n = read(fd, b, BLOCK)) > 0) {
		if (EVP_DigestUpdate(c, b, n) != 1)
			return -EIO;
		ret->size += n;
	}
	if (n < 0)
		return -errno;
	return EVP_DigestFinal_ex(c, ret->sha256, NULL) == 1 ? 0 : -EIO;
}

static int note(struct stage *s, const char *path)
{
	_cleanup_close_ int dir = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct manifest_file f = {0};
	int r = dir < 0 ? -errno : 0;

	if (!r && snprintf(f.path, sizeof(f.path), "%s", path) >= (int)sizeof(f.path))
		r = -ENAMETOOLONG;
	if (!r)
		r = stage_hash(dir, path, &f);
	if (!r)
		r = manifest_add(&s->manifest, &f);
	return r ? failed(s, r, path) : 0;
}

int stage_create(struct stage *s, const char *path, FILE **ret)
{
	char full[4400], *slash;

	if (!bundle_path_ok(path))
		return failed(s, -EINVAL, path);
	snprintf(full, sizeof(full), "%s/%s", s->dir, path);
	slash = strrchr(full, '/');
	*slash = '\0';
	if (fs_mkdirs(full, 0700))
		return failed(s, -errno, path);
	*slash = '/';
	*ret = fopen(full, "wxe");
	return *ret ? 0 : failed(s, -errno, path);
}

int stage_close(struct stage *s, const char *path, FILE *f)
{
	bool bad = ferror(f);

	if (fclose(f) || bad)
		return failed(s, -EIO, path);
	return note(s, path);
}

int stage_plain(struct stage *s, const char *path, const void *p, size_t n)
{
	FILE *f;
	int r = stage_create(s, path, &f);

	if (r)
		return r;
	fwrite(p, 1, n, f);
	return fclose(f) ? failed(s, -errno, path) : 0;
}

int stage_bytes(struct stage *s, const char *path, const void *p, size_t n)
{
	int r = stage_plain(s, path, p, n);

	return r ?: note(s, path);
}

int stage_file(struct stage *s, const char *path, const char *from)
{
	_cleanup_close_ int fd = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	_cleanup_free_ char *b = malloc(BLOCK);
	uint64_t all = 0;
	struct stat st;
	ssize_t n = 0;
	FILE *f;
	int r;

	if (fd < 0 || fstat(fd, &st))
		return failed(s, -errno, from);
	if (!b || !S_ISREG(st.st_mode))
		return failed(s, b ? -EINVAL : -ENOMEM, from);
	r = stage_create(s, path, &f);
	if (r)
		return r;
	while (all <= FILE_MAX && (n = read(fd, b, BLOCK)) > 0) {
		fwrite(b, 1, n, f);
		all += n;
	}
	r = stage_close(s, path, f);
	return n < 0 ? failed(s, -errno, from) : all > FILE_MAX ? failed(s, -EFBIG, from) : r;
}

int stage_tree(struct stage *s, const char *path, const char *from)
{
	char *const roots[] = {(char *)from, NULL};
	_cleanup_(fts_closep) FTS *f = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	size_t skip = strlen(from);
	char to[512];
	FTSENT *e;
	int r = 0;

	if (!f)
		return failed(s, -errno, from);
	while (!r && (e = fts_read(f))) {
		const char *rest = e->fts_path + skip;

		if (e->fts_info == FTS_D || e->fts_info == FTS_DP)
			continue;
		if (e->fts_info != FTS_F)
			return failed(s, e->fts_errno ? -e->fts_errno : -EINVAL, e->fts_path);
		while (*rest == '/')
			rest++;
		if (snprintf(to, sizeof(to), "%s/%s", path, rest) >= (int)sizeof(to))
			return failed(s, -ENAMETOOLONG, e->fts_path);
		r = stage_file(s, to, e->fts_path);
	}
	return r;
}
