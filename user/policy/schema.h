/* SPDX-License-Identifier: Apache-2.0 */
/* Reading typed values from a document, strictly: every refusal is "file:line: what, expected". */
#ifndef PROBITY_POLICY_SCHEMA_H
#define PROBITY_POLICY_SCHEMA_H

#include "pack_impl.h"

#define SCHEMA_TEXT_MAX 255
#define SCHEMA_VALUES_MAX 256

/* Writes the line, returns -EINVAL (schema_refuse) or r. */
int schema_refuse(struct reading *rd, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int schema_refuse_r(struct reading *rd, unsigned line, int r, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* `what` names the value in messages ("match", "rules"). 0 or a refusal. */
int schema_map(struct reading *rd, const struct doc_node *n, const char *what,
	       const char *const *keys); /* NULL-terminated; NULL: any */
int schema_list(struct reading *rd, const struct doc_node *n, const char *what);
/* One line of text, up to SCHEMA_TEXT_MAX bytes; "" only when quoted. */
int schema_text(struct reading *rd, const struct doc_node *n, const char *what);
/* [a-z0-9][a-z0-9._-]*, up to 64. */
int schema_id(struct reading *rd, const struct doc_node *n, const char *what);
int schema_bool(struct reading *rd, const struct doc_node *n, const char *what, bool *ret);
/* 0 to 1 with at most four decimals, in 1/RISK_ONE. */
int schema_risk(struct reading *rd, const struct doc_node *n, const char *what, unsigned *ret);
/* One of the NULL-terminated words; its index. */
int schema_word(struct reading *rd, const struct doc_node *n, const char *what,
		const char *const *words, size_t *ret);
/* A value or a list of such words; each may be there once. *ret: bits by index. */
int schema_words(struct reading *rd, const struct doc_node *n, const char *what,
		 const char *const *words, unsigned *ret);
/* Digits only. */
int schema_number(struct reading *rd, const struct doc_node *n, const char *what, uint64_t min,
		  uint64_t max, uint64_t *ret);
/* "20ms", "30s", "5m", "1h", "7d". */
int schema_duration(struct reading *rd, const struct doc_node *n, const char *what, uint64_t min_ms,
		    uint64_t max_ms, uint64_t *ret_ms);
/* A key that must be there. */
int schema_need(struct reading *rd, const struct doc_node *map, const char *what, const char *key,
		const struct doc_node **ret);
/* A value or a list of values: the first and how many (go on with ->next). At least min. */
int schema_values(struct reading *rd, const struct doc_node *n, const char *what, size_t min,
		  const struct doc_node **ret, size_t *ret_n);

#endif
