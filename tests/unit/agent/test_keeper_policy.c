// SPDX-License-Identifier: Apache-2.0
/* Which pack the worker gets and what stays in force, whatever it answers or however it ends. */
#include "keeper_rig.h"

#include <openssl/sha.h>

#include "record/note.h"

static struct signer *ops;

static void put_signed(const char *name, const char *text, uint64_t revision)
{
	struct policy_note p = {.pack = "a", .version = "1", .revision = revision};
	char note[512], out[1024], sig[64];
	size_t n;

	put(name, text);
	SHA256((const uint8_t *)text, strlen(text), p.sha256);
	n = policy_note_text(&p, note, sizeof(note));
	n = note_sign(note, n, "ops", ops, out, sizeof(out));
	assert_true(n);
	out[n] = '\0';
	snprintf(sig, sizeof(sig), "%s.sig", name);
	put(sig, out);
}

static int setup(void **state)
{
	char err[256];

	return rig_begin(state) ?: signer_open(in("ops.key"), true, &ops, err, sizeof(err));
}

static int teardown(void **state)
{
	signer_free(ops);
	return rig_end(state);
}

/* --- cases ------------------------------------------------------------------------------------ */

static void a_pack_comes_into_force(void **state)
{
	struct role_pack p;

	put("a", "pack: one\n");
	keeper_begins("s1", "a", false, false);
	tell_policy(&k, false);
	p = gets("pack: one\n", NULL);
	gets_nothing();
	holds(0, 0, ""); /* until the worker says so */
	says(p.generation, 7, NULL);
	holds(p.generation, 7, "");
	/* another, no lower than that one */
	put("a", "pack: two\n");
	tell_policy(&k, false);
	p = gets("pack: two\n", NULL);
	assert_int_equal(p.min_revision, 7);
	holds(p.generation - 1, 7, "");
	says(p.generation, 8, NULL);
	holds(p.generation, 8, "");
	keeper_ends();
}

static void a_refused_one_keeps_the_last(void **state)
{
	struct role_pack p, q;

	put("b", "pack: good\n");
	keeper_begins("s2", "b", false, false);
	tell_policy(&k, false);
	p = gets("pack: good\n", NULL);
	says(p.generation, 0, NULL);
	/* by the worker */
	put("b", "no pack\n");
	tell_policy(&k, false);
	q = gets("no pack\n", NULL);
	assert_true(q.generation > p.generation);
	says(q.generation, 0, "line 1: not a pack");
	holds(p.generation, 0, "not a pack");
	/* by the keeper: no generation is spent on it, and the worker records it */
	unlink(in("b"));
	tell_policy(&k, false);
	gets(NULL, "No such file");
	says(0, 0, "No such file");
	holds(p.generation, 0, "No such file");
	put("b", "");
	tell_policy(&k, false);
	gets(NULL, "empty");
	holds(p.generation, 0, "empty");
	/* the next good one: no number twice, and the error is over */
	put("b", "pack: better\n");
	tell_policy(&k, false);
	p = gets("pack: better\n", NULL);
	assert_true(p.generation > q.generation);
	says(p.generation, 0, NULL);
	holds(p.generation, 0, "");
	keeper_ends();
}

static void nothing_was_ever_good(void **state)
{
	keeper_begins("s3", "nowhere", false, false);
	tell_policy(&k, false);
	gets(NULL, "No such file");
	gets_nothing();
	holds(0, 0, "No such file");
	/* each worker that begins is told so */
	worker_ends();
	worker_begins();
	tell_policy(&k, true);
	gets(NULL, "No such file");
	gets_nothing();
	keeper_ends();
}

static void the_last_good_one_after_a_restart(void **state)
{
	struct role_pack p, q;

	put("c", "pack: kept\n");
	keeper_begins("s4", "c", false, false);
	tell_policy(&k, false);
	p = gets("pack: kept\n", NULL);
	says(p.generation, 4, NULL);
	keeper_ends();
	/* the file is gone */
	unlink(in("c"));
	keeper_begins("s4", "c", false, false);
	tell_policy(&k, false);
	q = gets("pack: kept\n", NULL);
	assert_true(q.generation > p.generation);
	assert_int_equal(q.min_revision, 0);
	gets(NULL, "No such file");
	says(q.generation, 4, NULL);
	holds(q.generation, 4, "No such file");
	keeper_ends();
	/* the file is another: behind the kept one, should the worker refuse it */
	put("c", "no pack\n");
	keeper_begins("s4", "c", false, false);
	tell_policy(&k, false);
	p = gets("pack: kept\n", NULL);
	says(p.generation, 4, NULL);
	q = gets("no pack\n", NULL);
	assert_true(q.generation > p.generation);
	assert_int_equal(q.min_revision, 4);
	gets_nothing();
	says(q.generation, 0, "not a pack");
	holds(p.generation, 4, "not a pack");
	keeper_ends();
	/* the kept one itself is refused: by an agent that knows fewer words */
	keeper_begins("s4", "c", false, false);
	tell_policy(&k, false);
	p = gets("pack: kept\n", NULL);
	gets("no pack\n", NULL);
	says(p.generation, 0, "unknown word");
	holds(0, 0, "");
	keeper_ends();
}

static void older_ones_are_refused(void **state)
{
	struct role_pack p;

	put_signed("d", "pack: five\n", 5);
	keeper_begins("s5", "d", true, false);
	tell_policy(&k, false);
	p = gets("pack: five\n", NULL);
	assert_int_equal(p.revision, 5);
	assert_string_equal(p.signer, "ops");
	says(p.generation, 5, NULL);
	put_signed("d", "pack: four\n", 4);
	tell_policy(&k, false);
	gets(NULL, "revision 4 is older than 5");
	gets_nothing();
	holds(p.generation, 5, "older");
	unlink(in("d.sig"));
	tell_policy(&k, false);
	gets(NULL, "not signed");
	holds(p.generation, 5, "not signed");
	keeper_ends();
	/* at start: the kept one; with the option: the file */
	put_signed("d", "pack: four\n", 4);
	keeper_begins("s5", "d", true, false);
	tell_policy(&k, false);
	gets("pack: five\n", NULL);
	gets(NULL, "revision 4 is older than 5");
	gets_nothing();
	keeper_ends();
	keeper_begins("s5", "d", true, true);
	tell_policy(&k, false);
	gets("pack: five\n", NULL);
	p = gets("pack: four\n", NULL);
	assert_int_equal(p.min_revision, 0);
	says(p.generation, 4, NULL);
	holds(p.generation, 4, "");
	keeper_ends();
}

static void the_worker_dies_meanwhile(void **state)
{
	struct role_pack p, q;

	put("e", "pack: one\n");
	keeper_begins("s6", "e", false, false);
	tell_policy(&k, false);
	p = gets("pack: one\n", NULL);
	says(p.generation, 0, NULL);
	/* with a pack in hand: the next one gets both, under the same numbers */
	put("e", "pack: two\n");
	tell_policy(&k, false);
	q = gets("pack: two\n", NULL);
	worker_ends();
	holds(p.generation, 0, "");
	worker_begins();
	tell_policy(&k, true);
	assert_int_equal(gets("pack: one\n", NULL).generation, p.generation);
	assert_int_equal(gets("pack: two\n", NULL).generation, q.generation);
	gets_nothing();
	says(p.generation, 0, NULL);
	holds(p.generation, 0, "");
	says(q.generation, 0, NULL);
	holds(q.generation, 0, "");
	/* a refusal when nobody was there to record it: once, by the next */
	worker_ends();
	unlink(in("e"));
	tell_policy(&k, false);
	holds(q.generation, 0, "No such file");
	worker_begins();
	tell_policy(&k, true);
	gets("pack: two\n", NULL);
	assert_string_equal(gets(NULL, "No such file").name, cfg.policy);
	worker_ends();
	worker_begins();
	tell_policy(&k, true);
	gets("pack: two\n", NULL);
	gets_nothing();
	keeper_ends();
}

/* The worker may have been taken over: its word is about what it was sent, or about nothing. */
static void words_that_nobody_asked_for(void **state)
{
	struct role_pack p, q;

	put("f", "pack: one\n");
	keeper_begins("s7", "f", false, false);
	says(1, 0, NULL); /* before anything was sent */
	says(1, 0, "bad");
	holds(0, 0, "");
	tell_policy(&k, false);
	p = gets("pack: one\n", NULL);
	says(p.generation + 1, 9, NULL);
	says(UINT64_MAX, 9, "bad");
	says(0, 9, NULL);
	holds(0, 0, "");
	says(p.generation, 3, NULL);
	put("f", "pack: two\n");
	tell_policy(&k, false);
	gets("pack: two\n", NULL);
	put("f", "pack: three\n");
	tell_policy(&k, false);
	q = gets("pack: three\n", NULL);
	assert_int_equal(q.generation, p.generation + 2);
	says(q.generation - 1, 9, NULL); /* late: it was replaced before */
	says(q.generation - 1, 9, "bad");
	holds(p.generation, 3, "");
	says(q.generation, 4, NULL);
	says(q.generation, 4, NULL); /* twice */
	holds(q.generation, 4, "");
	keeper_ends();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pack_comes_into_force),
		cmocka_unit_test(a_refused_one_keeps_the_last),
		cmocka_unit_test(nothing_was_ever_good),
		cmocka_unit_test(the_last_good_one_after_a_restart),
		cmocka_unit_test(older_ones_are_refused),
		cmocka_unit_test(the_worker_dies_meanwhile),
		cmocka_unit_test(words_that_nobody_asked_for),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
