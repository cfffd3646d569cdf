// SPDX-License-Identifier: Apache-2.0
/*
 * In: a checkpoint whose signature is right, and what was cosigned of that log before. Out: whether it may
 * be cosigned, and the cosignature with its time. Invariant: the sizes cosigned of one log never fall, and
 * of one size there is one root. What is kept and given out is made anew from the parts that were verified:
 * the text, the signature of the key that counts, ours; whatever else stood in the note is left out.
 */
#include "witness.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"

#define LOGS_FILE_MAX (1u << 20)

struct witness {
	struct signer *cosigner, *log;
	char name[NOTE_NAME_MAX], origin[NOTE_NAME_MAX];
	char vkey[WITNESS_VKEY_MAX], log_vkey[WITNESS_VKEY_MAX];
	struct note_key *logs;
	size_t logs_n;
};

/* --- keys ------------------------------------------------------------------------------------------ */

static int open_key(const char *dir, const char *file, const char *name, enum note_type type,
		    struct signer **ret, char vkey[static WITNESS_VKEY_MAX], char *err,
		    size_t err_len)
{
	struct note_key k = {.name = ""};
	char path[4096];
	int r;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	r = signer_open(path, true, ret, err, err_len);
	if (r)
		return r;
	snprintf(k.name, sizeof(k.name), "%s", name);
	memcpy(k.public, signer_public(*ret), sizeof(k.public));
	r = note_vkey_of(&k, type, vkey, WITNESS_VKEY_MAX);
	if (r)
		snprintf(err, err_len, "%s: %s is no name for a key", path, name);
	return r;
}

int witness_open(const char *pki_dir, const char *name, struct witness **ret, char *err,
		 size_t err_len)
{
	_cleanup_(witness_freep) struct witness *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	snprintf(w->name, sizeof(w->name), "%s", name);
	if (snprintf(w->origin, sizeof(w->origin), "%s/log", name) >= (int)sizeof(w->origin)) {
		snprintf(err, err_len, "%s: name too long", name);
		return -EINVAL;
	}
	r = open_key(pki_dir, "witness.key", w->name, NOTE_COSIGNATURE, &w->cosigner, w->vkey, err,
		     err_len);
	if (!r)
		r = open_key(pki_dir, "log.key", w->origin, NOTE_ED25519, &w->log, w->log_vkey, err,
			     err_len);
	if (!r)
		*ret = TAKE_PTR(w);
	return r;
}

void witness_free(struct witness *w)
{
	if (!w)
		return;
	signer_free(w->cosigner);
	signer_free(w->log);
	free(w->logs);
	free(w);
}

const char *witness_vkey(const struct witness *w)
{
	return w->vkey;
}
const char *witness_log_vkey(const struct witness *w)
{
	return w->log_vkey;
}
const char *witness_log_origin(const struct witness *w)
{
	return w->origin;
}
struct signer *witness_log_signer(struct witness *w)
{
	return w->log;
}

/* --- foreign logs ---------------------------------------------------------------------------------- */

/* "log VKEY [URL]"; 1: nothing on this line. */
static int log_line(char *line, struct note_key *ret)
{
	char *save = NULL, *word, *vkey;

	line[strcspn(line, "#\r")] = '\0';
	word = strtok_r(line, " \t", &save);
	if (!word)
		return 1;
	vkey = strtok_r(NULL, " \t", &save);
	if (strcmp(word, "log") != 0 || !vkey)
		return -EINVAL;
	strtok_r(NULL, " \t", &save); /* the URL is for who submits */
	if (strtok_r(NULL, " \t", &save))
		return -EINVAL;
	return note_vkey_parse(vkey, strlen(vkey), ret);
}

static int logs_parse(struct witness *w, char *text, unsigned *ret_line)
{
	char *save = NULL;
	int r = 0;

	*ret_line = 0;
	while (r >= 0 && text && (save = strchrnul(text, '\n'), 1)) {
		bool last = !*save;

		*save = '\0';
		(*ret_line)++;
		r = w->logs_n < WITNESS_LOGS_MAX ? log_line(text, &w->logs[w->logs_n]) : -E2BIG;
		w->logs_n += !r;
		text = last ? NULL : save + 1;
	}
	return r < 0 ? r : 0;
}

int witness_logs_read(struct witness *w, const char *path, char *err, size_t err_len)
{
	_cleanup_free_ char *text = NULL;
	unsigned line;
	size_t n;
	int r = fs_read(path, LOGS_FILE_MAX, &text, &n);

	if (r) {
		snprintf(err, err_len, "%s: %s", path, strerror(-r));
		return r;
	}
	w->logs = calloc(WITNESS_LOGS_MAX, sizeof(*w->logs));
	if (!w->logs)
		return -ENOMEM;
	r = logs_parse(w, text, &line);
	if (r)
		snprintf(err, err_len, "%s: line %u: %s", path, line,
			 r == -E2BIG ? "too many logs" : "not \"log VKEY [URL]\"");
	return r;
}

const struct note_key *witness_log_key(const struct witness *w, const char *origin, size_t i)
{
	for (size_t k = 0; k < w->logs_n; k++)
		if (!strcmp(w->logs[k].name, origin) && !i--)
			return &w->logs[k];
	return NULL;
}

/* --- judging --------------------------------------------------------------------------------------- */

enum witness_verdict witness_judge(const struct store_witness *held, uint64_t old,
				   const struct checkpoint *c, const struct tree_hash *path,
				   size_t n)
{
	const struct tree_edge none = {0};
	struct tree_hash root;

	if (old > c->size)
		return WITNESS_TOO_OLD;
	if (old != (held ? held->edge.size : 0))
		return WITNESS_CONFLICT;
	tree_root(&none, &root);
	if (!c->size && memcmp(&root, &c->root, sizeof(root)))
		return WITNESS_FORK;
	if (!old)
		return n ? WITNESS_BAD_PROOF : WITNESS_FINE;
	if (old == c->size && memcmp(&held->root, &c->root, sizeof(root)))
		return WITNESS_FORK;
	return tree_consistency_ok(old, &held->root, c->size, &c->root, path, n)
		       ? WITNESS_FINE
		       : WITNESS_BAD_PROOF;
}

/* --- cosigning ------------------------------------------------------------------------------------- */

void witness_origin_hash(const char *origin, uint8_t ret[static 32])
{
	SHA256((const uint8_t *)origin, strlen(origin), ret);
}

static size_t line_of(const struct note *n, const char *name, uint32_t id, char *out, size_t cap)
{
	for (size_t i = 0; i < n->n; i++) {
		const struct note_sig *s = &n->sigs[i];

		if (s->id == id && !strcmp(s->name, name))
			return note_line(s->name, s->id, s->sig, s->n, out, cap);
	}
	return 0;
}

/* The text, an empty line, and the signatures of these keys, which were found right. */
static size_t bare_note(const struct note *n, const struct note_key *key, const uint8_t *tpm,
			char *out, size_t cap)
{
	size_t at = n->text_n, k;

	if (at + 1 >= cap)
		return 0;
	memcpy(out, n->text, at);
	out[at++] = '\n';
	k = line_of(n, key->name, note_key_id(key->name, key->public), out + at, cap - at);
	if (!k || !tpm)
		return k ? at + k : 0;
	at += k;
	k = line_of(n, key->name, note_ecdsa_id(tpm), out + at, cap - at);
	return k ? at + k : 0;
}

int witness_cosign(struct witness *w, struct store *st, const struct note *n,
		   const struct note_key *key, const uint8_t *tpm, const struct checkpoint *c,
		   int64_t unix_s, struct store_witness *row)
{
	size_t at = bare_note(n, key, tpm, row->note, sizeof(row->note)), k;
	int r;

	k = at ? cosign(n->text, n->text_n, unix_s, w->name, w->cosigner, row->note + at,
			sizeof(row->note) - at - 1)
	       : 0;
	if (!k)
		return -EMSGSIZE;
	row->note[at + k] = '\0';
	row->edge.size = c->size;
	row->root = c->root;
	row->unix_s = unix_s;
	witness_origin_hash(c->origin, row->origin_sha256);
	r = store_witness_put(st, row);
	return r ? r : store_ledger_add(st, row->name, row->note, at + k);
}
