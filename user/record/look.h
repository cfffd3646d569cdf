/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record before its turn: its fields, its leaf hash, and whether its signature holds under the key it
 * seems to be under. Signatures take most of the time of reading a chain and do not depend on each other,
 * so this is what several threads can do; what counts of it chain_append_checked() says.
 */
#ifndef PROBITY_RECORD_LOOK_H
#define PROBITY_RECORD_LOOK_H

#include "segment.h"

/* Which key comes next, from START and SEAL records as they are passed. keyed false: none is known. */
struct look_guess {
	bool keyed;
	uint8_t key[RECORD_PUBKEY_LEN];
};
/* ret: the key this record seems to be under. */
void look_guess(struct look_guess *g, const uint8_t *record, size_t n, struct chain_checked *ret);

#define LOOK_KEYS 4 /* a run of records seldom has more epochs in it */
struct look_keys {  /* verifiers that a thread keeps; begins as zeros */
	size_t next;
	struct {
		uint8_t public[RECORD_PUBKEY_LEN];
		struct verifier *v;
	} of[LOOK_KEYS];
};
/* sig: NULL = it has none of its own. c: as look_guess() left it. */
void look_at(struct look_keys *k, const uint8_t *record, size_t n, const uint8_t *sig,
	     struct chain_checked *c);
void look_keys_done(struct look_keys *k);

#define LOOK_ITEMS 256
struct look_item {
	const uint8_t *record, *sig;
	size_t n;
	struct chain_checked checked;
};
/* Threads that wait for work; they end with it. */
struct looks;
unsigned looks_cpus(void); /* that this process may use */
/* threads: with the caller's own. Takes fewer when there are no more. 0, -ENOMEM. */
int looks_new(unsigned threads, struct looks **ret);
struct look_item *looks_items(struct looks *l); /* LOOK_ITEMS of them, to be filled */
void looks_run(struct looks *l, size_t n); /* looks at the first n; the caller's thread helps */
void looks_free(struct looks *l);

#endif
