// SPDX-License-Identifier: Apache-2.0
/*
 * In: the TPM's key as records of the chain name it, or the auditor does, and the checkpoints that are
 * known. Out: whether the newest one that the chain covers carries that key's line, and how much of the
 * chain lies behind it.
 *
 * Why both: who has stolen the keys of the open epoch can seal all of it anew, and sign a checkpoint of that
 * with the epoch's key; he has no line for it. Nor may he be content with an older checkpoint that has one:
 * records older than BEHIND_NS before the last must be under such a checkpoint. That its absence was sealed
 * as a TPM record excuses nothing, for that he can seal as well.
 *
 * The key that counts is the first the chain names: TPM records and SEALs do, and those of epochs that have
 * ended cannot be changed by whom that is about. Another one later on is a finding, unless the auditor knows
 * it. Limits: of a live directory the newest records are not asked for; of a part of a chain, only lines
 * that are there are checked, unless a key is given.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "note_ecdsa.h"
#include "proto/record.pb-c.h"
#include "verify_int.h"

#define BEHIND_NS 60000000000ull

static bool given(const struct walk *w, const uint8_t *public)
{
	for (size_t i = 0; i < w->o->tpm_keys_n; i++)
		if (!memcmp(w->o->tpm_keys[i], public, ECDSA_PUBLIC_LEN))
			return true;
	return false;
}

static void named(struct walk *w, const char *file, const struct record *r,
		  const ProtobufCBinaryData *key)
{
	struct tpm_walk *t = &w->tpm;
	bool differs = t->known && key->len == ECDSA_PUBLIC_LEN &&
		       memcmp(t->public, key->data, ECDSA_PUBLIC_LEN);

	if (key->len != ECDSA_PUBLIC_LEN || w->o->tpm_none || given(w, key->data))
		return;
	if (differs && !t->other)
		verify_found(w, file, 0, r->seq, "tpm",
			     "records %" PRIu64 " and %" PRIu64 " name different keys of a TPM",
			     r->seq < t->seq ? r->seq : t->seq, r->seq < t->seq ? t->seq : r->seq);
	t->other |= differs;
	if (t->known && r->seq >= t->seq)
		return;
	t->known = true;
	t->seq = r->seq;
	t->wall_ns = r->wall_ns;
	memcpy(t->public, key->data, ECDSA_PUBLIC_LEN);
}

void verify_tpm_record(struct walk *w, const char *file, const struct record *r)
{
	Probity__V1__Control *c;

	/* The first record a checkpoint does not cover says how far behind it is. */
	for (size_t i = 0; i < w->notes.n; i++)
		if (w->notes.note[i].parsed && w->notes.note[i].c.size == r->seq)
			w->notes.note[i].next_wall_ns = r->wall_ns;
	if (r->schema != RECORD_CONTROL || !r->payload || r->alg == RECORD_CHECKPOINT)
		return;
	c = probity__v1__control__unpack(NULL, r->payload_len, r->payload);
	if (c && (c->kind == PROBITY__V1__CONTROL__KIND__TPM ||
		  c->kind == PROBITY__V1__CONTROL__KIND__SEAL))
		named(w, file, r, &c->tpm_public_key);
	if (c)
		probity__v1__control__free_unpacked(c, NULL);
}

/* The line of a key that counts: 0, -ENOKEY, -EBADMSG. */
static int line(const struct walk *w, const struct known_note *k)
{
	int r = -ENOKEY;

	if (w->tpm.known && !w->o->tpm_keys_n)
		return note_ecdsa_verify(&k->note, k->c.origin, w->tpm.public);
	for (size_t i = 0; i < w->o->tpm_keys_n && r == -ENOKEY; i++)
		r = note_ecdsa_verify(&k->note, k->c.origin, w->o->tpm_keys[i]);
	return r;
}

/* A recorder that stood still has had the time to have records from then on signed. */
static bool too_long(const struct walk *w, uint64_t wall_ns)
{
	return !verify_live(w) && w->c.wall_ns > wall_ns + BEHIND_NS;
}

void verify_tpm_check(struct walk *w)
{
	const struct known_note *newest = NULL, *best = NULL;
	bool asked = w->o->tpm_keys_n, strict = asked || !w->o->part;
	uint64_t from = w->tpm.known && !asked ? w->tpm.seq : 0;

	if (w->o->tpm_none || (!asked && !w->tpm.known))
		return;
	for (size_t i = 0; i < w->notes.n; i++) {
		const struct known_note *k = &w->notes.note[i];
		int r = k->parsed && k->same && k->c.size > from ? line(w, k) : -ENOENT;

		if (r == -EBADMSG)
			verify_found(w, k->where, 0, k->c.size, "tpm",
				     "the TPM's signature is wrong");
		if (r == -ENOENT)
			continue;
		if (!newest || k->c.size > newest->c.size)
			newest = k;
		if (!r && (!best || k->c.size > best->c.size))
			best = k;
	}
	w->r->signatures += best != NULL;
	w->r->tpm_size = best ? best->c.size : 0;
	if (!strict || w->r->findings)
		return;
	if (newest && (!best || best->c.size < newest->c.size))
		verify_found(w, newest->where, 0, newest->c.size, "tpm",
			     "it has no signature of the TPM's key");
	else if (!best && (asked || too_long(w, w->tpm.wall_ns)))
		verify_found(w, "checkpoint", 0, 0, "tpm",
			     "no checkpoint here has a signature of the TPM's key");
	else if (best && best->c.size < w->c.next_seq && too_long(w, best->next_wall_ns))
		verify_found(w, best->where, 0, best->c.size, "tpm",
			     "the %" PRIu64
			     " records behind it are under no signature of the TPM's key",
			     w->c.next_seq - best->c.size);
}
