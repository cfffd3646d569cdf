/* SPDX-License-Identifier: Apache-2.0 */
/* A directory with a key and a small spool made through the real spool code, for tests. */
#ifndef TEST_CHAINLET_H
#define TEST_CHAINLET_H

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/epochs.h"
#include "agent/notes.h"
#include "agent/spool.h"
#include "base/fs.h"
#include "record/segment_io.h"
#include "record/verify.h"

struct chainlet {
	char dir[64], key[96], spool[96];
	struct epochs *epochs;
	struct signer *signer; /* of the open epoch */
	struct spool *s;
	bool by_checkpoint; /* records without signatures of their own */
};

static inline int chainlet_remove_one(const char *p, const struct stat *st, int type, struct FTW *w)
{
	return remove(p);
}

static inline void chainlet_open(struct chainlet *c, uint32_t segment_bytes,
				 const struct spool_io *io)
{
	struct spool_config cfg = {.dir = c->spool,
				   .segment_bytes = segment_bytes,
				   .epochs = c->epochs,
				   .origin = "test/host",
				   .by_checkpoint = c->by_checkpoint,
				   .io = io};
	char err[512] = "";

	c->s = NULL;
	if (spool_open(&cfg, &c->s, err, sizeof(err)))
		fail_msg("spool_open: %s", err);
	c->signer = epochs_signer(c->epochs);
}

static inline void chainlet_close(struct chainlet *c)
{
	spool_free(c->s);
	c->s = NULL;
}

static inline void chainlet_new(struct chainlet *c)
{
	char err[512] = "";

	memset(c, 0, sizeof(*c));
	/* In memory where possible: thousands of fsyncs would be most of the time. */
	snprintf(c->dir, sizeof(c->dir), "%s/probity-chain-XXXXXX",
		 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	assert_non_null(mkdtemp(c->dir));
	snprintf(c->key, sizeof(c->key), "%s/keys", c->dir);
	snprintf(c->spool, sizeof(c->spool), "%s/spool", c->dir);
	if (epochs_open(c->key, &c->epochs, err, sizeof(err)))
		fail_msg("%s", err);
	c->signer = epochs_signer(c->epochs);
}

static inline void chainlet_done(struct chainlet *c)
{
	chainlet_close(c);
	epochs_free(c->epochs);
	c->epochs = NULL;
	nftw(c->dir, chainlet_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void chainlet_start(struct chainlet *c)
{
	const struct recorder_config cfg = {.host = "h",
					    .agent_version = "t",
					    .kernel = "k",
					    .config_sha256 = ""};
	uint8_t note[NOTE_BYTES_MAX];
	size_t n = note_start(&cfg, signer_public(c->signer), (const uint8_t *)"nonce", 5,
			      SPOOL_EPOCH_NS, 0, note);

	assert_int_equal(spool_seal(c->s, RECORD_CONTROL, 0, note, n, true), 0);
}

/* One record with a payload of n bytes, durable at once. */
static inline void chainlet_add(struct chainlet *c, uint64_t id, size_t n)
{
	uint8_t *p = malloc(n ? n : 1);

	for (size_t i = 0; i < n; i++)
		p[i] = id + i;
	assert_int_equal(spool_seal(c->s, RECORD_AI_CALL, id, p, n, false), 0);
	free(p);
	assert_int_equal(spool_commit(c->s), 0);
}

struct chainlet_file {
	char name[64], path[256];
	uint8_t *p;
	size_t n;
	uint64_t first;	       /* sequence number of its first record */
	size_t frames, at[64]; /* offset of each frame; at[frames] = n */
};

static inline void chainlet_load(struct chainlet *c, uint64_t first, const char *name,
				 struct chainlet_file *f)
{
	struct frame fr;
	const char *why;
	char *text = NULL;
	long k;

	memset(f, 0, sizeof(*f));
	f->first = first;
	if (name)
		snprintf(f->name, sizeof(f->name), "%s", name);
	else
		segment_name(first, f->name);
	snprintf(f->path, sizeof(f->path), "%s/%s", c->spool, f->name);
	assert_int_equal(fs_read(f->path, 1 << 20, &text, &f->n), 0);
	f->p = (uint8_t *)text;
	for (size_t at = 0; at < f->n && (k = frame_parse(f->p + at, f->n - at, &fr, &why)) > 0;
	     at += k)
		f->at[f->frames++] = at;
	f->at[f->frames] = f->n;
}

static inline void chainlet_write(const struct chainlet_file *f, const uint8_t *p, size_t n)
{
	int fd = open(f->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fs_write_all(fd, p, n), 0);
	close(fd);
}

static inline void chainlet_restore(const struct chainlet_file *f)
{
	chainlet_write(f, f->p, f->n);
}

/* All segments of the spool, at most max. */
static inline size_t chainlet_segments(struct chainlet *c, struct chainlet_file *f, size_t max)
{
	int dir = open(c->spool, O_RDONLY | O_DIRECTORY);
	uint64_t *seqs = NULL;
	size_t n = 0;

	assert_int_equal(segment_list(dir, &seqs, &n, NULL), 0);
	close(dir);
	assert_true(n <= max);
	for (size_t i = 0; i < n; i++)
		chainlet_load(c, seqs[i], NULL, &f[i]);
	free(seqs);
	return n;
}

#endif
