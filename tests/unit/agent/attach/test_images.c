// SPDX-License-Identifier: Apache-2.0
/* The table of files: identity, the next copy of a file, room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "made.h"

static void test_identity(void **state)
{
	struct images *t = images_new();
	struct stat st = made_stat(5), other;
	struct image *im = images_get(t, &st, "/x");

	assert_ptr_equal(images_get(t, &st, "/renamed"), im);
	assert_string_equal(im->path, "/x");
	other = st;
	other.st_mtim.tv_nsec++;
	assert_null(images_find(t, &other));
	other = st;
	other.st_size++;
	assert_null(images_find(t, &other));
	other = st;
	other.st_dev++;
	assert_null(images_find(t, &other));
	assert_true(images_get(t, &other, "/y") != im);
	assert_int_equal(images_count(t), 2);
	images_free(t);
}

/* Numbers that stand in the cookies of a former keeper's probes. */
static void test_reserved(void **state)
{
	struct images *t = images_new();
	struct stat st[3] = {made_stat(5), made_stat(6), made_stat(7)};
	struct image *im[3];

	for (size_t i = 0; i < ARRAY_SIZE(im); i++)
		im[i] = images_get(t, &st[i], "/x");
	images_reserve(t, 1);
	images_reserve(t, 2);
	images_reserve(t, UINT16_MAX);
	images_number(t, im[0]);
	assert_int_equal(im[0]->index, 3);
	images_number_as(t, im[1], 2);
	assert_int_equal(im[1]->index, 2);
	assert_ptr_equal(images_by_index(t, 2), im[1]);
	images_number_as(t, im[2], 2); /* another's */
	assert_int_equal(im[2]->index, 0);
	images_number_as(t, im[0], 1); /* has one */
	assert_int_equal(im[0]->index, 3);
	images_number_as(t, im[2], 0);
	images_number_as(t, im[2], UINT16_MAX);
	assert_int_equal(im[2]->index, 0);
	images_free(t);
}

/* Whose word about a build-id holds for whose file. */
static void test_twins(void **state)
{
	static const struct {
		uid_t told, asked;
		enum image_state state;
		const char *id;
		bool found;
	} rows[] = {
		{0, 1000, IMAGE_SITES, "ab", true},    {0, 0, IMAGE_NONE, "ab", true},
		{1000, 1000, IMAGE_SITES, "ab", true}, {1000, 0, IMAGE_SITES, "ab", false},
		{1000, 1001, IMAGE_NONE, "ab", false}, {0, 0, IMAGE_REFUSED, "ab", false},
		{0, 0, IMAGE_PENDING, "ab", false},    {0, 0, IMAGE_SITES, "", false},
		{0, 0, IMAGE_SITES, "abc", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct images *t = images_new();
		struct stat st = made_stat(5);
		struct image *im;

		st.st_uid = rows[i].told;
		im = images_get(t, &st, "/x");
		im->state = rows[i].state;
		strcpy(im->build_id, rows[i].id);
		if ((images_twin(t, rows[i].id[0] ? "ab" : "", rows[i].asked) == im) !=
		    rows[i].found)
			fail_msg("row %zu", i);
		images_free(t);
	}
}

static void test_gone(void **state)
{
	struct images *t = images_new();
	unsigned had;

	for (unsigned i = 1; i <= 600; i++) {
		struct stat st = made_stat(i);
		struct image *im = images_get(t, &st, "/x");

		im->state = IMAGE_NONE;
		snprintf(im->build_id, sizeof(im->build_id), "%x", i);
		images_number(t, im);
		images_gone(t, im);
		assert_null(images_find(t, &st));
	}
	had = images_count(t);
	assert_true(had > 0 && had <= 256); /* the newest stay for their build-id */
	assert_non_null(images_twin(t, "258", 0));
	assert_null(images_by_index(t, 600));
	images_free(t);
}

static void test_full(void **state)
{
	struct images *t = images_new();
	struct stat st;

	for (unsigned i = 1; i <= IMAGES_MAX; i++) {
		struct image *im;

		st = made_stat(i);
		im = images_get(t, &st, "/x");
		assert_non_null(im);
		im->refs = i != 77; /* only that one is not mapped */
	}
	st = made_stat(IMAGES_MAX + 1);
	images_get(t, &st, "/x")->refs = 1;
	st = made_stat(77);
	assert_null(images_find(t, &st));
	assert_null(images_get(t, &st, "/x"));
	assert_int_equal(images_count(t), IMAGES_MAX);
	images_free(t);
}

static void test_numbers(void **state)
{
	struct images *t = images_new();
	unsigned numbered = 0;

	for (unsigned i = 1; i <= IMAGES_COUNTED + 10; i++) {
		struct stat st = made_stat(i);
		struct image *im = images_get(t, &st, "/x");

		numbered += images_number(t, im);
		if (im->index)
			assert_ptr_equal(images_by_index(t, im->index), im);
	}
	assert_int_equal(numbered, IMAGES_COUNTED - 1); /* 0 is none */
	images_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_identity), cmocka_unit_test(test_twins),
		cmocka_unit_test(test_gone),	 cmocka_unit_test(test_full),
		cmocka_unit_test(test_numbers),	 cmocka_unit_test(test_reserved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
