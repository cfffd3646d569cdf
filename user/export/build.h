/* SPDX-License-Identifier: Apache-2.0 */
/* JSON objects member by member: what is empty or absent is left out, a failure sticks. PURE. */
#ifndef PROBITY_EXPORT_BUILD_H
#define PROBITY_EXPORT_BUILD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct build {
	bool failed; /* out of memory: look once, at the end */
};
/* All take a NULL object, which a failure before has left. */
void build_set(struct build *b, json_t *o, const char *key, json_t *value); /* takes value */
void build_text(struct build *b, json_t *o, const char *key,
		const char *s); /* NULL, "": left out */
void build_int(struct build *b, json_t *o, const char *key, int64_t v);
void build_count(struct build *b, json_t *o, const char *key, uint64_t v); /* 0: left out */
void build_bool(struct build *b, json_t *o, const char *key, bool v);
void build_hex(struct build *b, json_t *o, const char *key, const uint8_t *p,
	       size_t n);						     /* 0: left out */
void build_decimal(struct build *b, json_t *o, const char *key, uint64_t v); /* as a text */
/* Borrowed: it stands in the object already. */
json_t *build_object(struct build *b, json_t *o, const char *key);
json_t *build_array(struct build *b, json_t *o, const char *key);
json_t *build_item(struct build *b, json_t *array); /* an object at its end */
void build_item_text(struct build *b, json_t *array, const char *s);
/* An object or array in which nothing came is taken out again. */
void build_prune(json_t *o, const char *key);
/* *ret = o, or -ENOMEM and o is freed. */
int build_done(const struct build *b, json_t *o, json_t **ret);

#endif
