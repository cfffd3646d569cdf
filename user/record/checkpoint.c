// SPDX-License-Identifier: Apache-2.0
/*
 * In: texts of the C2SP formats, from anybody. Out: their parts, or the texts. Each is taken whole or not
 * at all: numbers without leading zeroes, base 64 with one spelling, no byte left over. What is returned
 * points into what was given. Limits: ORIGIN_MAX, TREE_PATH_MAX hashes, NOTE_MAX bytes.
 */
#include "checkpoint.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/hex.h"

#define PROOF_HEAD "c2sp.org/tlog-proof@v1\n"

DEFINE_CLEANUP(struct verifier, verifier_free)

/* --- lines ----------------------------------------------------------------------------------------- */

struct lines {
	const char *p, *end;
};

/* The next line without its newline; false: none that ends. */
static bool take(struct lines *l, const char **ret, size_t *ret_n)
{
	const char *nl = memchr(l->p, '\n', l->end - l->p);

	if (!nl)
		return false;
	*ret = l->p;
	*ret_n = nl - l->p;
	l->p = nl + 1;
	return true;
}

static bool number(const char *p, size_t n, uint64_t *ret)
{
	uint64_t v = 0;

	if (!n || (n > 1 && *p == '0'))
		return false;
	for (; n; n--, p++)
		if (*p < '0' || *p > '9' || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return false;
	*ret = v;
	return true;
}

/* "KEY number" */
static bool keyed(struct lines *l, const char *key, uint64_t *ret)
{
	size_t k = strlen(key), n;
	const char *p;

	return take(l, &p, &n) && n > k && !memcmp(p, key, k) && number(p + k, n - k, ret);
}

/* Hashes up to an empty line, which is taken too. */
static bool hashes(struct lines *l, struct tree_hash *out, size_t *ret_n)
{
	const char *p;
	size_t n;

	for (*ret_n = 0; take(l, &p, &n); (*ret_n)++) {
		if (!n)
			return true;
		if (*ret_n == TREE_PATH_MAX ||
		    base64_decode(p, n, out[*ret_n].b, TREE_HASH_LEN) != TREE_HASH_LEN)
			return false;
	}
	return false;
}

struct text {
	char *p;
	size_t cap, n;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (t->n >= t->cap)
		return;
	va_start(ap, fmt);
	n = vsnprintf(t->p + t->n, t->cap - t->n, fmt, ap);
	va_end(ap);
	t->n = n < 0 ? t->cap : t->n + n;
}

/* As they are: what is no note may hold anything. */
static void put_bytes(struct text *t, const char *p, size_t n)
{
	if (t->n >= t->cap || n >= t->cap - t->n) {
		t->n = t->cap;
		return;
	}
	memcpy(t->p + t->n, p, n);
	t->n += n;
}

static void put_hash(struct text *t, const struct tree_hash *h)
{
	char b[BASE64_LEN(TREE_HASH_LEN) + 1];

	base64_encode(h->b, TREE_HASH_LEN, b);
	put(t, "%s\n", b);
}

static size_t length(const struct text *t)
{
	return t->n < t->cap ? t->n : 0;
}

/* --- checkpoints ----------------------------------------------------------------------------------- */

/* Of a host or organization: what no name may hold becomes "-". */
static size_t plain(const char *s, char *out, size_t cap)
{
	size_t n = 0;

	for (; *s && n + 1 < cap; s++)
		out[n++] = isalnum((uint8_t)*s) || strchr("._-", *s) ? *s : '-';
	out[n] = '\0';
	return n;
}

int checkpoint_origin_of(const char *org_host, const uint8_t chain[static 16],
			 char out[static ORIGIN_MAX])
{
	char hex[33];
	int n;

	hex_encode(chain, 16, hex);
	n = snprintf(out, ORIGIN_MAX, "%s/%s", org_host, hex);
	return n < 0 || n >= ORIGIN_MAX ? -EINVAL : 0;
}

int checkpoint_origin(const char *org, const char *host, const uint8_t chain[static 16],
		      char out[static ORIGIN_MAX])
{
	char a[64], b[80], both[160];

	if (!plain(org, a, sizeof(a)) || !plain(host, b, sizeof(b)))
		return -EINVAL;
	snprintf(both, sizeof(both), "%s/%s", a, b);
	return checkpoint_origin_of(both, chain, out);
}

bool checkpoint_is_of(const struct checkpoint *c, const uint8_t chain[static 16])
{
	char end[34] = "/";
	size_t n = strlen(c->origin);

	hex_encode(chain, 16, end + 1);
	return n > 33 && !strcmp(c->origin + n - 33, end);
}

size_t checkpoint_text(const struct checkpoint *c, char *out, size_t cap)
{
	struct text t = {out, cap, 0};

	put(&t, "%s\n%" PRIu64 "\n", c->origin, c->size);
	put_hash(&t, &c->root);
	return length(&t);
}

int checkpoint_parse(const char *text, size_t n, struct checkpoint *ret, const char **ret_why)
{
	struct lines l = {text, text + n};
	struct checkpoint c = {};
	const char *p;
	size_t k;

	*ret_why = NULL;
	if (!take(&l, &p, &k) || !k || k >= ORIGIN_MAX || memchr(p, '\0', k))
		*ret_why = "origin";
	else
		memcpy(c.origin, p, k);
	if (!*ret_why && (!take(&l, &p, &k) || !number(p, k, &c.size) || c.size > INT64_MAX))
		*ret_why = "tree size";
	if (!*ret_why &&
	    (!take(&l, &p, &k) || base64_decode(p, k, c.root.b, TREE_HASH_LEN) != TREE_HASH_LEN))
		*ret_why = "root hash";
	while (!*ret_why && l.p < l.end)
		if (!take(&l, &p, &k) || !k)
			*ret_why = "extension line";
	if (*ret_why)
		return -EBADMSG;
	*ret = c;
	return 0;
}

/* --- cosignatures ---------------------------------------------------------------------------------- */

static size_t cosigned_message(const char *text, size_t n, uint64_t unix_s, char *out, size_t cap)
{
	int k = snprintf(out, cap, "cosignature/v1\ntime %" PRIu64 "\n", unix_s);

	if (k < 0 || (size_t)k + n > cap)
		return 0;
	memcpy(out + k, text, n);
	return k + n;
}

size_t cosign(const char *text, size_t n, uint64_t unix_s, const char *name, struct signer *s,
	      char *out, size_t cap)
{
	char message[2048];
	uint8_t sig[8 + RECORD_SIG_LEN];
	size_t k = cosigned_message(text, n, unix_s, message, sizeof(message));

	if (!k || unix_s > INT64_MAX || signer_sign(s, (uint8_t *)message, k, sig + 8))
		return 0;
	for (int i = 0; i < 8; i++)
		sig[i] = unix_s >> (56 - 8 * i);
	return note_line(name, note_key_id_of(name, signer_public(s), NOTE_COSIGNATURE), sig,
			 sizeof(sig), out, cap);
}

bool cosignature_is(const struct note_sig *s)
{
	return s->n == 8 + RECORD_SIG_LEN && !s->sig[0];
}

static int cosignature_ok(const struct note *n, const struct note_sig *s, struct verifier *v,
			  uint64_t *ret_unix_s)
{
	char message[2048];
	uint64_t t = 0;
	size_t k;

	for (int i = 0; i < 8; i++)
		t = t << 8 | s->sig[i];
	k = t > INT64_MAX ? 0 : cosigned_message(n->text, n->text_n, t, message, sizeof(message));
	if (!k || !verifier_ok(v, (uint8_t *)message, k, s->sig + 8))
		return -EBADMSG;
	*ret_unix_s = t;
	return 0;
}

int cosignature_verify(const struct note *n, const struct note_key *witness, uint64_t *ret_unix_s)
{
	_cleanup_(verifier_freep) struct verifier *v = NULL;
	int r = verifier_new(witness->public, &v), found = -ENOKEY;

	if (r)
		return r;
	for (size_t i = 0; i < n->n; i++) {
		const struct note_sig *s = &n->sigs[i];

		if (s->n != 8 + RECORD_SIG_LEN ||
		    (witness->name[0] && strcmp(witness->name, s->name)) ||
		    s->id != note_key_id_of(s->name, witness->public, NOTE_COSIGNATURE))
			continue;
		found = cosignature_ok(n, s, v, ret_unix_s);
		if (found)
			return found;
	}
	return found;
}

/* --- to a witness ---------------------------------------------------------------------------------- */

int witness_request_parse(const char *p, size_t n, struct witness_request *ret,
			  const char **ret_why)
{
	struct lines l = {p, p + n};
	struct witness_request r = {};

	*ret_why = NULL;
	if (!keyed(&l, "old ", &r.old))
		*ret_why = "old size";
	else if (!hashes(&l, r.path, &r.n) || r.n > 63)
		*ret_why = "consistency proof";
	else if (l.p == l.end)
		*ret_why = "no checkpoint";
	if (*ret_why)
		return -EBADMSG;
	r.note = l.p;
	r.note_n = l.end - l.p;
	*ret = r;
	return 0;
}

size_t witness_request_text(const struct witness_request *r, char *out, size_t cap)
{
	struct text t = {out, cap, 0};

	put(&t, "old %" PRIu64 "\n", r->old);
	for (size_t i = 0; i < r->n; i++)
		put_hash(&t, &r->path[i]);
	put(&t, "\n");
	put_bytes(&t, r->note, r->note_n);
	return length(&t);
}

/* --- proofs for a file ----------------------------------------------------------------------------- */

size_t tlog_proof_text(const struct tlog_proof *p, char *out, size_t cap)
{
	struct text t = {out, cap, 0};

	put(&t, PROOF_HEAD);
	if (p->extra_n) {
		put(&t, "extra ");
		if (t.n + BASE64_LEN(p->extra_n) + 2 > cap)
			return 0;
		base64_encode(p->extra, p->extra_n, out + t.n);
		t.n += BASE64_LEN(p->extra_n);
		put(&t, "\n");
	}
	put(&t, "index %" PRIu64 "\n", p->index);
	for (size_t i = 0; i < p->n; i++)
		put_hash(&t, &p->path[i]);
	put(&t, "\n");
	put_bytes(&t, p->note, p->note_n);
	return length(&t);
}

static bool extra(struct lines *l, struct tlog_proof *r, uint8_t *to, size_t cap)
{
	struct lines before = *l;
	const char *p;
	size_t n;
	long k;

	if (!take(l, &p, &n))
		return false;
	if (n < 6 || memcmp(p, "extra ", 6)) {
		*l = before;
		return true;
	}
	k = base64_decode(p + 6, n - 6, to, cap);
	if (k <= 0)
		return false;
	r->extra = to;
	r->extra_n = k;
	return true;
}

int tlog_proof_parse(const char *p, size_t n, struct tlog_proof *ret, uint8_t *to, size_t cap,
		     const char **ret_why)
{
	const size_t head = strlen(PROOF_HEAD);
	struct lines l = {p + head, p + n};
	struct tlog_proof r = {};

	*ret_why = NULL;
	if (n < head || memcmp(p, PROOF_HEAD, head))
		*ret_why = "not a c2sp.org/tlog-proof@v1";
	else if (!extra(&l, &r, to, cap))
		*ret_why = "extra data";
	else if (!keyed(&l, "index ", &r.index))
		*ret_why = "index";
	else if (!hashes(&l, r.path, &r.n))
		*ret_why = "inclusion proof";
	else if (l.p == l.end)
		*ret_why = "no checkpoint";
	if (*ret_why)
		return -EBADMSG;
	r.note = l.p;
	r.note_n = l.end - l.p;
	*ret = r;
	return 0;
}
