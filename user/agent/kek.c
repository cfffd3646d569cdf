// SPDX-License-Identifier: Apache-2.0
/*
 * In: where the key encryption key (KEK) is, and bytes of key files. Out: these bytes sealed, or read.
 *
 * Who copies the disk, or a backup of it, has the files and not the KEK: systemd gives it to the service
 * alone, and keeps it encrypted, by the TPM where there is one. Who is root on the running host has both.
 *
 * Invariant: the CRC is of the bytes as they stand in the file and needs no key, so a write that was cut
 * off is told from a wrong KEK: the first counts as empty, the second is an error of the operator and
 * nothing may be lost over it. Each write has a nonce of its own; there are as many as there are epochs,
 * far below what random nonces of 96 bits allow.
 */
#include "kek.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/reader.h"
#include "record/segment.h"

#define HEAD 12 /* magic, epoch */
#define NONCE 12
#define TAG 16

static const struct {
	uint8_t plain[8], sealed[8];
	size_t secret;
} kinds[] = {
	[KEYFILE_EPOCH] = {"PBRKEY1", "PBRKEK1", 64},
	[KEYFILE_SEED] = {"PBRMAC1", "PBRMAK1", 32},
};

DEFINE_CLEANUP(EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)

/* --- where it is ----------------------------------------------------------------------------------- */

static int kek_read(const char *path, bool given, struct kek *ret, char *err, size_t err_len)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint8_t b[KEK_LEN + 1];
	const char *why = NULL;
	struct stat st;
	ssize_t n;
	int r = 0;

	if (fd < 0 || fstat(fd, &st) < 0) {
		r = -errno;
		snprintf(err, err_len, "%.400s: %s", path, strerror(-r));
		return r;
	}
	n = read(fd, b, sizeof(b));
	if (n != KEK_LEN)
		why = "not a key encryption key, which is 32 bytes";
	else if (!S_ISREG(st.st_mode) || (given && st.st_mode & 077))
		why = "readable by others, must be a file of mode 0600";
	if (why) {
		snprintf(err, err_len, "%.400s: %s", path, why);
		r = n != KEK_LEN ? -EINVAL : -EPERM;
	} else {
		ret->is = true;
		memcpy(ret->k, b, KEK_LEN);
	}
	OPENSSL_cleanse(b, sizeof(b));
	return r;
}

int kek_open(const char *name, struct kek *ret, char *err, size_t err_len)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	char path[4096];

	*ret = (struct kek){0};
	if (name && strchr(name, '/'))
		return kek_read(name, true, ret, err, err_len);
	if (!dir || !*dir) {
		if (!name)
			return 0;
		snprintf(
			err, err_len,
			"--key-encryption-key %.100s: the service manager has given no credentials; "
			"a path has a slash",
			name);
		return -ENOENT;
	}
	snprintf(path, sizeof(path), "%s/%s", dir, name ?: KEK_CREDENTIAL);
	if (!name && access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	return kek_read(path, false, ret, err, err_len);
}

/* --- sealed ---------------------------------------------------------------------------------------- */

/* head: magic and epoch. in and out: n bytes; seal writes tag, open checks it. */
static bool gcm(const struct kek *kek, bool seal, const uint8_t *head, const char *name,
		const uint8_t *nonce, const uint8_t *in, size_t n, uint8_t *out, uint8_t *tag)
{
	_cleanup_(EVP_CIPHER_CTX_freep) EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int k;

	if (!c || EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, kek->k, nonce, seal) != 1 ||
	    (!seal && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG, tag) != 1) ||
	    EVP_CipherUpdate(c, NULL, &k, head, HEAD) != 1 ||
	    EVP_CipherUpdate(c, NULL, &k, (const uint8_t *)name, strlen(name)) != 1 ||
	    EVP_CipherUpdate(c, out, &k, in, n) != 1 || EVP_CipherFinal_ex(c, out + k, &k) != 1)
		return false;
	return !seal || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG, tag) == 1;
}

/* --- the bytes of a file --------------------------------------------------------------------------- */

size_t keyfile_pack(const struct kek *kek, enum keyfile_kind kind, const char *name,
		    const struct keyfile *k, uint8_t out[static KEYFILE_MAX])
{
	bool seal = kek && kek->is;
	size_t secret = kinds[kind].secret, at = HEAD;

	memcpy(out, seal ? kinds[kind].sealed : kinds[kind].plain, 8);
	put_be(out + 8, 4, k->epoch);
	if (!seal) {
		memcpy(out + at, k->secret, secret);
		at += secret;
	} else {
		if (RAND_bytes(out + at, NONCE) != 1 ||
		    !gcm(kek, true, out, name, out + at, k->secret, secret, out + at + NONCE,
			 out + at + NONCE + secret))
			return 0;
		at += NONCE + secret + TAG;
	}
	put_be(out + at, 4, crc32c(0, out, at));
	return at + 4;
}

static bool is_zero(const uint8_t *p, size_t n)
{
	while (n--)
		if (*p++)
			return false;
	return true;
}

/* Of these many bytes, and nothing but zeros behind: a longer one may have stood there. */
static bool whole(const uint8_t *p, size_t n, size_t len)
{
	struct reader in;

	if (n < len)
		return false;
	in = reader_of(p + len - 4, 4);
	return reader_u32(&in) == crc32c(0, p, len - 4) && is_zero(p + len, n - len);
}

/* A part of the magic, and nothing behind it yet. */
static bool begun(const uint8_t *p, size_t n, const uint8_t magic[static 8])
{
	size_t i = 0;

	while (i < n && i < 8 && p[i] == magic[i])
		i++;
	return i && i < 8 && is_zero(p + i, n - i);
}

int keyfile_parse(const struct kek *kek, enum keyfile_kind kind, const char *name, const uint8_t *p,
		  size_t n, struct keyfile *ret)
{
	size_t secret = kinds[kind].secret;
	uint8_t tag[TAG], out[KEYFILE_SECRET_MAX];
	struct reader in = reader_of(p, n);
	struct keyfile k = {0};
	bool ok;

	if (!n || !*p) /* the wiping, too, begins at the front */
		return -ENODATA;
	k.sealed = n >= 8 && !memcmp(p, kinds[kind].sealed, 8);
	if (begun(p, n, kinds[kind].plain) || begun(p, n, kinds[kind].sealed))
		return -EILSEQ;
	if (n < 8 || n > KEYFILE_MAX || (!k.sealed && memcmp(p, kinds[kind].plain, 8)))
		return -EINVAL;
	if (!whole(p, n, HEAD + secret + 4 + (k.sealed ? NONCE + TAG : 0)))
		return -EILSEQ;
	reader_take(&in, 8);
	k.epoch = reader_u32(&in);
	if (!k.sealed) {
		memcpy(k.secret, p + HEAD, secret);
		*ret = k;
		OPENSSL_cleanse(&k, sizeof(k));
		return 0;
	}
	if (!kek || !kek->is)
		return -ENOKEY;
	p += HEAD;
	memcpy(tag, p + NONCE + secret, TAG);
	ok = gcm(kek, false, p - HEAD, name, p, p + NONCE, secret, out, tag);
	if (ok) {
		memcpy(k.secret, out, secret);
		*ret = k;
	}
	OPENSSL_cleanse(out, sizeof(out));
	OPENSSL_cleanse(&k, sizeof(k));
	return ok ? 0 : -EKEYREJECTED;
}
