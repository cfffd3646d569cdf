// SPDX-License-Identifier: Apache-2.0
/* What is refused, what is kept, and what a damaged folder does: each by its one-line reason. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/sha.h>

#include "agent/policy_store.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "record/note.h"

static char dir[] = "/tmp/probity-store-XXXXXX";
static struct signer *ops, *other;
static char err[256];

static char *in(const char *name)
{
	static char path[4][256];
	static unsigned i;

	i = (i + 1) % 4;
	snprintf(path[i], sizeof(path[i]), "%s/%s", dir, name);
	return path[i];
}

static void put(const char *name, const char *text)
{
	assert_int_equal(fs_write_atomic(in(name), text, strlen(text), 0644), 0);
}

/* NAME.sig by that key over `text`, which may be another than the file's. */
static void put_sig(const char *name, const char *text, uint64_t revision, struct signer *s)
{
	struct policy_note p = {.pack = "a", .version = "1", .revision = revision};
	char note[512], out[1024], sig[64];
	size_t n;

	SHA256((const uint8_t *)text, strlen(text), p.sha256);
	n = policy_note_text(&p, note, sizeof(note));
	n = note_sign(note, n, "ops", s, out, sizeof(out));
	assert_true(n);
	out[n] = '\0';
	snprintf(sig, sizeof(sig), "%s.sig", name);
	put(sig, out);
}

static int setup(void **state)
{
	if (!mkdtemp(dir) || chmod(dir, 0755) ||
	    signer_open(in("ops.key"), true, &ops, err, sizeof(err)) ||
	    signer_open(in("other.key"), true, &other, err, sizeof(err)))
		return -1;
	return 0;
}

static int teardown(void **state)
{
	char cmd[300];

	signer_free(ops);
	signer_free(other);
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	return system(cmd);
}

static struct policy_store *store(const char *name, bool key, bool rollback)
{
	struct policy_store *s;

	assert_int_equal(policy_store_open(in(name), key ? in("ops.key.pub") : NULL, rollback, &s),
			 0);
	return s;
}

static int reads(struct policy_store *s, const char *name, struct policy_text *ret)
{
	struct policy_text t;
	int r;

	err[0] = '\0';
	r = policy_store_read(s, in(name), -1, &t, err, sizeof(err));
	if (!r && ret)
		*ret = t;
	else if (!r)
		policy_text_done(&t);
	assert_int_equal(r != 0, err[0] != '\0');
	assert_null(strchr(err, '\n'));
	return r;
}
#define REFUSED(name, why)                              \
	do {                                            \
		assert_true(reads(s, name, NULL) != 0); \
		if (!strstr(err, why))                  \
			fail_msg("%s: %s", name, err);  \
	} while (0)

static void unsigned_packs(void **state)
{
	struct policy_store *s = store("s1", false, false);
	struct policy_text t;

	put("p", "pack: a\n");
	put("empty", "");
	assert_int_equal(reads(s, "p", &t), 0);
	assert_int_equal(t.revision, 0);
	assert_string_equal(t.signer, "");
	policy_text_done(&t);
	REFUSED("empty", "empty");
	REFUSED("none", "No such file");
	assert_int_equal(mkfifo(in("fifo"), 0600), 0);
	REFUSED("fifo", "Invalid argument");
	REFUSED(".", "Invalid argument");
	policy_store_free(s);
}

static void signed_packs(void **state)
{
	struct policy_store *s = store("s2", true, false);
	struct policy_text t;

	put("q", "pack: a\n");
	unlink(in("q.sig"));
	REFUSED("q", "not signed: there is no");
	put("q.sig", "");
	REFUSED("q", "not a signed note");
	put_sig("q", "pack: a\n", 5, other);
	REFUSED("q", "not signed by the key of this host");
	put_sig("q", "pack: b\n", 5, ops);
	REFUSED("q", "not the text that was signed");
	put_sig("q", "pack: a\n", 5, ops);
	assert_int_equal(reads(s, "q", &t), 0);
	assert_int_equal(t.revision, 5);
	assert_string_equal(t.signer, "ops");
	assert_int_equal(policy_store_keep(s, &t, 9, 0, NULL), 0);
	policy_text_done(&t);
	assert_int_equal(policy_store_revision(s), 5);
	/* older; as old with another text; as old and the same; newer */
	put_sig("q", "pack: a\n", 4, ops);
	REFUSED("q", "revision 4 is older than 5");
	put("q", "pack: a2\n");
	put_sig("q", "pack: a2\n", 5, ops);
	REFUSED("q", "revision 5 was in force here with another text");
	put("q", "pack: a\n");
	put_sig("q", "pack: a\n", 5, ops);
	assert_int_equal(reads(s, "q", NULL), 0);
	put_sig("q", "pack: a\n", 6, ops);
	assert_int_equal(reads(s, "q", NULL), 0);
	policy_store_free(s);
	/* over a restart, and with the option */
	s = store("s2", true, false);
	assert_int_equal(policy_store_generation(s), 9);
	put_sig("q", "pack: a\n", 4, ops);
	REFUSED("q", "older");
	policy_store_free(s);
	s = store("s2", true, true);
	assert_int_equal(reads(s, "q", NULL), 0);
	assert_int_equal(policy_store_min_revision(s), 0);
	policy_store_free(s);
}

static void no_key(void **state)
{
	struct policy_store *s;

	assert_int_equal(policy_store_open(in("s3"), in("nothing"), false, &s), 0);
	put("r", "pack: a\n");
	put_sig("r", "pack: a\n", 5, ops);
	REFUSED("r", "cannot be checked");
	policy_store_free(s);
}

static void the_good_one(void **state)
{
	struct policy_store *s = store("s4", true, false);
	uint8_t file[32] = {1, 2, 3};
	struct policy_text t, g;

	put("g", "pack: a\nwith\0out");
	put_sig("g", "pack: a\nwith\0out", 3, ops);
	assert_int_equal(policy_store_good(s, &g, err, sizeof(err)), -ENOENT);
	assert_int_equal(reads(s, "g", &t), 0);
	assert_int_equal(policy_store_keep(s, &t, 2, 0, file), 0);
	policy_store_free(s);
	s = store("s4", true, false);
	assert_int_equal(policy_store_good(s, &g, err, sizeof(err)), 0);
	assert_int_equal(g.n, t.n);
	assert_memory_equal(g.text, t.text, t.n);
	assert_memory_equal(g.sha256, t.sha256, 32);
	assert_string_equal(g.signer, "ops");
	assert_string_equal(g.name, t.name);
	assert_int_equal(g.revision, 3);
	assert_true(policy_store_replaces(s, file));
	file[0]++;
	assert_false(policy_store_replaces(s, file));
	policy_text_done(&g);
	policy_text_done(&t);
	policy_store_free(s);
}

/* Without a sync: it is done a thousand times. */
static void overwrite(const char *name, const char *p, size_t n)
{
	FILE *f = fopen(in(name), "w");

	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

/* Cut at every byte, and every byte changed: it is damage, or what it was. */
static void damage(const char *name, void (*check)(bool whole))
{
	_cleanup_free_ char *bytes = NULL;
	size_t n;

	assert_int_equal(fs_read(in(name), 1 << 20, &bytes, &n), 0);
	for (size_t i = 0; i < n; i++) {
		overwrite(name, bytes, i);
		check(false);
		bytes[i] ^= 1;
		overwrite(name, bytes, n);
		check(false);
		bytes[i] ^= 1;
	}
	overwrite(name, bytes, n);
	check(true);
}

static void check_good(bool whole)
{
	struct policy_store *s = store("s4", true, false);
	struct policy_text g;
	int r = policy_store_good(s, &g, err, sizeof(err));

	assert_int_equal(r, whole ? 0 : -EBADMSG);
	if (!r)
		policy_text_done(&g);
	policy_store_free(s);
}

/* A damaged state: the good pack's signature still says which revision it was. */
static void check_state(bool whole)
{
	struct policy_store *s = store("s4", true, false);

	assert_int_equal(policy_store_revision(s), 3);
	assert_true(whole ? policy_store_generation(s) == 2 : policy_store_generation(s) > 1000);
	policy_store_free(s);
}

static void damaged(void **state)
{
	damage("s4/policy/good", check_good);
	damage("s4/policy/state", check_state);
}

static void who_may(void **state)
{
	struct policy_store *s = store("s5", false, false);
	struct policy_text t;

	put("mine", "pack: a\n");
	put("secret", "pack: a\n");
	if (geteuid() || chown(in("mine"), 1234, 1234))
		skip();
	chmod(in("secret"), 0640);
	chmod(in("mine"), 0600);
	assert_int_equal(policy_store_read(s, in("mine"), 1234, &t, err, sizeof(err)), 0);
	policy_text_done(&t);
	assert_int_equal(policy_store_read(s, in("mine"), 1235, &t, err, sizeof(err)), -EACCES);
	assert_int_equal(policy_store_read(s, in("secret"), 1234, &t, err, sizeof(err)), -EACCES);
	assert_int_equal(policy_store_read(s, in("secret"), 0, &t, err, sizeof(err)), 0);
	policy_text_done(&t);
	chmod(in("secret"), 0644);
	assert_int_equal(policy_store_read(s, in("secret"), 1234, &t, err, sizeof(err)), 0);
	policy_text_done(&t);
	policy_store_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unsigned_packs), cmocka_unit_test(signed_packs),
		cmocka_unit_test(no_key),	  cmocka_unit_test(the_good_one),
		cmocka_unit_test(who_may),	  cmocka_unit_test(damaged),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
