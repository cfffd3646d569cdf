// SPDX-License-Identifier: Apache-2.0
/*
 * A certificate checked away from its host. In: JSON from anybody, and the public key of the chain's first
 * epoch. Out: step by step, what holds and the first thing that does not.
 *
 *   form          every part is there and is base 64, a hash, a text
 *   record        its bytes are a record, and hash to what its header says
 *   trust anchor  the chain's first key is the reader's
 *   seals         each SEAL is under the key that the one before named: the keys of all epochs
 *   signature     the record is under the key of its epoch
 *   epoch         it stands between the SEALs of its epoch, and in the tree that the later one names
 *   checkpoint    it is signed with the last key, and of this chain
 *   inclusion     the record is in its tree, at its own number
 *   cosignature   a witness of the reader's has seen that tree
 *   fields        what the certificate says for people is what the record says
 *
 * Invariant: nothing is used before the step that proves it; the texts for people come last, rendered anew
 * from the proved bytes. A newer version may say more than we know: what we know must still be there and be
 * right, what we do not is named as not checked. Limits: CERT_BYTES_MAX.
 */
#include "cert.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/hex.h"
#include "record/checkpoint.h"
#include "record/printable.h"
#include "sealchain.h"

DEFINE_CLEANUP(struct verifier, verifier_free)

struct check {
	const json_t *cert;
	const struct cert_trust *t;
	struct cert_result *r;
	int error; /* -ENOMEM */

	uint8_t *record, sig[RECORD_SIG_LEN];
	size_t record_n;
	bool has_sig;
	const json_t *seals, *seal_path;
	const char *proof_text;
	size_t proof_n;

	struct sealed sealed;
	bool opened;
	uint8_t key[RECORD_PUBKEY_LEN];	 /* of the record's epoch */
	uint8_t last[RECORD_PUBKEY_LEN]; /* of the last one named */
	struct seal before, end;	 /* the SEALs around the record's epoch */
	bool ended;
	struct tlog_proof proof;
	struct note note;
	struct checkpoint checkpoint;
};

__attribute__((format(printf, 4, 5))) static bool
say(struct check *c, const char *name, enum cert_verdict verdict, const char *fmt, ...)
{
	struct cert_step *s = &c->r->steps[c->r->n++];
	char text[400] = "";
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	s->name = name;
	s->verdict = verdict;
	printable_copy(s->detail, sizeof(s->detail), text);
	return verdict != CERT_FAILS;
}
#define HOLDS(name, ...) say(c, name, CERT_HOLDS, __VA_ARGS__)
#define FAILS(name, ...) say(c, name, CERT_FAILS, __VA_ARGS__)

/* --- form ------------------------------------------------------------------------------------------ */

static bool text_at(const json_t *o, const char *key, const char **ret, size_t *ret_n)
{
	const json_t *v = json_object_get(o, key);

	*ret = json_string_value(v);
	*ret_n = json_string_length(v);
	return *ret != NULL;
}

/* Base 64 of exactly n bytes. */
static bool bytes_at(const json_t *o, const char *key, uint8_t *ret, size_t n)
{
	const char *p;
	size_t len;

	return text_at(o, key, &p, &len) && base64_decode(p, len, ret, n) == (long)n;
}

/* A record: as many bytes as there are. Caller frees. */
static uint8_t *record_at(struct check *c, const json_t *o, size_t *ret_n)
{
	uint8_t *out;
	const char *p;
	size_t len;
	long n;

	if (!text_at(o, "record", &p, &len) ||
	    len > BASE64_LEN(RECORD_HEADER_LEN + RECORD_PAYLOAD_MAX))
		return NULL;
	out = malloc(len / 4 * 3 + 1);
	if (!out) {
		c->error = -ENOMEM;
		return NULL;
	}
	n = base64_decode(p, len, out, len / 4 * 3);
	if (n < RECORD_HEADER_LEN) {
		free(out);
		return NULL;
	}
	*ret_n = n;
	return out;
}

static bool form(struct check *c)
{
	const json_t *version = json_object_get(c->cert, "version");
	const json_t *sig = json_object_get(c->cert, "signature");

	if (!json_is_object(c->cert) || !json_is_integer(version) ||
	    json_integer_value(version) < 1)
		return FAILS("form", "not a certificate of Probity");
	c->r->version = json_integer_value(version);
	c->r->newer = c->r->version > CERTIFICATE_VERSION;
	if (c->r->version < CERTIFICATE_VERSION)
		return FAILS("form", "of an older version; make it anew with probity cert");
	c->record = record_at(c, c->cert, &c->record_n);
	if (!c->record)
		return FAILS("form", "record: no base 64 of a record");
	c->has_sig = sig != NULL;
	if (sig && !bytes_at(c->cert, "signature", c->sig, sizeof(c->sig)))
		return FAILS("form", "signature: no base 64 of 64 bytes");
	c->seals = json_object_get(c->cert, "seals");
	if (!json_is_array(c->seals))
		return FAILS("form", "seals: no list");
	c->seal_path = json_object_get(c->cert, "seal_path");
	if (c->seal_path &&
	    (!json_is_array(c->seal_path) || json_array_size(c->seal_path) > TREE_PATH_MAX))
		return FAILS("form", "seal_path: no list of hashes");
	if (!text_at(c->cert, "proof", &c->proof_text, &c->proof_n))
		return FAILS("form", "proof: no text");
	return HOLDS("form", "version %" PRIu64 "%s", c->r->version,
		     c->r->newer ? ", newer than this program: what it does not know is not checked"
				 : "");
}

/* --- the record and its key ------------------------------------------------------------------------ */

static bool record(struct check *c)
{
	const char *why = "";

	if (sealed_open(c->record, c->record_n, c->has_sig ? c->sig : NULL, &c->sealed, &why))
		return FAILS("record", "%s", why);
	c->opened = true;
	memcpy(c->r->chain, c->sealed.head.chain, sizeof(c->r->chain));
	c->r->seq = c->sealed.head.seq;
	c->r->wall_ns = c->sealed.head.wall_ns;
	return HOLDS("record", "record %" PRIu64 " of epoch %" PRIu32 "%s", c->sealed.head.seq,
		     c->sealed.head.epoch,
		     c->sealed.head.payload ? "" : "; its payload was erased");
}

static bool anchor(struct check *c)
{
	uint8_t *pub = c->r->chain_public;
	const char *p;
	size_t n;

	if (!text_at(c->cert, "chain_public_key", &p, &n) ||
	    !hex_decode(p, n, pub, RECORD_PUBKEY_LEN))
		return FAILS("trust anchor", "chain_public_key: not 64 hex digits");
	if (!c->t->chain_public)
		return say(
			c, "trust anchor", CERT_NOT_CHECKED,
			"no key was given: the certificate's own word for the chain's key is taken");
	if (memcmp(pub, c->t->chain_public, RECORD_PUBKEY_LEN))
		return FAILS("trust anchor", "the certificate is of another chain than the key");
	return HOLDS("trust anchor", "the chain's first key is the one expected");
}

static bool seals(struct check *c)
{
	struct seal_chain at = {0};
	size_t n = json_array_size(c->seals);

	memcpy(at.chain, c->r->chain, sizeof(at.chain));
	memcpy(at.public, c->r->chain_public, sizeof(at.public));
	if (!c->sealed.head.epoch)
		memcpy(c->key, at.public, sizeof(c->key));
	for (size_t i = 0; i < n; i++) {
		const json_t *o = json_array_get(c->seals, i);
		uint8_t sig[RECORD_SIG_LEN];
		size_t len = 0;
		_cleanup_free_ uint8_t *bytes = record_at(c, o, &len);
		const char *why = "its record is no base 64";
		struct seal s;

		if (bytes && !bytes_at(o, "signature", sig, sizeof(sig)))
			why = "its signature is no base 64";
		else if (bytes && !seal_chain_next(&at, bytes, len, sig, &s, &why))
			why = NULL;
		if (why)
			return FAILS("seals", "the SEAL of epoch %zu: %s", i, why);
		if (i + 1 == c->sealed.head.epoch) {
			memcpy(c->key, s.next_public, sizeof(c->key));
			c->before = s;
		}
		if (i == c->sealed.head.epoch) {
			c->end = s;
			c->ended = true;
		}
	}
	if (n < c->sealed.head.epoch)
		return FAILS("seals", "%zu SEALs do not reach epoch %" PRIu32, n,
			     c->sealed.head.epoch);
	memcpy(c->last, at.public, sizeof(c->last));
	return HOLDS("seals", "%zu, each under the key that the one before it named", n);
}

static bool signature(struct check *c)
{
	_cleanup_(verifier_freep) struct verifier *v = NULL;
	uint8_t id[8];

	key_id(c->key, id);
	if (memcmp(id, c->sealed.head.key_id, sizeof(id)))
		return FAILS("signature", "the record names another key than its epoch's");
	if (c->sealed.head.alg == RECORD_CHECKPOINT)
		return c->has_sig ? FAILS("signature", "the record has none of its own, but this")
				  : HOLDS("signature", "none of its own: what covers it is below");
	if (c->sealed.head.alg != RECORD_ED25519 || !c->has_sig)
		return FAILS("signature", "there is none");
	if (verifier_new(c->key, &v) == -ENOMEM) {
		c->error = -ENOMEM;
		return FAILS("signature", "out of memory");
	}
	if (!v || !verifier_ok(v, c->record, RECORD_HEADER_LEN, c->sig))
		return FAILS("signature", "it is not the key's of its epoch over this record");
	return HOLDS("signature", "Ed25519 with the key of its epoch");
}

/* Later keys, which may be stolen, have no say about an epoch that ended. */
static bool epoch(struct check *c)
{
	struct tree_hash path[TREE_PATH_MAX], leaf;
	size_t n = json_array_size(c->seal_path);
	uint64_t seq = c->sealed.head.seq;

	memcpy(leaf.b, c->sealed.leaf, TREE_HASH_LEN);
	if (c->sealed.head.epoch && seq <= c->before.seq)
		return FAILS("epoch", "it is numbered before its epoch began");
	if (!c->ended || seq == c->end.seq) {
		if (c->seal_path)
			return FAILS("epoch", "a seal_path, and no later SEAL of its epoch");
		return HOLDS("epoch", c->ended ? "it is the SEAL of its epoch"
					       : "its epoch is that of the checkpoint's key");
	}
	if (seq > c->end.seq)
		return FAILS("epoch", "it is numbered behind the end of its epoch");
	if (!c->seal_path)
		return FAILS("epoch", "seal_path is missing");
	for (size_t i = 0; i < n; i++) {
		const json_t *h = json_array_get(c->seal_path, i);

		if (!json_is_string(h) || base64_decode(json_string_value(h), json_string_length(h),
							path[i].b, TREE_HASH_LEN) != TREE_HASH_LEN)
			return FAILS("epoch", "seal_path: hash %zu is none", i);
	}
	if (!tree_inclusion_ok(seq, &leaf, c->end.seq, &c->end.root, path, n))
		return FAILS("epoch",
			     "seal_path does not lead to the root in the SEAL of its epoch");
	return HOLDS("epoch", "it is in the tree that the SEAL of its epoch names");
}

/* --- the log --------------------------------------------------------------------------------------- */

static bool checkpoint(struct check *c)
{
	struct note_key key = {0};
	const char *why = "";

	if (tlog_proof_parse(c->proof_text, c->proof_n, &c->proof, NULL, 0, &why) ||
	    note_parse(c->proof.note, c->proof.note_n, &c->note, &why) ||
	    checkpoint_parse(c->note.text, c->note.text_n, &c->checkpoint, &why))
		return FAILS("checkpoint", "proof: %s", why);
	if (!checkpoint_is_of(&c->checkpoint, c->r->chain))
		return FAILS("checkpoint", "it is of another chain: %s", c->checkpoint.origin);
	snprintf(key.name, sizeof(key.name), "%s", c->checkpoint.origin);
	memcpy(key.public, c->last, sizeof(key.public));
	switch (note_verify(&c->note, &key, NULL)) {
	case 0:
		break;
	case -ENOKEY:
		return FAILS("checkpoint",
			     "it is not signed with the last key that the SEALs name");
	case -EBADMSG:
	case -EINVAL: /* no key at all */
		return FAILS("checkpoint", "its signature does not hold");
	default:
		c->error = -ENOMEM;
		return FAILS("checkpoint", "out of memory");
	}
	c->r->tree_size = c->checkpoint.size;
	return HOLDS("checkpoint", "%s, of the first %" PRIu64 " records", c->checkpoint.origin,
		     c->checkpoint.size);
}

static bool inclusion(struct check *c)
{
	struct tree_hash leaf;

	memcpy(leaf.b, c->sealed.leaf, TREE_HASH_LEN);
	if (c->proof.index != c->sealed.head.seq)
		return FAILS("inclusion", "the proof is of record %" PRIu64, c->proof.index);
	if (!tree_inclusion_ok(c->proof.index, &leaf, c->checkpoint.size, &c->checkpoint.root,
			       c->proof.path, c->proof.n))
		return FAILS("inclusion", "the path does not lead to the checkpoint's root");
	return HOLDS("inclusion", "the record is in that tree, at its own number");
}

static bool cosignature(struct check *c)
{
	const char *name = "";
	uint64_t unix_s = 0, t;
	char when[40];
	size_t others = 0;

	for (size_t i = 0; i < c->note.n; i++)
		others += cosignature_is(&c->note.sigs[i]);
	if (!c->t->witnesses_n)
		return say(c, "cosignature", CERT_NOT_CHECKED, "%zu of witnesses; no key was given",
			   others);
	for (size_t i = 0; i < c->t->witnesses_n; i++) {
		int r = cosignature_verify(&c->note, &c->t->witnesses[i], &t);

		if (r)
			return FAILS("cosignature", "%s of %s %s", r == -ENOKEY ? "one" : "that",
				     c->t->witnesses[i].name,
				     r == -ENOKEY ? "is missing" : "does not hold");
		if (i && t >= unix_s)
			continue;
		unix_s = t; /* the record was there at the earliest of them */
		name = c->t->witnesses[i].name;
	}
	c->r->witness_s = unix_s;
	render_time(unix_s * 1000000000ull, when);
	return HOLDS("cosignature", "%s saw that tree at %.19sZ%s", name, when,
		     c->r->wall_ns / 1000000000 > unix_s
			     ? "; the record's own time is later: one of the clocks was wrong"
			     : "");
}

/* --- the texts ------------------------------------------------------------------------------------- */

static bool ours(const char *key)
{
	return !strcmp(key, "chain_public_key") || !strcmp(key, "seals") ||
	       !strcmp(key, "seal_path") || !strcmp(key, "proof") || !strcmp(key, "version");
}

/* The name of the first member of `want` that `is` has not or has another value for, or, with strict, that
 * only `is` has. Depth is that of `want`, which is ours. */
static const char *differs(const json_t *want, const json_t *is, bool strict, bool top)
{
	const char *key, *deeper;
	const json_t *v;

	json_object_foreach((json_t *)want, key, v)
	{
		const json_t *o = json_object_get(is, key);

		if (top && ours(key))
			continue;
		if (json_is_object(v) && json_is_object(o)) {
			deeper = differs(v, o, strict, false);
			if (deeper)
				return deeper;
		} else if (json_is_number(v) && json_is_number(o)) {
			if (json_number_value(v) != json_number_value(o) ||
			    (json_is_integer(v) && json_is_integer(o) &&
			     json_integer_value(v) != json_integer_value(o)))
				return key;
		} else if (!json_equal(v, o)) {
			return key;
		}
	}
	if (strict)
		json_object_foreach((json_t *)is, key, v)
		{
			if (!json_object_get(want, key) && !(top && ours(key)))
				return key;
		}
	return NULL;
}

static bool fields(struct check *c)
{
	json_t *want = render_certificate(&c->sealed, c->key);
	const char *key;
	bool ok;

	if (!want) {
		c->error = -ENOMEM;
		return FAILS("fields", "out of memory");
	}
	key = differs(want, c->cert, !c->r->newer, true);
	ok = key ? FAILS("fields", "%s is not what the record says", key)
		 : HOLDS("fields", c->r->newer ? "those known here are what the record says"
					       : "all are what the record says");
	json_decref(want);
	return ok;
}

/* --- all of it ------------------------------------------------------------------------------------- */

int cert_verify(const json_t *cert, const struct cert_trust *t, struct cert_result *ret)
{
	static bool (*const steps[])(struct check * c) = {
		form,  record,	   anchor,    seals,	   signature,
		epoch, checkpoint, inclusion, cosignature, fields,
	};
	struct cert_result r = {.ok = true};
	struct check c = {.cert = cert, .t = t, .r = &r};

	for (size_t i = 0; r.ok && i < ARRAY_SIZE(steps); i++)
		r.ok = steps[i](&c);
	if (c.opened)
		sealed_done(&c.sealed);
	free(c.record);
	if (c.error)
		return c.error;
	*ret = r;
	return 0;
}
