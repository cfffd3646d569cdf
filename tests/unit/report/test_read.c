// SPDX-License-Identifier: Apache-2.0
/* A spool read for a report: whole, damaged in every place, cut, with an erased record; and proofs from its
 * tiles, right and wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "report/inclusion.h"
#include "report/read.h"
#include "tests/unit/cli/fixture.h"

#define CALLS 5
#define ALL (CALLS + 1) /* a START before them */

struct fix {
	struct fixture f;
	struct framework *fw;
	char segment[160];
	uint8_t *bytes;
	size_t n;
};

static int setup(void **state)
{
	static const struct call_spec *const specs[CALLS] = {&fixture_plain, &fixture_alert,
							     &fixture_shadow, &fixture_killed,
							     &fixture_plain};
	struct fix *x = calloc(1, sizeof(*x));
	struct sealed_bytes b;
	char err[256];

	fixture_open(&x->f);
	fixture_start(&x->f, &b);
	fixture_append(&x->f, &b);
	for (int i = 0; i < CALLS; i++) {
		fixture_call(&x->f, specs[i], &b);
		fixture_append(&x->f, &b);
	}
	fixture_log(&x->f, ALL);
	snprintf(x->segment, sizeof(x->segment), "%s/00000000000000000000.seg", x->f.spool);
	assert_int_equal(fs_read(x->segment, 1 << 20, (char **)&x->bytes, &x->n), 0);
	assert_int_equal(framework_builtin("iso42001", &x->fw, err, sizeof(err)), 0);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fix *x = *state;

	framework_free(x->fw);
	free(x->bytes);
	fixture_close(&x->f);
	free(x);
	return 0;
}

static struct tally *read_it(struct fix *x, const char *hosts, int want)
{
	struct tally_options o = {.from_ns = 1, .to_ns = UINT64_MAX, .framework = x->fw};
	struct tally *t = NULL;
	char err[256] = "";

	assert_int_equal(tally_new(&o, &t), 0);
	assert_int_equal(read_dir(t, x->f.spool, hosts, err, sizeof(err)), want);
	assert_int_equal(err[0] != 0, want != 0);
	return t;
}

static void put_back(struct fix *x, const uint8_t *p, size_t n)
{
	FILE *f = fopen(x->segment, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void whole(void **state)
{
	struct fix *x = *state;
	_cleanup_(tally_freep) struct tally *t = read_it(x, NULL, 0);
	_cleanup_(tally_freep) struct tally *other = read_it(x, "db-*", 0);
	_cleanup_(tally_freep) struct tally *same = read_it(x, "WEB-*", 0);

	assert_int_equal(t->sources, 1);
	assert_string_equal(t->source[0].host, "web-01");
	assert_int_equal(t->source[0].breaks, 0);
	assert_int_equal(t->source[0].last_seq, CALLS);
	assert_int_equal(t->sorts[SORT_CALL], CALLS);
	assert_memory_equal(t->source[0].public, signer_public(x->f.signer), RECORD_PUBKEY_LEN);
	assert_int_equal(other->sources, 0);
	assert_int_equal(same->sources, 1);
}

/* Each bit that is wrong somewhere: said, and at most one record is missing from the numbers. */
static void every_byte(void **state)
{
	struct fix *x = *state;

	for (size_t i = 0; i < x->n; i += 13) {
		_cleanup_(tally_freep) struct tally *t = NULL;

		x->bytes[i] ^= 0x10;
		put_back(x, x->bytes, x->n);
		x->bytes[i] ^= 0x10;
		t = read_it(x, NULL, 0);
		assert_true(t->source[0].breaks > 0 || t->read < ALL);
		assert_true(t->read >= ALL - 2);
		assert_true(t->read <= ALL);
	}
	put_back(x, x->bytes, x->n);
}

/* A frame that is not whole at the very end is one being written; that records are gone, the checkpoint
 * tells. */
static void every_length(void **state)
{
	struct fix *x = *state;

	for (size_t n = 0; n < x->n; n += 23) {
		_cleanup_(tally_freep) struct tally *t = NULL;

		put_back(x, x->bytes, n);
		t = read_it(x, NULL, 0);
		assert_int_equal(t->source[0].breaks, 0);
		assert_true(t->read < ALL);
	}
	put_back(x, x->bytes, x->n);
}

/* The record of seq 2 loses its payload, its frame says so. */
static void erased(void **state)
{
	struct fix *x = *state;
	_cleanup_free_ uint8_t *out = calloc(1, x->n);
	_cleanup_(tally_freep) struct tally *t = NULL;
	size_t at = 0, o = 0;

	for (int seq = 0; at < x->n; seq++) {
		struct frame f;
		const char *why;
		long n = frame_parse(x->bytes + at, x->n - at, &f, &why);

		assert_true(n > 0);
		if (seq != 2) {
			memcpy(out + o, x->bytes + at, n);
			o += n;
		} else {
			uint8_t *rec = out + o + SEGMENT_FRAME_LEN;

			memcpy(rec, f.record, RECORD_HEADER_LEN);
			memcpy(rec + RECORD_HEADER_LEN, f.mac, RECORD_SEAL_MAX);
			frame_head(rec, RECORD_HEADER_LEN, RECORD_SEAL_MAX, out + o);
			o += SEGMENT_FRAME_LEN + RECORD_HEADER_LEN + RECORD_SEAL_MAX;
		}
		at += n;
	}
	put_back(x, out, o);
	t = read_it(x, NULL, 0);
	put_back(x, x->bytes, x->n);
	assert_int_equal(t->source[0].breaks, 0);
	assert_int_equal(t->read, ALL);
	assert_int_equal(t->source[0].erased, 1);
	assert_int_equal(t->sorts[SORT_CALL], CALLS - 1);
}

static void nothing_there(void **state)
{
	struct fix *x = *state;
	char spool[sizeof(x->f.spool)];

	memcpy(spool, x->f.spool, sizeof(spool));
	snprintf(x->f.spool, sizeof(x->f.spool), "%s/none", x->f.state);
	tally_free(read_it(x, NULL, -ENOENT));
	assert_int_equal(mkdir(x->f.spool, 0700), 0);
	tally_free(read_it(x, NULL, -ENODATA));
	memcpy(x->f.spool, spool, sizeof(spool));
}

static void proofs(void **state)
{
	struct fix *x = *state;
	_cleanup_(inclusion_closep) struct inclusion_source *p = NULL;
	struct tree_hash way[TREE_PATH_MAX], wrong = {{1}};
	size_t n;

	assert_int_equal(inclusion_open(x->f.spool, &p), 0);
	assert_int_equal(inclusion_checkpoint(p)->size, ALL);
	assert_null(inclusion_witnessed(p));
	for (uint64_t i = 0; i < ALL; i++) {
		assert_int_equal(inclusion_path(p, i, &x->f.leaf[i], way, &n), 0);
		assert_true(tree_inclusion_ok(i, &x->f.leaf[i], ALL, &inclusion_checkpoint(p)->root,
					      way, n));
	}
	assert_int_equal(inclusion_path(p, 1, &wrong, way, &n), -EBADMSG);
	assert_int_equal(inclusion_path(p, 1, &x->f.leaf[2], way, &n), -EBADMSG);
	assert_int_equal(inclusion_path(p, ALL, &x->f.leaf[0], way, &n), -ERANGE);
}

static void no_checkpoint(void **state)
{
	struct inclusion_source *p = NULL;

	assert_int_equal(inclusion_open("/", &p), -ENOENT);
	assert_int_equal(inclusion_open("/nowhere", &p), -ENOENT);
	assert_null(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole),	 cmocka_unit_test(every_byte),
		cmocka_unit_test(every_length),	 cmocka_unit_test(erased),
		cmocka_unit_test(nothing_there), cmocka_unit_test(proofs),
		cmocka_unit_test(no_checkpoint),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
