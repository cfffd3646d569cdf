/* SPDX-License-Identifier: Apache-2.0 */
/* One YAML document as a tree with line numbers: texts, lists and mappings, nothing else. PURE. */
#ifndef PROBITY_POLICY_YAML_DOC_H
#define PROBITY_POLICY_YAML_DOC_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"

#define DOC_NODES_MAX 32768
#define DOC_DEPTH_MAX 24
#define DOC_KEYS_MAX 64 /* per mapping */

enum doc_kind { DOC_TEXT, DOC_LIST, DOC_MAP };

struct doc_node {
	enum doc_kind kind;
	bool plain; /* text without quotes: may be read as a number, a bool or nothing */
	unsigned line, key_line; /* from 1 */
	const char *key;	 /* in a mapping, else NULL */
	char *text;		 /* DOC_TEXT: valid UTF-8 without NUL inside */
	size_t len;		 /* of text */
	size_t children;
	struct doc_node *first, *last; /* children of a list or mapping, in file order */
	struct doc_node *next;	       /* sibling */
};

struct doc_error {
	unsigned line;
	char text[240];
};

/* Nodes and texts live in `a`. 0, -EINVAL or -E2BIG (ret_err says why), -ENOMEM. */
int yaml_doc_parse(struct arena *a, const char *yaml, size_t n, struct doc_node **ret,
		   struct doc_error *ret_err);
struct doc_node *doc_get(const struct doc_node *map, const char *key); /* NULL: not there */
/* At most cap - 1 bytes of s, cut at a UTF-8 boundary, control characters as '?'. Returns dst. */
char *doc_clip(char *dst, size_t cap, const char *s);

#endif
