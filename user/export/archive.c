// SPDX-License-Identifier: Apache-2.0
/*
 * libarchive reads and writes the container, this says what may be in one. Invariant of reading: a file is
 * opened below a folder descriptor, new (O_EXCL), without following links, under a path of plain parts; so
 * nothing outside of the folder is touched whatever the archive says. Memory is that of zstd's window
 * (at most 128 MiB, libzstd's own limit for streams) and one block. Limits are counted on the bytes that come
 * out, not on what headers promise, so a bomb ends at the limit.
 */
#include "archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "manifest.h"

#define BLOCK (256 * 1024)
#define RATIO_FREE (16ull << 20)

const struct archive_limits archive_limits_default = {
	.files = BUNDLE_FILES_MAX + 2, /* manifest and its signature */
	.file_bytes = 4ull << 30,
	.bytes = 64ull << 30,
	.ratio = 1000,
};

/* --- writing --------------------------------------------------------------------------------------- */

static void write_done(struct archive **a)
{
	archive_write_free(*a);
}

static void entry_done(struct archive_entry **e)
{
	archive_entry_free(*e);
}

static int put_bytes(struct archive *a, int fd, uint64_t size)
{
	_cleanup_free_ char *b = malloc(BLOCK);

	if (!b)
		return -ENOMEM;
	while (size) {
		ssize_t n = read(fd, b, size < BLOCK ? size : BLOCK);

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		if (archive_write_data(a, b, n) != n)
			return -EIO;
		size -= n;
	}
	return 0;
}

static int put_file(struct archive *a, int dir, const char *name, time_t at)
{
	_cleanup_(entry_done) struct archive_entry *e = archive_entry_new();
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (!e)
		return -ENOMEM;
	if (fd < 0 || fstat(fd, &st))
		return -errno;
	archive_entry_set_pathname(e, name);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0644);
	archive_entry_set_size(e, st.st_size);
	archive_entry_set_mtime(e, at, 0);
	if (archive_write_header(a, e) != ARCHIVE_OK)
		return -EIO;
	return put_bytes(a, fd, st.st_size);
}

static int put_all(struct archive *a, const char *dir, const char *const *names, size_t n,
		   time_t at, int out, const char **ret_at)
{
	_cleanup_close_ int d = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = d < 0 ? -errno : 0;

	if (archive_write_set_format_pax_restricted(a) || archive_write_add_filter_zstd(a) ||
	    archive_write_open_fd(a, out))
		return -EIO;
	for (size_t i = 0; i < n && !r; i++) {
		*ret_at = names[i];
		r = put_file(a, d, names[i], at);
	}
	if (!r && archive_write_close(a) != ARCHIVE_OK)
		r = -EIO;
	return r ?: fsync(out) ? -errno : 0;
}

int archive_make(const char *dir, const char *const *names, size_t n, time_t at, const char *out,
		 char *err, size_t err_len)
{
	_cleanup_(write_done) struct archive *a = archive_write_new();
	_cleanup_close_ int fd = -1;
	const char *where = out;
	char part[4096];
	int r;

	if (snprintf(part, sizeof(part), "%s.part", out) >= (int)sizeof(part))
		return -ENAMETOOLONG;
	fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	r = !a ? -ENOMEM : fd < 0 ? -errno : put_all(a, dir, names, n, at, fd, &where);
	if (!r && rename(part, out))
		r = -errno;
	if (!r)
		r = fs_fsync_parent(out);
	if (!r)
		return 0;
	snprintf(err, err_len, "%s: %s", where,
		 a && archive_error_string(a) ? archive_error_string(a) : strerror(-r));
	if (fd >= 0)
		unlink(part);
	return r;
}

/* --- reading --------------------------------------------------------------------------------------- */

struct extract {
	struct archive *a;
	const struct archive_limits *l;
	int dir;
	uint64_t files, bytes;
	char *err;
	size_t err_len;
};

static int refuse(struct extract *x, int r, const char *name, const char *why)
{
	char safe[128] = "";

	for (size_t i = 0; name && name[i] && i + 1 < sizeof(safe); i++) {
		safe[i] = name[i] >= 32 && name[i] < 127 ? name[i] : '?';
		safe[i + 1] = '\0';
	}
	snprintf(x->err, x->err_len, "%s%s%s", safe, safe[0] ? ": " : "", why);
	return r;
}

static int parents(int dir, const char *path)
{
	char part[BUNDLE_PATH_MAX];

	for (const char *s = path; (s = strchr(s, '/')); s++) {
		memcpy(part, path, s - path);
		part[s - path] = '\0';
		if (mkdirat(dir, part, 0700) && errno != EEXIST)
			return -errno;
	}
	return 0;
}

static int bounded(struct extract *x, const char *name, uint64_t file)
{
	int64_t packed = archive_filter_bytes(x->a, -1);

	if (file > x->l->file_bytes || x->bytes > x->l->bytes)
		return refuse(x, -EFBIG, name, "larger than a bundle may be");
	if (packed >= 0 && x->bytes > RATIO_FREE + (uint64_t)packed * x->l->ratio)
		return refuse(x, -EFBIG, name, "unpacks to far more than it is");
	return 0;
}

static int data(struct extract *x, int fd, const char *name)
{
	_cleanup_free_ char *b = malloc(BLOCK);
	uint64_t file = 0;
	ssize_t n;
	int r = b ? 0 : -ENOMEM;

	while (!r && (n = archive_read_data(x->a, b, BLOCK))) {
		if (n < 0)
			return refuse(x, -EBADMSG, name, "broken archive");
		file += n;
		x->bytes += n;
		r = bounded(x, name, file);
		if (!r)
			r = fs_write_all(fd, b, n);
	}
	return r;
}

static int one(struct extract *x, struct archive_entry *e)
{
	const char *name = archive_entry_pathname(e);
	_cleanup_close_ int fd = -1;
	int r;

	if (++x->files > x->l->files)
		return refuse(x, -EFBIG, name, "more files than a bundle may have");
	if (!name || archive_entry_hardlink(e) || archive_entry_symlink(e) ||
	    archive_entry_filetype(e) != AE_IFREG)
		return refuse(x, -EPERM, name, "not a plain file");
	if (!bundle_path_ok(name))
		return refuse(x, -EPERM, name, "a path that is not taken");
	r = parents(x->dir, name);
	if (!r) {
		fd = openat(x->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			    0600);
		r = fd < 0 ? -errno : 0;
	}
	if (r == -EEXIST)
		return refuse(x, -EPERM, name, "twice in the archive");
	return r ? refuse(x, r, name, strerror(-r)) : data(x, fd, name);
}

static void read_done(struct archive **a)
{
	archive_read_free(*a);
}

int archive_extract(const char *path, const char *dir, const struct archive_limits *l,
		    uint64_t *ret_files, uint64_t *ret_bytes, char *err, size_t err_len)
{
	_cleanup_(read_done) struct archive *a = archive_read_new();
	_cleanup_close_ int d = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int in = open(path, O_RDONLY | O_CLOEXEC);
	struct extract x = {.a = a, .l = l, .dir = d, .err = err, .err_len = err_len};
	struct archive_entry *e;
	int k, r = 0;

	if (!a)
		return -ENOMEM;
	if (in < 0 || d < 0)
		return refuse(&x, -errno, in < 0 ? path : dir, strerror(errno));
	/* One format and one filter: what else libarchive can read is not offered to strangers. */
	if (archive_read_support_filter_zstd(a) || archive_read_support_format_tar(a) ||
	    archive_read_open_fd(a, in, BLOCK))
		return refuse(&x, -EBADMSG, path, "not a .tar.zst");
	while (!r && (k = archive_read_next_header(a, &e)) == ARCHIVE_OK)
		r = one(&x, e);
	if (!r && k != ARCHIVE_EOF)
		r = refuse(&x, -EBADMSG, path, "broken archive");
	if (r)
		return r;
	*ret_files = x.files;
	*ret_bytes = x.bytes;
	return 0;
}
