/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes in OTLP's JSON encoding. Inside of user/export. */
#ifndef PROBITY_EXPORT_OTLP_H
#define PROBITY_EXPORT_OTLP_H

#include "build.h"
#include "export.h"

void otlp_text(struct build *b, json_t *attributes, const char *key,
	       const char *v); /* "": left out */
void otlp_int(struct build *b, json_t *attributes, const char *key, int64_t v);
void otlp_bool(struct build *b, json_t *attributes, const char *key, bool v);
void otlp_hex(struct build *b, json_t *attributes, const char *key, const uint8_t *p, size_t n);
void otlp_texts(struct build *b, json_t *attributes, const char *key, char *const *v, size_t n);
/* gen_ai.*, mcp.*, server.*, process.* and probity.* of a record */
void otlp_attributes(struct build *b, json_t *attributes, const struct sealed *s);

#endif
