// SPDX-License-Identifier: Apache-2.0
/*
 * In: keys of an epoch, and K_0. Out: their files, and from them the keys again. Each is written in place
 * (epochs.c says why) and whole; of a failed sync the same bytes are not asked again.
 */
#include "epochs_int.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"

#define SEED_LEN 32

DEFINE_CLEANUP(struct signer, signer_free)

void epochs_slot_clear(struct slot *s)
{
	signer_free(TAKE_PTR(s->signer));
	OPENSSL_cleanse(&s->mac, sizeof(s->mac));
}

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

int epochs_slot_wipe(struct slot *s)
{
	static const uint8_t zeros[KEYFILE_MAX];

	epochs_slot_clear(s);
	return put(s->fd, zeros, sizeof(zeros));
}

/* New keys of an epoch: `mac` is its K_e. In memory only when they are durable. */
int epochs_slot_make(const struct kek *kek, struct slot *s, const struct mac_key *mac)
{
	_cleanup_(signer_freep) struct signer *signer = NULL;
	struct keyfile k = {.epoch = mac->epoch};
	uint8_t b[KEYFILE_MAX] = {0};
	int r;

	epochs_slot_clear(s);
	r = RAND_priv_bytes(k.secret, SEED_LEN) == 1 ? signer_of(k.secret, &signer) : -EIO;
	memcpy(k.secret + SEED_LEN, mac->k, MAC_LEN);
	if (!r && !keyfile_pack(kek, KEYFILE_EPOCH, s->name, &k, b))
		r = -EIO;
	if (!r)
		r = put(s->fd, b, sizeof(b));
	OPENSSL_cleanse(&k, sizeof(k));
	OPENSSL_cleanse(b, sizeof(b));
	if (r)
		return r;
	s->signer = TAKE_PTR(signer);
	s->mac = *mac;
	s->sealed = kek->is;
	return 0;
}

/* 0, with the slot empty or filled; keyfile_parse's otherwise. */
int epochs_slot_load(const struct kek *kek, struct slot *s)
{
	uint8_t b[KEYFILE_MAX + 1];
	ssize_t n = pread(s->fd, b, sizeof(b), 0);
	struct keyfile k;
	int r = n < 0 ? -errno : keyfile_parse(kek, KEYFILE_EPOCH, s->name, b, n, &k);

	OPENSSL_cleanse(b, sizeof(b));
	if (r == -EILSEQ)
		log_warn("%s: its writing was cut off; taken as empty", s->name);
	if (r)
		return r == -EILSEQ || r == -ENODATA ? 0 : r;
	r = signer_of(k.secret, &s->signer);
	s->mac.epoch = k.epoch;
	memcpy(s->mac.k, k.secret + SEED_LEN, MAC_LEN);
	s->sealed = k.sealed;
	OPENSSL_cleanse(&k, sizeof(k));
	return r;
}

/* --- the seed -------------------------------------------------------------------------------------- */

/* K_0: into its own file first, so that none is ever in use that nobody can take. */
int epochs_seed_put(const struct epochs *e, int fd, const uint8_t k0[static MAC_LEN])
{
	uint8_t b[KEYFILE_MAX];
	struct keyfile k = {0};
	size_t n;
	int r;

	memcpy(k.secret, k0, MAC_LEN);
	n = keyfile_pack(&e->kek, KEYFILE_SEED, SEED_NAME, &k, b);
	r = n ? put(fd, b, n) : -EIO;
	OPENSSL_cleanse(&k, sizeof(k));
	OPENSSL_cleanse(b, sizeof(b));
	return r;
}

int epochs_seed_get(const struct epochs *e, struct keyfile *ret)
{
	uint8_t b[KEYFILE_MAX + 1];
	ssize_t n = pread(e->seed, b, sizeof(b), 0);
	int r = n < 0 ? -errno : keyfile_parse(&e->kek, KEYFILE_SEED, SEED_NAME, b, n, ret);

	OPENSSL_cleanse(b, sizeof(b));
	return r;
}

/* K_0 that stands in the clear and need not: a new file takes the place of the old one, which is then
 * overwritten, so that at any moment one of them is whole. */
int epochs_seed_reseal(struct epochs *e, const uint8_t k0[static MAC_LEN])
{
	static const uint8_t zeros[KEYFILE_MAX];
	char path[4096], tmp[4128];
	int fd, r;

	snprintf(path, sizeof(path), "%s/" SEED_NAME, e->path);
	snprintf(tmp, sizeof(tmp), "%s.tmp", path);
	fd = open(tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	r = epochs_seed_put(e, fd, k0);
	if (!r && rename(tmp, path) < 0)
		r = -errno;
	if (!r)
		r = fs_fsync_parent(path);
	if (r) {
		close(fd);
		return r;
	}
	r = put(e->seed, zeros, sizeof(zeros));
	close(e->seed);
	e->seed = fd;
	return r;
}

bool epochs_seed(const struct epochs *e, uint8_t ret[static MAC_LEN])
{
	struct keyfile k;
	/* A seed that was taken is a file without content. */
	bool is = !epochs_seed_get(e, &k);

	if (is) {
		memcpy(ret, k.secret, MAC_LEN);
		OPENSSL_cleanse(&k, sizeof(k));
	}
	return is;
}

int epochs_seed_taken(struct epochs *e)
{
	static const uint8_t zeros[KEYFILE_MAX];
	int r = put(e->seed, zeros, sizeof(zeros));

	if (!r && (ftruncate(e->seed, 0) < 0 || fsync(e->seed) < 0))
		r = -errno;
	return r;
}
