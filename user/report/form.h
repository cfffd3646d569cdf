/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of YAML files people write for reports, read strictly; what is wrong is named by file, line
 * and field. PURE. */
#ifndef PROBITY_REPORT_FORM_H
#define PROBITY_REPORT_FORM_H

#include <stdint.h>

#include "policy/yaml_doc.h"

#define FORM_FILE_MAX (1u << 20)

struct form {
	const char *file; /* for messages */
	char *err;
	size_t err_len;
	bool bad; /* the first fault stands in err */
};
/* "FILE:LINE: FIELD: what"; only the first is kept. Gives -EINVAL. */
int form_wrong(struct form *f, unsigned line, const char *field, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* The file's root, a mapping. 0, -EINVAL, -ENOMEM. */
int form_parse(struct form *f, struct arena *a, const char *yaml, size_t n, struct doc_node **ret);
/* A mapping with no other keys than these (NULL ends them). */
bool form_map(struct form *f, const struct doc_node *n, const char *field, const char *const *keys);
/* The text of a field; NULL: not there, which is a fault if `need`. Never empty. */
const char *form_text(struct form *f, const struct doc_node *map, const char *key, bool need);
/* The list of a field; NULL: not there, or a fault. */
const struct doc_node *form_list(struct form *f, const struct doc_node *map, const char *key,
				 bool need);
/* Checks that all in a list are texts. */
bool form_texts(struct form *f, const struct doc_node *list, const char *field);
/* "2026-11-21": Unix seconds of its first moment, UTC. 0: not there, or a fault. */
int64_t form_date(struct form *f, const struct doc_node *map, const char *key, bool need);
/* One of these words (NULL ends them): its index; -1: not there, or a fault. */
int form_word(struct form *f, const struct doc_node *map, const char *key, bool need,
	      const char *const *words);

#endif
