// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: FILE, FILE.sig, the public key, STATE-DIR/policy. Flows out: a text that may be judged, or one
 * line saying why not.
 *
 * STATE-DIR/policy/state: generation and revision that were the highest, with a checksum over them.
 * STATE-DIR/policy/good: the last accepted pack and its signature in one file, so that they cannot be
 * of two generations. Each is written whole or not at all. The state is written first: after a
 * crash between the two the same pack is accepted again, an older one is not. A damaged state is
 * named and begins anew from what the good pack's signature says, with generations counted from the time.
 *
 * The good pack is not checked for its age, nor refused when the key was changed since: it was
 * accepted here, and only root can write there.
 */
#include "policy_store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/sha.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "policy/pack.h"
#include "record/note.h"

#define STATE_MAGIC "probity/policy-state/v1"
#define GOOD_MAGIC "probity/policy-good/v1"
#define HEX 65

struct policy_store {
	char *state, *good;
	bool want_key, allow_rollback;
	struct note_key key;
	char key_error[256]; /* why there is none */
	uint64_t generation, revision;
	uint8_t last[32], file[32]; /* pack of `revision`; the file it replaces */
	bool loaded;
};

DEFINE_CLEANUP(struct policy_store, policy_store_free)

void policy_text_done(struct policy_text *t)
{
	free(t->text);
	free(t->sig);
	*t = (struct policy_text){};
}

static void hex(const uint8_t *p, char out[static HEX])
{
	for (int i = 0; i < 32; i++)
		snprintf(out + 2 * i, 3, "%02x", p[i]);
}

static bool unhex(const char *s, uint8_t out[static 32])
{
	char again[HEX];

	for (int i = 0; i < 32; i++)
		if (sscanf(s + 2 * i, "%2hhx", &out[i]) != 1)
			return false;
	hex(out, again);
	return !strcmp(again, s);
}

/* --- state -------------------------------------------------------------------------------------- */

static int state_text(const struct policy_store *s, char *out, size_t cap)
{
	char last[HEX], file[HEX], sum[HEX];
	uint8_t digest[32];
	int n;

	hex(s->last, last);
	hex(s->file, file);
	n = snprintf(out, cap,
		     STATE_MAGIC "\ngeneration %" PRIu64 "\nrevision %" PRIu64
				 "\npack %s\nloaded %d\nfile %s\n",
		     s->generation, s->revision, last, s->loaded, file);
	SHA256((uint8_t *)out, n, digest);
	hex(digest, sum);
	return n + snprintf(out + n, cap - n, "sum %s\n", sum);
}

/* What is written again the same is what was read. */
static bool state_parse(struct policy_store *s, const char *text, size_t n)
{
	struct policy_store t = {};
	char last[HEX], file[HEX], again[1024];
	int loaded;

	if (sscanf(text,
		   STATE_MAGIC "\ngeneration %" SCNu64 "\nrevision %" SCNu64
			       "\npack %64s\nloaded %d\nfile %64s\n",
		   &t.generation, &t.revision, last, &loaded, file) != 5 ||
	    !unhex(last, t.last) || !unhex(file, t.file))
		return false;
	t.loaded = loaded;
	if (state_text(&t, again, sizeof(again)) != (int)n || memcmp(again, text, n))
		return false;
	s->generation = t.generation;
	s->revision = t.revision;
	s->loaded = t.loaded;
	memcpy(s->last, t.last, sizeof(s->last));
	memcpy(s->file, t.file, sizeof(s->file));
	return true;
}

static void state_from_good(struct policy_store *s)
{
	struct policy_text t = {};
	struct policy_note pn;
	struct note note;
	char err[256];
	const char *why;

	if (policy_store_good(s, &t, err, sizeof(err)))
		return;
	if (t.sig && !note_parse(t.sig, t.sig_n, &note, &why) &&
	    !policy_note_parse(note.text, note.text_n, &pn)) {
		s->revision = pn.revision;
		memcpy(s->last, t.sha256, sizeof(s->last));
	}
	policy_text_done(&t);
}

static void state_read(struct policy_store *s)
{
	_cleanup_free_ char *text = NULL;
	size_t n;
	int r = fs_read(s->state, 1024, &text, &n);

	if (r == -ENOENT || (!r && state_parse(s, text, n)))
		return;
	log_err("%s: %s; which policy revision was in force is known from the last good pack only",
		s->state, r ? strerror(-r) : "damaged");
	s->generation = time(NULL); /* above any that was counted */
	state_from_good(s);
}

/* --- the key ------------------------------------------------------------------------------------ */

static int key_read(const char *path, struct note_key *ret, char *err, size_t err_len)
{
	_cleanup_free_ char *text = NULL;
	size_t n;

	if (!fs_read(path, 4096, &text, &n) && !note_vkey_parse(text, n, ret))
		return 0;
	*ret = (struct note_key){};
	return public_read(path, ret->public, err, err_len);
}

int policy_store_open(const char *state_dir, const char *key, bool allow_rollback,
		      struct policy_store **ret)
{
	_cleanup_(policy_store_freep) struct policy_store *s = calloc(1, sizeof(*s));
	_cleanup_free_ char *dir = NULL;
	int r;

	if (!s || asprintf(&dir, "%s/policy", state_dir) < 0 ||
	    asprintf(&s->state, "%s/state", dir) < 0 || asprintf(&s->good, "%s/good", dir) < 0)
		return -ENOMEM;
	r = fs_mkdirs(dir, 0700);
	if (r)
		return r;
	s->allow_rollback = allow_rollback;
	s->want_key = key != NULL;
	if (key && key_read(key, &s->key, s->key_error, sizeof(s->key_error)))
		log_err("%s; every policy pack is refused", s->key_error);
	state_read(s);
	*ret = TAKE_PTR(s);
	return 0;
}

void policy_store_free(struct policy_store *s)
{
	if (!s)
		return;
	free(s->state);
	free(s->good);
	free(s);
}

uint64_t policy_store_generation(const struct policy_store *s)
{
	return s->generation;
}

uint64_t policy_store_revision(const struct policy_store *s)
{
	return s->revision;
}

uint64_t policy_store_min_revision(const struct policy_store *s)
{
	return s->allow_rollback ? 0 : s->revision;
}

bool policy_store_signed(const struct policy_store *s)
{
	return s->want_key;
}

bool policy_store_replaces(const struct policy_store *s, const uint8_t sha256[static 32])
{
	return s->loaded && !memcmp(s->file, sha256, 32);
}

/* --- a signature -------------------------------------------------------------------------------- */

static int refuse(char *err, size_t len, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static int refuse(char *err, size_t len, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, len, fmt, ap);
	va_end(ap);
	return -EKEYREJECTED;
}

static int check_revision(const struct policy_store *s, const struct policy_text *t, char *err,
			  size_t err_len)
{
	if (s->allow_rollback || t->revision > s->revision)
		return 0;
	if (t->revision < s->revision)
		return refuse(err, err_len,
			      "%.100s: revision %" PRIu64 " is older than %" PRIu64
			      ", which was in force here",
			      t->name, t->revision, s->revision);
	return memcmp(t->sha256, s->last, 32)
		       ? refuse(err, err_len,
				"%.100s: revision %" PRIu64
				" was in force here with another text; sign it with a higher one",
				t->name, t->revision)
		       : 0;
}

static int check_signature(const struct policy_store *s, struct policy_text *t, char *err,
			   size_t err_len)
{
	struct policy_note pn;
	struct note note;
	const char *why, *by = "";
	int r;

	if (s->key_error[0])
		return refuse(err, err_len, "%.100s: cannot be checked: %.120s", t->name,
			      s->key_error);
	if (!t->sig)
		return refuse(err, err_len, "%.100s: not signed: there is no %.100s.sig", t->name,
			      t->name);
	if (note_parse(t->sig, t->sig_n, &note, &why))
		return refuse(err, err_len, "%.100s.sig: not a signed note: %s", t->name, why);
	r = note_verify(&note, &s->key, &by);
	if (r == -ENOKEY)
		return refuse(err, err_len, "%.100s.sig: not signed by the key of this host (%s)",
			      t->name, s->key.name[0] ? s->key.name : "a PEM file");
	if (r)
		return refuse(err, err_len, "%.100s.sig: the signature is wrong", t->name);
	if (policy_note_parse(note.text, note.text_n, &pn))
		return refuse(err, err_len, "%.100s.sig: signed, but not as a policy pack",
			      t->name);
	if (memcmp(pn.sha256, t->sha256, 32))
		return refuse(err, err_len, "%.100s: not the text that was signed", t->name);
	t->revision = pn.revision;
	snprintf(t->signer, sizeof(t->signer), "%s", by);
	return check_revision(s, t, err, err_len);
}

/* --- reading ------------------------------------------------------------------------------------ */

static bool may_read(const struct stat *st, uid_t owner)
{
	if (owner == (uid_t)-1 || !owner)
		return true;
	return st->st_uid == owner || (!st->st_uid && st->st_mode & S_IROTH);
}

/* A name of the file system that is no plain file (a pipe, a terminal) must not hold us up. */
static int read_plain(const char *path, uid_t owner, size_t max, char **ret, size_t *ret_n)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (!may_read(&st, owner))
		return -EACCES;
	return fs_read_fd(fd, max, ret, ret_n);
}

int policy_store_read(const struct policy_store *s, const char *path, uid_t owner,
		      struct policy_text *ret, char *err, size_t err_len)
{
	_cleanup_free_ char *sig = NULL;
	struct policy_text t = {};
	int r;

	if (asprintf(&sig, "%s.sig", path) < 0)
		return -ENOMEM;
	snprintf(t.name, sizeof(t.name), "%s", path);
	r = read_plain(path, owner, PACK_FILE_MAX, &t.text, &t.n);
	if (r) {
		snprintf(err, err_len, "%.120s: %s", t.name, strerror(-r));
		return r;
	}
	SHA256((uint8_t *)t.text, t.n, t.sha256);
	if (!t.n)
		r = refuse(err, err_len, "%.120s: empty; expected a policy pack", t.name);
	else if (s->want_key) {
		r = read_plain(sig, owner, NOTE_MAX, &t.sig, &t.sig_n);
		if (r && r != -ENOENT)
			snprintf(err, err_len, "%.120s: %s", sig, strerror(-r));
		else
			r = check_signature(s, &t, err, err_len);
	}
	if (r) {
		policy_text_done(&t);
		return r;
	}
	*ret = t;
	return 0;
}

/* --- the last good one -------------------------------------------------------------------------- */

/* The first line, with a checksum over itself and all that follows. Bytes written. */
static int good_head(const struct policy_text *t, const void *body, size_t n, char *out, size_t cap)
{
	int h = snprintf(out, cap, GOOD_MAGIC " %zu %zu %" PRIu64 " ", t->n, t->sig_n, t->revision);
	uint8_t sums[64], digest[32];
	char sum[HEX];

	SHA256((uint8_t *)out, h, sums);
	SHA256(body, n, sums + 32);
	SHA256(sums, sizeof(sums), digest);
	hex(digest, sum);
	return h + snprintf(out + h, cap - h, "%s\n", sum);
}

/* With a NUL behind it, as fs_read gives them; there may be others in it. */
static char *copy(const char *p, size_t n)
{
	char *s = calloc(1, n + 1);

	return s ? memcpy(s, p, n) : NULL;
}

/* What is written again the same is what was read. */
static bool good_parse(const char *p, size_t n, struct policy_text *ret)
{
	const char *body = memchr(p, '\n', n);
	struct policy_text t = {};
	char head[256];
	size_t name;
	int h;

	if (!body++ ||
	    sscanf(p, GOOD_MAGIC " %zu %zu %" SCNu64 " ", &t.n, &t.sig_n, &t.revision) != 3)
		return false;
	n -= body - p;
	h = good_head(&t, body, n, head, sizeof(head));
	if (h != body - p || memcmp(head, p, h) || t.n > n || t.sig_n > n - t.n)
		return false;
	t.text = copy(body, t.n);
	t.sig = t.sig_n ? copy(body + t.n, t.sig_n) : NULL;
	if (!t.text || (t.sig_n && !t.sig)) {
		policy_text_done(&t);
		return false;
	}
	name = n - t.n - t.sig_n;
	snprintf(t.name, sizeof(t.name), "%.*s", (int)name, body + t.n + t.sig_n);
	SHA256((uint8_t *)t.text, t.n, t.sha256);
	*ret = t;
	return true;
}

int policy_store_good(const struct policy_store *s, struct policy_text *ret, char *err,
		      size_t err_len)
{
	_cleanup_free_ char *bytes = NULL;
	struct note note;
	const char *why, *by;
	size_t n;
	int r = fs_read(s->good, PACK_FILE_MAX + NOTE_MAX + 512, &bytes, &n);

	if (r == -ENOENT)
		return r;
	if (r || !good_parse(bytes, n, ret)) {
		snprintf(err, err_len, "%.150s: %s", s->good, r ? strerror(-r) : "damaged");
		return -EBADMSG;
	}
	if (ret->sig && !s->key_error[0] && !note_parse(ret->sig, ret->sig_n, &note, &why) &&
	    !note_verify(&note, &s->key, &by))
		snprintf(ret->signer, sizeof(ret->signer), "%s", by);
	return 0;
}

static int good_write(const struct policy_store *s, const struct policy_text *t)
{
	enum { HEAD = 256 };
	size_t name = strlen(t->name), n = t->n + t->sig_n + name;
	_cleanup_free_ char *out = malloc(HEAD + n);
	char head[HEAD], *body = out + HEAD;
	int h;

	if (!out)
		return -ENOMEM;
	memcpy(body, t->text, t->n);
	if (t->sig_n)
		memcpy(body + t->n, t->sig, t->sig_n);
	memcpy(body + t->n + t->sig_n, t->name, name);
	h = good_head(t, body, n, head, sizeof(head));
	memcpy(body - h, head, h);
	return fs_write_atomic(s->good, body - h, h + n, 0600);
}

int policy_store_keep(struct policy_store *s, const struct policy_text *t, uint64_t generation,
		      uint64_t revision, const uint8_t *file)
{
	uint64_t rev = t->revision ?: revision;
	char text[1024];
	int n, r;

	s->generation = generation;
	if (rev >= s->revision || (rev && s->allow_rollback)) {
		s->revision = rev;
		memcpy(s->last, t->sha256, sizeof(s->last));
	}
	s->loaded = file;
	memset(s->file, 0, sizeof(s->file));
	if (file)
		memcpy(s->file, file, sizeof(s->file));
	n = state_text(s, text, sizeof(text));
	r = fs_write_atomic(s->state, text, n, 0600);
	return r ?: good_write(s, t);
}
