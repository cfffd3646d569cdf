// SPDX-License-Identifier: Apache-2.0
/*
 * Frames of one chain in, judged by the rules of the chain, into the tally. A record that does not
 * follow is told as a break, by file, offset and kind, and still counted if its own bytes hold: a report
 * that left it out would hide it. Nothing is proven of what comes behind a break but its own signature.
 */
#include <string.h>

#include "read.h"

void feed_restart(struct feed *f)
{
	struct chain_state was = f->chain;

	chain_state_done(&f->chain);
	f->chain = (struct chain_state){0};
	/* Still the same epoch, as a rule; if not, `key` says. */
	memcpy(f->chain.public, was.public, sizeof(was.public));
	f->chain.epoch = was.epoch;
}

void feed_done(struct feed *f)
{
	chain_state_done(&f->chain);
}

static void key_of(struct feed *f, const struct record *head)
{
	uint8_t id[8], none[RECORD_PUBKEY_LEN] = {0};

	key_id(f->chain.public, id);
	if (f->chain.started ||
	    (memcmp(f->chain.public, none, sizeof(none)) && !memcmp(id, head->key_id, 8)))
		return;
	memset(f->chain.public, 0, sizeof(f->chain.public));
	if (head->seq && f->key)
		f->key(f->ctx, head->epoch, f->chain.public);
}

static bool append(struct feed *f, const struct frame *fr, const char **ret_why)
{
	struct chain_sealed s = {.sig = fr->sig, .mac = fr->mac};
	struct record head;

	if (record_decode(fr->record, fr->record_len, &head, ret_why))
		return false;
	key_of(f, &head);
	return !chain_append(&f->chain, fr->record, fr->record_len, &s, &head, ret_why);
}

static void count(struct feed *f, const struct frame *fr)
{
	_cleanup_sealed_ struct sealed s = {0};
	struct record head;
	const char *why;

	if (record_erased(fr->record, fr->record_len)) {
		if (!record_decode(fr->record, fr->record_len, &head, &why))
			tally_erased(f->t, &head);
	} else if (!sealed_open(fr->record, fr->record_len, fr->sig, &s, &why)) {
		tally_record(f->t, &s);
	}
}

void feed_record(struct feed *f, const struct frame *fr, const char *file, uint64_t offset)
{
	const char *why = "";

	if (!append(f, fr, &why)) {
		tally_broken(f->t, file, offset, f->chain.next_seq, why);
		feed_restart(f);
		append(f, fr, &why);
	}
	count(f, fr);
}
