/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which classes of personal or secret data are in a text: found by Vectorscan, confirmed by their
 * check digits where they have some. Class, count and place leave this module, never a value. PURE.
 *
 * A text comes in pieces; a match may lie over a seam. The scan keeps the last DATACLASS_SEAM
 * bytes for that, and wipes them at the end.
 */
#ifndef PROBITY_CLASSIFY_DATACLASS_H
#define PROBITY_CLASSIFY_DATACLASS_H

#include <stddef.h>
#include <stdint.h>

#define DATACLASS_SEAM 256
#define DATACLASS_MAX 48

enum dataclass_kind { DATACLASS_PERSONAL, DATACLASS_FINANCIAL, DATACLASS_CREDENTIAL };

/* Stable ids, used in packs and records: email, phone, pan, iban, us_ssn, <cc>_national_id (be,
 * de, fr, it …: identity, tax, health or social insurance number), private_key, aws_access_key,
 * gcp_api_key, openai_api_key, anthropic_api_key, github_token … All: dataclass_rules.c. */
size_t dataclass_count(void);
const char *dataclass_id(size_t i);
enum dataclass_kind dataclass_kind(size_t i);
int dataclass_by_id(const char *id); /* index or -1 */

struct dataclass_db; /* share it within one thread: it holds Vectorscan's scratch space */
struct dataclass_db *dataclass_db_new(char *ret_err, size_t err_len);
void dataclass_db_free(struct dataclass_db *db);

/* A value that counts, as bytes [start, end) of the text. Of one without a fixed length (key, token)
 * it may be the head only. */
typedef void dataclass_value_fn(void *ctx, unsigned class, uint64_t start, uint64_t end);

struct dataclass_scan {
	dataclass_value_fn *value; /* after dataclass_begin; NULL: nobody asks */
	void *ctx;
	uint32_t count[DATACLASS_MAX]; /* confirmed values by class */
	uint64_t bytes;		       /* scanned */
	uint32_t errors;	       /* pieces Vectorscan refused, values past a bound */
	/* private */
	uint8_t seam[DATACLASS_SEAM];
	uint16_t seam_len;
};
void dataclass_begin(struct dataclass_scan *s);
void dataclass_feed(const struct dataclass_db *db, struct dataclass_scan *s, const uint8_t *p,
		    size_t n);
void dataclass_end(const struct dataclass_db *db, struct dataclass_scan *s);
/* The values that would count if the text ended here, beyond those that do already. */
void dataclass_peek(const struct dataclass_db *db, const struct dataclass_scan *s,
		    dataclass_value_fn *value, void *ctx);

#endif
