// SPDX-License-Identifier: Apache-2.0
/*
 * STATE-DIR/approvals: one line per change, the CRC-32C of its JSON in front of it, appended and
 * synced before anybody is told. Flows in: JSON objects. Flows out: at the start, the same in order.
 *
 * A tail without newline is what a crash leaves: it was told to nobody, and is cut, unless it is
 * whole but for the newline. Any other line that does not hold is damage: it goes to
 * approvals.damaged, is named in the log, and the reader is told that something which may have taken
 * back what stood before is gone. After a failed write or sync the file is not written again, but
 * replaced as a whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/approvals_int.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "record/segment.h"

#define FILE_MAX (16u << 20) /* it is replaced long before that */
#define SUM 9		     /* "01234567 " */

struct astore {
	char path[512], aside[520];
	int fd;
	size_t bytes;
	unsigned damaged;
	bool broken;
};

static void cleanup_json(json_t **j)
{
	json_decref(*j);
}
#define _cleanup_json_ _cleanup_(cleanup_json)

/* A line without its newline; NULL if its sum does not agree or it is no object. */
static json_t *read_line(const char *p, size_t n)
{
	char sum[SUM] = "";
	json_t *j;

	if (n <= SUM || p[SUM - 1] != ' ')
		return NULL;
	memcpy(sum, p, SUM - 1);
	if (strspn(sum, "0123456789abcdef") != SUM - 1 ||
	    strtoul(sum, NULL, 16) != crc32c(0, p + SUM, n - SUM))
		return NULL;
	j = json_loadb(p + SUM, n - SUM, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(j))
		return j;
	json_decref(j);
	return NULL;
}

static void keep_aside(struct astore *s, unsigned no, const char *p, size_t n)
{
	_cleanup_close_ int fd =
		open(s->aside, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

	s->damaged++;
	log_err("%s: line %u is damaged: kept in %s; grants from before it are not in force",
		s->path, no, s->aside);
	if (fd < 0 || fs_write_all(fd, p, n) || fs_write_all(fd, "\n", 1) || fsync(fd))
		log_err("%s: %s", s->aside, strerror(errno));
}

static bool take(struct astore *s, const char *p, size_t n, const struct astore_reader *to,
		 void *ctx)
{
	_cleanup_json_ json_t *j = read_line(p, n);

	return j && to->line(ctx, j);
}

/* Returns how many bytes hold; the rest is a torn tail. */
static size_t read_all(struct astore *s, const char *text, size_t n, const struct astore_reader *to,
		       void *ctx)
{
	size_t at = 0;

	for (unsigned no = 1; at < n; no++) {
		const char *end = memchr(text + at, '\n', n - at);
		size_t len = end ? (size_t)(end - text) - at : n - at;

		if (!take(s, text + at, len, to, ctx)) {
			if (!end)
				return at;
			keep_aside(s, no, text + at, len);
			to->damaged(ctx);
		} else if (!end) {
			s->broken = true; /* its newline is missing: written anew */
		}
		at += len + !!end;
	}
	return at;
}

static int cut(struct astore *s, size_t to)
{
	log_warn("%s: cut behind byte %zu, where a crash left half a line", s->path, to);
	if (ftruncate(s->fd, to) || fsync(s->fd))
		return -errno;
	return 0;
}

static int load(struct astore *s, const struct astore_reader *to, void *ctx)
{
	_cleanup_free_ char *text = NULL;
	size_t n = 0, good;
	int r;

	s->fd = open(s->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->fd < 0)
		return -errno;
	r = fs_fsync_parent(s->path);
	if (!r)
		r = fs_read_fd(s->fd, FILE_MAX, &text, &n);
	if (r)
		return r;
	good = read_all(s, text, n, to, ctx);
	s->bytes = good;
	if (s->damaged)
		s->broken = true; /* to be replaced without those lines */
	return good < n ? cut(s, good) : 0;
}

int astore_open(const char *dir, const struct astore_reader *to, void *ctx, struct astore **ret)
{
	struct astore *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->fd = -1;
	if (snprintf(s->path, sizeof(s->path), "%s/approvals", dir) >= (int)sizeof(s->path)) {
		free(s);
		return -ENAMETOOLONG;
	}
	snprintf(s->aside, sizeof(s->aside), "%s.damaged", s->path);
	r = load(s, to, ctx);
	if (r) {
		astore_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

void astore_close(struct astore *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

/* Caller frees. */
static char *line_of(const json_t *j, size_t *ret_n)
{
	_cleanup_free_ char *text = json_dumps(j, JSON_COMPACT);
	size_t n = text ? strlen(text) : 0;
	char *line = text ? malloc(n + SUM + 2) : NULL;

	if (line)
		*ret_n = sprintf(line, "%08x %s\n", crc32c(0, text, n), text);
	return line;
}

int astore_append(struct astore *s, const json_t *j, bool lazy)
{
	_cleanup_free_ char *line = NULL;
	size_t n;
	int r;

	if (s->broken)
		return -EIO;
	line = line_of(j, &n);
	if (!line)
		return -ENOMEM;
	r = fs_write_all(s->fd, line, n);
	if (!r && !lazy && fdatasync(s->fd))
		r = -errno;
	if (r) {
		log_err("%s: %s", s->path, strerror(-r));
		s->broken = true;
		return r;
	}
	s->bytes += n;
	return 0;
}

static char *all_lines(const json_t *lines, size_t *ret_n)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, ret_n);
	json_t *j;
	size_t i;
	bool bad = !f;

	json_array_foreach(lines, i, j)
	{
		size_t n;
		_cleanup_free_ char *line = bad ? NULL : line_of(j, &n);

		bad = !line || fwrite(line, 1, n, f) != n;
	}
	if (!f || fclose(f) || bad) {
		free(text);
		return NULL;
	}
	return text;
}

int astore_rewrite(struct astore *s, const json_t *lines)
{
	_cleanup_free_ char *text = NULL;
	size_t n = 0;
	int r, fd;

	text = all_lines(lines, &n);
	r = text ? fs_write_atomic(s->path, text, n, 0600) : -ENOMEM;
	if (r)
		return r;
	fd = open(s->path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	close(s->fd);
	s->fd = fd;
	s->bytes = n;
	s->broken = false;
	return 0;
}

size_t astore_bytes(const struct astore *s)
{
	return s->bytes;
}
bool astore_broken(const struct astore *s)
{
	return s->broken;
}
unsigned astore_damaged(const struct astore *s)
{
	return s->damaged;
}
