// SPDX-License-Identifier: Apache-2.0
/*
 * In: the collector's newest checkpoint, and the address of a time-stamping authority. Out: its answer, kept
 * beside a copy of what was stamped. The answer is checked before it is kept: the same bytes, our nonce, a
 * signature that the given CA vouches for. This runs as a command of its own, since the collector itself may
 * open no connection. Limits: ANSWER_MAX bytes and REQUEST_S seconds an answer.
 */
#include "stamp.h"

#include <curl/curl.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "record/checkpoint.h"

#define ANSWER_MAX (256u * 1024)
#define REQUEST_S 30L
#define HASH_LEN SHA256_DIGEST_LENGTH

DEFINE_CLEANUP(TS_REQ, TS_REQ_free)
DEFINE_CLEANUP(TS_RESP, TS_RESP_free)
DEFINE_CLEANUP(TS_VERIFY_CTX, TS_VERIFY_CTX_free)
DEFINE_CLEANUP(TS_MSG_IMPRINT, TS_MSG_IMPRINT_free)
DEFINE_CLEANUP(X509_ALGOR, X509_ALGOR_free)
DEFINE_CLEANUP(ASN1_INTEGER, ASN1_INTEGER_free)
DEFINE_CLEANUP(DIR, closedir)

static int fail(char *err, size_t err_len, int r, const char *where, const char *what)
{
	unsigned long e = ERR_peek_last_error();

	snprintf(err, err_len, "%s: %s%s%s%s", where, what, e ? " (" : "",
		 e ? ERR_reason_error_string(e) ?: "?" : "", e ? ")" : "");
	ERR_clear_error();
	return r;
}

/* --- the request ----------------------------------------------------------------------------------- */

static ASN1_INTEGER *new_nonce(void)
{
	_cleanup_(ASN1_INTEGER_freep) ASN1_INTEGER *n = ASN1_INTEGER_new();
	uint64_t v;

	if (!n || RAND_bytes((unsigned char *)&v, sizeof(v)) != 1 ||
	    !ASN1_INTEGER_set_uint64(n, v >> 1))
		return NULL;
	return TAKE_PTR(n);
}

static TS_REQ *new_request(const char *note, size_t n)
{
	_cleanup_(TS_REQ_freep) TS_REQ *q = TS_REQ_new();
	_cleanup_(TS_MSG_IMPRINT_freep) TS_MSG_IMPRINT *m = TS_MSG_IMPRINT_new();
	_cleanup_(X509_ALGOR_freep) X509_ALGOR *a = X509_ALGOR_new();
	_cleanup_(ASN1_INTEGER_freep) ASN1_INTEGER *nonce = new_nonce();
	uint8_t hash[HASH_LEN];

	SHA256((const uint8_t *)note, n, hash);
	if (!q || !m || !a || !nonce ||
	    !X509_ALGOR_set0(a, OBJ_nid2obj(NID_sha256), V_ASN1_NULL, NULL) ||
	    !TS_MSG_IMPRINT_set_algo(m, a) || !TS_MSG_IMPRINT_set_msg(m, hash, sizeof(hash)) ||
	    !TS_REQ_set_version(q, 1) || !TS_REQ_set_msg_imprint(q, m) ||
	    !TS_REQ_set_nonce(q, nonce) || !TS_REQ_set_cert_req(q, 1))
		return NULL;
	return TAKE_PTR(q);
}

struct answer {
	uint8_t b[ANSWER_MAX];
	size_t n;
};

static size_t on_body(char *p, size_t one, size_t n, void *ctx)
{
	struct answer *a = ctx;

	if (n > sizeof(a->b) - a->n)
		return 0;
	memcpy(a->b + a->n, p, n);
	a->n += n;
	return n;
}

static int post(const char *url, const uint8_t *body, long n, struct answer *a, char *err,
		size_t err_len)
{
	struct curl_slist *type =
		curl_slist_append(NULL, "Content-Type: application/timestamp-query");
	CURL *e = curl_easy_init();
	char why[CURL_ERROR_SIZE] = "";
	long status = 0;
	CURLcode r = CURLE_FAILED_INIT;

#define SET(o, v) (curl_easy_setopt(e, CURLOPT_##o, v) == CURLE_OK)
	if (e && type && SET(URL, url) && SET(PROTOCOLS_STR, "http,https") &&
	    SET(HTTPHEADER, type) && SET(POSTFIELDSIZE, n) && SET(POSTFIELDS, body) &&
	    SET(TIMEOUT, REQUEST_S) && SET(FOLLOWLOCATION, 0L) && SET(ERRORBUFFER, why) &&
	    SET(WRITEFUNCTION, on_body) && SET(WRITEDATA, a))
		r = curl_easy_perform(e);
#undef SET
	if (r == CURLE_OK)
		curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(e);
	curl_slist_free_all(type);
	if (r == CURLE_OK && status == 200)
		return 0;
	if (r == CURLE_OK)
		snprintf(why, sizeof(why), "HTTP %ld", status);
	snprintf(err, err_len, "%s: %s", url, why[0] ? why : curl_easy_strerror(r));
	return -EIO;
}

/* --- checking an answer ---------------------------------------------------------------------------- */

static TS_VERIFY_CTX *checks(const char *note, size_t n, const char *ca, const TS_REQ *q)
{
	_cleanup_(TS_VERIFY_CTX_freep) TS_VERIFY_CTX *v = TS_VERIFY_CTX_new();
	X509_STORE *trust;
	uint8_t *hash;
	int flags = TS_VFY_VERSION | TS_VFY_IMPRINT;

	if (!v || (q && !TS_REQ_to_TS_VERIFY_CTX((TS_REQ *)q, v)))
		return NULL;
	hash = OPENSSL_malloc(HASH_LEN);
	if (!hash)
		return NULL;
	SHA256((const uint8_t *)note, n, hash);
	TS_VERIFY_CTX_set_imprint(v, hash, HASH_LEN); /* it frees this */
	if (q)
		flags |= TS_VFY_NONCE;
	if (ca) {
		trust = X509_STORE_new();
		if (!trust || X509_STORE_load_file(trust, ca) != 1) {
			X509_STORE_free(trust);
			return NULL;
		}
		X509_STORE_set_purpose(trust, X509_PURPOSE_TIMESTAMP_SIGN);
		TS_VERIFY_CTX_set_store(v, trust);
		flags |= TS_VFY_SIGNATURE;
	}
	TS_VERIFY_CTX_set_flags(v, flags);
	return TAKE_PTR(v);
}

static int check(const struct answer *a, const char *note, size_t n, const char *ca,
		 const TS_REQ *q, TS_RESP **ret, char *err, size_t err_len, const char *where)
{
	_cleanup_(TS_VERIFY_CTX_freep) TS_VERIFY_CTX *v = checks(note, n, ca, q);
	const uint8_t *p = a->b;
	_cleanup_(TS_RESP_freep) TS_RESP *resp = d2i_TS_RESP(NULL, &p, a->n);

	if (!v)
		return fail(err, err_len, -EINVAL, ca ? ca : where, "not a usable CA certificate");
	if (!resp || p != a->b + a->n)
		return fail(err, err_len, -EBADMSG, where, "not a time stamp");
	if (TS_RESP_verify_response(v, resp) != 1)
		return fail(err, err_len, -EBADMSG, where, "the time stamp does not verify");
	*ret = TAKE_PTR(resp);
	return 0;
}

static void time_of(TS_RESP *resp, char when[static 40])
{
	const ASN1_GENERALIZEDTIME *t = TS_TST_INFO_get_time(TS_RESP_get_tst_info(resp));
	struct tm tm;

	when[0] = '\0';
	if (ASN1_TIME_to_tm(t, &tm))
		strftime(when, 40, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* --- making one ------------------------------------------------------------------------------------ */

static int newest(const char *state_dir, char **ret, size_t *ret_n, struct checkpoint *c, char *err,
		  size_t err_len)
{
	char path[PATH_MAX];
	struct note n;
	const char *why;
	int r;

	snprintf(path, sizeof(path), "%s/log/checkpoint", state_dir);
	r = fs_read(path, NOTE_MAX, ret, ret_n);
	if (!r &&
	    (note_parse(*ret, *ret_n, &n, &why) || checkpoint_parse(n.text, n.text_n, c, &why)))
		r = -EBADMSG;
	if (r)
		snprintf(err, err_len, "%s: %s", path,
			 r == -ENOENT ? "nothing was cosigned yet" : strerror(-r));
	return r;
}

static int ask(const char *url, const char *ca, const char *note, size_t n, struct answer *a,
	       char when[static 40], char *err, size_t err_len)
{
	_cleanup_(TS_REQ_freep) TS_REQ *q = new_request(note, n);
	_cleanup_(TS_RESP_freep) TS_RESP *resp = NULL;
	uint8_t *der = NULL;
	int len = q ? i2d_TS_REQ(q, &der) : -1;
	int r = len > 0 ? post(url, der, len, a, err, err_len)
			: fail(err, err_len, -ENOMEM, url, "no request could be made");

	OPENSSL_free(der);
	if (!r)
		r = check(a, note, n, ca, q, &resp, err, err_len, url);
	if (!r)
		time_of(resp, when);
	return r;
}

int stamp_make(const char *state_dir, const char *url, const char *ca, uint64_t *ret_size,
	       char when[static 40], char *err, size_t err_len)
{
	_cleanup_free_ char *note = NULL;
	_cleanup_free_ struct answer *a = calloc(1, sizeof(*a));
	char dir[PATH_MAX - 64], path[PATH_MAX];
	struct checkpoint c;
	size_t n;
	int r = a ? newest(state_dir, &note, &n, &c, err, err_len) : -ENOMEM;

	if (r)
		return r;
	*ret_size = c.size;
	snprintf(dir, sizeof(dir), "%s/log/stamped", state_dir);
	snprintf(path, sizeof(path), "%s/%" PRIu64 ".tsr", dir, c.size);
	if (access(path, F_OK) == 0)
		return -EALREADY;
	r = ask(url, ca, note, n, a, when, err, err_len);
	if (r)
		return r;
	/* The answer last: where it is, what it is of is too. */
	r = fs_mkdirs(dir, 0755);
	snprintf(path, sizeof(path), "%s/%" PRIu64, dir, c.size);
	if (!r)
		r = fs_write_atomic(path, note, n, 0644);
	snprintf(path, sizeof(path), "%s/%" PRIu64 ".tsr", dir, c.size);
	if (!r)
		r = fs_write_atomic(path, a->b, a->n, 0644);
	if (r)
		snprintf(err, err_len, "%s: %s", path, strerror(-r));
	return r;
}

/* --- checking those that are kept ------------------------------------------------------------------- */

static int check_one(const char *dir, const char *name, const char *ca, char *err, size_t err_len)
{
	_cleanup_free_ struct answer *a = calloc(1, sizeof(*a));
	_cleanup_free_ char *note = NULL, *tsr = NULL;
	_cleanup_(TS_RESP_freep) TS_RESP *resp = NULL;
	char path[PATH_MAX];
	size_t n;
	int r;

	snprintf(path, sizeof(path), "%s/%.*s", dir, (int)strlen(name) - 4, name);
	r = a ? fs_read(path, NOTE_MAX, &note, &n) : -ENOMEM;
	if (r) {
		snprintf(err, err_len, "%s: what was stamped: %s", path, strerror(-r));
		return r;
	}
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	r = fs_read(path, ANSWER_MAX, &tsr, &a->n);
	if (r) {
		snprintf(err, err_len, "%s: %s", path, strerror(-r));
		return r;
	}
	memcpy(a->b, tsr, a->n);
	return check(a, note, n, ca, NULL, &resp, err, err_len, path);
}

uint64_t stamp_check(const char *state_dir, const char *ca, uint64_t *ret_stamps,
		     void (*finding)(void *ctx, const char *line), void *ctx)
{
	char dir[PATH_MAX - 300], err[PATH_MAX + 200];
	_cleanup_(closedirp) DIR *d = NULL;
	uint64_t wrong = 0;
	struct dirent *e;

	snprintf(dir, sizeof(dir), "%s/log/stamped", state_dir);
	d = opendir(dir);
	while (d && (e = readdir(d))) {
		size_t n = strlen(e->d_name);

		if (n <= 4 || strcmp(e->d_name + n - 4, ".tsr") != 0)
			continue;
		(*ret_stamps)++;
		if (!check_one(dir, e->d_name, ca, err, sizeof(err)))
			continue;
		wrong++;
		finding(ctx, err);
	}
	return wrong;
}
