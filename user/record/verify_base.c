// SPDX-License-Identifier: Apache-2.0
/*
 * In: the first record of a segment behind which nothing is proven: the oldest one kept, or one behind damage.
 * Out: the state of the chain it is read from. Its epoch and key are those the SEALs name, and never its own word
 * where there is an anchor; its predecessor is taken from it, and must be the one the tiles have.
 */
#include <string.h>

#include "base/cleanup.h"
#include "verify_int.h"

/* The SEALs do not reach this record: what it says of itself is all there is. */
static void keyless(struct walk *w, const struct record *r)
{
	uint8_t id[8];

	w->c.epoch = r->epoch;
	w->c.epoch_first = UINT64_MAX;
	if (r->epoch && !w->r->findings)
		verify_found(w, "seals", 0, w->c.next_seq, "seal",
			     "has no SEAL that names the key of epoch %u", r->epoch);
	key_id(w->head.public, id);
	if (!w->o->expect_public && w->have_head && !memcmp(id, r->key_id, sizeof(id)))
		memcpy(w->c.public, w->head.public, RECORD_PUBKEY_LEN);
}

static void epoch_of(struct walk *w, uint64_t name, const struct record *r)
{
	const struct epoch_end *e = verify_end_before(w, name);
	struct chain_state *c = &w->c;

	memset(c->public, 0, sizeof(c->public));
	c->sealed = false;
	c->timed = false;
	c->epoch = 0;
	c->epoch_ns = c->epoch_first = 0;
	if (e) {
		c->epoch = e->epoch + 1;
		c->epoch_first = e->seq + 1;
		memcpy(c->public, e->next_public, RECORD_PUBKEY_LEN);
		if (e->seq + 1 == name) {
			c->epoch = e->epoch;
			c->sealed = true;
			memcpy(c->next_public, e->next_public, RECORD_PUBKEY_LEN);
		}
	} else if (w->o->expect_public && !r->epoch) {
		memcpy(c->public, w->o->expect_public, RECORD_PUBKEY_LEN);
	} else if (name) {
		keyless(w, r);
	} else if (w->o->expect_public) {
		memcpy(c->public, w->o->expect_public, RECORD_PUBKEY_LEN);
	}
	verifier_free(TAKE_PTR(c->verifier));
	if (w->o->mac_seed) {
		struct mac_key zero = {0};

		memcpy(zero.k, w->o->mac_seed, sizeof(zero.k));
		c->mac = mac_at(&zero, c->epoch, &w->mac) ? &w->mac : NULL;
		if (!c->mac)
			verify_found(w, w->file, 0, name, "mac", "no key reaches epoch %u",
				     c->epoch);
	}
}

/*
 * The state from which a segment is read when nothing before it is proven: its own name, the first record's
 * word for its predecessor, the SEALs for its key, and the tiles for the tree of all before it.
 */
void verify_base(struct walk *w, uint64_t name, const struct frame *f)
{
	bool given = !w->based && w->o->before && w->o->before->size == name;
	struct tree_edge edge = given	   ? *w->o->before
				: w->based ? w->c.tree
					   : (struct tree_edge){0};
	struct record r;
	const char *why;

	if (record_decode(f->record, f->record_len, &r, &why))
		return; /* chain_append will say it */
	if (!w->based) {
		memcpy(w->c.chain, w->have_head ? w->head.chain : r.chain, sizeof(w->c.chain));
		w->r->first_seq = name;
		w->r->pruned = name > 0;
		w->c.tree_known = true;
	}
	if (name)
		memcpy(w->c.prev, r.prev, sizeof(r.prev));
	else
		memset(w->c.prev, 0, sizeof(w->c.prev));
	w->c.next_seq = name;
	epoch_of(w, name, &r);
	if (!w->based && w->tiles.must < name)
		w->tiles.must = w->o->part ? 0 : name;
	if (given) {
		w->tiles.off = true;
		verify_notes_at(w, &edge);
	}
	w->c.tree_known = w->c.tree_known && (given || verify_tiles_fill(w, name, &edge));
	if (w->c.tree_known && !given && name &&
	    memcmp(&w->tiles.level[0][(name - 1) % TILE_WIDTH], r.prev, sizeof(r.prev)))
		verify_found(w, w->file, 0, name, "previous hash",
			     "it is not the leaf that tile/0 has of record %llu",
			     (unsigned long long)name - 1);
	w->c.tree = edge;
	if (w->covered < name)
		w->covered = name;
	w->c.started = w->based = true;
}
