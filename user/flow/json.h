/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streaming JSON (RFC 8259): bytes in, in pieces of any size split anywhere; events out as soon
 * as they are certain. A number or word is certain at its delimiter, a string when it closes; its
 * fragments are given as they come. Allocates nothing, holds no more than one key and one number.
 */
#ifndef PROBITY_FLOW_JSON_H
#define PROBITY_FLOW_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_DEPTH_MAX 64     /* containers deeper than this are skipped, not refused */
#define JSON_NEST_MAX 100000u /* deeper than this is refused */
#define JSON_KEY_MAX 64
#define JSON_NUMBER_MAX 40

enum json_event {
	JSON_OBJECT = 0,
	JSON_OBJECT_END,
	JSON_ARRAY,
	JSON_ARRAY_END,
	JSON_KEY,	 /* p, n: decoded; of a key over JSON_KEY_MAX: NULL and its length so far */
	JSON_STRING,	 /* p, n: one decoded fragment, never empty */
	JSON_STRING_END, /* also the only event of an empty string */
	JSON_NUMBER,	 /* p, n: as sent; NULL, 0 if over JSON_NUMBER_MAX */
	JSON_TRUE,
	JSON_FALSE,
	JSON_NULL,
};

enum json_status {
	JSON_DONE = 0, /* all bytes taken, the document is complete (only white space may follow) */
	JSON_MORE,     /* all bytes taken, the document is not complete */
	JSON_BAD,      /* not JSON; stays so */
};

typedef void json_fn(void *ctx, enum json_event ev, const char *p, size_t n);

struct json {
	json_fn *fn;
	void *ctx;
	uint64_t arrays; /* bit d set: the container at depth d + 1 is an array */
	uint32_t depth;	 /* open containers, those skipped included */
	uint8_t state, sub;
	bool many;	   /* several documents, one after the other */
	bool in_key;	   /* the string being read is a key */
	uint32_t code;	   /* \u escape being read */
	uint16_t high;	   /* high surrogate waiting for its low one */
	uint32_t used;	   /* bytes in text; of a key: its length, even past the bound */
	const char *word;  /* true, false, null: what is left of it */
	const uint8_t *at; /* the byte being taken: of a bracket's event, the bracket */
	enum json_event word_event;
	char text[JSON_KEY_MAX]; /* key or number */
};

void json_init(struct json *j, json_fn *fn, void *ctx, bool many);
enum json_status json_feed(struct json *j, const uint8_t *p, size_t n);
/* No more bytes will come: JSON_MORE if the document is cut (or there was none). */
enum json_status json_end(struct json *j);
/* A whole number, not negative; -1 for anything else ("12.0" is whole, "1e3" is not taken). */
int64_t json_count(const char *p, size_t n);

#endif
