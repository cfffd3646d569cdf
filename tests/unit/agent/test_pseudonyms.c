// SPDX-License-Identifier: Apache-2.0
/* The key file: made once, refused when others can read it; names found under any of its keys. And the
 * recorder's part: what is sealed in place of what the worker sent. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../record/chainlet.h"
#include "agent/recorder_int.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "proto/record.pb-c.h"

static char path[128], err[256];
static struct chainlet c;

static int setup(void **state)
{
	chainlet_new(&c);
	chainlet_open(&c, 1 << 20, NULL);
	chainlet_start(&c);
	assert_int_equal(spool_commit(c.s), 0);
	snprintf(path, sizeof(path), "%s/p.key", c.dir);
	return 0;
}

static int teardown(void **state)
{
	chainlet_done(&c);
	return 0;
}

static void put_file(const char *text, mode_t mode)
{
	unlink(path);
	assert_int_equal(fs_write_atomic(path, text, strlen(text), mode), 0);
}

static void test_made(void **state)
{
	struct pseudonym_keys a, b;
	struct stat st;

	assert_int_equal(pseudonyms_open(path, &a, err, sizeof(err)), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 65);
	assert_int_equal(pseudonyms_open(path, &b, err, sizeof(err)), 0);
	assert_int_equal(a.n, 1);
	assert_memory_equal(&a, &b, sizeof(a));
	unlink(path);
	assert_int_equal(pseudonyms_open(path, &b, err, sizeof(err)), 0);
	assert_memory_not_equal(a.key[0], b.key[0], sizeof(a.key[0]));
}

#define KEY_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
#define KEY_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\n"

static void test_refused(void **state)
{
	static const struct {
		const char *text;
		mode_t mode;
		int want;
		const char *why;
	} rows[] = {
		{KEY_A, 0600, 0, ""},		{KEY_A, 0400, 0, ""},
		{KEY_A, 0640, -EPERM, "0600"},	{KEY_A, 0604, -EPERM, "0600"},
		{"", 0600, -EBADMSG, "line 1"}, {KEY_A "x\n", 0600, -EBADMSG, "line 2"},
	};
	struct pseudonym_keys k;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		put_file(rows[i].text, rows[i].mode);
		memset(err, 0, sizeof(err));
		assert_int_equal(pseudonyms_open(path, &k, err, sizeof(err)), rows[i].want);
		assert_non_null(strstr(err, rows[i].why));
		assert_int_equal(strstr(err, path) != NULL, rows[i].want != 0);
	}
	unlink(path);
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_int_equal(pseudonyms_open(path, &k, err, sizeof(err)), -EPERM);
	assert_int_equal(pseudonyms_open("/nowhere/p.key", &k, err, sizeof(err)), -ENOENT);
}

static void test_resolve(void **state)
{
	static const char names[] = "root\0alice\0dev";
	static const struct {
		unsigned key; /* of the two */
		enum pseudonym_kind kind, asked;
		const char *of, *want;
	} rows[] = {
		{0, PSEUDONYM_USER, PSEUDONYM_USER, "alice", "alice"},
		{1, PSEUDONYM_USER, PSEUDONYM_USER, "alice", "alice"},
		{1, PSEUDONYM_GROUP, PSEUDONYM_GROUP, "dev", "dev"},
		{0, PSEUDONYM_GROUP, PSEUDONYM_USER, "dev", NULL}, /* of another kind */
		{0, PSEUDONYM_USER, PSEUDONYM_USER, "bob", NULL},
		{0, PSEUDONYM_USER, PSEUDONYM_USER, "4711", "4711"}, /* an account without a name */
		{0, PSEUDONYM_USER, PSEUDONYM_USER, "65536", NULL},
		{0, PSEUDONYM_GROUP, PSEUDONYM_GROUP, "4711", NULL},
	};
	struct pseudonym_keys k;

	put_file(KEY_B KEY_A, 0600);
	assert_int_equal(pseudonyms_open(path, &k, err, sizeof(err)), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char p[PSEUDONYM_SIZE];
		char *got;

		pseudonym_of(k.key[rows[i].key], rows[i].kind, rows[i].of, p);
		p[0] = rows[i].asked;
		got = pseudonyms_resolve(&k, p, names, sizeof(names));
		if (rows[i].want)
			assert_string_equal(got, rows[i].want);
		else
			assert_null(got);
		free(got);
	}
	assert_null(pseudonyms_resolve(&k, "u:", names, sizeof(names)));
	assert_null(pseudonyms_resolve(&k, "", NULL, 0));
}

/* --- the recorder ---------------------------------------------------------------------------------- */

static struct recorder *recorder(const struct recorder_config *cfg)
{
	struct recorder *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->cfg = cfg;
	r->spool = c.s;
	assert_int_equal(recorder_private_open(r, err, sizeof(err)), 0);
	return r;
}

/* The payload of a record, without its salt. */
static size_t sealed(uint64_t seq, struct record *ret, uint8_t *to)
{
	static uint8_t buf[1 << 17];
	const char *why;
	struct frame f;
	size_t n;

	assert_int_equal(spool_commit(c.s), 0);
	assert_true(spool_read(c.s, seq, buf, sizeof(buf), 1, &n) > 0);
	assert_true(frame_parse(buf, sizeof(buf), &f, &why) > 0);
	assert_int_equal(record_decode(f.record, f.record_len, ret, &why), 0);
	memcpy(to, ret->payload + SPOOL_SALT_LEN, ret->payload_len - SPOOL_SALT_LEN);
	return ret->payload_len - SPOOL_SALT_LEN;
}

static size_t denial(uint8_t *to)
{
	Probity__V1__Denial d = PROBITY__V1__DENIAL__INIT;
	Probity__V1__Process p = PROBITY__V1__PROCESS__INIT;

	p.uid = 1000;
	p.user = "alice";
	d.process = &p;
	return probity__v1__denial__pack(&d, to);
}

static void test_sealed(void **state)
{
	struct private p = {.users = true};
	struct recorder_config cfg = {.state_dir = c.dir, .privacy = &p, .pseudonym_key = path};
	struct recorder *r = recorder(&cfg);
	uint8_t in[4096], out[4096];
	struct role_record head = {.id = 10, .schema = RECORD_DENIAL};
	Probity__V1__Denial *d;
	Probity__V1__Control *loss;
	char want[PSEUDONYM_SIZE];
	struct record rec;
	size_t n;

	head.len = denial(in);
	assert_int_equal(recorder_private_seal(r, &head, in), 0);
	n = sealed(1, &rec, out);
	assert_int_equal(rec.id, 10);
	d = probity__v1__denial__unpack(NULL, n, out);
	pseudonym_of(r->pseudonyms.key[0], PSEUDONYM_USER, "alice", want);
	assert_string_equal(d->process->user, want);
	assert_int_equal(d->process->uid, PRIVATE_UID);
	probity__v1__denial__free_unpacked(d, NULL);

	/* What cannot be read is not sealed as it came: its id and place stay, and LOSS says so. */
	head = (struct role_record){.id = 11, .schema = RECORD_DENIAL, .len = 5};
	memcpy(in, "alice", 5);
	assert_int_equal(recorder_private_seal(r, &head, in), 0);
	assert_int_equal(sealed(2, &rec, out), 0);
	assert_int_equal(rec.id, 11);
	n = sealed(3, &rec, out);
	loss = probity__v1__control__unpack(NULL, n, out);
	assert_int_equal(loss->kind, PROBITY__V1__CONTROL__KIND__LOSS);
	assert_string_equal(loss->cause, "unreadable");
	assert_int_equal(loss->count, 1);
	probity__v1__control__free_unpacked(loss, NULL);
	assert_int_equal(r->refused, 1);
	assert_int_equal(r->unreadable, 0);
	/* The same id again is a duplicate, as ever. */
	assert_int_equal(recorder_private_seal(r, &head, in), -EALREADY);
	recorder_private_close(r);
	free(r);
}

static void test_off(void **state)
{
	struct private p = {0};
	struct recorder_config cfg = {.state_dir = c.dir, .privacy = &p, .pseudonym_key = path};
	struct recorder *r = recorder(&cfg);
	struct role_record head = {.id = 5, .schema = 77, .len = 3};
	struct record rec;
	uint8_t out[64];

	assert_int_equal(access(path, F_OK), -1); /* no key is made that nobody needs */
	assert_int_equal(recorder_private_seal(r, &head, (const uint8_t *)"abc"), 0);
	assert_int_equal(sealed(1, &rec, out), 3);
	assert_memory_equal(out, "abc", 3);
	recorder_private_close(r);
	free(r);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {T(test_made), T(test_refused), T(test_resolve),
					   T(test_sealed), T(test_off)};

	log_init("test", LOG_L_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
