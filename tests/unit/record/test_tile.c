// SPDX-License-Identifier: Apache-2.0
// covers: user/record/tile.c
// covers: user/record/tile_write.c
/*
 * Tiles in a real folder: the paths of C2SP tlog-tiles, what stands in the files at every size and over
 * restarts, what a crash may leave, and that a byte that changed is found.
 * Long because each crash is a story of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "record/tile.h"

struct rig {
	char dir[64];
	int fd;
	struct tiles *t;
};

static int remove_one(const char *p, const struct stat *st, int type, struct FTW *w)
{
	return remove(p);
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	/* In memory where possible: thousands of fsyncs would be most of the time. */
	snprintf(r->dir, sizeof(r->dir), "%s/probity-tile-XXXXXX",
		 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	if (!mkdtemp(r->dir))
		return -1;
	r->fd = open(r->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = r;
	return r->fd < 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	tiles_free(r->t);
	close(r->fd);
	nftw(r->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(r);
	return 0;
}

/* Leaves of history `h`: two histories have nothing in common. */
static struct tree_hash leaf(uint64_t i, unsigned h)
{
	struct tree_hash l;
	uint64_t in[2] = {i, h};

	tree_leaf(in, sizeof(in), &l);
	return l;
}

static struct tree_hash root(uint64_t from_1, uint64_t size)
{
	struct tree_edge e = {0};
	struct tree_hash h;

	for (uint64_t i = 0; i < size; i++) {
		h = leaf(i, i >= from_1);
		tree_add(&e, &h);
	}
	tree_root(&e, &h);
	return h;
}

static void reopen(struct rig *r, uint64_t size, uint64_t want)
{
	char err[256] = "";

	tiles_free(r->t);
	r->t = NULL;
	if (tiles_open(r->fd, size, &r->t, err, sizeof(err)))
		fail_msg("%s", err);
	assert_int_equal(tiles_edge(r->t)->size, want);
}

static void grow(struct rig *r, uint64_t size, unsigned history)
{
	for (uint64_t i = tiles_edge(r->t)->size; i < size; i++) {
		const struct tree_hash l = leaf(i, history);
		int e = tiles_add(r->t, &l);

		if (e == -ENOMEM) {
			assert_int_equal(tiles_sync(r->t), 0);
			e = tiles_add(r->t, &l);
		}
		assert_int_equal(e, 0);
	}
	assert_int_equal(tiles_sync(r->t), 0);
}

static void assert_holds(struct rig *r, uint64_t from_1, uint64_t size)
{
	struct tree_hash want = root(from_1, size), is;
	char where[TILE_PATH_MAX] = "";

	tree_root(tiles_edge(r->t), &is);
	assert_memory_equal(is.b, want.b, TREE_HASH_LEN);
	if (tiles_check(r->fd, size, &want, where))
		fail_msg("%s of %llu leaves", where, (unsigned long long)size);
}

/* --- paths ----------------------------------------------------------------------------------------- */

static void test_paths(void **state)
{
	static const struct {
		unsigned level, width;
		uint64_t index;
		const char *path;
	} t[] = {
		{0, 256, 0, "tile/0/000"},
		{0, 1, 0, "tile/0/000.p/1"},
		{0, 255, 999, "tile/0/999.p/255"},
		{1, 256, 1000, "tile/1/x001/000"},
		{0, 256, 1234067, "tile/0/x001/x234/067"},
		{3, 17, 1234067, "tile/3/x001/x234/067.p/17"},
		{0, 256, 1ull << 40, "tile/0/x001/x099/x511/x627/776"},
		{0, 200, (1ull << 40) - 1, "tile/0/x001/x099/x511/x627/775.p/200"},
		{63, 255, UINT64_MAX, "tile/63/x018/x446/x744/x073/x709/x551/615.p/255"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		char out[TILE_PATH_MAX];
		unsigned level, width;
		uint64_t index;

		assert_int_equal(tile_path(t[i].level, t[i].index, t[i].width, out),
				 strlen(t[i].path));
		assert_string_equal(out, t[i].path);
		assert_true(tile_path_parse(out, &level, &index, &width));
		assert_int_equal(level, t[i].level);
		assert_int_equal(index, t[i].index);
		assert_int_equal(width, t[i].width);
	}
}

static void test_no_paths(void **state)
{
	static const char *const t[] = {
		"",
		"tile",
		"tile/",
		"tile/0",
		"tile/0/",
		"tile/0/0",
		"tile/0/00",
		"tile/0/0000",
		"tile/00/000",
		"tile/+0/000",
		"tile/ 0/000",
		"tile/-1/000",
		"tile/64/000",
		"tile/100/000",
		"tile/0/x000/000",
		"tile/0/001/000",
		"tile/0/x001/x000",
		"tile/0/x001/00",
		"tile/0/x001//000",
		"tile/0/X001/000",
		"tile/0/000/",
		"tile/0/000.p",
		"tile/0/000.p/",
		"tile/0/000.p/0",
		"tile/0/000.p/01",
		"tile/0/000.p/+1",
		"tile/0/000.p/256",
		"tile/0/000.p/999",
		"tile/0/000.p/1/",
		"tile/0/000.p/1 ",
		"tile/0/000.q/1",
		"tile/0/../000",
		"/tile/0/000",
		"tile/0/000\n",
		"tile/entries/000",
		"tile/0/x018/x446/x744/x073/x709/x551/616",
		"tile/0/x999/x999/x999/x999/x999/x999/x999/999",
		"tile/0/x001/x001/x001/x001/x001/x001/x001/x001/x001/x001/x001/x001/x001/x001/001",
	};
	unsigned level = 77, width = 77;
	uint64_t index = 77;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		if (tile_path_parse(t[i], &level, &index, &width))
			fail_msg("taken: %s", t[i]);
	assert_true(level == 77 && width == 77 && index == 77);
}

/* --- writing --------------------------------------------------------------------------------------- */

static uint64_t files, file_bytes;

static int count_one(const char *p, const struct stat *st, int type, struct FTW *w)
{
	files += type == FTW_F;
	file_bytes += type == FTW_F ? st->st_size : 0;
	return 0;
}

/* Nothing is there but the tiles of this size. */
static void assert_only(struct rig *r, uint64_t size)
{
	uint64_t want = 0, hashes = 0;

	for (uint64_t n = size; n; n /= TILE_WIDTH) {
		want += (n + TILE_WIDTH - 1) / TILE_WIDTH;
		hashes += n;
	}
	files = file_bytes = 0;
	assert_int_equal(nftw(r->dir, count_one, 8, FTW_PHYS), 0);
	assert_int_equal(files, want);
	assert_int_equal(file_bytes, hashes * TREE_HASH_LEN);
}

static void test_every_size_over_restarts(void **state)
{
	struct rig *r = *state;

	for (uint64_t n = 0; n <= 600; n++) {
		reopen(r, UINT64_MAX, n ? n - 1 : 0);
		grow(r, n, 0);
		assert_holds(r, UINT64_MAX, n);
		assert_only(r, n);
	}
}

static void test_steps_without_restart(void **state)
{
	struct rig *r = *state;

	reopen(r, 0, 0);
	for (uint64_t n = 0, step = 1; n <= 2000; n += step, step = step * 5 % 373 + 1) {
		grow(r, n, 0);
		assert_holds(r, UINT64_MAX, n);
		assert_only(r, n);
	}
}

/* Three levels, and more leaves than may wait. */
static void test_three_levels(void **state)
{
	const uint64_t size = 65536 + 256 + 3;
	struct rig *r = *state;
	struct tree_hash l = leaf(0, 0), is;
	char path[96];
	struct stat st;
	uint64_t more = 0;
	int e;

	reopen(r, 0, 0);
	grow(r, size, 0);
	assert_holds(r, UINT64_MAX, size);
	assert_only(r, size);
	snprintf(path, sizeof(path), "%s/tile/2/000.p/1", r->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 32);
	reopen(r, size, size);
	grow(r, size + 1000, 0);
	assert_holds(r, UINT64_MAX, size + 1000);

	/* Full memory is said, and what was taken stays. */
	while (!(e = tiles_add(r->t, &l)))
		more++;
	assert_int_equal(e, -ENOMEM);
	assert_true(more > TILES_PENDING - TILE_WIDTH && more <= TILES_PENDING);
	assert_int_equal(tiles_add(r->t, &l), -ENOMEM);
	assert_int_equal(tiles_edge(r->t)->size, size + 1000 + more);
	tree_root(tiles_edge(r->t), &is);
	assert_int_equal(tiles_sync(r->t), 0);
	assert_int_equal(tiles_check(r->fd, tiles_edge(r->t)->size, &is, path), 0);
}

/* The file at a path, as it was; NULL data: absent. */
struct image {
	char *p;
	size_t n;
};

static struct image take(struct rig *r, const char *tile)
{
	struct image i = {0};
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", r->dir, tile);
	assert_int_equal(fs_read(path, 1 << 20, &i.p, &i.n), 0);
	return i;
}

static void put(struct rig *r, const char *tile, const struct image *i)
{
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", r->dir, tile);
	for (char *s = path + strlen(r->dir) + 1; (s = strchr(s, '/')); s++) {
		*s = '\0';
		mkdir(path, 0700);
		*s = '/';
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fs_write_all(fd, i->p, i->n), 0);
	close(fd);
}

static void drop(struct rig *r, const char *tile)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", r->dir, tile);
	assert_int_equal(unlink(path), 0);
}

/* A sync writes level 0 before what is above it, and a new partial tile before the old one goes. What a
 * crash at each step leaves is made here by hand; opening finds a tree and goes on to the right one. */
static void test_crashes(void **state)
{
	struct rig *r = *state;
	struct image old, temp = {(char *)"half a ti", 9};

	/* from 250 to 520: full tiles 0 and 1, then .p/8, then level 1 */
	reopen(r, 0, 0);
	grow(r, 250, 0);
	old = take(r, "tile/0/000.p/250");
	grow(r, 520, 0);

	/* 1: only the first full tile; the old partial one is still there */
	put(r, "tile/0/000.p/250", &old);
	drop(r, "tile/0/001");
	drop(r, "tile/0/002.p/8");
	drop(r, "tile/1/000.p/2");
	put(r, "tile/.new", &temp);
	reopen(r, 520, 256);
	grow(r, 520, 0);
	assert_holds(r, UINT64_MAX, 520);
	drop(r, "tile/0/000.p/250");

	/* 2: level 0 is whole, nothing above it */
	drop(r, "tile/1/000.p/2");
	reopen(r, 520, 520);
	grow(r, 520, 0); /* made from below */
	assert_holds(r, UINT64_MAX, 520);
	grow(r, 521, 0);
	assert_holds(r, UINT64_MAX, 521);

	/* 3: the new partial tile is there and the old one too */
	put(r, "tile/0/002.p/7", &(struct image){old.p, 7 * 32});
	reopen(r, 521, 521);
	grow(r, 600, 0);
	assert_holds(r, UINT64_MAX, 600);
	free(old.p);

	/* 4: a partial tile of no hashes of its own, cut short: told, not taken */
	old = take(r, "tile/0/002.p/88");
	put(r, "tile/0/002.p/88", &(struct image){old.p, old.n - 1});
	{
		struct tiles *t = NULL;
		char err[256] = "";

		assert_int_equal(tiles_open(r->fd, 600, &t, err, sizeof(err)), -EBADMSG);
		assert_null(t);
		assert_non_null(strstr(err, "600"));
	}
	free(old.p);
}

/* Tiles of records that are gone: they are cut to what is, and what is written then is not mixed with what
 * was. */
static void test_cut(void **state)
{
	static const uint64_t sizes[] = {0, 1, 5, 200, 255, 256, 257, 300, 511, 512, 513, 598, 599};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint64_t at = sizes[i];

		reopen(r, 0, 0); /* cuts all of the last turn's */
		assert_only(r, 0);
		grow(r, 600, 0);
		reopen(r, at, at);
		assert_holds(r, UINT64_MAX, at);
		assert_only(r, at);
		grow(r, at + 1, 1);
		reopen(r, UINT64_MAX, at + 1);
		for (uint64_t n = at + 1; n <= 600; n += 37) {
			grow(r, n, 1);
			assert_holds(r, at, n);
			reopen(r, UINT64_MAX, n);
		}
		grow(r, 600, 1);
		assert_holds(r, at, 600);
		assert_only(r, 600);
	}
}

/* --- without waiting for the disk -------------------------------------------------------------------- */

static const char *ruin_how; /* "gone", "empty", "zeros" */
static struct rig *ruin_rig;
static uint64_t ruin_kept; /* leaves */

/* What a power cut may do to every tile that is not among the durable ones. Their partial ones above level 0
 * can be made again, and so may be hit as well. */
static int ruin_one(const char *p, const struct stat *st, int type, struct FTW *w)
{
	unsigned level, width;
	uint64_t index;

	if (type != FTW_F ||
	    !tile_path_parse(p + strlen(ruin_rig->dir) + 1, &level, &index, &width))
		return 0;
	if (((index * TILE_WIDTH + width) << 8 * level) <= ruin_kept &&
	    (!level || width == TILE_WIDTH))
		return 0;
	if (!strcmp(ruin_how, "gone"))
		return unlink(p);
	if (truncate(p, 0))
		return -1;
	return !strcmp(ruin_how, "zeros") ? truncate(p, st->st_size) : 0;
}

static void write_to(struct rig *r, uint64_t size, uint64_t from_1)
{
	for (uint64_t i = tiles_edge(r->t)->size; i < size; i++) {
		const struct tree_hash l = leaf(i, i >= from_1);

		if (tiles_add(r->t, &l)) {
			assert_int_equal(tiles_write(r->t), 0);
			assert_int_equal(tiles_add(r->t, &l), 0);
		}
	}
	assert_int_equal(tiles_write(r->t), 0);
}

/* Written, and made durable a step at a time or at once; cut off; what counts as durable is whole. */
static void test_what_is_durable(void **state)
{
	static const char *const how[] = {"gone", "empty", "zeros"};
	struct rig *r = *state;
	uint64_t turn = 0;

	reopen(r, 0, 0);
	for (uint64_t n = 1; n < 4200; n += n * 7 % 389 + 1, turn++) {
		uint64_t kept;
		int steps = turn % 5, e = 1;

		write_to(r, n, UINT64_MAX);
		assert_holds(r, UINT64_MAX, n); /* it can be read at once */
		if (turn % 7 == 3)
			assert_int_equal(tiles_sync(r->t), 0);
		while (steps-- && e)
			e = tiles_step(r->t);
		kept = tiles_durable(r->t);
		assert_true(kept <= n && (turn % 7 != 3 || kept == n));
		ruin_how = how[turn % 3];
		ruin_rig = r;
		ruin_kept = kept;
		assert_int_equal(nftw(r->dir, ruin_one, 8, FTW_PHYS), 0);
		reopen(r, kept, kept);
		assert_int_equal(tiles_durable(r->t), kept);
		write_to(r, n, UINT64_MAX);
		assert_holds(r, UINT64_MAX, n);
	}
	while (tiles_step(r->t))
		;
	assert_true(tiles_durable(r->t) >= tiles_edge(r->t)->size / TILE_WIDTH * TILE_WIDTH);
	assert_int_equal(tiles_sync(r->t), 0);
	assert_int_equal(tiles_durable(r->t), tiles_edge(r->t)->size);
	assert_only(r, tiles_edge(r->t)->size);
	assert_true(turn > 20);
}

/* A crash between a level and the one above it: made again from below, also where the level is whole. */
static void test_upper_level_missing(void **state)
{
	struct rig *r = *state;

	reopen(r, 0, 0);
	grow(r, 65536, 0);
	drop(r, "tile/1/000");
	reopen(r, UINT64_MAX, 65536);
	grow(r, 65537, 0);
	assert_holds(r, UINT64_MAX, 65537);
	assert_only(r, 65537);
}

/* --- reading --------------------------------------------------------------------------------------- */

static void test_older_checkpoint(void **state)
{
	struct rig *r = *state;
	struct tile_reader *in = NULL;
	struct tree_hash p[TREE_PATH_MAX];
	size_t n;

	reopen(r, 0, 0);
	grow(r, 340, 0);
	for (uint64_t size = 1; size <= 340;
	     size++) { /* most of these partial tiles were never there */
		struct tree_hash is = root(UINT64_MAX, size), l;
		uint64_t seq = size * 7 % size;

		assert_int_equal(tile_reader_open(r->fd, size, &in), 0);
		assert_int_equal(tree_inclusion(seq, size, tile_reader_hash, in, p, &n), 0);
		assert_int_equal(tile_reader_hash(in, 0, seq, &l), 0);
		assert_true(tree_inclusion_ok(seq, &l, size, &is, p, n));
		assert_int_equal(tile_reader_hash(in, 0, size, &l), -EINVAL);
		assert_int_equal(tile_reader_hash(in, 64, 0, &l), -EINVAL);
		assert_int_equal(tile_reader_hash(in, 63, 1, &l), -EINVAL);
		tile_reader_free(in);
	}
	assert_int_equal(tile_reader_open(r->fd, 341, &in), 0);
	assert_int_equal(tree_inclusion(340, 341, tile_reader_hash, in, p, &n), -ENOENT);
	tile_reader_free(in);
}

/* --- checking -------------------------------------------------------------------------------------- */

static void test_every_byte(void **state)
{
	static const char *const tiles[] = {"tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1"};
	struct rig *r = *state;
	struct tree_hash want = root(UINT64_MAX, 300), other = root(UINT64_MAX, 299);
	char where[TILE_PATH_MAX];

	reopen(r, 0, 0);
	grow(r, 300, 0);
	assert_int_equal(tiles_check(r->fd, 300, &want, where), 0);
	assert_int_equal(tiles_check(r->fd, 300, &other, where), -EBADMSG);
	assert_int_equal(tiles_check(r->fd, 301, &want, where), -ENOENT);
	assert_string_equal(where, "tile/0/001.p/45");
	for (size_t i = 0; i < ARRAY_SIZE(tiles); i++) {
		struct image was = take(r, tiles[i]);
		char path[160];
		int fd;

		snprintf(path, sizeof(path), "%s/%s", r->dir, tiles[i]);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		for (size_t at = 0; at < was.n; at++) {
			char b = was.p[at] ^ 1 << at % 8;

			assert_int_equal(pwrite(fd, &b, 1, at), 1);
			if (tiles_check(r->fd, 300, &want, where) != -EBADMSG)
				fail_msg("%s: byte %zu", tiles[i], at);
			assert_int_equal(pwrite(fd, was.p + at, 1, at), 1);
		}
		/* A byte more, a byte less, none at all. */
		assert_int_equal(ftruncate(fd, was.n + 1), 0);
		assert_int_equal(tiles_check(r->fd, 300, &want, where), -EBADMSG);
		assert_string_equal(where, tiles[i]);
		assert_int_equal(ftruncate(fd, was.n - 1), 0);
		assert_int_equal(tiles_check(r->fd, 300, &want, where), -EBADMSG);
		close(fd);
		drop(r, tiles[i]);
		assert_int_equal(tiles_check(r->fd, 300, &want, where), -ENOENT);
		assert_string_equal(where, tiles[i]);
		put(r, tiles[i], &was);
		free(was.p);
	}
	assert_int_equal(tiles_check(r->fd, 300, &want, where), 0);
}

#define WITH_RIG(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_no_paths),
		WITH_RIG(test_every_size_over_restarts),
		WITH_RIG(test_steps_without_restart),
		WITH_RIG(test_three_levels),
		WITH_RIG(test_crashes),
		WITH_RIG(test_cut),
		WITH_RIG(test_what_is_durable),
		WITH_RIG(test_upper_level_missing),
		WITH_RIG(test_older_checkpoint),
		WITH_RIG(test_every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
