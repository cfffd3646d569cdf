// SPDX-License-Identifier: Apache-2.0
/* A resolver played by the test: order, the next copy of a file, death, lies, silence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/attach/ask.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "made.h"

static struct images *images;
static struct ask *ask;
static int pair[2];
static struct image *last_done;
static _Alignas(8) uint8_t body[ROLE_BODY_MAX];
static char folder[] = "/tmp/probity-ask-XXXXXX";

static void on_done(void *ctx, struct image *im)
{
	last_done = im;
}

static struct image *file(const char *name, size_t size, const char *begins)
{
	char path[128];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0755);
	assert_int_equal(write(fd, begins, 4), 4);
	assert_int_equal(ftruncate(fd, size), 0);
	assert_int_equal(fstat(fd, &st), 0);
	close(fd);
	return images_get(images, &st, path);
}

/* What is asked now: fills *r, NULL when nothing. */
static const struct role_resolve *asked(void)
{
	struct role_msg m;
	int fd = -1, r = role_recv_fd(pair[1], &m, body, sizeof(body), &fd);

	if (r == -EAGAIN)
		return NULL;
	assert_true(r >= 0 && m.kind == ROLE_RESOLVE && fd >= 0);
	close(fd);
	return (const void *)body;
}

static bool say(const struct role_resolve *r, int result, const char *build_id)
{
	struct {
		struct role_resolved head;
		struct tls_found found;
	} a = {.head = {.id = r->id, .what = r->what, .result = result, .took_us = 1000}};

	made_found(&a.found);
	strcpy(a.head.build_id, build_id);
	return ask_answer(ask, &a.head, result == 1 ? sizeof(a) : sizeof(a.head));
}

static int setup(void **state)
{
	images = images_new();
	ask = ask_new(images, on_done, NULL);
	last_done = NULL;
	assert_int_equal(role_pair(pair), 0);
	ask_socket(ask, pair[0]);
	return 0;
}

static int teardown(void **state)
{
	ask_free(ask);
	images_free(images);
	close(pair[0]);
	close(pair[1]);
	return 0;
}

static void test_order(void **state)
{
	struct image *a = file("a", 4096, "\177ELF"), *b = file("b", 4096, "\177ELF"),
		     *c = file("c", 4096, "\177ELF");
	const struct role_resolve *r;

	ask_image(ask, a, -1, false);
	ask_image(ask, b, -1, false);
	ask_image(ask, c, -1, true);
	r = asked();
	assert_true(r && r->what == RESOLVE_FIND);
	assert_null(asked()); /* one at a time */
	assert_true(say(r, 0, ""));
	assert_true(last_done == a && a->state == IMAGE_NONE);
	assert_true(say(asked(), 1, "")); /* waited for: before b */
	assert_true(last_done == c && c->state == IMAGE_SITES && c->facts);
	ask_image(ask, b, -1, true); /* in hand already */
	assert_true(say(asked(), -EBADMSG, ""));
	assert_true(last_done == b && b->state == IMAGE_REFUSED && b->reason[0]);
	assert_null(asked());
}

/* Whose files are asked for one after the other; the first of them is in hand at once. */
static void test_turns(void **state)
{
	static const uid_t owners[] = {1000, 1000, 1000, 1000, 0, 1001, 0},
			   turns[] = {1000, 0, 1000, 1001, 1000, 0, 1000};
	char name[] = "a";

	for (size_t i = 0; i < ARRAY_SIZE(owners); i++, name[0]++) {
		struct image *im = file(name, 4096, "\177ELF");

		im->uid = owners[i];
		ask_image(ask, im, -1, true);
	}
	for (size_t i = 0; i < ARRAY_SIZE(turns); i++) {
		assert_true(say(asked(), 0, ""));
		assert_int_equal(last_done->uid, turns[i]);
	}
	assert_null(asked());
}

static void test_no_elf(void **state)
{
	struct image *a = file("text", 4096, "text");
	_cleanup_close_ int fd = open(a->path, O_RDONLY);

	ask_image(ask, a, fd, true);
	assert_int_equal(a->state, IMAGE_NONE);
	assert_null(asked());
}

static void test_twin(void **state)
{
	struct image *a = file("a", 4 << 20, "\177ELF"), *b = file("b", 4 << 20, "\177ELF"),
		     *c = file("c", 4 << 20, "\177ELF");
	const struct role_resolve *r;

	ask_image(ask, a, -1, true);
	r = asked();
	assert_int_equal(r->what, RESOLVE_IDENTIFY);
	say(r, 0, "0badcafe");
	r = asked();
	assert_int_equal(r->what, RESOLVE_FIND);
	say(r, 1, "0badcafe");
	ask_image(ask, b, -1, true);
	say(asked(), 0, "0badcafe");
	r = asked();
	assert_int_equal(r->what, RESOLVE_RELOCATE);
	say(r, 1, "0badcafe");
	assert_true(b->state == IMAGE_SITES && b->cached);
	ask_image(ask, c, -1, true); /* says it is the same file, and is not */
	say(asked(), 0, "0badcafe");
	say(asked(), -EBADMSG, "0badcafe");
	r = asked();
	assert_int_equal(r->what, RESOLVE_FIND);
	say(r, 0, "0badcafe");
	assert_int_equal(c->state, IMAGE_NONE);
}

static void test_lies(void **state)
{
	struct image *a = file("a", 4096, "\177ELF");
	struct role_resolve r;

	ask_image(ask, a, -1, true);
	r = *asked();
	r.id++;
	assert_false(say(&r, 1, "")); /* not what was asked */
	r.id--;
	r.what = RESOLVE_RELOCATE;
	assert_false(say(&r, 1, ""));
	r.what = RESOLVE_FIND;
	assert_int_equal(truncate(a->path, 100), 0); /* another file now */
	assert_true(say(&r, 1, ""));
	assert_true(a->state == IMAGE_REFUSED && !a->facts);
	assert_false(say(&r, 1, "")); /* once */
}

static void test_death(void **state)
{
	struct image *a = file("a", 4096, "\177ELF"), *b = file("b", 4096, "\177ELF");

	ask_image(ask, a, -1, true);
	ask_image(ask, b, -1, true);
	assert_non_null(asked());
	ask_socket(ask, -1);
	assert_int_equal(a->state, IMAGE_PENDING);
	ask_socket(ask, pair[0]);
	say(asked(), 0, ""); /* the others first */
	assert_int_equal(b->state, IMAGE_NONE);
	assert_non_null(asked());
	ask_socket(ask, -1);
	assert_int_equal(a->state, IMAGE_REFUSED);
	ask_socket(ask, pair[0]);
	assert_null(asked());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_turns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_elf, setup, teardown),
		cmocka_unit_test_setup_teardown(test_twin, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_death, setup, teardown),
	};
	char command[64];
	int r;

	log_init("test_ask", LOG_L_ERR);
	assert_non_null(mkdtemp(folder));
	r = cmocka_run_group_tests(tests, NULL, NULL);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command) ?: r;
}
