// SPDX-License-Identifier: Apache-2.0
/*
 * From a sequence number to an opened, checked record. Invariant: has_public means the key's id is
 * the one in the record; signature_ok means the record's bytes carry a signature of that key. That
 * the record stands in an unbroken chain is `probity verify`'s to say.
 */
#include "record_arg.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "record/keys.h"

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

/* -1: the key to check with is in a->public, if a->has_public. */
static int get_key(struct record_arg *a, const char *verb, const char *key_file)
{
	char err[512];
	uint8_t id[8];

	if (!key_file) {
		a->has_public = !spool_public(a->dir, &a->sealed.head, a->public);
		return -1;
	}
	if (public_read(key_file, a->public, err, sizeof(err))) {
		fprintf(stderr, "probity %s: %s\n", verb, err);
		return CLI_UNREACHABLE;
	}
	key_id(a->public, id);
	if (memcmp(id, a->sealed.head.key_id, sizeof(id))) {
		fprintf(stderr,
			"probity %s: record %" PRIu64 " was not signed with the key in %s\n", verb,
			a->seq, key_file);
		return CLI_NEGATIVE;
	}
	a->has_public = true;
	return -1;
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
	a->signature_ok = verifier_ok(v, a->sealed.bytes, RECORD_HEADER_LEN, a->sealed.sig);
	verifier_free(v);
	return -1;
}

void record_arg_done(struct record_arg *a)
{
	sealed_done(&a->sealed);
	spool_cursor_done(&a->cursor);
}
