/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the values of a text stand in the bytes that are about to leave, so that they can be masked
 * byte by byte: same length, and what was valid JSON stays so. PURE.
 */
#ifndef PROBITY_CLASSIFY_REDACT_H
#define PROBITY_CLASSIFY_REDACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataclass.h"

#define REDACT_CHAR 'X'

/* What masking a byte would do to its text. */
enum redact_byte {
	REDACT_NEVER = 0, /* no byte of the text, or a number or word of JSON outside of a string */
	REDACT_KEEP,	  /* it holds the text together: quotes, escapes, blanks; left as it is */
	REDACT_MAY,
};

/* A text in pieces, as dataclass_scan gets it. All zero but `form` at the beginning. */
enum redact_form { REDACT_SNIFF = 0, REDACT_JSON, REDACT_PLAIN };
struct redact_text {
	uint8_t form;	/* enum redact_form: JSON if its first character says so */
	uint8_t escape; /* bytes of an escape to come */
	bool string;
};
/* ret_kind: n bytes, enum redact_byte. */
void redact_feed(struct redact_text *t, const uint8_t *p, size_t n, uint8_t *ret_kind);

/* Bytes [text, text + n) of a text stand at `raw` of the write. In order of `text`. */
struct redact_run {
	uint64_t text;
	uint32_t raw, n;
};

/* One write: its bytes, what each is, and where the text's are. */
struct redact_write {
	const uint8_t *bytes, *kind;
	size_t n;
	const struct redact_run *run;
	size_t runs;
	bool over; /* no more of the text comes */
};

struct redact_span {
	uint32_t at, n; /* in the write */
};
/*
 * Adds the spans that mask the value (class, [start, end) of the text) to out[*n]. One of open length
 * is masked to its own end, which is then *end. 0; -ERANGE: part of it is not in this write, or its end is not known;
 * -EILSEQ: it is outside of strings; -ENOBUFS: more spans than cap.
 */
int redact_value(const struct redact_write *w, unsigned class, uint64_t start, uint64_t *end,
		 struct redact_span *out, size_t cap, size_t *n);

#endif
