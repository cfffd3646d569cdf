/* SPDX-License-Identifier: Apache-2.0 */
/* A Statement of Applicability: every control of a framework once, each with its answer. PURE. */
#ifndef PROBITY_REPORT_SOA_H
#define PROBITY_REPORT_SOA_H

#include "framework.h"

enum soa_status { SOA_IMPLEMENTED, SOA_PARTIAL, SOA_PLANNED, SOA_NOT };
const char *soa_status_name(enum soa_status s);

struct soa_entry {
	bool applicable;
	enum soa_status status;		 /* applicable only */
	const char *justification, *how; /* how: NULL when not applicable */
	unsigned line;
};
struct soa {
	struct arena arena;
	const char *title, *version;
	const char *date;				  /* as written */
	struct soa_entry entries[FRAMEWORK_CONTROLS_MAX]; /* as the framework's controls */
	const struct doc_node *suppliers;		  /* approved, of A.10.3; NULL: not said */
};
/* err: "file:line: field: what". 0, -EINVAL, -ENOMEM. fw must outlive nothing: only its numbers are used. */
int soa_parse(const char *file, const char *yaml, size_t n, const struct framework *fw,
	      struct soa **ret, char *err, size_t err_len);
void soa_free(struct soa *s);
DEFINE_CLEANUP(struct soa, soa_free)

#endif
