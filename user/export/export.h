/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One sealed record as an event of somebody else's format (docs/EXPORT.md). A view is made from the
 * record and never the other way: what a format has no place for stands under a name of ours, and the
 * record's leaf hash stands in every view, so that the proof can be found. PURE.
 */
#ifndef PROBITY_EXPORT_EXPORT_H
#define PROBITY_EXPORT_EXPORT_H

#include <jansson.h>
#include <stdio.h>

#include "record/render.h"

/* What a START record says of all that follow it. */
struct export_context {
	char host[256], agent_version[64], kernel[128];
	uint8_t chain[16];
	bool chain_known;
	uint8_t authority[RECORD_PUBKEY_LEN]; /* of the chain's first epoch, if the caller has it */
	bool authority_known;
};
/* To be told of every record in order, of those that are not exported too. */
void export_see(struct export_context *c, const struct sealed *s);
/* "probity:<chain>:<seq>", unique for ever. */
#define EXPORT_UID_LEN 72
void export_uid(const uint8_t chain[static 16], uint64_t seq, char ret[static EXPORT_UID_LEN]);

/* All: 0; -ENOMEM; -ENODATA: this format has nothing for such a record. */
#define OCSF_VERSION "1.9.0"
int export_ocsf(const struct export_context *c, const struct sealed *s, json_t **ret);
int export_cloudevent(const struct export_context *c, const struct sealed *s, json_t **ret);

#define OTEL_SCHEMA_URL "https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev"
/* A logRecord; a span, of calls to models and tool servers whose times are known. */
int export_otlp_log(const struct export_context *c, const struct sealed *s, json_t **ret);
int export_otlp_span(const struct export_context *c, const struct sealed *s, json_t **ret);
/* The request body that carries them. Takes the array. */
enum otlp_signal { OTLP_LOGS, OTLP_SPANS };
int export_otlp_request(const struct export_context *c, enum otlp_signal what, json_t *items,
			json_t **ret);

/* RFC 4180; a cell a spreadsheet would take for a formula is led by an apostrophe. 0 or -errno. */
int export_csv_head(FILE *f);
int export_csv_row(FILE *f, const struct export_context *c, const struct sealed *s);

#endif
