/* SPDX-License-Identifier: Apache-2.0 */
/* The table of what counts as a value of which data class. See dataclass_rules.c. */
#ifndef PROBITY_CLASSIFY_DATACLASS_RULES_H
#define PROBITY_CLASSIFY_DATACLASS_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "checkdigit.h"
#include "dataclass.h"

/* The bytes at hand: a window of the text. Outside it there is nothing (-1). */
struct window {
	const uint8_t *p;
	size_t n;
};
static inline int window_at(const struct window *w, size_t i)
{
	return i < w->n ? w->p[i] : -1; /* i - 1 of 0 wraps, and is outside as well */
}

struct span {
	size_t start, end;
};

enum rule_flag {
	RULE_WORDS = 1,	  /* demands a keyword before it */
	RULE_SPACED = 2,  /* " 123" behind or "123 " before it is another number */
	RULE_EXACT = 4,	  /* a token that must end here; else its head is enough */
	RULE_NUMERIC = 8, /* of numbers that overlap only the one of highest rank counts */
	RULE_CASELESS = 16,
};

/*
 * Exactly one of: shape (fixed writing: d digit, A upper-case letter, X digit or X, C digit, A or
 * B, S century sign; the rest stands for itself), digits (a bare run of just so many), regex. A
 * regex has a fixed length, or a function that finds the value around the end of the match.
 */
struct rule {
	uint8_t class, flags, rank, digits;
	uint16_t len;
	const char *shape, *regex;
	bool (*find)(const struct window *w, size_t to, struct span *ret);
	checkdigit_fn *check; /* on the letters and digits of the value, or NULL */
	const char *words;
};

extern const struct rule dataclass_rules[];
extern const size_t dataclass_rules_n;

/* Does the rule hold for a match ending at `to`? Sets the value's place. */
bool dataclass_confirm(const struct rule *r, const struct window *w, size_t to, struct span *ret);
/* A run of digits that ends at `to` and is no part of a longer token: its length, else 0. */
size_t dataclass_digit_run(const struct window *w, size_t to);
/* Pattern of a shape, for Vectorscan; false when it does not fit. */
bool dataclass_shape_regex(const char *shape, char *out, size_t cap);

#endif
