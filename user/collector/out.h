/* SPDX-License-Identifier: Apache-2.0 */
/* What the reading commands share: opening the store, and values into JSON. */
#ifndef PROBITY_COLLECTOR_OUT_H
#define PROBITY_COLLECTOR_OUT_H

#include <jansson.h>

#include "commands.h"
#include "store/store.h"

struct store *out_store(const struct collector_config *c); /* read-only; NULL after one line */
int out_failed(struct store *s);			   /* says store_error; exit code */
int out_json(json_t *o, size_t flags); /* takes o; one line at least; exit code */
void out_bytes(json_t *o, const char *name, const uint8_t *p, size_t n); /* hex; NULL: null */
void out_number(json_t *o, const char *name, int64_t v);		 /* STORE_UNKNOWN: null */
void out_time(json_t *o, const char *name, uint64_t ns);
void out_short(const uint8_t *p, char ret[static 9]); /* 4 bytes as hex, for people */

#endif
