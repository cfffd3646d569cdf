// SPDX-License-Identifier: Apache-2.0
/* The memory of files: what was written is read; what was damaged is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/attach/attach_int.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "made.h"

static char path[] = "/tmp/probity-cache-XXXXXX";

static struct image *add(struct images *t, unsigned ino, enum image_state state)
{
	struct stat st = made_stat(ino);
	struct image *im = images_get(t, &st, "/some/file");
	struct tls_found f;
	char why[160];

	made_found(&f);
	im->state = state;
	if (state == IMAGE_SITES)
		assert_int_equal(facts_of(&f, MADE_SIZE, &im->facts, why, sizeof(why)), 0);
	snprintf(im->build_id, sizeof(im->build_id), "id%u", ino);
	snprintf(im->reason, sizeof(im->reason), "reason %u", ino);
	return im;
}

static void make(void)
{
	struct images *t = images_new();

	add(t, 1, IMAGE_SITES);
	add(t, 2, IMAGE_NONE);
	add(t, 3, IMAGE_REFUSED);
	add(t, 4, IMAGE_PENDING); /* asked anew */
	images_gone(t, add(t, 5, IMAGE_SITES));
	assert_int_equal(cache_save(t, path), 0);
	images_free(t);
}

static unsigned loaded(void)
{
	struct images *t = images_new();
	unsigned n;

	cache_load(t, path);
	n = images_count(t);
	images_free(t);
	return n;
}

static void test_whole(void **state)
{
	struct images *t = images_new();
	struct stat st = made_stat(1);
	struct image *im;

	make();
	cache_load(t, path);
	assert_int_equal(images_count(t), 4);
	im = images_find(t, &st);
	assert_true(im && im->state == IMAGE_SITES && im->cached && im->facts->sites_n == 4);
	assert_string_equal(im->path, "/some/file");
	st = made_stat(3);
	assert_string_equal(images_find(t, &st)->reason, "reason 3");
	st = made_stat(5);
	assert_null(images_find(t, &st)); /* gone, and known by its build-id */
	assert_non_null(images_twin(t, "id5", 0)->facts);
	images_free(t);
}

/* Every cut and a flip in every part: nothing of it is believed. */
static void test_damaged(void **state)
{
	_cleanup_free_ char *text = NULL;
	size_t n = 0;

	make();
	assert_int_equal(fs_read(path, 1 << 20, &text, &n), 0);
	for (size_t at = 0; at < n; at += at < 512 ? 1 : 997) {
		text[at] ^= 0x20;
		assert_int_equal(fs_write_atomic(path, text, n, 0600), 0);
		if (loaded())
			fail_msg("flipped at %zu of %zu", at, n);
		text[at] ^= 0x20;
		assert_int_equal(fs_write_atomic(path, text, at, 0600), 0);
		if (loaded())
			fail_msg("cut at %zu of %zu", at, n);
	}
	assert_int_equal(fs_write_atomic(path, text, n, 0600), 0);
	assert_int_equal(loaded(), 4);
}

static void test_none(void **state)
{
	unlink(path);
	assert_int_equal(loaded(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_none),
	};
	int fd = mkstemp(path), r;

	close(fd);
	log_init("test_cache", LOG_L_ERR);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return r;
}
