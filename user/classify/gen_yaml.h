/* SPDX-License-Identifier: Apache-2.0 */
/* Build time only: a YAML document read strictly, by tables of keys. See gen_yaml.c. */
#ifndef PROBITY_CLASSIFY_GEN_YAML_H
#define PROBITY_CLASSIFY_GEN_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

struct ydoc {
	yaml_document_t doc;
	const char *name; /* of the file, in errors */
	char *err;
	size_t err_len;
};

enum kind { ANY, TEXT, TEXT_OR_NULL, LIST, TEXTS, MAP };
struct key {
	const char *name;
	enum kind kind;
	bool required;
};

/* -EINVAL, and "name:LINE: what" in err; the line is that of the node. */
int yfail(struct ydoc *d, const yaml_node_t *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
const char *ytext(const yaml_node_t *n); /* NULL: not a scalar */
bool ynull(const yaml_node_t *n);
/* i-th entry of a list, NULL behind its end. */
yaml_node_t *yitem(struct ydoc *d, const yaml_node_t *list, size_t i);
/* Value of a key whose mapping was checked, or NULL. */
yaml_node_t *ylookup(struct ydoc *d, const yaml_node_t *map, const char *key);
/* Values of the mapping in the order of `keys` (NULL where absent); strict. */
int ytake(struct ydoc *d, const yaml_node_t *map, const char *what, const struct key *keys,
	  size_t n, yaml_node_t **ret);
/* A mapping from names to `kind`, without doubles. */
int ynames(struct ydoc *d, const yaml_node_t *map, const char *what, enum kind kind);
/* One of the words of a list that is separated by spaces. */
int yone_of(struct ydoc *d, const yaml_node_t *n, const char *what, const char *list);

#endif
