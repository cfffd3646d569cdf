// SPDX-License-Identifier: Apache-2.0
// covers: user/record/record.c user/record/segment.c user/record/chain.c user/record/chain_save.c
/*
 * Bytes of any content as a file of frames, as one record, and as a chain's saved state. What decodes encodes
 * to the same bytes; what a chain takes is signed by the key it is at; a state that loads is saved as it was,
 * and goes on like the one it was saved from. The
 * MACs are looked at with a seed of zeros, and not at all.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "record/segment.h"

static void one_record(const uint8_t *p, size_t n)
{
	uint8_t *again = malloc(n + 1);
	const char *why = NULL;
	struct record r;

	if (!record_decode(p, n, &r, &why) && !record_erased(p, n) &&
	    (record_encode(&r, again, n) != n || memcmp(p, again, n)))
		abort();
	free(again);
}

/* The same record to the chain and to one that was saved and loaded before: one verdict. */
static void both(struct chain_state *c, const struct frame *f)
{
	const struct chain_sealed s = {f->sig, f->mac};
	struct chain_state loaded;
	struct mac_key mac = {0};
	uint8_t saved[CHAIN_STATE_MAX];
	const char *why[2] = {NULL, NULL};
	size_t n = chain_state_save(c, saved, sizeof(saved));
	struct record r;
	int v[2];

	if (!n || chain_state_load(saved, n, &loaded))
		abort();
	if (c->mac) {
		mac = *c->mac;
		loaded.mac = &mac;
	}
	v[0] = chain_append(c, f->record, f->record_len, &s, &r, &why[0]);
	v[1] = chain_append(&loaded, f->record, f->record_len, &s, &r, &why[1]);
	if (v[0] != v[1] || (v[0] && strcmp(why[0], why[1])) || c->next_seq != loaded.next_seq)
		abort();
	if (!v[0] && f->sig && !verifier_ok(c->verifier, f->record, RECORD_HEADER_LEN, f->sig))
		abort();
	chain_state_done(&loaded);
}

static void frames(const uint8_t *p, size_t n, bool macs)
{
	struct mac_key mac = {0};
	struct chain_state c = {.mac = macs ? &mac : NULL};
	const char *why;
	struct frame f;
	long k;

	for (size_t at = 0; at < n && (k = frame_parse(p + at, n - at, &f, &why)) > 0; at += k) {
		one_record(f.record, f.record_len);
		both(&c, &f);
	}
	chain_state_done(&c);
}

static void state(const uint8_t *p, size_t n)
{
	uint8_t again[CHAIN_STATE_MAX];
	struct chain_state c;

	if (!chain_state_load(p, n, &c) &&
	    (chain_state_save(&c, again, sizeof(again)) != n || memcmp(p, again, n)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	one_record(p, n);
	frames(p, n, false);
	frames(p, n, true);
	state(p, n);
	return 0;
}
