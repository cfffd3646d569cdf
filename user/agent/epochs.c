// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: where the chain stands. Flows out: the signer and the MAC key of the open epoch.
 *
 * Handover, so that a crash at any step loses neither the chain nor the past: the next keys are durable
 * before the SEAL that names them; the old ones are overwritten only when that SEAL is. In between both
 * are there, and resuming takes the one the last record calls for. What is overwritten is overwritten in
 * place before its name goes, which a file system that copies on write, or a drive that levels wear, may
 * not honour; a TPM or an encrypted disk is for those.
 *
 * Invariant: host.key signs the epoch of mac.key. The seed is kept only until it was taken.
 */
#include "epochs.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/reader.h"
#include "record/segment.h"

#define MAC_FILE_LEN 48 /* "PBRMAC1\0", epoch u32, key[32], crc32c u32 of what is before */
static const uint8_t mac_magic[8] = "PBRMAC1";

struct epochs {
	int dir;
	char path[4000];
	struct signer *signer, *next;
	struct mac_key mac;
};

DEFINE_CLEANUP(struct epochs, epochs_free)

static void name_of(const struct epochs *e, const char *file, char out[static 4096])
{
	snprintf(out, 4096, "%s/%s", e->path, file);
}

/* --- forgetting ------------------------------------------------------------------------------------ */

static int wipe(const struct epochs *e, const char *file)
{
	static const uint8_t zeros[4096];
	_cleanup_close_ int fd = openat(e->dir, file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	for (off_t at = 0; at < st.st_size; at += sizeof(zeros))
		if (pwrite(fd, zeros,
			   st.st_size - at < (off_t)sizeof(zeros) ? st.st_size - at
								  : (off_t)sizeof(zeros),
			   at) < 0)
			return -errno;
	if (fsync(fd) < 0 || unlinkat(e->dir, file, 0) < 0 || fsync(e->dir) < 0)
		return -errno;
	return 0;
}

/* `next` takes the place of `file`, whose content is gone before its name is. */
static int replace(const struct epochs *e, const char *file, const char *next)
{
	int r = wipe(e, file);

	if (renameat(e->dir, next, e->dir, file) < 0 || fsync(e->dir) < 0)
		return -errno;
	return r;
}

/* --- the MAC's key --------------------------------------------------------------------------------- */

static int mac_write(const struct epochs *e, const char *file, const struct mac_key *k)
{
	uint8_t b[MAC_FILE_LEN];
	char path[4096];
	int r;

	memcpy(b, mac_magic, sizeof(mac_magic));
	put_be(b + 8, 4, k->epoch);
	memcpy(b + 12, k->k, MAC_LEN);
	put_be(b + 44, 4, crc32c(0, b, 44));
	name_of(e, file, path);
	r = fs_write_atomic(path, b, sizeof(b), 0600);
	OPENSSL_cleanse(b, sizeof(b));
	return r;
}

static int mac_read(const struct epochs *e, const char *file, struct mac_key *ret)
{
	_cleanup_close_ int fd = openat(e->dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint8_t b[MAC_FILE_LEN + 1];
	struct reader in = reader_of(b + 8, MAC_FILE_LEN - 8);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (pread(fd, b, sizeof(b), 0) != MAC_FILE_LEN || memcmp(b, mac_magic, sizeof(mac_magic))) {
		r = -EBADMSG;
	} else {
		ret->epoch = reader_u32(&in);
		reader_bytes(&in, ret->k, MAC_LEN);
		r = reader_u32(&in) == crc32c(0, b, 44) ? 0 : -EBADMSG;
	}
	OPENSSL_cleanse(b, sizeof(b));
	return r;
}

/* --- keys of a new chain --------------------------------------------------------------------------- */

static int fail(char *err, size_t n, const struct epochs *e, const char *file, int r)
{
	snprintf(err, n, "%.400s/%s: %s", e->path, file, r == -EBADMSG ? "damaged" : strerror(-r));
	return r;
}

static int signer_load(const struct epochs *e, const char *file, bool create, struct signer **ret,
		       char *err, size_t err_len)
{
	char path[4096];

	name_of(e, file, path);
	return signer_open(path, create, ret, err, err_len);
}

/* K_0: into its own file first, so that none is ever in use that nobody can take. */
static int seed_make(struct epochs *e)
{
	struct mac_key k = {0};
	int r = RAND_bytes(k.k, MAC_LEN) == 1 ? mac_write(e, "mac.seed", &k) : -EIO;

	if (!r)
		r = mac_write(e, "mac.key", &k);
	if (!r)
		e->mac = k;
	OPENSSL_cleanse(&k, sizeof(k));
	return r;
}

static int chain_public(struct epochs *e)
{
	char hex[2 * RECORD_PUBKEY_LEN + 2], path[4096];

	for (int i = 0; i < RECORD_PUBKEY_LEN; i++)
		snprintf(hex + 2 * i, 3, "%02x", signer_public(e->signer)[i]);
	hex[2 * RECORD_PUBKEY_LEN] = '\n';
	name_of(e, "chain.pub", path);
	return fs_write_atomic(path, hex, sizeof(hex) - 1, 0644);
}

int epochs_begin(struct epochs *e, char *err, size_t err_len)
{
	static const char *const old[] = {"host.key", "host.key.pub", "next.key", "next.key.pub",
					  "mac.key",  "mac.next",     "mac.seed"};
	int r;

	/* Keys that have signed nothing yet are this chain's. */
	if (e->signer && !e->mac.epoch && faccessat(e->dir, "chain.pub", F_OK, 0) < 0)
		return chain_public(e);
	for (size_t i = 0; i < ARRAY_SIZE(old); i++) {
		r = wipe(e, old[i]);
		if (r)
			return fail(err, err_len, e, old[i], r);
	}
	signer_free(TAKE_PTR(e->signer));
	r = signer_load(e, "host.key", true, &e->signer, err, err_len);
	if (r)
		return r;
	r = seed_make(e);
	if (r)
		return fail(err, err_len, e, "mac.key", r);
	r = chain_public(e);
	return r ? fail(err, err_len, e, "chain.pub", r) : 0;
}

int epochs_open(const char *dir, struct epochs **ret, char *err, size_t err_len)
{
	_cleanup_(epochs_freep) struct epochs *e = calloc(1, sizeof(*e));
	int r = e ? fs_mkdirs(dir, 0700) : -ENOMEM;

	if (!r && snprintf(e->path, sizeof(e->path), "%s", dir) >= (int)sizeof(e->path))
		r = -ENAMETOOLONG;
	if (!r) {
		e->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = e->dir < 0 ? -errno : 0;
	}
	if (r) {
		snprintf(err, err_len, "%.400s: %s", dir, strerror(-r));
		return r;
	}
	r = signer_load(e, "host.key", true, &e->signer, err, err_len);
	if (r)
		return r;
	r = mac_read(e, "mac.key", &e->mac);
	if (r == -ENOENT)
		r = mac_read(e, "mac.next", &e->mac); /* cut off between wipe and rename */
	if (r == -ENOENT)
		r = seed_make(e);
	if (r)
		return fail(err, err_len, e, "mac.key", r);
	*ret = TAKE_PTR(e);
	return 0;
}

void epochs_free(struct epochs *e)
{
	if (!e)
		return;
	signer_free(e->signer);
	signer_free(e->next);
	OPENSSL_cleanse(&e->mac, sizeof(e->mac));
	if (e->dir >= 0)
		close(e->dir);
	free(e);
}

/* --- handover -------------------------------------------------------------------------------------- */

uint32_t epochs_now(const struct epochs *e)
{
	return e->mac.epoch;
}

struct signer *epochs_signer(const struct epochs *e)
{
	return e->signer;
}

const struct mac_key *epochs_mac(const struct epochs *e)
{
	return &e->mac;
}

int epochs_prepare(struct epochs *e, uint8_t ret_public[static RECORD_PUBKEY_LEN])
{
	struct mac_key k = e->mac;
	char err[512];
	int r = 0;

	if (!e->next) {
		r = wipe(e, "next.key"); /* of a handover that never came about */
		if (!r)
			r = wipe(e, "next.key.pub");
		if (!r)
			r = signer_load(e, "next.key", true, &e->next, err, sizeof(err));
	}
	if (!r) {
		mac_ratchet(&k);
		r = mac_write(e, "mac.next", &k);
	}
	OPENSSL_cleanse(&k, sizeof(k));
	if (!r)
		memcpy(ret_public, signer_public(e->next), RECORD_PUBKEY_LEN);
	return r;
}

static int files_over(struct epochs *e)
{
	int a = replace(e, "host.key", "next.key");
	int b = replace(e, "host.key.pub", "next.key.pub");
	int c = replace(e, "mac.key", "mac.next");

	return a ? a : b ? b : c;
}

void epochs_switch(struct epochs *e)
{
	mac_ratchet(&e->mac);
	signer_free(e->signer);
	e->signer = TAKE_PTR(e->next);
}

int epochs_forget(struct epochs *e)
{
	return files_over(e);
}

int epochs_chain_public(const struct epochs *e, uint8_t ret[static RECORD_PUBKEY_LEN])
{
	char path[4096], err[256];

	name_of(e, "chain.pub", path);
	return public_read(path, ret, err, sizeof(err));
}

static bool is_key(const struct signer *s, const uint8_t id[static 8])
{
	uint8_t have[8];

	key_id(signer_public(s), have);
	return !memcmp(have, id, sizeof(have));
}

/* The MAC's key of that epoch: it may be one behind, never ahead. */
static int mac_to(struct epochs *e, uint32_t epoch)
{
	if (e->mac.epoch == epoch)
		return wipe(e, "mac.next");
	if (e->mac.epoch + 1 != epoch)
		return -ENOKEY;
	mac_ratchet(&e->mac);
	if (mac_write(e, "mac.next", &e->mac))
		return -EIO;
	return replace(e, "mac.key", "mac.next");
}

int epochs_resume(struct epochs *e, const struct epochs_at *at, char *err, size_t err_len)
{
	uint32_t want = at->epoch + at->sealed;
	bool current =
		at->sealed ? !memcmp(signer_public(e->signer), at->next_public, RECORD_PUBKEY_LEN)
			   : is_key(e->signer, at->key_id);
	int r = 0;

	if (!current && at->sealed) {
		r = signer_load(e, "next.key", false, &e->next, err, err_len);
		if (r || memcmp(signer_public(e->next), at->next_public, RECORD_PUBKEY_LEN))
			return -ENOKEY;
		signer_free(e->signer);
		e->signer = TAKE_PTR(e->next);
		r = replace(e, "host.key", "next.key");
		if (!r)
			r = replace(e, "host.key.pub", "next.key.pub");
	} else if (!current) {
		return -ENOKEY;
	}
	if (!r)
		r = mac_to(e, want);
	if (r && r != -ENOKEY)
		fail(err, err_len, e, "host.key", r);
	return r;
}

/* --- the seed -------------------------------------------------------------------------------------- */

bool epochs_seed(const struct epochs *e, uint8_t ret[static MAC_LEN])
{
	struct mac_key k;
	bool is = !mac_read(e, "mac.seed", &k);

	if (is)
		memcpy(ret, k.k, MAC_LEN);
	OPENSSL_cleanse(&k, sizeof(k));
	return is;
}

int epochs_seed_taken(struct epochs *e)
{
	return wipe(e, "mac.seed");
}
