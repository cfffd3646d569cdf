// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: texts of checkpoints. Flows out: the TPM's line for each, or why there is none.
 *
 * The helper is forked while there is no key in memory yet, holds the TPM's context and one end of a
 * socket pair, and can do nothing else: a TPM that is slow, and a library that is taken over by what a TPM
 * answers, are its own business. Questions carry a number; an answer to any but the last is dropped, so a
 * text that was given up can never get the line of another. Each line is checked before it is used.
 *
 * What is kept (tpm.key) is the public key and the wrapped key. A TPM that has not that key is another
 * one: refused, until an operator takes the file away. Files are read and written here, by the recorder
 * while it is root, as the helper may not touch the folder.
 *
 * Full: one question at a time; while one is open there are no more, and what is not asked is counted.
 */
#include "tpm.h"

#include <errno.h>
#include <openssl/sha.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/reader.h"
#include "record/segment.h"
#include "tpm_int.h"

#define MAGIC "PBRTPM1" /* and its NUL */
#define FILE_HEAD (8 + ECDSA_PUBLIC_LEN + 2)

const char *const tpm_causes[TPM_CAUSES] = {
	[TPM_OPEN] = "not_opened", [TPM_OTHER] = "other_key", [TPM_TIMEOUT] = "timeout",
	[TPM_GONE] = "gone",	   [TPM_REFUSED] = "refused", [TPM_WRONG] = "wrong_signature",
};

struct tpm {
	int fd;
	char dir[4000], why[TPM_WHY_MAX];
	bool known, ready, trouble; /* public; the helper has the key */
	enum tpm_cause cause;
	uint8_t public[ECDSA_PUBLIC_LEN];
	struct tpm_counts n;
	uint64_t nr, until_ms; /* of the question that is open */
	bool open, late;       /* late: given up, its answer may still come */
	char text[TPM_TEXT_MAX];
	size_t text_n;
};

static void troubled(struct tpm *t, enum tpm_cause cause, const char *why)
{
	t->trouble = true;
	t->cause = cause;
	if (why != t->why)
		snprintf(t->why, sizeof(t->why), "%s", why);
}

static void gone(struct tpm *t, enum tpm_cause cause, const char *why)
{
	troubled(t, cause, why);
	t->ready = false;
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
}

/* --- tpm.key: magic, public key, length u16, wrapped key, crc32c u32 ----------------------------- */

static int key_load(struct tpm *t, struct tpm_blob *blob, char *err, size_t err_len)
{
	_cleanup_free_ char *text = NULL;
	struct reader in, sum;
	char path[4096];
	size_t n;
	int r;

	snprintf(path, sizeof(path), "%s/tpm.key", t->dir);
	r = fs_read(path, FILE_HEAD + TPM_BLOB_MAX + 4, &text, &n);
	if (r == -ENOENT)
		return 0;
	if (!r) {
		in = reader_of((uint8_t *)text, n);
		sum = reader_of((uint8_t *)text + (n < 4 ? 0 : n - 4), n < 4 ? 0 : 4);
		r = n < FILE_HEAD + 4 || memcmp(text, MAGIC, 8) ? -EINVAL : 0;
	}
	if (!r) {
		reader_take(&in, 8);
		reader_bytes(&in, t->public, sizeof(t->public));
		blob->n = reader_u16(&in);
		if (blob->n != n - FILE_HEAD - 4 || reader_u32(&sum) != crc32c(0, text, n - 4) ||
		    !ecdsa_public_ok(t->public, sizeof(t->public)))
			r = -EINVAL;
		else
			reader_bytes(&in, blob->b, blob->n);
	}
	t->known = !r;
	if (r)
		snprintf(err, err_len, "%.400s: %s", path,
			 r == -EINVAL ? "not a key of a TPM; move it away to have another made"
				      : strerror(-r));
	return r;
}

static int key_save(struct tpm *t, const struct tpm_hello *h)
{
	uint8_t b[FILE_HEAD + TPM_BLOB_MAX + 4] = MAGIC;
	char path[4096], pem[512];
	size_t at = FILE_HEAD, n = ecdsa_public_pem(h->public, pem, sizeof(pem));
	int r;

	memcpy(b + 8, h->public, ECDSA_PUBLIC_LEN);
	put_be(b + FILE_HEAD - 2, 2, h->blob.n);
	memcpy(b + at, h->blob.b, h->blob.n);
	at += h->blob.n;
	put_be(b + at, 4, crc32c(0, b, at));
	snprintf(path, sizeof(path), "%s/tpm.key", t->dir);
	r = n ? fs_write_atomic(path, b, at + 4, 0600) : -EIO;
	snprintf(path, sizeof(path), "%s/tpm.pub", t->dir);
	return r ? r : fs_write_atomic(path, pem, n - 1, 0644);
}

/* --- what the helper says of the TPM ------------------------------------------------------------- */

static bool hello_ok(const struct tpm_hello *h)
{
	return h->blob.n <= TPM_BLOB_MAX && memchr(h->why, '\0', sizeof(h->why)) &&
	       (h->r || ecdsa_public_ok(h->public, sizeof(h->public)));
}

/* may_save: still root. */
static void on_hello(struct tpm *t, const struct tpm_hello *h, bool may_save)
{
	int r = 0;

	if (!hello_ok(h)) {
		gone(t, TPM_GONE, "its helper said what makes no sense");
	} else if (h->r) {
		gone(t, h->r == -EKEYREJECTED ? TPM_OTHER : TPM_OPEN, h->why);
	} else if (t->known && memcmp(t->public, h->public, sizeof(t->public))) {
		gone(t, TPM_OTHER, "its key is not the one in tpm.key");
	} else {
		if (!t->known)
			r = may_save ? key_save(t, h) : -ETIMEDOUT;
		if (r) {
			gone(t, TPM_OPEN, "its new key could not be kept");
			return;
		}
		memcpy(t->public, h->public, sizeof(t->public));
		t->known = t->ready = true;
		t->trouble = false;
	}
}

static uint64_t now_ms(void)
{
	struct timespec s;

	clock_gettime(CLOCK_MONOTONIC, &s);
	return s.tv_sec * 1000ull + s.tv_nsec / 1000000;
}

static void await_hello(struct tpm *t)
{
	uint64_t until = now_ms() + TPM_START_MS, now;
	struct tpm_hello h;
	ssize_t n = -1;

	while ((now = now_ms()) < until) {
		struct pollfd p = {.fd = t->fd, .events = POLLIN};

		if (poll(&p, 1, until - now) <= 0)
			continue;
		n = recv(t->fd, &h, sizeof(h), 0);
		break;
	}
	if (n == sizeof(h))
		on_hello(t, &h, true);
	else if (n < 0)
		troubled(t, TPM_TIMEOUT, "it did not answer at the start");
	else
		gone(t, TPM_GONE, "its helper ended");
}

int tpm_open(const struct tpm_config *c, struct tpm **ret, char *err, size_t err_len)
{
	struct tpm *t = calloc(1, sizeof(*t));
	struct tpm_blob blob = {0};
	int r = t ? fs_mkdirs(c->key_dir, 0700) : -ENOMEM;

	if (t)
		t->fd = -1;
	if (r)
		snprintf(err, err_len, "%.400s: %s", c->key_dir, strerror(-r));
	if (!r) {
		snprintf(t->dir, sizeof(t->dir), "%s", c->key_dir);
		r = key_load(t, &blob, err, err_len);
	}
	if (!r) {
		r = tpm_helper_start(c, &blob, &t->fd);
		if (r)
			snprintf(err, err_len, "helper of the TPM: %s", strerror(-r));
	}
	if (r) {
		tpm_free(t);
		return r;
	}
	await_hello(t);
	if (t->trouble)
		log_err("TPM %s: %s: %s; checkpoints go without its signature", c->tcti,
			tpm_causes[t->cause], t->why);
	*ret = t;
	return 0;
}

void tpm_free(struct tpm *t)
{
	if (t && t->fd >= 0)
		close(t->fd); /* which ends the helper */
	free(t);
}

int tpm_fd(const struct tpm *t)
{
	return t->fd;
}

const uint8_t *tpm_public(const struct tpm *t)
{
	return t->known ? t->public : NULL;
}

const char *tpm_trouble(const struct tpm *t, enum tpm_cause *ret_cause)
{
	if (t->trouble && ret_cause)
		*ret_cause = t->cause;
	return t->trouble ? t->why : NULL;
}

const struct tpm_counts *tpm_counts(const struct tpm *t)
{
	return &t->n;
}

/* --- questions ------------------------------------------------------------------------------------- */

bool tpm_ask(struct tpm *t, const char *text, size_t n, uint64_t now)
{
	struct tpm_question q = {.nr = t->nr + 1};

	if (t->open || n > sizeof(t->text))
		return false;
	if (!t->ready || t->late) { /* which troubled() has said */
		t->n.missing[t->cause]++;
		return false;
	}
	SHA256((const uint8_t *)text, n, q.digest);
	if (send(t->fd, &q, sizeof(q), MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof(q)) {
		gone(t, TPM_GONE, "its helper ended");
		t->n.missing[TPM_GONE]++;
		return false;
	}
	t->nr = q.nr;
	t->open = true;
	t->until_ms = now + TPM_ANSWER_MS;
	memcpy(t->text, text, n);
	t->text_n = n;
	return true;
}

static int missing(struct tpm *t, enum tpm_cause cause, const char *why)
{
	troubled(t, cause, why);
	t->n.missing[cause]++;
	t->open = false;
	return -EIO;
}

static int judge(struct tpm *t, const struct tpm_reply *a, const char *name, char *line, size_t cap,
		 size_t *ret_n)
{
	size_t n;

	if (a->r)
		return missing(t,
			       a->r == -EKEYREJECTED ? TPM_OTHER
			       : a->r == -EREMOTEIO  ? TPM_REFUSED
						     : TPM_GONE,
			       a->why);
	if (!ecdsa_ok(t->public, (const uint8_t *)t->text, t->text_n, a->sig, a->n))
		return missing(t, TPM_WRONG, "its signature does not hold");
	n = note_line(name, note_ecdsa_id(t->public), a->sig, a->n, line, cap);
	if (!n || a->n < RECORD_SIG_LEN) /* a reader would not keep so short a one */
		return missing(t, TPM_WRONG, "its signature has no place in a note");
	t->open = t->trouble = false;
	t->n.lines++;
	*ret_n = n;
	return 0;
}

/* One message, if there is one. 1, 0; -EIO: the helper is gone. */
static int take(struct tpm *t, union tpm_message *m)
{
	ssize_t n = t->fd < 0 ? 0 : recv(t->fd, m, sizeof(*m), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n == sizeof(m->hello) && !t->ready) {
		on_hello(t, &m->hello, false);
		return 0;
	}
	if (n == sizeof(m->reply) && t->ready && m->reply.n <= sizeof(m->reply.sig) &&
	    memchr(m->reply.why, '\0', sizeof(m->reply.why)))
		return 1;
	if (t->fd >= 0)
		gone(t, TPM_GONE,
		     n > 0 ? "its helper said what makes no sense" : "its helper ended");
	return -EIO;
}

int tpm_answer(struct tpm *t, const char *name, uint64_t now, char *line, size_t cap, size_t *ret_n)
{
	union tpm_message m;
	int r;

	while ((r = take(t, &m)) > 0) {
		if (m.reply.nr != t->nr)
			continue;
		t->late = false;
		if (t->open)
			return judge(t, &m.reply, name, line, cap, ret_n);
		break;
	}
	if (!t->open)
		return -EAGAIN;
	if (r < 0)
		return missing(t, TPM_GONE, t->why);
	if (now < t->until_ms)
		return -EAGAIN;
	t->late = true;
	return missing(t, TPM_TIMEOUT, "it did not answer in time");
}
