// SPDX-License-Identifier: Apache-2.0
/*
 * In: a key file or 32 bytes. Out: a signer or verifier that is set up once and then used for
 * every record, because fetching an algorithm costs more than the hash of a small record.
 * Invariant: a private key is accepted only when its file is a plain Ed25519 PEM that no one but
 * its owner can read. The key file is written whole or not at all; PATH.pub is made again from it
 * when absent. Errors are one line that names the file.
 */
#include "keys.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/hex.h"
#include "base/sha256.h"

#define KEY_FILE_MAX 4096

struct signer {
	EVP_PKEY *key;
	EVP_MD_CTX *ctx;
	uint8_t public[RECORD_PUBKEY_LEN];
};
struct verifier {
	EVP_PKEY *key;
	EVP_MD_CTX *ctx;
};

DEFINE_CLEANUP(struct signer, signer_free)
DEFINE_CLEANUP(struct verifier, verifier_free)
DEFINE_CLEANUP(EVP_PKEY, EVP_PKEY_free)
DEFINE_CLEANUP(BIO, BIO_free_all)

/* An encrypted key must fail, not ask on the terminal. */
static int no_password(char *buf, int size, int writing, void *ctx)
{
	return -1;
}

static EVP_PKEY *private_parse(const char *text, size_t n)
{
	_cleanup_(BIO_free_allp) BIO *in = BIO_new_mem_buf(text, n);

	return in ? PEM_read_bio_PrivateKey(in, NULL, no_password, NULL) : NULL;
}

static int key_read(const char *path, EVP_PKEY **ret, char *err, size_t err_len)
{
	char *text;
	size_t n;
	struct stat st;
	int r;

	r = stat(path, &st) < 0 ? -errno : fs_read(path, KEY_FILE_MAX, &text, &n);
	if (r == -EFBIG) {
		snprintf(err, err_len, "%s: not a PEM private key", path);
		return -EINVAL;
	}
	if (r) {
		snprintf(err, err_len, "%s: %s", path, strerror(-r));
		return r;
	}
	*ret = private_parse(text, n);
	OPENSSL_cleanse(text, n);
	free(text);
	ERR_clear_error();
	if (!*ret) {
		snprintf(err, err_len, "%s: not a PEM private key", path);
		return -EINVAL;
	}
	if (EVP_PKEY_id(*ret) != EVP_PKEY_ED25519) {
		snprintf(err, err_len, "%s: not an Ed25519 key", path);
		r = -EINVAL;
	} else if (st.st_mode & 077) {
		snprintf(err, err_len, "%s: readable by others (mode %04o, must be 0600)", path,
			 st.st_mode & 07777);
		r = -EPERM;
	}
	if (r) {
		EVP_PKEY_free(*ret);
		*ret = NULL;
	}
	return r;
}

static int pem_write(const char *path, EVP_PKEY *key, bool private)
{
	_cleanup_(BIO_free_allp) BIO *out = BIO_new(BIO_s_secmem());
	char *text;
	long n;

	if (!out || (private ? PEM_write_bio_PKCS8PrivateKey(out, key, NULL, NULL, 0, NULL, NULL)
			     : PEM_write_bio_PUBKEY(out, key)) != 1)
		return -ENOMEM;
	n = BIO_get_mem_data(out, &text);
	return fs_write_atomic(path, text, n, private ? 0600 : 0644);
}

static int signer_new(EVP_PKEY *key, struct signer **ret)
{
	_cleanup_(signer_freep) struct signer *s = calloc(1, sizeof(*s));
	size_t n = RECORD_PUBKEY_LEN;

	if (!s || !(s->ctx = EVP_MD_CTX_new()))
		return -ENOMEM;
	if (EVP_PKEY_get_raw_public_key(key, s->public, &n) != 1 || n != RECORD_PUBKEY_LEN ||
	    EVP_DigestSignInit(s->ctx, NULL, NULL, NULL, key) != 1)
		return -EIO;
	EVP_PKEY_up_ref(key);
	s->key = key;
	*ret = TAKE_PTR(s);
	return 0;
}

int signer_open(const char *path, bool create, struct signer **ret, char *err, size_t err_len)
{
	_cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
	char pub[4096];
	int r;

	if (snprintf(pub, sizeof(pub), "%s.pub", path) >= (int)sizeof(pub)) {
		snprintf(err, err_len, "%.100s...: name too long", path);
		return -ENAMETOOLONG;
	}
	if (create && access(path, F_OK) < 0 && errno == ENOENT) {
		key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
		r = key ? pem_write(path, key, true) : -EIO;
		if (r) {
			snprintf(err, err_len, "%s: cannot make the key: %s", path, strerror(-r));
			return r;
		}
	} else {
		r = key_read(path, &key, err, err_len);
		if (r)
			return r;
	}
	if (create && access(pub, F_OK) < 0 && (r = pem_write(pub, key, false))) {
		snprintf(err, err_len, "%s: %s", pub, strerror(-r));
		return r;
	}
	r = signer_new(key, ret);
	if (r)
		snprintf(err, err_len, "%s: %s", path, strerror(-r));
	return r;
}

int signer_of(const uint8_t private[static 32], struct signer **ret)
{
	_cleanup_(EVP_PKEY_freep) EVP_PKEY *key =
		EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private, 32);

	return key ? signer_new(key, ret) : -EINVAL;
}

void signer_free(struct signer *s)
{
	if (!s)
		return;
	EVP_MD_CTX_free(s->ctx);
	EVP_PKEY_free(s->key);
	free(s);
}

const uint8_t *signer_public(const struct signer *s)
{
	return s->public;
}

int signer_sign(struct signer *s, const uint8_t *p, size_t n,
		uint8_t ret_sig[static RECORD_SIG_LEN])
{
	uint8_t sig[RECORD_SIG_LEN];
	size_t len = sizeof(sig);

	/* Newer OpenSSL ends the operation with the first signature; then it is set up again. */
	if (EVP_DigestSign(s->ctx, sig, &len, p, n) != 1) {
		len = sizeof(sig);
		EVP_MD_CTX_reset(s->ctx);
		if (EVP_DigestSignInit(s->ctx, NULL, NULL, NULL, s->key) != 1 ||
		    EVP_DigestSign(s->ctx, sig, &len, p, n) != 1) {
			ERR_clear_error();
			return -EIO;
		}
	}
	if (len != sizeof(sig))
		return -EIO;
	memcpy(ret_sig, sig, sizeof(sig));
	return 0;
}

/*
 * Under a key of small order anybody can sign, so a host that names one could deny its records later. y of the
 * eight such points of the curve, and y + p where that fits: 0, 1, -1 and the two of order 8.
 */
static bool small_order(const uint8_t pub[static RECORD_PUBKEY_LEN])
{
	static const uint8_t order8[2][RECORD_PUBKEY_LEN] = {
		{0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
		 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
		 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
		{0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b,
		 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
		 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
	};
	uint8_t y[RECORD_PUBKEY_LEN], zeros = 0, ones = 0xff;

	memcpy(y, pub, sizeof(y));
	y[31] &= 0x7f; /* the sign of x */
	for (size_t i = 0; i < ARRAY_SIZE(order8); i++)
		if (!memcmp(y, order8[i], sizeof(y)))
			return true;
	for (size_t i = 1; i < 31; i++) {
		zeros |= y[i];
		ones &= y[i];
	}
	/* p = 2^255 - 19: p - 1, p and p + 1 end in ec, ed, ee. */
	return (!(zeros | y[31]) && y[0] <= 1) ||
	       (ones == 0xff && y[31] == 0x7f && y[0] >= 0xec && y[0] <= 0xee);
}

int verifier_new(const uint8_t pub[static RECORD_PUBKEY_LEN], struct verifier **ret)
{
	_cleanup_(verifier_freep) struct verifier *v = calloc(1, sizeof(*v));

	if (small_order(pub))
		return -EINVAL;
	if (!v || !(v->ctx = EVP_MD_CTX_new()))
		return -ENOMEM;
	v->key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, pub, RECORD_PUBKEY_LEN);
	if (!v->key || EVP_DigestVerifyInit(v->ctx, NULL, NULL, NULL, v->key) != 1)
		return -EINVAL;
	*ret = TAKE_PTR(v);
	return 0;
}

void verifier_free(struct verifier *v)
{
	if (!v)
		return;
	EVP_MD_CTX_free(v->ctx);
	EVP_PKEY_free(v->key);
	free(v);
}

bool verifier_ok(struct verifier *v, const uint8_t *p, size_t n,
		 const uint8_t sig[static RECORD_SIG_LEN])
{
	int r = EVP_DigestVerify(v->ctx, sig, RECORD_SIG_LEN, p, n);

	if (r == 1)
		return true;
	/* A wrong signature is rare; a context that newer OpenSSL has closed is set up again. */
	EVP_MD_CTX_reset(v->ctx);
	r = EVP_DigestVerifyInit(v->ctx, NULL, NULL, NULL, v->key) == 1 &&
	    EVP_DigestVerify(v->ctx, sig, RECORD_SIG_LEN, p, n) == 1;
	if (!r) {
		EVP_MD_CTX_reset(v->ctx);
		EVP_DigestVerifyInit(v->ctx, NULL, NULL, NULL, v->key);
		ERR_clear_error();
	}
	return r;
}

void key_id(const uint8_t pub[static RECORD_PUBKEY_LEN], uint8_t ret[static 8])
{
	uint8_t sum[SHA256_LEN];

	sha256(pub, RECORD_PUBKEY_LEN, sum);
	memcpy(ret, sum, 8);
}

int public_read(const char *path, uint8_t ret[static RECORD_PUBKEY_LEN], char *err, size_t err_len)
{
	_cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
	_cleanup_(BIO_free_allp) BIO *in = NULL;
	_cleanup_free_ char *text = NULL;
	uint8_t raw[RECORD_PUBKEY_LEN];
	size_t n, len = sizeof(raw);
	int r = fs_read(path, KEY_FILE_MAX, &text, &n);

	if (r && r != -EFBIG) {
		snprintf(err, err_len, "%s: %s", path, strerror(-r));
		return r;
	}
	if (!r && hex_decode_typed(text, n, raw, sizeof(raw)) && !small_order(raw)) {
		memcpy(ret, raw, sizeof(raw));
		return 0;
	}
	if (!r && (in = BIO_new_mem_buf(text, n)))
		key = PEM_read_bio_PUBKEY(in, NULL, no_password, NULL);
	ERR_clear_error();
	if (!key || EVP_PKEY_id(key) != EVP_PKEY_ED25519 ||
	    EVP_PKEY_get_raw_public_key(key, raw, &len) != 1 || len != sizeof(raw) ||
	    small_order(raw)) {
		snprintf(err, err_len, "%s: not an Ed25519 public key (PEM or 64 hex digits)",
			 path);
		return -EINVAL;
	}
	memcpy(ret, raw, sizeof(raw));
	return 0;
}
