/* SPDX-License-Identifier: Apache-2.0 */
/* Rows found by a text: tools, models, rules, weeks. Bounded; what finds no room is counted. PURE. */
#ifndef PROBITY_REPORT_ROLL_H
#define PROBITY_REPORT_ROLL_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

#define ROLL_KEY_MAX 384 /* bytes of a key with its NUL; longer ones are cut */

/* What is counted of everything a record can be about. A denial that was folded counts as often as
 * it happened. */
struct row {
	const char *key;
	char label[96];		     /* a name for people, "" = the key is one */
	uint64_t records;	     /* in the period */
	uint64_t events;	     /* the same, folded denials counted in full */
	uint64_t calls;		     /* AI calls */
	uint64_t requests;	     /* to tool servers */
	uint64_t denials;	     /* events */
	uint64_t judged, violations; /* events with a decision; of these: a rule fired */
	uint64_t refused;
	uint64_t input_tokens, output_tokens, tokens_unknown;
	uint64_t cost_nano_usd, cost_unknown;
	uint64_t values;	    /* of a data class: found */
	uint64_t first_ns, last_ns; /* of all that was read; in the period */
	unsigned slot;		    /* of the caller: what kind of thing it is */
};

struct roll;
/* room: at most so many rows. */
int roll_new(size_t room, struct roll **ret);
void roll_free(struct roll *r);
DEFINE_CLEANUP(struct roll, roll_free)
/* The row of that key, made if need be; NULL: no room, counted. A key is made printable. */
struct row *roll_at(struct roll *r, const char *key);
const struct row *roll_find(const struct roll *r, const char *key);
size_t roll_count(const struct roll *r);
size_t roll_room(const struct roll *r);
uint64_t roll_left_out(const struct roll *r); /* look-ups that found no room */
/* All rows, most events first, then by key. Caller frees the array. NULL: out of memory. */
const struct row **roll_by_events(const struct roll *r);
const struct row **roll_by_key(const struct roll *r);

#endif
