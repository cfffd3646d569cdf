// SPDX-License-Identifier: Apache-2.0
/*
 * In: points, numbers and signatures, from a TPM or from anybody's file. Out: their one encoding in a note,
 * and whether they hold. Keys are 91 bytes of SubjectPublicKeyInfo and nothing else: a prefix that is the
 * same for all of them, and the point, which is checked to be on the curve.
 */
#include "note_ecdsa.h"

#include <errno.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fs.h"

DEFINE_CLEANUP(EVP_PKEY, EVP_PKEY_free)
DEFINE_CLEANUP(EVP_MD_CTX, EVP_MD_CTX_free)
DEFINE_CLEANUP(ECDSA_SIG, ECDSA_SIG_free)
DEFINE_CLEANUP(BIO, BIO_free_all)

/* SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING { 0x04 ‖ point } } */
static const uint8_t prefix[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
				 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
				 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};
_Static_assert(sizeof(prefix) + ECDSA_POINT_LEN == ECDSA_PUBLIC_LEN, "");

static EVP_PKEY *key_of(const uint8_t *p, size_t n)
{
	EVP_PKEY *k = NULL;

	if (n == ECDSA_PUBLIC_LEN && !memcmp(p, prefix, sizeof(prefix)))
		k = d2i_PUBKEY(NULL, &p, n);
	ERR_clear_error();
	return k;
}

bool ecdsa_public_ok(const uint8_t *p, size_t n)
{
	_cleanup_(EVP_PKEY_freep) EVP_PKEY *k = key_of(p, n);

	return k != NULL;
}

int ecdsa_public_of(const uint8_t point[static ECDSA_POINT_LEN],
		    uint8_t ret[static ECDSA_PUBLIC_LEN])
{
	uint8_t b[ECDSA_PUBLIC_LEN];

	memcpy(b, prefix, sizeof(prefix));
	memcpy(b + sizeof(prefix), point, ECDSA_POINT_LEN);
	if (!ecdsa_public_ok(b, sizeof(b)))
		return -EINVAL;
	memcpy(ret, b, sizeof(b));
	return 0;
}

size_t ecdsa_signature(const uint8_t *r, size_t r_n, const uint8_t *s, size_t s_n,
		       uint8_t out[static NOTE_SIG_MAX])
{
	_cleanup_(ECDSA_SIG_freep) ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *a = BN_bin2bn(r, r_n, NULL), *b = BN_bin2bn(s, s_n, NULL);
	int n;

	if (!sig || !a || !b || ECDSA_SIG_set0(sig, a, b) != 1) {
		BN_free(a);
		BN_free(b);
		return 0;
	}
	n = i2d_ECDSA_SIG(sig, NULL);
	return n > 0 && n <= NOTE_SIG_MAX ? i2d_ECDSA_SIG(sig, &out) : 0;
}

bool ecdsa_ok(const uint8_t public[static ECDSA_PUBLIC_LEN], const uint8_t *text, size_t n,
	      const uint8_t *sig, size_t sig_n)
{
	_cleanup_(EVP_PKEY_freep) EVP_PKEY *k = key_of(public, ECDSA_PUBLIC_LEN);
	_cleanup_(EVP_MD_CTX_freep) EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool ok = k && c && EVP_DigestVerifyInit(c, NULL, EVP_sha256(), NULL, k) == 1 &&
		  EVP_DigestVerify(c, sig, sig_n, text, n) == 1;

	ERR_clear_error();
	return ok;
}

/* An encrypted key must fail, not ask on the terminal. */
static int no_password(char *buf, int size, int writing, void *ctx)
{
	return -1;
}

/* --- files ----------------------------------------------------------------------------------------- */

int ecdsa_public_read(const char *path, uint8_t ret[static ECDSA_PUBLIC_LEN], char *err,
		      size_t err_len)
{
	_cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
	_cleanup_(BIO_free_allp) BIO *in = NULL;
	_cleanup_free_ char *text = NULL;
	uint8_t der[ECDSA_PUBLIC_LEN], *p = der;
	size_t n;
	int r = fs_read(path, 4096, &text, &n);

	if (r && r != -EFBIG) {
		snprintf(err, err_len, "%s: %s", path, strerror(-r));
		return r;
	}
	if (!r && (in = BIO_new_mem_buf(text, n)))
		key = PEM_read_bio_PUBKEY(in, NULL, no_password, NULL);
	if (!key || i2d_PUBKEY(key, NULL) != sizeof(der) || i2d_PUBKEY(key, &p) != sizeof(der) ||
	    !ecdsa_public_ok(der, sizeof(der)))
		r = -EINVAL;
	ERR_clear_error();
	if (r)
		snprintf(err, err_len, "%s: not the public key of a TPM (ECDSA P-256, PEM)", path);
	else
		memcpy(ret, der, sizeof(der));
	return r;
}

size_t ecdsa_public_pem(const uint8_t public[static ECDSA_PUBLIC_LEN], char *out, size_t cap)
{
	_cleanup_(EVP_PKEY_freep) EVP_PKEY *k = key_of(public, ECDSA_PUBLIC_LEN);
	_cleanup_(BIO_free_allp) BIO *b = BIO_new(BIO_s_mem());
	char *text;
	long n;

	if (!k || !b || PEM_write_bio_PUBKEY(b, k) != 1)
		return 0;
	n = BIO_get_mem_data(b, &text);
	if (n <= 0 || (size_t)n >= cap)
		return 0;
	memcpy(out, text, n);
	out[n] = '\0';
	return n + 1;
}

/* --- lines ----------------------------------------------------------------------------------------- */

uint32_t note_ecdsa_id(const uint8_t public[static ECDSA_PUBLIC_LEN])
{
	uint8_t sum[SHA256_DIGEST_LENGTH];

	SHA256(public, ECDSA_PUBLIC_LEN, sum);
	return (uint32_t)sum[0] << 24 | sum[1] << 16 | sum[2] << 8 | sum[3];
}

int note_ecdsa_verify(const struct note *n, const char *name,
		      const uint8_t public[static ECDSA_PUBLIC_LEN])
{
	uint32_t id = note_ecdsa_id(public);
	int found = -ENOKEY;

	for (size_t i = 0; i < n->n; i++) {
		const struct note_sig *s = &n->sigs[i];

		if (s->id != id || strcmp(s->name, name) != 0)
			continue;
		if (!ecdsa_ok(public, (const uint8_t *)n->text, n->text_n, s->sig, s->n))
			return -EBADMSG;
		found = 0;
	}
	return found;
}
