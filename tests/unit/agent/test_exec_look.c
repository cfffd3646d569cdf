// SPDX-License-Identifier: Apache-2.0
/* What a child without privilege says of files: digest, kind, names; in order, and whatever they hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/exec_look.h"
#include "base/cleanup.h"

struct told {
	struct event_base *base;
	unsigned n, want, unread;
	uint64_t tag[512];
	struct exec_seen seen[512];
};

static int file_of(const void *data, size_t n)
{
	int fd = memfd_create("file", 0);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, n), n);
	return fd;
}

static int text(const char *s)
{
	return s ? file_of(s, strlen(s)) : -1;
}

static void on_seen(void *ctx, uint64_t tag, const struct exec_seen *seen)
{
	struct told *t = ctx;

	t->unread += !seen;
	t->tag[t->n] = tag;
	if (seen)
		t->seen[t->n] = *seen;
	if (++t->n == t->want)
		event_base_loopbreak(t->base);
}

static void wait_for(struct told *t)
{
	struct timeval limit = {.tv_sec = 30};

	event_base_loopexit(t->base, &limit);
	event_base_dispatch(t->base);
	assert_int_equal(t->n, t->want);
}

static const struct {
	const char *text, *json;
	bool script;
	const char *interpreter, *package, *module;
} rows[] = {
	{"\177ELF and so on", NULL, false, "", "", ""},
	{"#!/usr/bin/env node\nx", "{\"name\": \"@a/b\", \"version\": \"1\"}", true, "node", "@a/b",
	 ""},
	{"#!/usr/bin/python3\nfrom aider.main import main\nmain()\n", NULL, true, "python3", "",
	 "aider"},
	{"#!", NULL, false, "", "", ""},
	{"", NULL, false, "", "", ""},
	{"// a module", "{\"name\": \"plain\"}", false, "", "plain", ""},
	{"// a module", "{\"name\": ", false, "", "", ""},
	{"// a module", "", false, "", "", ""},
};

static void test_kinds(void **state)
{
	static struct told t;
	struct exec_look *l;

	t = (struct told){.base = event_base_new(), .want = ARRAY_SIZE(rows)};
	l = exec_look_new(t.base, on_seen, &t);
	assert_non_null(l);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(exec_look_add(l, text(rows[i].text), text(rows[i].json), i, true),
				 0);
	wait_for(&t);
	assert_int_equal(t.unread, 0);
	assert_int_equal(exec_look_waiting(l), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct exec_seen *s = &t.seen[i];
		uint8_t sum[32];

		assert_int_equal(t.tag[i], i);
		assert_int_equal(s->script, rows[i].script);
		assert_string_equal(s->interpreter, rows[i].interpreter);
		assert_string_equal(s->package, rows[i].package);
		assert_string_equal(s->module, rows[i].module);
		assert_int_equal(s->has_digest, 1);
		EVP_Digest(rows[i].text, strlen(rows[i].text), sum, NULL, EVP_sha256(), NULL);
		assert_memory_equal(s->sha256, sum, 32);
	}
	exec_look_free(l);
	event_base_free(t.base);
}

/* More than a batch, of more than one read; and no more than may wait. */
static void test_many(void **state)
{
	static uint8_t big[(1 << 18) + 12345];
	static struct told t;
	struct exec_look *l;
	uint8_t sum[32];
	int spare;

	t = (struct told){.base = event_base_new(), .want = EXEC_LOOK_QUEUE};
	l = exec_look_new(t.base, on_seen, &t);
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = i * 7 >> 3;
	for (unsigned i = 0; i < EXEC_LOOK_QUEUE; i++)
		assert_int_equal(exec_look_add(l, file_of(big, sizeof(big)), -1, i, i % 2), 0);
	assert_int_equal(exec_look_waiting(l), EXEC_LOOK_QUEUE);
	spare = text("one too many");
	assert_int_equal(exec_look_add(l, spare, text("{}"), 999, true), -ENOBUFS);
	assert_int_equal(fcntl(spare, F_GETFD), -1); /* taken all the same */
	wait_for(&t);
	EVP_Digest(big, sizeof(big), sum, NULL, EVP_sha256(), NULL);
	assert_int_equal(t.unread, 0);
	for (unsigned i = 0; i < t.n; i++) {
		assert_int_equal(t.seen[i].has_digest, t.tag[i] % 2);
		if (t.seen[i].has_digest)
			assert_memory_equal(t.seen[i].sha256, sum, 32);
	}
	exec_look_free(l);
	event_base_free(t.base);
}

/* With files in hand and files that wait. */
static void test_freed_early(void **state)
{
	static struct told t;
	struct exec_look *l;

	t = (struct told){.base = event_base_new(), .want = ~0u};
	l = exec_look_new(t.base, on_seen, &t);
	for (unsigned i = 0; i < EXEC_LOOK_QUEUE; i++)
		exec_look_add(l, text("x"), text("{}"), i, true);
	event_base_loop(t.base, EVLOOP_ONCE);
	exec_look_free(l);
	event_base_free(t.base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_freed_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
