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
 * Invariant: `now` is the slot of the epoch that is open, and its keys sign it. A slot with a wrong CRC is
 * one whose writing was cut off: it counts as empty. What is no slot at all is refused.
 */
#include "epochs.h"

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

#define SEED_LEN 32
#define SLOT_LEN 80 /* magic[8], epoch u32, signing key[32], K_e[32], crc32c u32 of all before */
#define MAC_FILE_LEN 48 /* magic[8], epoch u32, K_0[32], crc32c u32 */
#define LOCK_TRIES 40	/* × 50 ms: the recorder before us may be dying */
static const uint8_t slot_magic[8] = "PBRKEY1", mac_magic[8] = "PBRMAC1";

struct slot {
	int fd;
	struct signer *signer; /* NULL: empty */
	struct mac_key mac;
};
struct epochs {
	char path[4000];
	struct slot slot[2];
	unsigned now; /* which of them */
	int seed;
	bool chain;
	uint8_t chain_public[RECORD_PUBKEY_LEN];
};

DEFINE_CLEANUP(struct epochs, epochs_free)
DEFINE_CLEANUP(struct signer, signer_free)

static void slot_clear(struct slot *s)
{
	signer_free(TAKE_PTR(s->signer));
	OPENSSL_cleanse(&s->mac, sizeof(s->mac));
}

/* --- bytes of a file ------------------------------------------------------------------------------- */

/* The whole of a small file; a failed sync is not asked again: the next try writes all of it anew. */
static int put(int fd, const void *p, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t k = pwrite(fd, (const uint8_t *)p + at, n - at, at);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return k ? -errno : -EIO;
		at += k;
	}
	return fdatasync(fd) < 0 ? -errno : 0;
}

static int slot_wipe(struct slot *s)
{
	static const uint8_t zeros[SLOT_LEN];

	slot_clear(s);
	return put(s->fd, zeros, sizeof(zeros));
}

/* New keys of an epoch: `mac` is its K_e. In memory only when they are durable. */
static int slot_make(struct slot *s, const struct mac_key *mac)
{
	_cleanup_(signer_freep) struct signer *signer = NULL;
	uint8_t b[SLOT_LEN];
	int r;

	slot_clear(s);
	memcpy(b, slot_magic, sizeof(slot_magic));
	put_be(b + 8, 4, mac->epoch);
	r = RAND_priv_bytes(b + 12, SEED_LEN) == 1 ? signer_of(b + 12, &signer) : -EIO;
	memcpy(b + 44, mac->k, MAC_LEN);
	put_be(b + 76, 4, crc32c(0, b, 76));
	if (!r)
		r = put(s->fd, b, sizeof(b));
	OPENSSL_cleanse(b, sizeof(b));
	if (r)
		return r;
	s->signer = TAKE_PTR(signer);
	s->mac = *mac;
	return 0;
}

static bool is_zero(const uint8_t *p, size_t n)
{
	while (n--)
		if (*p++)
			return false;
	return true;
}

/* 0, with the slot empty or filled; -EINVAL: no slot. */
static int slot_parse(struct slot *s, const uint8_t *b, ssize_t n, const char *name)
{
	struct reader in = reader_of(b + 8, SLOT_LEN - 8);
	const uint8_t *seed;

	if (is_zero(b, n < 8 ? n : 8)) /* the wiping, too, begins at the front */
		return 0;
	if (n < 8 || memcmp(b, slot_magic, sizeof(slot_magic)))
		return -EINVAL;
	s->mac.epoch = reader_u32(&in);
	seed = reader_take(&in, SEED_LEN);
	reader_bytes(&in, s->mac.k, MAC_LEN);
	if (n == SLOT_LEN && reader_u32(&in) == crc32c(0, b, 76) && seed)
		return signer_of(seed, &s->signer);
	log_warn("%s: its writing was cut off; taken as empty", name);
	slot_clear(s);
	return 0;
}

static int slot_load(struct slot *s, const char *name)
{
	uint8_t b[SLOT_LEN + 1];
	ssize_t n = pread(s->fd, b, sizeof(b), 0);
	int r = n < 0 ? -errno : n > SLOT_LEN ? -EINVAL : slot_parse(s, b, n, name);

	OPENSSL_cleanse(b, sizeof(b));
	return r;
}

/* K_0: into its own file first, so that none is ever in use that nobody can take. */
static int seed_put(const struct epochs *e, const struct mac_key *k)
{
	uint8_t b[MAC_FILE_LEN];
	int r;

	memcpy(b, mac_magic, sizeof(mac_magic));
	put_be(b + 8, 4, k->epoch);
	memcpy(b + 12, k->k, MAC_LEN);
	put_be(b + 44, 4, crc32c(0, b, 44));
	r = put(e->seed, b, sizeof(b));
	OPENSSL_cleanse(b, sizeof(b));
	return r;
}

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

static int files_open(struct epochs *e, char *err, size_t err_len)
{
	static const char *const names[2] = {"epoch.0", "epoch.1"};
	int r = 0;

	for (int i = 0; i < 2 && !r; i++) {
		r = file_open(e, names[i], &e->slot[i].fd, err, err_len);
		if (!r && !i) {
			r = lock_take(e);
			if (r)
				fail(err, err_len, e, names[i], "another recorder holds its lock");
		}
		if (r)
			return r;
		r = slot_load(&e->slot[i], names[i]);
		if (r)
			fail(err, err_len, e, names[i],
			     r == -EINVAL ? "not a key of this agent" : strerror(-r));
	}
	return r ? r : file_open(e, "mac.seed", &e->seed, err, err_len);
}

static int keys_make(struct epochs *e)
{
	struct mac_key k = {0};
	int r = RAND_priv_bytes(k.k, MAC_LEN) == 1 ? seed_put(e, &k) : -EIO;

	if (!r)
		r = slot_make(&e->slot[0], &k);
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
	_cleanup_(epochs_freep) struct epochs *e = calloc(1, sizeof(*e));
	int r = e ? fs_mkdirs(dir, 0700) : -ENOMEM;

	if (e)
		e->slot[0].fd = e->slot[1].fd = e->seed = -1;
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
		slot_clear(&e->slot[i]);
		if (e->slot[i].fd >= 0)
			close(e->slot[i].fd);
	}
	if (e->seed >= 0)
		close(e->seed);
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
	int r = fresh ? 0 : slot_wipe(&e->slot[0]);

	if (!fresh && !r)
		r = slot_wipe(&e->slot[1]);
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
		r = slot_make(next, &k);
	OPENSSL_cleanse(&k, sizeof(k));
	if (!r)
		memcpy(ret_public, signer_public(next->signer), RECORD_PUBKEY_LEN);
	return r;
}

void epochs_switch(struct epochs *e)
{
	e->now = !e->now;
	slot_clear(&e->slot[!e->now]);
}

int epochs_forget(struct epochs *e)
{
	return slot_wipe(&e->slot[!e->now]);
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
	r = slot_wipe(&e->slot[!i]);
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
		return slot_wipe(&e->slot[!i]);
	}
	return -ENOKEY;
}

/* --- the seed -------------------------------------------------------------------------------------- */

bool epochs_seed(const struct epochs *e, uint8_t ret[static MAC_LEN])
{
	uint8_t b[MAC_FILE_LEN];
	struct reader in = reader_of(b + 44, 4);
	/* A seed that was taken is a file without content. */
	bool is = pread(e->seed, b, sizeof(b), 0) == MAC_FILE_LEN &&
		  !memcmp(b, mac_magic, sizeof(mac_magic)) && reader_u32(&in) == crc32c(0, b, 44);

	if (is)
		memcpy(ret, b + 12, MAC_LEN);
	OPENSSL_cleanse(b, sizeof(b));
	return is;
}

int epochs_seed_taken(struct epochs *e)
{
	static const uint8_t zeros[MAC_FILE_LEN];
	int r = put(e->seed, zeros, sizeof(zeros));

	if (!r && (ftruncate(e->seed, 0) < 0 || fsync(e->seed) < 0))
		r = -errno;
	return r;
}
