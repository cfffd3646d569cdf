// SPDX-License-Identifier: Apache-2.0
/*
 * What makes a certificate checkable with one public key: beside the record, the SEALs from the chain's first
 * epoch to the one whose key signed the checkpoint, the path from the record to the root that the SEAL of
 * its own epoch names, and a tlog-proof against the checkpoint.
 *
 * The SEAL's root matters when a later key is stolen: its thief can sign any checkpoint, but no SEAL of an
 * epoch that had ended. Size: about 900 bytes an epoch since the chain began, 30 MB for a year of epochs of a
 * quarter of an hour; nothing less proves the key with no more than the first one.
 */
#include "cert.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "proof.h"
#include "sealchain.h"

struct making {
	const struct sealed *s;
	struct note note;
	struct note_key by; /* the key that is looked for signed the checkpoint */
	json_t *seals;
	bool found, ended; /* the checkpoint's key; the SEAL of the record's epoch */
	struct seal end;
};

static bool signed_by(struct making *m, const uint8_t *public)
{
	memcpy(m->by.public, public, RECORD_PUBKEY_LEN);
	m->found = !note_verify(&m->note, &m->by, NULL);
	return m->found;
}

static int seal(void *ctx, const struct seal *s, const struct frame *f)
{
	struct making *m = ctx;

	if (json_array_append_new(m->seals,
				  json_pack("{so so}", "record",
					    render_base64(f->record, f->record_len), "signature",
					    render_base64(f->sig, RECORD_SIG_LEN))))
		return -ENOMEM;
	if (s->epoch == m->s->head.epoch) {
		m->end = *s;
		m->ended = true;
	}
	return signed_by(m, s->next_public);
}

/* All SEALs up to the key of the checkpoint. */
static int seals(struct making *m, const char *dir, const uint8_t *chain_public, char *err,
		 size_t err_len)
{
	struct seal_chain c = {0};
	int r = 0;

	memcpy(c.chain, m->s->head.chain, sizeof(c.chain));
	memcpy(c.public, chain_public, sizeof(c.public));
	if (!signed_by(m, chain_public))
		r = seals_read(dir, &c, seal, m, err, err_len);
	if (!r && !m->found) {
		snprintf(err, err_len,
			 "%s: no SEAL names the key that signed the checkpoint (yet); try again",
			 dir);
		r = -EBADMSG;
	}
	return r;
}

static json_t *path_json(const struct tree_hash *path, size_t n)
{
	json_t *a = json_array();

	for (size_t i = 0; a && i < n; i++) {
		if (json_array_append_new(a, render_base64(path[i].b, TREE_HASH_LEN))) {
			json_decref(a);
			return NULL;
		}
	}
	return a;
}

/* The path to the SEAL of the record's epoch, if that has ended and is not the record itself. */
static int to_seal(json_t *cert, const struct making *m, const char *dir, char *err, size_t err_len)
{
	struct tree_hash path[TREE_PATH_MAX], leaf;
	size_t n;
	int r;

	if (!m->ended || m->s->head.seq >= m->end.seq)
		return 0;
	r = proof_path(dir, m->s->head.seq, m->end.seq, &m->end.root, path, &n, &leaf, err,
		       err_len);
	if (!r && json_object_set_new(cert, "seal_path", path_json(path, n)))
		r = -ENOMEM;
	return r;
}

static int add(json_t *cert, struct making *m, const struct proof *p, const char *dir,
	       const uint8_t *chain_public, char *err, size_t err_len)
{
	_cleanup_free_ char *text = proof_text(p, m->s->head.seq, NULL);
	const char *why;
	int r;

	if (memcmp(p->leaf.b, m->s->leaf, TREE_HASH_LEN)) {
		snprintf(err, err_len,
			 "%s: record %" PRIu64
			 " is not the one that was logged; run probity verify",
			 dir, m->s->head.seq);
		return -EBADMSG;
	}
	if (note_parse(p->note, p->note_n, &m->note, &why))
		return -EBADMSG; /* it was parsed before */
	snprintf(m->by.name, sizeof(m->by.name), "%s", p->checkpoint.origin);
	r = seals(m, dir, chain_public, err, err_len);
	if (r)
		return r;
	if (!text ||
	    json_object_set_new(cert, "chain_public_key",
				render_hex(chain_public, RECORD_PUBKEY_LEN)) ||
	    json_object_set(cert, "seals", m->seals))
		return -ENOMEM;
	r = to_seal(cert, m, dir, err, err_len);
	return !r && json_object_set_new(cert, "proof", json_string(text)) ? -ENOMEM : r;
}

int cert_add_proof(json_t *cert, const struct sealed *s, const char *dir,
		   const uint8_t chain_public[static RECORD_PUBKEY_LEN], char *err, size_t err_len)
{
	_cleanup_(proof_done) struct proof p = {0};
	json_auto_t *list = json_array();
	struct making m = {.s = s, .seals = list};
	int r = proof_make(dir, s->head.seq, &p, err, err_len);

	if (!r)
		r = list ? add(cert, &m, &p, dir, chain_public, err, err_len) : -ENOMEM;
	if (r == -ENOMEM)
		snprintf(err, err_len, "out of memory");
	return r;
}
