// SPDX-License-Identifier: Apache-2.0
/*
 * A small log with all that lies beside it: each byte of each file changed, each file cut at each length,
 * each file removed, segments swapped. Each is found and named with a kind that fits the file, or the file is
 * one of those of which docs/RECORD-FORMAT.md says that they are hints.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "chainlet.h"
#include "record/checkpoint.h"

#define FILES 24
#define PARTS 2
static struct chainlet c;
static struct one {
	char name[64], path[192];
	uint8_t *p;
	size_t n;
} file[FILES];
static size_t files;
static struct note_key witness;
static uint8_t seed[MAC_LEN];
static const char *base; /* of the paths in file[] */

/* What each kind of file may be accused of. */
static const struct {
	const char *name;		  /* how it begins, or ".seg" */
	const char *changed, *cut, *gone; /* NULL: nobody sees it */
} expected[] = {
	{".seg", "frame,crc,tail cut", "frame,tail cut,missing segment",
	 "missing segment,tail cut"},
	{"head", "head", "head", "head"},
	{"seals", "frame,crc,torn tail", "seal,torn tail", "seal"},
	{"tile/", "tile", "tile", "tile"},
	{"checkpoint", "checkpoint,uncovered,fork", "checkpoint", NULL},
	{"witnessed", "checkpoint,uncovered,fork,cosignature", "checkpoint,cosignature",
	 "cosignature"},
	{"leaves", NULL, NULL, NULL},
	{"lock", NULL, NULL, NULL},
};

static size_t row(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		if (!strncmp(name, expected[i].name, strlen(expected[i].name)) ||
		    (!i && strstr(name, ".seg")))
			return i;
	fail_msg("a file nobody thought of: %s", name);
	return 0;
}

static int collect(const char *path, const struct stat *st, int type, struct FTW *w)
{
	struct one *f = &file[files];
	char *text;

	if (type != FTW_F)
		return 0;
	assert_true(files++ < FILES);
	snprintf(f->path, sizeof(f->path), "%s", path);
	snprintf(f->name, sizeof(f->name), "%.63s", path + strlen(base) + 1);
	assert_int_equal(fs_read(path, 1 << 20, &text, &f->n), 0);
	f->p = (uint8_t *)text;
	return 0;
}

/* The spool's checkpoint with a witness's line, as forwarding brings it. */
static void add_witness(void)
{
	char path[192], key[192], line[512], err[256];
	_cleanup_free_ char *note = NULL;
	struct signer *s = NULL;
	struct note parsed;
	const char *why;
	size_t n, k;
	int fd;

	snprintf(key, sizeof(key), "%s/witness.key", c.dir);
	assert_int_equal(signer_open(key, true, &s, err, sizeof(err)), 0);
	snprintf(witness.name, sizeof(witness.name), "example.org/witness");
	memcpy(witness.public, signer_public(s), sizeof(witness.public));
	snprintf(path, sizeof(path), "%s/checkpoint", c.spool);
	assert_int_equal(fs_read(path, NOTE_MAX, &note, &n), 0);
	assert_int_equal(note_parse(note, n, &parsed, &why), 0);
	k = cosign(parsed.text, parsed.text_n, 1700000000, witness.name, s, line, sizeof(line));
	assert_true(k > 0);
	snprintf(path, sizeof(path), "%s/witnessed", c.spool);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(fs_write_all(fd, note, n), 0);
	assert_int_equal(fs_write_all(fd, line, k), 0);
	close(fd);
	signer_free(s);
}

/* Three epochs, segments of a few records, a checkpoint in the second, more behind it. */
static void make(bool by_checkpoint, unsigned per_epoch)
{
	struct spool_config cfg = {.dir = c.spool,
				   .segment_bytes = by_checkpoint ? 1500 : 600,
				   .epochs = c.epochs,
				   .origin = "test/host",
				   .by_checkpoint = by_checkpoint};
	char err[512] = "";

	assert_int_equal(spool_open(&cfg, &c.s, err, sizeof(err)), 0);
	chainlet_start(&c);
	for (unsigned e = 0; e < 3; e++) {
		for (unsigned i = 0; i < per_epoch; i++)
			chainlet_add(&c, e * per_epoch + i + 1, 3 + i);
		if (e < 2)
			assert_int_equal(spool_end_epoch(c.s, "time", false), 0);
		assert_int_equal(spool_commit(c.s), 0);
		if (e == 1) {
			assert_int_equal(spool_checkpoint(c.s), 0);
			add_witness();
		}
	}
	chainlet_close(&c);
	base = c.spool;
	files = 0;
	assert_int_equal(nftw(c.spool, collect, 8, FTW_PHYS), 0);
}

static int setup_signed(void **state)
{
	chainlet_new(&c);
	assert_true(epochs_seed(c.epochs, seed));
	make(false, 1);
	return 0;
}

static int setup_by_checkpoint(void **state)
{
	chainlet_new(&c);
	assert_true(epochs_seed(c.epochs, seed));
	make(true, 8);
	return 0;
}

static int teardown(void **state)
{
	for (size_t i = 0; i < files; i++)
		free(file[i].p);
	files = 0;
	chainlet_done(&c);
	return 0;
}

static struct verify_result verify(void)
{
	uint8_t first[RECORD_PUBKEY_LEN];
	const struct verify_options o = {.expect_public = first,
					 .mac_seed = seed,
					 .witnesses = &witness,
					 .witnesses_n = 1,
					 .threads = 1};
	struct verify_result r;

	assert_int_equal(epochs_chain_public(c.epochs, first), 0);
	assert_int_equal(verify_dir(c.spool, &o, &r), 0);
	return r;
}

/* What is wrong with the answer is printed; a process of its own cannot fail a test otherwise. */
static bool found(const struct one *f, const char *what, size_t at, const char *kinds)
{
	struct verify_result r = verify();
	bool named = kinds && !r.ok && strstr(kinds, r.first.kind) && r.first.detail[0];

	/* It is the file itself that is named, but where another tells that a part of it is gone. */
	if (!strcmp(what, "changed") && strcmp(r.first.file, f->name))
		named = false;
	if (kinds ? named : r.ok)
		return true;
	fprintf(stderr, "%s %s at %zu: %s in %s (%s); expected %s\n", f->name, what, at,
		r.ok ? "nothing" : r.first.kind, r.first.file, r.first.detail, kinds ?: "nothing");
	return false;
}

static void expect(const struct one *f, const char *what, size_t at, const char *kinds)
{
	assert_true(found(f, what, at, kinds));
}

static void put(const struct one *f, const void *p, size_t n)
{
	int fd = open(f->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fs_write_all(fd, p, n), 0);
	close(fd);
}

static void whole(void **state)
{
	struct verify_result r = verify();

	if (!r.ok)
		fail_msg("%s in %s at %llu: %s", r.first.kind, r.first.file,
			 (unsigned long long)r.first.offset, r.first.detail);
	assert_true(r.segments >= 2);
	assert_int_equal(r.epochs, 3);
	assert_int_equal(r.seals, 2);
	assert_int_equal(r.macs, r.records + 2); /* and those in `seals` */
	assert_true(r.tiles > 0);
	assert_true(r.checkpoint_size > 0 && r.checkpoint_size < r.records);
	assert_int_equal(r.witness_size, r.checkpoint_size);
	assert_int_equal(r.witness_s, 1700000000);
	assert_true(r.tree_known && r.trusted);
	assert_int_equal(r.unsigned_tail, 0);
	assert_true(files >= 9);
}

static bool bytes(unsigned part)
{
	for (size_t i = 0; i < files; i++) {
		const struct one *f = &file[i];
		int fd = open(f->path, O_WRONLY);

		for (size_t at = part; at < f->n; at += PARTS) {
			uint8_t b = f->p[at] ^ 1 << at % 8;

			if (pwrite(fd, &b, 1, at) != 1 ||
			    !found(f, "changed", at, expected[row(f->name)].changed) ||
			    pwrite(fd, &f->p[at], 1, at) != 1)
				return false;
		}
		close(fd);
	}
	return true;
}

static bool lengths(unsigned part)
{
	for (size_t i = 0; i < files; i++) {
		const struct one *f = &file[i];

		for (size_t n = f->n; n-- > 0;)
			if (n % PARTS == part && (truncate(f->path, n) < 0 ||
						  !found(f, "cut", n, expected[row(f->name)].cut)))
				return false;
		put(f, f->p, f->n);
	}
	return true;
}

/* The second half in a process of its own, on a copy. */
static void in_parts(bool (*half)(unsigned part))
{
	char copy[96], command[256];
	int status;
	pid_t pid;

	snprintf(copy, sizeof(copy), "%.80s-copy", c.spool);
	snprintf(command, sizeof(command), "cp -a %s %s", c.spool, copy);
	assert_int_equal(system(command), 0);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		for (size_t i = 0; i < files; i++)
			snprintf(file[i].path, sizeof(file[i].path), "%s/%s", copy, file[i].name);
		snprintf(c.spool, sizeof(c.spool), "%s", copy);
		_exit(half(1) && verify().ok ? 0 : 1);
	}
	assert_true(half(0));
	assert_true(verify().ok);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
	snprintf(command, sizeof(command), "rm -r %s", copy);
	assert_int_equal(system(command), 0);
}

static void each_byte(void **state)
{
	in_parts(bytes);
}

static void each_length(void **state)
{
	in_parts(lengths);
}

static void each_file(void **state)
{
	for (size_t i = 0; i < files; i++) {
		const struct one *f = &file[i];

		assert_int_equal(unlink(f->path), 0);
		expect(f, "removed", 0, expected[row(f->name)].gone);
		put(f, f->p, f->n);
	}
	assert_true(verify().ok);
}

/* Content of one under the name of the other, each pair. */
static void swapped(void **state)
{
	for (size_t i = 0; i < files; i++)
		for (size_t j = 0; j < i; j++) {
			if (row(file[i].name) || row(file[j].name))
				continue;
			put(&file[i], file[j].p, file[j].n);
			put(&file[j], file[i].p, file[i].n);
			expect(&file[i], "swapped", j, "sequence,epoch,previous hash");
			put(&file[i], file[i].p, file[i].n);
			put(&file[j], file[j].p, file[j].n);
		}
	assert_true(verify().ok);
}

/* One byte more at the end of each. */
static void longer(void **state)
{
	for (size_t i = 0; i < files; i++) {
		const struct one *f = &file[i];
		_cleanup_free_ uint8_t *p = calloc(1, f->n + 1);

		memcpy(p, f->p, f->n);
		p[f->n] = 'x';
		put(f, p, f->n + 1);
		expect(f, "longer", f->n,
		       strstr(f->name, ".seg")	   ? "frame,torn tail"
		       : !strcmp(f->name, "seals") ? "frame,torn tail"
						   : expected[row(f->name)].cut);
		put(f, f->p, f->n);
	}
	assert_true(verify().ok);
}

#define OVER(setup, f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		OVER(setup_signed, whole),
		OVER(setup_signed, each_byte),
		OVER(setup_signed, each_length),
		OVER(setup_signed, each_file),
		OVER(setup_signed, swapped),
		OVER(setup_signed, longer),
		OVER(setup_by_checkpoint, whole),
		OVER(setup_by_checkpoint, each_byte),
		OVER(setup_by_checkpoint, each_length),
		OVER(setup_by_checkpoint, each_file),
		OVER(setup_by_checkpoint, swapped),
		OVER(setup_by_checkpoint, longer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
