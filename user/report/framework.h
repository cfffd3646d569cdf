/* SPDX-License-Identifier: Apache-2.0 */
/* What a framework asks for and how far the records of a host can answer it: policies/reports/NAME.yaml,
 * compiled in. PURE. */
#ifndef PROBITY_REPORT_FRAMEWORK_H
#define PROBITY_REPORT_FRAMEWORK_H

#include "form.h"
#include "item.h"

#define FRAMEWORK_CONTROLS_MAX 64

enum framework_evidence { EVIDENCE_DIRECT, EVIDENCE_PARTIAL, EVIDENCE_NONE };
const char *framework_evidence_name(enum framework_evidence e);

struct framework_control {
	const char *id, *title;
	enum framework_evidence evidence;
	const char *shows;  /* the claim; NULL for none */
	const char *limits; /* what it does not show, or who must show it */
	uint32_t sorts;	    /* of the records it rests on */
};
struct framework {
	struct arena arena;
	const char *id, *title, *about;
	bool soa; /* a Statement of Applicability goes with it */
	size_t n, counts[3];
	struct framework_control controls[FRAMEWORK_CONTROLS_MAX];
};
/* One of those compiled in. -ENOENT: none of that name. */
int framework_builtin(const char *id, struct framework **ret, char *err, size_t err_len);
/* err: "file:line: field: what". 0, -EINVAL, -ENOMEM. */
int framework_parse(const char *file, const char *yaml, size_t n, struct framework **ret, char *err,
		    size_t err_len);
void framework_free(struct framework *f);
DEFINE_CLEANUP(struct framework, framework_free)
/* Index of a control, -1. */
int framework_find(const struct framework *f, const char *control);

/* build/gen/reports_data.c: the files as they stand. */
struct reports_file {
	const char *name;
	const char *data;
	size_t n;
};
extern const struct reports_file reports_files[]; /* a NULL name ends them */

#endif
