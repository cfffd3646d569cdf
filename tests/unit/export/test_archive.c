// SPDX-License-Identifier: Apache-2.0
// covers: user/export/archive.c
/* Archives as a stranger would make them: nothing leaves the folder, limits hold, every cut is an error. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "export/archive.h"

static char top[64], out[96], file[96];

static int drop(const char *p, const struct stat *st, int type, struct FTW *w)
{
	return remove(p);
}

static void clear(void)
{
	nftw(out, drop, 8, FTW_DEPTH | FTW_PHYS);
	assert_int_equal(mkdir(out, 0700), 0);
}

static int setup(void **state)
{
	strcpy(top, "/tmp/probity-archive-XXXXXX");
	assert_non_null(mkdtemp(top));
	snprintf(out, sizeof(out), "%s/out", top);
	snprintf(file, sizeof(file), "%s/a.tar.zst", top);
	return mkdir(out, 0700);
}

static int teardown(void **state)
{
	return nftw(top, drop, 8, FTW_DEPTH | FTW_PHYS);
}

struct piece {
	const char *path;
	unsigned type; /* AE_IFREG, … */
	const char *hardlink, *symlink;
	size_t size; /* of 'x' bytes */
	bool zeros;
};

static void made(const struct piece *p, size_t n, bool gzip)
{
	struct archive *a = archive_write_new();
	char block[4096];

	archive_write_set_format_pax_restricted(a);
	gzip ? archive_write_add_filter_gzip(a) : archive_write_add_filter_zstd(a);
	assert_int_equal(archive_write_open_filename(a, file), ARCHIVE_OK);
	for (size_t i = 0; i < n; i++) {
		struct archive_entry *e = archive_entry_new();

		archive_entry_set_pathname(e, p[i].path);
		archive_entry_set_filetype(e, p[i].type);
		archive_entry_set_perm(e, 0644);
		archive_entry_set_size(e, p[i].size);
		if (p[i].hardlink)
			archive_entry_set_hardlink(e, p[i].hardlink);
		if (p[i].symlink)
			archive_entry_set_symlink(e, p[i].symlink);
		assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
		memset(block, p[i].zeros ? 0 : 'x', sizeof(block));
		for (size_t left = p[i].size; left;) {
			size_t k = left < sizeof(block) ? left : sizeof(block);

			archive_write_data(a, block, k);
			left -= k;
		}
		archive_entry_free(e);
	}
	archive_write_close(a);
	archive_write_free(a);
}

static const struct archive_limits small = {.files = 4,
					    .file_bytes = 40 << 20,
					    .bytes = 48 << 20,
					    .ratio = 1000};

static int extract(char *err)
{
	uint64_t files, bytes;

	err[0] = '\0';
	clear();
	return archive_extract(file, out, &small, &files, &bytes, err, 200);
}

static void test_hostile(void **state)
{
/* clang-format off */
#define PLAIN(p, n) {.path = (p), .type = AE_IFREG, .size = (n)}
#define OTHER(p, t) {.path = (p), .type = (t)}
#define SYM(p, to) {.path = (p), .type = AE_IFLNK, .symlink = (to)}
#define HARD(p, to) {.path = (p), .type = AE_IFREG, .hardlink = (to)}
	static const struct {
		const char *name;
		struct piece p[6];
		size_t n;
		int want;
		bool gzip;
	} t[] = {
		{"plain", {PLAIN("a", 5), PLAIN("b/c/d", 7)}, 2, 0, false},
		{"absolute", {PLAIN("/tmp/probity-escape", 5)}, 1, -EPERM, false},
		{"up", {PLAIN("../escape", 5)}, 1, -EPERM, false},
		{"up inside", {PLAIN("a/../../escape", 5)}, 1, -EPERM, false},
		{"symbolic link", {SYM("a", "/etc")}, 1, -EPERM, false},
		{"through a link", {SYM("a", "/tmp"), PLAIN("a/escape", 1)}, 2, -EPERM, false},
		{"hard link", {PLAIN("a", 1), HARD("b", "a")}, 2, -EPERM, false},
		{"hard link out", {HARD("b", "/etc/passwd")}, 1, -EPERM, false},
		{"device", {OTHER("a", AE_IFCHR)}, 1, -EPERM, false},
		{"fifo", {OTHER("a", AE_IFIFO)}, 1, -EPERM, false},
		{"folder", {OTHER("a", AE_IFDIR)}, 1, -EPERM, false},
		{"twice", {PLAIN("a", 1), PLAIN("a", 2)}, 2, -EPERM, false},
		{"a file as a folder", {PLAIN("a", 1), PLAIN("a/b", 2)}, 2, -ENOTDIR, false},
		{"too many", {PLAIN("a", 0), PLAIN("b", 0), PLAIN("c", 0), PLAIN("d", 0), PLAIN("e", 0)}, 5,
		 -EFBIG, false},
		{"too large", {PLAIN("a", 41 << 20)}, 1, -EFBIG, false},
		{"too large together",
		 {PLAIN("a", 20 << 20), PLAIN("b", 20 << 20), PLAIN("c", 20 << 20)}, 3, -EFBIG, false},
		{"bomb", {{.path = "a", .type = AE_IFREG, .size = 39 << 20, .zeros = true}}, 1, -EFBIG, false},
		{"another filter", {PLAIN("a", 5)}, 1, -EBADMSG, true},
	};
	/* clang-format on */
	char err[200];

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		int r;

		made(t[i].p, t[i].n, t[i].gzip);
		r = extract(err);
		if (r != t[i].want || (r && !err[0]))
			fail_msg("%s: %d (%s), not %d", t[i].name, r, err, t[i].want);
	}
	assert_int_equal(access("/tmp/probity-escape", F_OK), -1);
	assert_int_equal(access("/tmp/escape", F_OK), -1);
	snprintf(err, sizeof(err), "%s/escape", top);
	assert_int_equal(access(err, F_OK), -1);
}

/* No archive at all, an empty one, one cut at every place, one with a byte changed. */
static void test_broken(void **state)
{
	static const struct piece p[] = {{.path = "a", .type = AE_IFREG, .size = 700},
					 {.path = "b/c", .type = AE_IFREG, .size = 300}};
	char err[200], *text = NULL;
	size_t n, wrong = 0;

	assert_int_equal(fs_write_atomic(file, "hello", 5, 0600), 0);
	assert_int_equal(extract(err), -EBADMSG);
	made(p, 2, false);
	assert_int_equal(extract(err), 0);
	assert_int_equal(fs_read(file, 1 << 20, &text, &n), 0);
	for (size_t i = 0; i + 1 < n; i++) {
		int r;

		assert_int_equal(fs_write_atomic(file, text, i, 0600), 0);
		r = extract(err);
		wrong += r != 0;
		assert_true(r == 0 || err[0]);
	}
	/* The end of a tar is zeros: cut there, nothing may be missing. */
	assert_true(wrong + 64 >= n - 1 && wrong > n / 2);
	for (size_t i = 0; i < n; i++) {
		text[i] ^= 0x10;
		assert_int_equal(fs_write_atomic(file, text, n, 0600), 0);
		extract(err); /* no crash; what it says of the files the manifest judges */
		text[i] ^= 0x10;
	}
	free(text);
	unlink(file);
	assert_int_equal(extract(err), -ENOENT);
}

static void test_made_again(void **state)
{
	static const char *const names[] = {"x/one", "two"};
	char dir[96], path[128], err[200] = "", *a = NULL, *b = NULL;
	size_t n, k;

	snprintf(dir, sizeof(dir), "%s/in", top);
	snprintf(path, sizeof(path), "%s/x", dir);
	assert_int_equal(fs_mkdirs(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/x/one", dir);
	assert_int_equal(fs_write_atomic(path, "1", 1, 0600), 0);
	snprintf(path, sizeof(path), "%s/two", dir);
	assert_int_equal(fs_write_atomic(path, "22", 2, 0600), 0);
	assert_int_equal(archive_make(dir, names, 2, 1000, file, err, sizeof(err)), 0);
	assert_int_equal(fs_read(file, 1 << 20, &a, &n), 0);
	assert_int_equal(archive_make(dir, names, 2, 1000, file, err, sizeof(err)), 0);
	assert_int_equal(fs_read(file, 1 << 20, &b, &k), 0);
	assert_int_equal(n, k);
	assert_memory_equal(a, b, n); /* the same files are the same archive */
	assert_int_equal(extract(err), 0);
	snprintf(path, sizeof(path), "%s/x/one", out);
	free(a);
	assert_int_equal(fs_read(path, 16, &a, &n), 0);
	assert_string_equal(a, "1");
	free(a);
	free(b);
	/* One that is not there: no archive, no half of one. */
	unlink(file);
	assert_int_not_equal(archive_make(dir, (const char *const[]){"gone"}, 1, 0, file, err,
					  sizeof(err)),
			     0);
	assert_int_equal(access(file, F_OK), -1);
	assert_non_null(strstr(err, "gone"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_hostile, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_made_again, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
