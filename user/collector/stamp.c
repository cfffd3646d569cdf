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
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "record/checkpoint.h"
#include "record/timestamp.h"

#define ANSWER_MAX TIMESTAMP_MAX
#define CA_MAX (1u << 20)
#define REQUEST_S 30L

DEFINE_CLEANUP(DIR, closedir)

/* --- the authority --------------------------------------------------------------------------------- */

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
	_cleanup_free_ uint8_t *der = NULL;
	_cleanup_free_ char *pem = NULL;
	char why[200] = "";
	uint64_t nonce;
	int64_t at;
	size_t len;
	int r = fs_read(ca, CA_MAX, &pem, &len);

	if (r) {
		snprintf(err, err_len, "%s: %s", ca, strerror(-r));
		return r;
	}
	if (RAND_bytes((unsigned char *)&nonce, sizeof(nonce)) != 1)
		return -EIO;
	nonce >>= 1; /* positive in everybody's reading */
	r = timestamp_request(note, n, nonce, &der, &len);
	if (!r)
		r = post(url, der, len, a, err, err_len);
	if (r)
		return r;
	r = timestamp_check(a->b, a->n, note, n, &nonce, pem, &at, why, sizeof(why));
	if (r) {
		snprintf(err, err_len, "%s: %s", r == -EINVAL ? ca : url, why);
		return r;
	}
	strftime(when, 40, "%Y-%m-%dT%H:%M:%SZ", gmtime(&(time_t){at}));
	return 0;
}

/* The running collector, which serves it, may not be root; its log is its own. */
static int keep(const char *dir, const char *name, const void *p, size_t n)
{
	char path[PATH_MAX];
	struct stat st;
	int r;

	snprintf(path, sizeof(path), "%.*s/checkpoint", (int)(strrchr(dir, '/') - dir), dir);
	if (stat(path, &st))
		return -errno;
	snprintf(path, sizeof(path), "%s%s%s", dir, name ? "/" : "", name ?: "");
	r = name ? fs_write_atomic(path, p, n, 0644) : fs_mkdirs(path, 0755);
	if (!r && !geteuid() && lchown(path, st.st_uid, st.st_gid))
		r = -errno;
	return r;
}

int stamp_make(const char *state_dir, const char *url, const char *ca, uint64_t *ret_size,
	       char when[static 40], char *err, size_t err_len)
{
	_cleanup_free_ char *note = NULL;
	_cleanup_free_ struct answer *a = calloc(1, sizeof(*a));
	char dir[PATH_MAX - 64], path[PATH_MAX], size[24], tsr[32];
	struct checkpoint c;
	size_t n;
	int r = a ? newest(state_dir, &note, &n, &c, err, err_len) : -ENOMEM;

	if (r)
		return r;
	*ret_size = c.size;
	snprintf(size, sizeof(size), "%" PRIu64, c.size);
	snprintf(tsr, sizeof(tsr), "%s.tsr", size);
	snprintf(dir, sizeof(dir), "%s/log/stamped", state_dir);
	snprintf(path, sizeof(path), "%s/%s", dir, tsr);
	if (access(path, F_OK) == 0)
		return -EALREADY;
	r = ask(url, ca, note, n, a, when, err, err_len);
	if (r)
		return r;
	/* The answer behind what it is of, and last which one is the newest. */
	r = keep(dir, NULL, NULL, 0) ?: keep(dir, size, note, n) ?: keep(dir, tsr, a->b, a->n)
	    ?: keep(dir, STAMP_NEWEST, size, strlen(size));
	if (r)
		snprintf(err, err_len, "%s: %s", path, strerror(-r));
	return r;
}

/* --- checking those that are kept ------------------------------------------------------------------- */

static int check_one(const char *dir, const char *name, const char *ca, char *err, size_t err_len)
{
	_cleanup_free_ char *note = NULL, *tsr = NULL;
	char path[PATH_MAX], why[200] = "";
	size_t n, tsr_n;
	int64_t at;
	int r;

	snprintf(path, sizeof(path), "%s/%.*s", dir, (int)strlen(name) - 4, name);
	r = fs_read(path, NOTE_MAX, &note, &n);
	if (r) {
		snprintf(err, err_len, "%s: what was stamped: %s", path, strerror(-r));
		return r;
	}
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	r = fs_read(path, TIMESTAMP_MAX, &tsr, &tsr_n);
	if (!r)
		r = timestamp_check((uint8_t *)tsr, tsr_n, note, n, NULL, ca, &at, why,
				    sizeof(why));
	if (r)
		snprintf(err, err_len, "%s: %s", path, why[0] ? why : strerror(-r));
	return r;
}

uint64_t stamp_check(const char *state_dir, const char *ca, uint64_t *ret_stamps,
		     void (*finding)(void *ctx, const char *line), void *ctx)
{
	char dir[PATH_MAX - 300], err[PATH_MAX + 300];
	_cleanup_free_ char *pem = NULL;
	_cleanup_(closedirp) DIR *d = NULL;
	uint64_t wrong = 0;
	struct dirent *e;
	size_t len;

	if (ca && fs_read(ca, CA_MAX, &pem, &len)) {
		snprintf(err, sizeof(err), "%s: cannot be read", ca);
		finding(ctx, err);
		return 1;
	}
	snprintf(dir, sizeof(dir), "%s/log/stamped", state_dir);
	d = opendir(dir);
	while (d && (e = readdir(d))) {
		size_t n = strlen(e->d_name);

		if (n <= 4 || strcmp(e->d_name + n - 4, ".tsr") != 0)
			continue;
		(*ret_stamps)++;
		if (!check_one(dir, e->d_name, pem, err, sizeof(err)))
			continue;
		wrong++;
		finding(ctx, err);
	}
	return wrong;
}
