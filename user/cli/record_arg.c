// SPDX-License-Identifier: Apache-2.0
/*
 * From a sequence number to an opened, checked record. Invariant: has_public means the key's id is
 * the one in the record, and with has_anchor that it is the key of the record's epoch; signature_ok means the record's bytes carry a signature of that key. That
 * the record stands in an unbroken chain is `probity verify`'s to say.
 */
#include "record_arg.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "record/keys.h"
#include "sealchain.h"

static int absent(const char *verb, const struct record_arg *a, const struct spool_damage *d)
{
	_cleanup_free_ uint64_t *segments = NULL;
	size_t n = 0;

	if (d->count)
		fprintf(stderr,
			"probity %s: no readable record %" PRIu64 ": %s/%020" PRIu64
			".seg is damaged at offset %" PRIu64 " (%s); run probity verify\n",
			verb, a->seq, a->dir, d->at.segment, d->at.offset, d->why);
	else if (!spool_segments(a->dir, &segments, &n) && n && a->seq < segments[0])
		fprintf(stderr,
			"probity %s: record %" PRIu64
			" is no longer in %s, which begins at %" PRIu64 "; the collector has it\n",
			verb, a->seq, a->dir, segments[0]);
	else
		fprintf(stderr, "probity %s: no record %" PRIu64 " in %s; probity ls lists them\n",
			verb, a->seq, a->dir);
	return CLI_NEGATIVE;
}

struct key_search {
	uint32_t epoch;
	uint8_t *ret;
	bool found;
};

static int key_of(void *ctx, const struct seal *s, const struct frame *f)
{
	struct key_search *k = ctx;

	k->found = s->epoch + 1 == k->epoch;
	if (k->found)
		memcpy(k->ret, s->next_public, RECORD_PUBKEY_LEN);
	return k->found;
}

/* From the chain's first key, one SEAL after the other. */
static void key_by_seals(struct record_arg *a)
{
	struct seal_chain c = {0};
	struct key_search k = {.epoch = a->sealed.head.epoch, .ret = a->public};
	uint8_t id[8];

	memcpy(c.chain, a->sealed.head.chain, sizeof(c.chain));
	memcpy(c.public, a->anchor, sizeof(c.public));
	if (!k.epoch) {
		memcpy(a->public, a->anchor, sizeof(a->public));
		k.found = true;
	} else if (seals_read(a->dir, &c, key_of, &k, a->key_why, sizeof(a->key_why))) {
		return;
	}
	key_id(a->public, id);
	a->has_public = k.found && !memcmp(id, a->sealed.head.key_id, sizeof(id));
	if (!a->has_public)
		snprintf(a->key_why, sizeof(a->key_why),
			 k.found ? "it was signed with another key than that of its epoch"
				 : "%s/seals does not reach its epoch %u",
			 a->dir, k.epoch);
}

/* -1: what is known is in *a. */
static int get_key(struct record_arg *a, const char *verb, const char *key_file)
{
	char err[512];

	if (!anchor_read(a->dir, key_file, a->anchor, err, sizeof(err))) {
		a->has_anchor = true;
		key_by_seals(a);
		return -1;
	}
	if (!key_file) {
		a->has_public = !spool_public(a->dir, &a->sealed.head, a->public);
		return -1;
	}
	fprintf(stderr, "probity %s: %s\n", verb, err);
	return CLI_UNREACHABLE;
}

int record_arg_open(struct record_arg *a, const char *verb, const char *state_dir, uint64_t seq,
		    const char *key_file)
{
	struct spool_damage dmg;
	struct verifier *v = NULL;
	struct spool_pos at;
	const char *why;
	int r;

	snprintf(a->dir, sizeof(a->dir), "%s/spool", state_dir);
	a->seq = seq;
	a->cursor.dir = a->dir;
	r = spool_find(a->dir, seq, &at, &dmg);
	if (!r)
		r = spool_at(&a->cursor, at, &a->sealed, &why);
	if (r == -EBADMSG || (r == -ENOENT && !access(a->dir, F_OK)))
		return absent(verb, a, &dmg);
	if (r)
		return cli_unreadable(a->dir, r);
	r = get_key(a, verb, key_file);
	if (r >= 0 || !a->has_public)
		return r;
	if (verifier_new(a->public, &v))
		return cli_unreadable(a->dir, ENOMEM);
	a->signature_ok =
		a->sealed.sig && verifier_ok(v, a->sealed.bytes, RECORD_HEADER_LEN, a->sealed.sig);
	verifier_free(v);
	return -1;
}

void record_arg_done(struct record_arg *a)
{
	sealed_done(&a->sealed);
	spool_cursor_done(&a->cursor);
}
