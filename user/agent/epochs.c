// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: where the chain stands. Flows out: the signer and the MAC key of the open epoch.
 *
 * Handover, so that a crash at any step loses neither the chain nor the past: the next keys are durable
 * in the other slot before the SEAL that names them is sealed; the old slot is overwritten only when that
 * SEAL is durable. In between both are there, and resuming takes the one the last record calls for.
 *
 * Slots are written in place, through descriptors of files that root owns: whoever runs as the recorder's
 * user later cannot open them, no new file with an old key's content is left behind, and a protection by
 * inode stays right. A file system that copies on write, or a drive that levels wear, may keep old
 * content all the same; an encrypted disk is for those.
 *
 * With a KEK (kek.h) what stands in the files is encrypted with it. Files that are plain are read all the
 * same, and the next write of each is sealed; what is sealed and cannot be opened ends the start, and
 * nothing is written over it.
 *
 * Invariant: `now` is the slot of the epoch that is open, and its keys sign it. A slot with a wrong CRC is
 * one whose writing was cut off: it counts as empty. What is no slot at all is refused.
 */
#include "epochs_int.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/reader.h"
#include "record/segment.h"

#define LOCK_TRIES 40 /* × 50 ms: the recorder before us may be dying */
static const char *const slot_names[2] = {"epoch.0", "epoch.1"};

DEFINE_CLEANUP(struct epochs, epochs_free)

/* --- opening --------------------------------------------------------------------------------------- */

static void fail(char *err, size_t n, const struct epochs *e, const char *file, const char *why)
{
	snprintf(err, n, "%.400s/%s: %s", e->path, file, why);
}

static int file_open(const struct epochs *e, const char *file, int *ret, char *err, size_t err_len)
{
	char path[4096];
	struct stat st;
	int r;

	snprintf(path, sizeof(path), "%s/%s", e->path, file);
	*ret = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	r = *ret < 0 || fstat(*ret, &st) < 0 ? -errno : 0;
	if (r) {
		fail(err, err_len, e, file, strerror(-r));
	} else if (!S_ISREG(st.st_mode) || st.st_mode & 077) {
		r = -EPERM;
		fail(err, err_len, e, file, "readable by others, must be a file of mode 0600");
	}
	return r;
}

static int lock_take(const struct epochs *e)
{
	for (int i = 0; flock(e->slot[0].fd, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK || i == LOCK_TRIES)
			return errno == EWOULDBLOCK ? -EBUSY : -errno;
		nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
	}
	return 0;
}

static int chain_public_load(struct epochs *e, char *err, size_t err_len)
{
	char path[4096];
	int r;

	snprintf(path, sizeof(path), "%s/chain.pub", e->path);
	r = public_read(path, e->chain_public, err, err_len);
	e->chain = !r;
	if (r == -EINVAL)
		log_warn("%s", err);
	return r == -ENOENT || r == -EINVAL ? 0 : r;
}

static const char *why_not(int r)
{
	return r == -EINVAL ? "not a key of this agent"
	       : r == -ENOKEY
		       ? "encrypted: needs --key-encryption-key, or the credential " KEK_CREDENTIAL
	       : r == -EKEYREJECTED ? "encrypted with another key encryption key than the one given"
				    : strerror(-r);
}

/* That a seed is not plain, where it need not, and can be read. */
static int seed_check(struct epochs *e, char *err, size_t err_len)
{
	struct keyfile k;
	int r = epochs_seed_get(e, &k);

	if (r && r != -ENOKEY && r != -EKEYREJECTED)
		return 0; /* taken, or its writing was cut off: then it was in use nowhere */
	if (!r && e->kek.is && !k.sealed)
		r = epochs_seed_reseal(e, k.secret);
	OPENSSL_cleanse(&k, sizeof(k));
	if (r)
		fail(err, err_len, e, SEED_NAME, why_not(r));
	return r;
}

static int files_open(struct epochs *e, char *err, size_t err_len)
{
	int r = 0;

	for (int i = 0; i < 2 && !r; i++) {
		struct slot *s = &e->slot[i];

		r = file_open(e, s->name, &s->fd, err, err_len);
		if (!r && !i) {
			r = lock_take(e);
			if (r)
				fail(err, err_len, e, s->name, "another recorder holds its lock");
		}
		if (r)
			return r;
		r = epochs_slot_load(&e->kek, s);
		if (r)
			fail(err, err_len, e, s->name, why_not(r));
		if (!r && s->signer && e->kek.is && !s->sealed)
			log_info("%s: not encrypted yet; the keys of the next epoch will be",
				 s->name);
	}
	if (!r)
		r = file_open(e, SEED_NAME, &e->seed, err, err_len);
	return r ? r : seed_check(e, err, err_len);
}

static int keys_make(struct epochs *e)
{
	struct mac_key k = {0};
	int r = RAND_priv_bytes(k.k, MAC_LEN) == 1 ? epochs_seed_put(e, e->seed, k.k) : -EIO;

	if (!r)
		r = epochs_slot_make(&e->kek, &e->slot[0], &k);
	OPENSSL_cleanse(&k, sizeof(k));
	e->now = 0;
	return r;
}

static int names_durable(const struct epochs *e)
{
	char path[4096];
	int r;

	snprintf(path, sizeof(path), "%s/epoch.0", e->path);
	r = fs_fsync_parent(path);
	return r ? r : fs_fsync_parent(e->path);
}

int epochs_open(const char *dir, struct epochs **ret, char *err, size_t err_len)
{
	return epochs_open_with(dir, NULL, ret, err, err_len);
}

int epochs_open_with(const char *dir, const struct kek *kek, struct epochs **ret, char *err,
		     size_t err_len)
{
	_cleanup_(epochs_freep) struct epochs *e = calloc(1, sizeof(*e));
	int r = e ? fs_mkdirs(dir, 0700) : -ENOMEM;

	if (e)
		*e = (struct epochs){.slot = {{.name = slot_names[0], .fd = -1},
					      {.name = slot_names[1], .fd = -1}},
				     .seed = -1};
	if (e && kek)
		e->kek = *kek;
	if (!r && snprintf(e->path, sizeof(e->path), "%s", dir) >= (int)sizeof(e->path))
		r = -ENAMETOOLONG;
	if (r) {
		snprintf(err, err_len, "%.400s: %s", dir, strerror(-r));
		return r;
	}
	r = files_open(e, err, err_len);
	if (!r)
		r = chain_public_load(e, err, err_len);
	if (r)
		return r;
	/* Of two, the older one until somebody says otherwise: its SEAL may not have come about. */
	if (e->slot[0].signer && e->slot[1].signer)
		e->now = e->slot[1].mac.epoch < e->slot[0].mac.epoch;
	else
		e->now = !e->slot[0].signer && e->slot[1].signer;
	if (!e->slot[e->now].signer)
		r = keys_make(e);
	if (!r)
		r = names_durable(e);
	if (r)
		fail(err, err_len, e, "epoch.0", strerror(-r));
	else
		*ret = TAKE_PTR(e);
	return r;
}

void epochs_free(struct epochs *e)
{
	if (!e)
		return;
	for (int i = 0; i < 2; i++) {
		epochs_slot_clear(&e->slot[i]);
		if (e->slot[i].fd >= 0)
			close(e->slot[i].fd);
	}
	if (e->seed >= 0)
		close(e->seed);
	OPENSSL_cleanse(&e->kek, sizeof(e->kek));
	free(e);
}

/* --- a new chain ----------------------------------------------------------------------------------- */

static int chain_public_write(struct epochs *e)
{
	char hex[2 * RECORD_PUBKEY_LEN + 2], path[4096];
	const uint8_t *public = signer_public(e->slot[e->now].signer);
	int r;

	for (int i = 0; i < RECORD_PUBKEY_LEN; i++)
		snprintf(hex + 2 * i, 3, "%02x", public[i]);
	hex[2 * RECORD_PUBKEY_LEN] = '\n';
	snprintf(path, sizeof(path), "%s/chain.pub", e->path);
	r = fs_write_atomic(path, hex, sizeof(hex) - 1, 0644);
	if (r)
		return r;
	memcpy(e->chain_public, public, RECORD_PUBKEY_LEN);
	e->chain = true;
	return 0;
}

int epochs_begin(struct epochs *e, char *err, size_t err_len)
{
	/* Keys that have signed nothing yet are this chain's. */
	bool fresh = !e->chain && !e->slot[e->now].mac.epoch && e->slot[e->now].signer;
	int r = fresh ? 0 : epochs_slot_wipe(&e->slot[0]);

	if (!fresh && !r)
		r = epochs_slot_wipe(&e->slot[1]);
	if (!fresh && !r)
		r = keys_make(e);
	if (r) {
		fail(err, err_len, e, "epoch.0", strerror(-r));
		return r;
	}
	r = chain_public_write(e);
	if (r)
		fail(err, err_len, e, "chain.pub", strerror(-r));
	return r;
}

/* --- handover -------------------------------------------------------------------------------------- */

uint32_t epochs_now(const struct epochs *e)
{
	return e->slot[e->now].mac.epoch;
}

bool epochs_sealed(const struct epochs *e)
{
	return e->slot[e->now].sealed;
}

struct signer *epochs_signer(const struct epochs *e)
{
	return e->slot[e->now].signer;
}

const struct mac_key *epochs_mac(const struct epochs *e)
{
	return &e->slot[e->now].mac;
}

int epochs_prepare(struct epochs *e, uint8_t ret_public[static RECORD_PUBKEY_LEN])
{
	struct slot *next = &e->slot[!e->now];
	struct mac_key k = *epochs_mac(e);
	int r = 0;

	mac_ratchet(&k);
	if (!next->signer || next->mac.epoch != k.epoch)
		r = epochs_slot_make(&e->kek, next, &k);
	OPENSSL_cleanse(&k, sizeof(k));
	if (!r)
		memcpy(ret_public, signer_public(next->signer), RECORD_PUBKEY_LEN);
	return r;
}

void epochs_switch(struct epochs *e)
{
	e->now = !e->now;
	epochs_slot_clear(&e->slot[!e->now]);
}

int epochs_forget(struct epochs *e)
{
	return epochs_slot_wipe(&e->slot[!e->now]);
}

int epochs_chain_public(const struct epochs *e, uint8_t ret[static RECORD_PUBKEY_LEN])
{
	if (!e->chain)
		return -ENOENT;
	memcpy(ret, e->chain_public, RECORD_PUBKEY_LEN);
	return 0;
}

static bool fits(const struct slot *s, const struct epochs_at *at)
{
	uint8_t id[8];

	if (!s->signer || s->mac.epoch != at->epoch + at->sealed)
		return false;
	if (at->sealed)
		return !memcmp(signer_public(s->signer), at->next_public, RECORD_PUBKEY_LEN);
	key_id(signer_public(s->signer), id);
	return !memcmp(id, at->key_id, sizeof(id));
}

int epochs_resume(struct epochs *e, const struct epochs_at *at, char *err, size_t err_len)
{
	unsigned i = fits(&e->slot[0], at) ? 0 : 1;
	int r;

	if (!fits(&e->slot[i], at))
		return -ENOKEY;
	e->now = i;
	/* Of an epoch that is sealed, or of one whose SEAL never came about. */
	r = epochs_slot_wipe(&e->slot[!i]);
	if (r)
		fail(err, err_len, e, i ? "epoch.0" : "epoch.1", strerror(-r));
	return r;
}

int epochs_resume_public(struct epochs *e, const uint8_t public[static RECORD_PUBKEY_LEN])
{
	for (unsigned i = 0; i < 2; i++) {
		struct slot *s = &e->slot[i];

		if (!s->signer || memcmp(signer_public(s->signer), public, RECORD_PUBKEY_LEN))
			continue;
		e->now = i;
		return epochs_slot_wipe(&e->slot[!i]);
	}
	return -ENOKEY;
}
