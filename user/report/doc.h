/* SPDX-License-Identifier: Apache-2.0 */
/* A tally as report.json: every number the report has, once. docs/REPORTS.md names the fields. PURE but
 * for the proofs, which read a spool's tiles. */
#ifndef PROBITY_REPORT_DOC_H
#define PROBITY_REPORT_DOC_H

#include <jansson.h>

#include "inclusion.h"
#include "soa.h"
#include "tally.h"

#define REPORT_VERSION "probity/report/v1"

struct doc_options {
	const struct tally *t;
	const struct soa *soa; /* NULL: none */
	const char *soa_file, *systems_file;
	const char *hosts; /* glob that was asked for; NULL */
	uint64_t generated_ns;
	struct inclusion_source *
		*proofs; /* per source of the tally; NULL where there are no tiles */
};
/* 0, -ENOMEM. */
int doc_build(const struct doc_options *o, json_t **ret);

/* --- its parts ----------------------------------------------------------------------------------- */

struct doc {
	const struct doc_options *o;
	const struct tally *t;
	json_t *root, *findings;
	bool oom; /* something could not be put in: the document is given up */
};
/* All take the reference; NULL values set oom. */
json_t *doc_put(struct doc *d, json_t *to, const char *key, json_t *v); /* gives v, borrowed */
json_t *doc_add(struct doc *d, json_t *list, json_t *v);
void doc_num(struct doc *d, json_t *to, const char *key, uint64_t v);
void doc_text(struct doc *d, json_t *to, const char *key, const char *s); /* NULL, "": null */
void doc_bool(struct doc *d, json_t *to, const char *key, bool v);
void doc_hex(struct doc *d, json_t *to, const char *key, const uint8_t *p, size_t n);
void doc_time(struct doc *d, json_t *to, const char *key, uint64_t ns); /* 0: null */
/* Parts of a million, rounded down; of nothing: null. */
void doc_share(struct doc *d, json_t *to, const char *key, uint64_t part, uint64_t all);

enum doc_severity { FINDING_HIGH, FINDING_MEDIUM, FINDING_LOW };
/* text has no number in it; `count` of `unit` are. subject may be NULL. */
void doc_finding(struct doc *d, enum doc_severity s, const char *area, const char *subject,
		 uint64_t count, const char *unit, const char *text);

void doc_sources(struct doc *d);  /* sources, records, operation, losses */
void doc_tables(struct doc *d);	  /* totals, completeness, inventory, rates, effects, capped */
void doc_policies(struct doc *d); /* policies, approvals */
void doc_join(struct doc *d);	  /* suppliers, register */
void doc_controls(struct doc *d); /* soa, controls */

#endif
