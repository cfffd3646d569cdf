// SPDX-License-Identifier: Apache-2.0
/*
 * In: options of `probity verify`. Out: what verify_dir and its kin are given. A key that was named and
 * cannot be read ends the command; chain.pub beside the spool is taken when it is there, and the output says
 * that it came from the same place as what it is to vouch for.
 */
#include "verify_trust.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/hex.h"
#include "base/reader.h"
#include "text.h"

#define SEED_FILE_LEN 48 /* "PBRMAC1\0", epoch u32, key[32], crc32c u32 */

/* --- files ----------------------------------------------------------------------------------------- */

static int say(const char *line)
{
	fprintf(stderr, "probity verify: %s\n", line);
	return CLI_UNREACHABLE;
}

static bool seed_of_file(const uint8_t *p, size_t n, uint8_t ret[static MAC_LEN])
{
	struct reader in = reader_of(p, n);
	const uint8_t *magic = reader_take(&in, 8), *key;
	uint32_t epoch = reader_u32(&in);

	key = reader_take(&in, MAC_LEN);
	if (n != SEED_FILE_LEN || memcmp(magic, "PBRMAC1", 8) || epoch ||
	    reader_u32(&in) != crc32c(0, p, n - 4))
		return false;
	memcpy(ret, key, MAC_LEN);
	return true;
}

static int load_seed(struct verify_trust *t)
{
	_cleanup_free_ char *text = NULL;
	char line[4400];
	bool ok;
	size_t n;
	int r = fs_read(t->seed_file, 256, &text, &n);

	if (r && r != -EFBIG)
		return cli_unreadable(t->seed_file, r);
	ok = !r && (seed_of_file((uint8_t *)text, n, t->seed) ||
		    hex_decode_typed(text, n, t->seed, MAC_LEN));
	if (text)
		OPENSSL_cleanse(text, n);
	if (ok)
		return -1;
	snprintf(line, sizeof(line), "%.4096s: not a MAC seed (64 hex digits, or a file mac.seed)",
		 t->seed_file);
	return say(line);
}

static int load_key(struct verify_trust *t, const char *dir)
{
	char err[4400], path[4200];

	if (t->key_file) {
		if (public_read(t->key_file, t->public, err, sizeof(err)))
			return say(err);
		snprintf(t->key_from, sizeof(t->key_from), "%.4096s", t->key_file);
		return -1;
	}
	if (!dir)
		return -1;
	snprintf(path, sizeof(path), "%.4096s/../keys/chain.pub", dir);
	if (access(path, R_OK) || public_read(path, t->public, err, sizeof(err)))
		return -1;
	memcpy(t->key_from, path, sizeof(path));
	t->key_beside = true;
	return -1;
}

static int load_checkpoints(struct verify_trust *t)
{
	for (size_t i = 0; i < t->checkpoints.n; i++) {
		size_t n;
		int r = fs_read(t->checkpoints.v[i], NOTE_MAX, &t->notes[i], &n);

		if (r)
			return cli_unreadable(t->checkpoints.v[i], r);
		t->known[i] = (struct verify_known){t->checkpoints.v[i], t->notes[i], n};
	}
	return -1;
}

/* A vkey, or a file with one. */
static int load_witnesses(struct verify_trust *t, const struct cli_usage *u)
{
	for (size_t i = 0; i < t->witness_keys.n; i++) {
		const char *v = t->witness_keys.v[i];
		_cleanup_free_ char *text = NULL;
		size_t n;

		if (!note_vkey_parse_of(v, strlen(v), NOTE_COSIGNATURE, &t->witnesses[i]))
			continue;
		if (!fs_read(v, 1024, &text, &n) &&
		    !note_vkey_parse_of(text, n, NOTE_COSIGNATURE, &t->witnesses[i]))
			continue;
		return cli_wrong(u,
				 "--witness: '%.100s' is no key of a witness (NAME+ID+BASE64), and "
				 "no file with one",
				 v);
	}
	return -1;
}

static int load_tpm_keys(struct verify_trust *t)
{
	char err[4400];

	t->tpm_none = t->tpm_files.n == 1 && !strcmp(t->tpm_files.v[0], "none");
	for (size_t i = 0; i < t->tpm_files.n && !t->tpm_none; i++)
		if (ecdsa_public_read(t->tpm_files.v[i], t->tpm_keys[i], err, sizeof(err)))
			return say(err);
	return -1;
}

int verify_trust_load(struct verify_trust *t, const struct cli_usage *u, const char *dir)
{
	int r = load_key(t, dir);

	if (r < 0 && t->seed_file)
		r = load_seed(t);
	if (r < 0)
		r = load_checkpoints(t);
	if (r < 0)
		r = load_tpm_keys(t);
	return r < 0 ? load_witnesses(t, u) : r;
}

struct verify_options verify_trust_options(const struct verify_trust *t)
{
	return (struct verify_options){
		.expect_public = t->key_from[0] ? t->public : NULL,
		.mac_seed = t->seed_file ? t->seed : NULL,
		.known = t->known,
		.known_n = t->checkpoints.n,
		.witnesses = t->witnesses,
		.witnesses_n = t->witness_keys.n,
		.tpm_keys = t->tpm_keys,
		.tpm_keys_n = t->tpm_none ? 0 : t->tpm_files.n,
		.tpm_none = t->tpm_none,
		.threads = t->threads,
	};
}

void verify_trust_done(struct verify_trust *t)
{
	for (size_t i = 0; i < t->checkpoints.n; i++)
		free(t->notes[i]);
	OPENSSL_cleanse(t->seed, sizeof(t->seed));
}

/* --- progress -------------------------------------------------------------------------------------- */

#define BAR_MS 100

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

void verify_bar_begin(struct verify_bar *b, bool json)
{
	b->on = !json && cli_width(stderr);
	b->from_ms = b->last_ms = now_ms();
}

void verify_bar_at(struct verify_bar *b, uint64_t done, uint64_t all)
{
	uint64_t now = now_ms(), ms = now - b->from_ms;
	char bar[31], size[2][16], rate[16];
	unsigned percent;

	if (!b->on || now < b->last_ms + BAR_MS || !all || done > all || !ms)
		return;
	b->last_ms = now;
	percent = done * 100 / all;
	memset(bar, ' ', 30);
	memset(bar, '=', percent * 30 / 100);
	bar[30] = '\0';
	text_size(done, size[0]);
	text_size(all, size[1]);
	text_size(done * 1000 / ms, rate);
	fprintf(stderr, "\r[%s] %3u %%  %s of %s, %s/s, %" PRIu64 " s left\033[K", bar, percent,
		size[0], size[1], rate,
		done ? (ms * ((all - done) / 1024) / (done / 1024 + 1)) / 1000 : 0);
}

void verify_bar_end(struct verify_bar *b)
{
	if (b->on)
		fputs("\r\033[K", stderr);
}
