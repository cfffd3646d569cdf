// SPDX-License-Identifier: Apache-2.0
// covers: user/cli/bundle_make.c user/cli/bundle_stage.c user/cli/bundle_records.c user/cli/bundle_keys.c user/cli/bundle_proof.c user/cli/bundle_verify.c user/cli/bundle_readme.c user/cli/bundle_report.c user/cli/export_source.c
/*
 * Bundles of a real spool: whole, a part, cosigned; then everything an intermediary could do to one: each file
 * changed, cut, taken out, added, swapped, the manifest made again by somebody else.
 * Long because each is a case of its own over the same few bundles.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <time.h>

#include "../record/chainlet.h"
#include "agent/spool_erase.h"
#include "cli/bundle.h"
#include "cli/bundle_int.h"
#include "cli/export_cmd.h"
#include "cli/tidy.h"
#include "export/archive.h"
#include "export/dsse.h"

static struct chainlet c;
static char bundle[128], key[128], unpacked[128], signer_file[128];
static struct signer *signer, *witness;
static struct note_key witness_key;
static uint64_t middle_ns; /* between the second epoch's records */
static uint8_t chain_key[RECORD_PUBKEY_LEN];

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void file_write(const char *path, const void *p, size_t n)
{
	assert_int_equal(fs_write_atomic(path, p, n, 0600), 0);
}

/* The newest checkpoint, cosigned, as forwarding leaves it. */
static void cosign_newest(void)
{
	char path[160], *text = NULL, line[512];
	struct note n;
	const char *why;
	size_t len, k;

	snprintf(path, sizeof(path), "%s/checkpoint", c.spool);
	assert_int_equal(fs_read(path, NOTE_MAX, &text, &len), 0);
	assert_int_equal(note_parse(text, len, &n, &why), 0);
	k = cosign(n.text, n.text_n, 1795300000, witness_key.name, witness, line, sizeof(line));
	assert_true(k > 0);
	text = realloc(text, len + k + 1);
	memcpy(text + len, line, k);
	snprintf(path, sizeof(path), "%s/witnessed", c.spool);
	file_write(path, text, len + k);
	free(text);
}

static void records(size_t n, uint64_t *id)
{
	for (size_t i = 0; i < n; i++)
		chainlet_add(&c, ++*id, 100 + i);
}

/* Four epochs; a checkpoint cosigned in the third, a newer one at the end. */
static int setup(void **state)
{
	char path[160], err[256] = "";
	uint64_t id = 0;

	chainlet_new(&c);
	chainlet_open(&c, 1 << 14, NULL);
	chainlet_start(&c);
	for (int e = 0; e < 4; e++) {
		records(e == 1 ? 150 : 90, &id);
		if (e == 1) {
			usleep(2000);
			middle_ns = now();
			usleep(2000);
			records(150, &id);
		}
		if (e == 2) {
			assert_int_equal(spool_checkpoint(c.s), 0);
			snprintf(path, sizeof(path), "%s/w.key", c.dir);
			assert_int_equal(signer_open(path, true, &witness, err, sizeof(err)), 0);
			strcpy(witness_key.name, "witness.example");
			memcpy(witness_key.public, signer_public(witness), RECORD_PUBKEY_LEN);
			cosign_newest();
		}
		if (e < 3) {
			assert_int_equal(spool_end_epoch(c.s, "", false), 0);
			assert_int_equal(spool_commit(c.s), 0);
		}
	}
	assert_int_equal(spool_checkpoint(c.s), 0);
	snprintf(key, sizeof(key), "%s/chain.pub", c.key);
	assert_int_equal(public_read(key, chain_key, err, sizeof(err)), 0);
	snprintf(signer_file, sizeof(signer_file), "%s/ops.key", c.dir);
	assert_int_equal(signer_open(signer_file, true, &signer, err, sizeof(err)), 0);
	snprintf(bundle, sizeof(bundle), "%s/b.tar.zst", c.dir);
	snprintf(unpacked, sizeof(unpacked), "%s/open", c.dir);
	setenv("TMPDIR", c.dir, 1);
	return 0;
}

static int teardown(void **state)
{
	signer_free(signer);
	signer_free(witness);
	chainlet_done(&c);
	return 0;
}

static struct export_ask ask(void)
{
	return (struct export_ask){.dir = c.spool,
				   .key = key,
				   .out = bundle,
				   .sign_key = signer_file};
}

static void look(const char *file, const struct bundle_options *o, struct bundle_result *v)
{
	char err[300] = "";

	memset(v, 0, sizeof(*v));
	if (bundle_verify(file, o, v, err, sizeof(err)))
		fail_msg("%s", err);
}

/* Unpacks the bundle for somebody to change. */
static void open_bundle(void)
{
	char err[300] = "";
	uint64_t files, bytes;

	tidy_remove(unpacked);
	assert_int_equal(mkdir(unpacked, 0700), 0);
	assert_int_equal(archive_extract(bundle, unpacked, &archive_limits_default, &files, &bytes,
					 err, sizeof(err)),
			 0);
}

static size_t names_of(const char *dir, const char *prefix, char (*out)[200], size_t n)
{
	char path[500], name[460];
	DIR *d;
	struct dirent *e;

	snprintf(path, sizeof(path), "%s/%s", dir, prefix);
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix ? "/" : "", e->d_name);
		if (e->d_type == DT_DIR)
			n = names_of(dir, name, out, n);
		else
			snprintf(out[n++], 200, "%.199s", name);
	}
	closedir(d);
	return n;
}

static void close_bundle(const char *to)
{
	static char names[2000][200];
	const char *list[2000];
	char err[300] = "";
	size_t n = names_of(unpacked, "", names, 0);

	for (size_t i = 0; i < n; i++)
		list[i] = names[i];
	if (archive_make(unpacked, list, n, 0, to, err, sizeof(err)))
		fail_msg("%s", err);
}

/* --- what it is ------------------------------------------------------------------------------------ */

static void test_whole(void **state)
{
	struct verify_options v = {.expect_public = chain_key,
				   .witnesses = &witness_key,
				   .witnesses_n = 1};
	struct bundle_options o = {.verify = &v, .signer = signer_public(signer)};
	struct export_ask a = ask();
	struct bundle_result r;

	assert_int_equal(export_bundle(&a), 0);
	assert_true(bundle_is(bundle));
	look(bundle, &o, &r);
	if (!r.ok)
		fail_msg("%s: %s: %s", r.first.file, r.first.kind, r.first.detail);
	assert_true(r.is_signed && r.signer_expected && r.key_expected);
	assert_int_equal(r.first_seq, 0);
	assert_int_equal(r.last_seq, spool_state(c.s)->durable_seq - 1);
	assert_int_equal(r.records.records, r.last_seq + 1);
	assert_int_equal(r.proved, r.records.records);
	assert_int_equal(r.checkpoint_size, r.last_seq + 1);
	assert_true(r.witness_size > 0 && r.witness_size < r.checkpoint_size);
	assert_int_equal(r.witness_s, 1795300000);
	/* Without anybody's key it is as whole, and says that these are its own words. */
	look(bundle, NULL, &r);
	assert_true(r.ok && r.is_signed && !r.signer_expected && !r.key_expected);
}

static void test_part(void **state)
{
	struct verify_options v = {.expect_public = chain_key};
	struct bundle_options o = {.verify = &v};
	struct export_ask a = ask();
	struct bundle_result r;
	struct verify_finding *f = &r.first;

	/* From the middle of epoch 1: as far as its SEAL. */
	a.from_ns = middle_ns;
	a.to_ns = middle_ns + 1000000000;
	assert_int_equal(export_bundle(&a), 0);
	look(bundle, &o, &r);
	if (!r.ok)
		fail_msg("%s: %s: %s", f->file, f->kind, f->detail);
	assert_true(r.first_seq > 200);
	assert_int_equal(r.proved, r.records.records);
	/* Up to the middle: also to the SEAL, for whoever wants the half has to be able to trust it. */
	a.from_ns = 0;
	a.to_ns = middle_ns;
	assert_int_equal(export_bundle(&a), 0);
	look(bundle, &o, &r);
	if (!r.ok)
		fail_msg("%s: %s: %s", f->file, f->kind, f->detail);
	assert_int_equal(r.first_seq, 0);
	assert_int_equal(r.last_seq, 1 + 90 + 1 + 300 + 1 - 1);
	assert_int_equal(r.proved, r.last_seq + 1);
	/* The cosigned checkpoint covers all of that, and is the one taken. */
	assert_true(r.checkpoint_size > r.last_seq &&
		    r.checkpoint_size < spool_state(c.s)->durable_seq);
	/* Nothing in it: said, and nothing made. */
	unlink(bundle);
	a.from_ns = now();
	a.to_ns = 0;
	assert_int_equal(export_bundle(&a), 1);
	assert_int_equal(access(bundle, F_OK), -1);
}

static void test_unsigned(void **state)
{
	struct bundle_options o = {.signer = signer_public(signer)};
	struct export_ask a = ask();
	struct bundle_result r;

	a.sign_key = NULL;
	assert_int_equal(export_bundle(&a), 0);
	look(bundle, NULL, &r);
	assert_true(r.ok && !r.is_signed);
	look(bundle, &o, &r);
	assert_false(r.ok);
	assert_string_equal(r.first.kind, "signature");
}

static void test_papers(void **state)
{
	char dir[160], path[200], link_[200];
	struct export_ask a = ask();
	struct bundle_result r;

	snprintf(dir, sizeof(dir), "%s/papers", c.dir);
	assert_int_equal(fs_mkdirs(dir, 0700), 0);
	snprintf(path, sizeof(path), "%s/index.html", dir);
	file_write(path, "<p>", 3);
	a.reports = a.policy = dir;
	a.soa = a.registry = path;
	assert_int_equal(export_bundle(&a), 0);
	look(bundle, NULL, &r);
	assert_true(r.ok);
	open_bundle();
	snprintf(path, sizeof(path), "%s/reports/index.html", unpacked);
	assert_int_equal(access(path, F_OK), 0);
	snprintf(path, sizeof(path), "%s/governance/soa.yaml", unpacked);
	assert_int_equal(access(path, F_OK), 0);
	/* A link in the folder could lead anywhere: not taken, and no bundle is made of the rest. */
	snprintf(link_, sizeof(link_), "%s/shadow", dir);
	assert_int_equal(symlink("/etc/shadow", link_), 0);
	unlink(bundle);
	assert_int_equal(export_bundle(&a), 3);
	assert_int_equal(access(bundle, F_OK), -1);
	unlink(link_);
}

/* --- what can be done to it ------------------------------------------------------------------------ */

static void expect_found(const char *what, const char *file)
{
	struct verify_options v = {.expect_public = chain_key,
				   .witnesses = &witness_key,
				   .witnesses_n = 1};
	struct bundle_options o = {.verify = &v, .signer = signer_public(signer)};
	struct bundle_result r;
	char err[300] = "";

	memset(&r, 0, sizeof(r));
	if (bundle_verify(file, &o, &r, err, sizeof(err)))
		return; /* refused whole */
	if (r.ok || !r.findings || !r.first.kind[0])
		fail_msg("%s: not found", what);
}

static void test_changed_files(void **state)
{
	static char names[2000][200];
	struct export_ask a = ask();
	char other[128], path[400], what[300];
	size_t n;

	assert_int_equal(export_bundle(&a), 0);
	open_bundle();
	snprintf(other, sizeof(other), "%s/o.tar.zst", c.dir);
	n = names_of(unpacked, "", names, 0);
	assert_true(n > 12);
	for (size_t i = 0; i < n; i++) {
		char *text = NULL;
		size_t len;

		snprintf(path, sizeof(path), "%s/%s", unpacked, names[i]);
		assert_int_equal(fs_read(path, 1 << 24, &text, &len), 0);
		for (int how = 0; how < 3; how++) { /* a byte changed, the end cut, the file gone */
			/* The middle of an envelope is base64 of the manifest; its signature is at the end. */
			text[len / 2] ^= how == 0;
			if (how == 2)
				unlink(path);
			else
				file_write(path, text, how == 1 ? len - len / 3 - 1 : len);
			close_bundle(other);
			snprintf(what, sizeof(what), "%s, %d", names[i], how);
			expect_found(what, other);
			text[len / 2] ^= how == 0;
		}
		file_write(path, text, len);
		free(text);
	}
	/* One more than the manifest names. */
	snprintf(path, sizeof(path), "%s/records/extra", unpacked);
	file_write(path, "x", 1);
	close_bundle(other);
	expect_found("extra", other);
	unlink(path);
	close_bundle(other);
	{
		struct bundle_result r;

		look(other, NULL, &r); /* put back as it was, it is fine again */
		assert_true(r.ok);
	}
}

/* Somebody changes files and makes a new manifest, signed with a key of his own or not at all: what the records
 * say of themselves is left. */
static void remake(const char *to, struct signer *by)
{
	static char names[2000][200];
	char path[400], *text, *envelope = NULL, err[200] = "";
	struct manifest m = {0}, old = {0};
	size_t n, len;
	int dir;

	snprintf(path, sizeof(path), "%s/" BUNDLE_MANIFEST, unpacked);
	assert_int_equal(fs_read(path, 1 << 24, &text, &len), 0);
	assert_int_equal(manifest_parse(text, len, &old, err, sizeof(err)), 0);
	free(text);
	m = old;
	m.files = NULL;
	m.n = m.cap = 0;
	dir = open(unpacked, O_RDONLY | O_DIRECTORY);
	n = names_of(unpacked, "", names, 0);
	for (size_t i = 0; i < n; i++) {
		struct manifest_file f = {0};

		if (!strncmp(names[i], "manifest.", 9))
			continue;
		strcpy(f.path, names[i]);
		assert_int_equal(stage_hash(dir, names[i], &f), 0);
		assert_int_equal(manifest_add(&m, &f), 0);
	}
	close(dir);
	text = manifest_text(&m);
	file_write(path, text, strlen(text));
	snprintf(path, sizeof(path), "%s/" BUNDLE_DSSE, unpacked);
	unlink(path);
	if (by) {
		assert_int_equal(dsse_sign(DSSE_BUNDLE_TYPE, text, strlen(text), by, &envelope), 0);
		file_write(path, envelope, strlen(envelope));
		free(envelope);
	}
	free(text);
	manifest_done(&m);
	manifest_done(&old);
	close_bundle(to);
}

static void test_made_again(void **state)
{
	static char names[2000][200];
	struct verify_options v = {.expect_public = chain_key,
				   .witnesses = &witness_key,
				   .witnesses_n = 1};
	struct bundle_options o = {.verify = &v}; /* no signer is known: only the records speak */
	struct export_ask a = ask();
	char other[128], path[400];
	struct bundle_result r;
	size_t n;

	assert_int_equal(export_bundle(&a), 0);
	open_bundle();
	snprintf(other, sizeof(other), "%s/o.tar.zst", c.dir);
	remake(other, NULL); /* the signature taken off, and nothing else */
	look(other, &o, &r);
	assert_false(r.ok);
	assert_string_equal(r.first.kind, "signature");
	snprintf(path, sizeof(path), "%s/" BUNDLE_SIGNER, unpacked);
	unlink(path);
	remake(other, NULL);
	look(other, &o, &r);
	assert_true(r.ok && !r.is_signed);
	assert_string_equal(r.host, "test/host");
	remake(other, witness); /* any key but the operator's */
	{
		struct bundle_options s = {.verify = &v, .signer = signer_public(signer)};

		look(other, &s, &r);
		assert_false(r.ok);
		assert_string_equal(r.first.kind, "signature");
	}
	n = names_of(unpacked, "", names, 0);
	for (size_t i = 0; i < n; i++) {
		bool proves = !strncmp(names[i], "records/", 8) || !strncmp(names[i], "proof/", 6);
		char *text = NULL;
		size_t len;

		if (!proves)
			continue;
		snprintf(path, sizeof(path), "%s/%s", unpacked, names[i]);
		assert_int_equal(fs_read(path, 1 << 24, &text, &len), 0);
		text[len / 2] ^= 1;
		file_write(path, text, len);
		remake(other, NULL);
		look(other, &o, &r);
		if (r.ok)
			fail_msg("%s changed, and the manifest made again: not found", names[i]);
		text[len / 2] ^= 1;
		file_write(path, text, len);
		free(text);
	}
}

/* All records left out, and the signed head of the spool put in; or an empty file in their place. */
static void test_nothing_in_it(void **state)
{
	struct verify_options v = {.expect_public = chain_key};
	struct bundle_options o = {.verify = &v};
	struct export_ask a = ask();
	static char names[2000][200];
	char path[400], other[128], *head = NULL;
	struct bundle_result r;
	size_t n, len;

	a.sign_key = NULL;
	assert_int_equal(export_bundle(&a), 0);
	open_bundle();
	snprintf(other, sizeof(other), "%s/o.tar.zst", c.dir);
	n = names_of(unpacked, "records", names, 0);
	for (size_t i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", unpacked, names[i]);
		if (strstr(names[i], ".seg"))
			unlink(path);
	}
	snprintf(path, sizeof(path), "%s/head", c.spool);
	assert_int_equal(fs_read(path, 4096, &head, &len), 0);
	snprintf(path, sizeof(path), "%s/records/head", unpacked);
	file_write(path, head, len);
	free(head);
	remake(other, NULL);
	look(other, &o, &r);
	assert_false(r.ok);
	assert_string_equal(r.first.kind, "empty");
	snprintf(path, sizeof(path), "%s/records/00000000000000000000.seg", unpacked);
	file_write(path, "", 0);
	remake(other, NULL);
	look(other, &o, &r);
	assert_false(r.ok);
	assert_string_equal(r.first.kind, "empty");
}

/* Shown as another host's, in the one place that is nobody's signed word. */
static void test_other_host(void **state)
{
	struct export_ask a = ask();
	char path[400], other[128], *text = NULL, *at;
	struct bundle_result r;
	size_t n;

	a.sign_key = NULL;
	assert_int_equal(export_bundle(&a), 0);
	open_bundle();
	snprintf(other, sizeof(other), "%s/o.tar.zst", c.dir);
	snprintf(path, sizeof(path), "%s/" BUNDLE_MANIFEST, unpacked);
	assert_int_equal(fs_read(path, 1 << 24, &text, &n), 0);
	at = strstr(text, "test/host");
	assert_non_null(at);
	at[8] = 'u';
	file_write(path, text, n);
	free(text);
	close_bundle(other);
	look(other, NULL, &r);
	assert_false(r.ok);
	assert_string_equal(r.first.kind, "checkpoint");
	assert_string_equal(r.host, "test/host");
}

/* Of records without signatures of their own, in an epoch that is open, the checkpoint speaks. */
static void test_by_checkpoint(void **state)
{
	struct verify_options v = {0};
	struct bundle_options o = {.verify = &v};
	struct export_ask a = ask();
	uint8_t first[RECORD_PUBKEY_LEN];
	char first_file[128], err[256] = "";
	struct bundle_result r;
	struct chainlet d;

	chainlet_new(&d);
	d.by_checkpoint = true;
	chainlet_open(&d, 1 << 14, NULL);
	chainlet_start(&d);
	for (uint64_t id = 1; id < 8; id++)
		chainlet_add(&d, id, 50);
	assert_int_equal(spool_checkpoint(d.s), 0);
	snprintf(first_file, sizeof(first_file), "%s/chain.pub", d.key);
	assert_int_equal(public_read(first_file, first, err, sizeof(err)), 0);
	v.expect_public = first;
	a.dir = d.spool;
	a.key = first_file;
	assert_int_equal(export_bundle(&a), 0);
	look(bundle, &o, &r);
	if (!r.ok)
		fail_msg("%s: %s: %s", r.first.file, r.first.kind, r.first.detail);
	assert_int_equal(r.records.records, 8);
	chainlet_add(&d, 8, 50); /* and of one behind it nobody */
	assert_int_equal(export_bundle(&a), 0);
	look(bundle, &o, &r);
	assert_false(r.ok);
	assert_string_equal(r.first.kind, "uncovered");
	assert_int_equal(r.first.seq, 8);
	chainlet_done(&d);
}

/* A whole segment of the range left out, and the manifest made again over the rest. */
static void test_segment_gone(void **state)
{
	struct verify_options v = {.expect_public = chain_key};
	struct bundle_options o = {.verify = &v};
	struct export_ask a = ask();
	char path[400], other[128], *text = NULL;
	struct bundle_result r;
	struct frame f;
	const char *why;
	size_t n, at = 0;
	long k;

	a.sign_key = NULL;
	assert_int_equal(export_bundle(&a), 0);
	open_bundle();
	snprintf(other, sizeof(other), "%s/o.tar.zst", c.dir);
	snprintf(path, sizeof(path), "%s/records/00000000000000000000.seg", unpacked);
	assert_int_equal(fs_read(path, 1 << 24, &text, &n), 0);
	for (int i = 0; i < 30; i++) { /* behind the thirtieth record */
		k = frame_parse((uint8_t *)text + at, n - at, &f, &why);
		assert_true(k > 0);
		at += k;
	}
	k = frame_parse((uint8_t *)text + at, n - at, &f, &why);
	memmove(text + at, text + at + k, n - at - k); /* one in the middle */
	file_write(path, text, n - k);
	remake(other, NULL);
	look(other, &o, &r);
	assert_false(r.ok);
	assert_string_equal(r.first.file, "records/00000000000000000000.seg");
	/* The tail cut, the manifest's promise kept as it was. */
	file_write(path, text, at);
	remake(other, NULL);
	look(other, &o, &r);
	assert_false(r.ok);
	free(text);
}

static void test_newer(void **state)
{
	struct export_ask a = ask();
	char path[400], *text = NULL, other[128], *at;
	struct bundle_result r;
	size_t n;

	a.sign_key = NULL;
	assert_int_equal(export_bundle(&a), 0);
	open_bundle();
	snprintf(other, sizeof(other), "%s/o.tar.zst", c.dir);
	snprintf(path, sizeof(path), "%s/" BUNDLE_MANIFEST, unpacked);
	assert_int_equal(fs_read(path, 1 << 24, &text, &n), 0);
	at = strstr(text, "\"version\": 1");
	assert_non_null(at);
	at[11] = '2';
	file_write(path, text, n);
	free(text);
	close_bundle(other);
	look(other, NULL, &r);
	assert_true(r.newer && !r.ok && r.version == 2);
	assert_int_equal(r.findings, 0); /* what is known of it was checked, and holds */
	assert_true(r.records.records > 0 && r.proved == r.records.records);
	assert_int_equal(bundle_report(other, &r, false), 1);
}

/* A checkpoint the auditor has from elsewhere. */
static void test_known(void **state)
{
	struct verify_known k = {.where = "mine"};
	struct verify_options v = {.known = &k, .known_n = 1};
	struct bundle_options o = {.verify = &v};
	struct export_ask a = ask();
	char path[160], *text = NULL;
	struct bundle_result r;
	size_t n;

	assert_int_equal(export_bundle(&a), 0);
	snprintf(path, sizeof(path), "%s/witnessed", c.spool);
	assert_int_equal(fs_read(path, NOTE_MAX, &text, &n), 0);
	k.note = text;
	k.n = n;
	look(bundle, &o, &r);
	if (!r.ok)
		fail_msg("%s: %s: %s", r.first.file, r.first.kind, r.first.detail);
	{ /* another root at that size */
		char *root = strchr(strchr(text, '\n') + 1, '\n') + 1;

		root[0] = root[0] == 'A' ? 'B' : 'A';
	}
	look(bundle, &o, &r);
	assert_false(r.ok);
	assert_string_equal(r.first.kind, "fork");
	free(text);
	{ /* of more than the bundle shows */
		chainlet_add(&c, 1000, 50);
		assert_int_equal(spool_checkpoint(c.s), 0);
		snprintf(path, sizeof(path), "%s/checkpoint", c.spool);
		assert_int_equal(fs_read(path, NOTE_MAX, &text, &n), 0);
		k.note = text;
		k.n = n;
		look(bundle, &o, &r);
		assert_false(r.ok);
		assert_string_equal(r.first.kind, "uncovered");
	}
	{ /* of another chain */
		char *slash = strchr(strchr(text, '/') + 1, '/');

		slash[1] = slash[1] == 'a' ? 'b' : 'a';
		look(bundle, &o, &r);
		assert_false(r.ok);
		assert_string_equal(r.first.kind, "checkpoint");
		free(text);
	}
}

/* Payloads of the range were erased: they are not in the bundle, and everything is still proved. The last case,
 * for it changes the spool. */
static void test_erased(void **state)
{
	struct note_erase note = {.first = 10,
				  .last = 40,
				  .reason = "asked for",
				  .operator= "root" };
	struct verify_options v = {.expect_public = chain_key};
	struct bundle_options o = {.verify = &v};
	struct export_ask a = ask();
	uint8_t payload[NOTE_BYTES_MAX];
	size_t n = note_erase(&note, payload);
	struct bundle_result r;

	assert_int_equal(spool_erase_begin(c.s, note.first, note.last), 0);
	assert_int_equal(spool_seal(c.s, RECORD_CONTROL, 0, payload, n, true), 0);
	assert_int_equal(spool_commit(c.s), 0);
	while (spool_erase_step(c.s) == 1)
		;
	assert_false(spool_erasing(c.s));
	assert_int_equal(export_bundle(&a), 0);
	look(bundle, &o, &r);
	if (!r.ok)
		fail_msg("%s: %s: %s", r.first.file, r.first.kind, r.first.detail);
	assert_int_equal(r.records.erased, 31);
	assert_int_equal(r.records.erased_silent, 0);
	/* The ERASE record is newer than the checkpoint; all others are under it. */
	assert_int_equal(r.proved, r.checkpoint_size);
	assert_int_equal(r.records.records, r.checkpoint_size + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),	      cmocka_unit_test(test_part),
		cmocka_unit_test(test_unsigned),      cmocka_unit_test(test_papers),
		cmocka_unit_test(test_changed_files), cmocka_unit_test(test_made_again),
		cmocka_unit_test(test_segment_gone),  cmocka_unit_test(test_newer),
		cmocka_unit_test(test_nothing_in_it), cmocka_unit_test(test_other_host),
		cmocka_unit_test(test_by_checkpoint), cmocka_unit_test(test_known),
		cmocka_unit_test(test_erased),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
