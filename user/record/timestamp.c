// SPDX-License-Identifier: Apache-2.0
/*
 * In: bytes, and what an authority answered. Out: whether the answer is of these bytes, ours (nonce), and
 * signed by a certificate for time stamping that the given CA vouches for; and its time. PURE.
 */
#include "timestamp.h"

#include <errno.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/ts.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"

#define HASH_LEN SHA256_DIGEST_LENGTH

DEFINE_CLEANUP(TS_REQ, TS_REQ_free)
DEFINE_CLEANUP(TS_RESP, TS_RESP_free)
DEFINE_CLEANUP(TS_VERIFY_CTX, TS_VERIFY_CTX_free)
DEFINE_CLEANUP(TS_MSG_IMPRINT, TS_MSG_IMPRINT_free)
DEFINE_CLEANUP(X509_ALGOR, X509_ALGOR_free)
DEFINE_CLEANUP(ASN1_INTEGER, ASN1_INTEGER_free)
DEFINE_CLEANUP(BIO, BIO_free_all)
DEFINE_CLEANUP(X509_STORE, X509_STORE_free)

static ASN1_INTEGER *integer(uint64_t v)
{
	_cleanup_(ASN1_INTEGER_freep) ASN1_INTEGER *n = ASN1_INTEGER_new();

	return n && ASN1_INTEGER_set_uint64(n, v) ? TAKE_PTR(n) : NULL;
}

int timestamp_request(const void *data, size_t n, uint64_t nonce, uint8_t **ret, size_t *ret_n)
{
	_cleanup_(TS_REQ_freep) TS_REQ *q = TS_REQ_new();
	_cleanup_(TS_MSG_IMPRINT_freep) TS_MSG_IMPRINT *m = TS_MSG_IMPRINT_new();
	_cleanup_(X509_ALGOR_freep) X509_ALGOR *a = X509_ALGOR_new();
	_cleanup_(ASN1_INTEGER_freep) ASN1_INTEGER *number = integer(nonce);
	uint8_t hash[HASH_LEN], *der = NULL;
	int len;

	SHA256(data, n, hash);
	if (!q || !m || !a || !number ||
	    !X509_ALGOR_set0(a, OBJ_nid2obj(NID_sha256), V_ASN1_NULL, NULL) ||
	    !TS_MSG_IMPRINT_set_algo(m, a) || !TS_MSG_IMPRINT_set_msg(m, hash, sizeof(hash)) ||
	    !TS_REQ_set_version(q, 1) || !TS_REQ_set_msg_imprint(q, m) ||
	    !TS_REQ_set_nonce(q, number) || !TS_REQ_set_cert_req(q, 1))
		return -ENOMEM;
	len = i2d_TS_REQ(q, &der);
	*ret = len > 0 ? malloc(len) : NULL;
	if (*ret)
		memcpy(*ret, der, len);
	OPENSSL_free(der);
	if (!*ret)
		return -ENOMEM;
	*ret_n = len;
	return 0;
}

/* --- checking -------------------------------------------------------------------------------------- */

static X509_STORE *trust_of(const char *pem)
{
	_cleanup_(BIO_free_allp) BIO *in = BIO_new_mem_buf(pem, -1);
	_cleanup_(X509_STORE_freep) X509_STORE *s = X509_STORE_new();
	unsigned n = 0;
	X509 *x;

	while (in && s && (x = PEM_read_bio_X509(in, NULL, NULL, NULL))) {
		n += X509_STORE_add_cert(s, x) == 1;
		X509_free(x);
	}
	ERR_clear_error(); /* the last one read is the end */
	if (!n)
		return NULL;
	X509_STORE_set_purpose(s, X509_PURPOSE_TIMESTAMP_SIGN);
	return TAKE_PTR(s);
}

static TS_VERIFY_CTX *wanted(const void *data, size_t n, const uint64_t *nonce, X509_STORE *trust)
{
	_cleanup_(TS_VERIFY_CTX_freep) TS_VERIFY_CTX *v = TS_VERIFY_CTX_new();
	int flags = TS_VFY_VERSION | TS_VFY_IMPRINT;
	_cleanup_(TS_REQ_freep) TS_REQ *q = NULL;
	_cleanup_free_ uint8_t *der = NULL;
	const uint8_t *p;
	uint8_t *hash;
	size_t len;

	if (!v || timestamp_request(data, n, nonce ? *nonce : 0, &der, &len))
		return NULL;
	p = der;
	q = d2i_TS_REQ(NULL, &p, len);
	if (!q || !TS_REQ_to_TS_VERIFY_CTX(q, v))
		return NULL;
	hash = OPENSSL_malloc(HASH_LEN);
	if (!hash)
		return NULL;
	SHA256(data, n, hash);
	TS_VERIFY_CTX_set_imprint(v, hash, HASH_LEN); /* it frees this */
	if (nonce)
		flags |= TS_VFY_NONCE;
	if (trust && X509_STORE_up_ref(trust)) {
		TS_VERIFY_CTX_set_store(v, trust);
		flags |= TS_VFY_SIGNATURE;
	}
	TS_VERIFY_CTX_set_flags(v, flags);
	return TAKE_PTR(v);
}

static int fail(char *err, size_t err_len, int r, const char *what)
{
	unsigned long e = ERR_peek_last_error();

	snprintf(err, err_len, "%s%s%s%s", what, e ? " (" : "",
		 e ? ERR_reason_error_string(e) ?: "?" : "", e ? ")" : "");
	ERR_clear_error();
	return r;
}

static bool time_of(TS_RESP *resp, int64_t *ret)
{
	const ASN1_GENERALIZEDTIME *t = TS_TST_INFO_get_time(TS_RESP_get_tst_info(resp));
	struct tm tm;

	if (!ASN1_TIME_to_tm(t, &tm))
		return false;
	*ret = timegm(&tm);
	return true;
}

int timestamp_check(const uint8_t *token, size_t token_n, const void *data, size_t n,
		    const uint64_t *nonce, const char *ca, int64_t *ret_unix_s, char *err,
		    size_t err_len)
{
	_cleanup_(X509_STORE_freep) X509_STORE *trust = ca ? trust_of(ca) : NULL;
	_cleanup_(TS_VERIFY_CTX_freep) TS_VERIFY_CTX *v = NULL;
	_cleanup_(TS_RESP_freep) TS_RESP *resp = NULL;
	const uint8_t *p = token;
	int64_t when;

	if (ca && !trust)
		return fail(err, err_len, -EINVAL, "not a usable CA certificate");
	v = wanted(data, n, nonce, trust);
	resp = token_n <= TIMESTAMP_MAX ? d2i_TS_RESP(NULL, &p, token_n) : NULL;
	if (!v)
		return fail(err, err_len, -ENOMEM, "out of memory");
	if (!resp || p != token + token_n)
		return fail(err, err_len, -EBADMSG, "not a time stamp");
	if (TS_RESP_verify_response(v, resp) != 1 || !time_of(resp, &when))
		return fail(err, err_len, -EBADMSG, "the time stamp does not verify");
	*ret_unix_s = when;
	return 0;
}
