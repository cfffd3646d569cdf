/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Build time: a YAML document read strictly. Each mapping has a table of the keys it may hold and
 * of what kind they are; a key that is not in the table, a missing or doubled one and a value of
 * another kind are errors with the line of the node. Not for untrusted input.
 */
#include "gen_yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int yfail(struct ydoc *d, const yaml_node_t *at, const char *fmt, ...)
{
	int n = snprintf(d->err, d->err_len, "%s:%zu: ", d->name,
			 at ? at->start_mark.line + 1 : (size_t)1);
	va_list ap;

	va_start(ap, fmt);
	if (n >= 0 && (size_t)n < d->err_len)
		vsnprintf(d->err + n, d->err_len - n, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

const char *ytext(const yaml_node_t *n)
{
	return n && n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : NULL;
}

bool ynull(const yaml_node_t *n)
{
	return n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       (!strcmp(ytext(n), "null") || !strcmp(ytext(n), "~") || !*ytext(n));
}

yaml_node_t *yitem(struct ydoc *d, const yaml_node_t *list, size_t i)
{
	yaml_node_item_t *p = list->data.sequence.items.start + i;

	return p < list->data.sequence.items.top ? yaml_document_get_node(&d->doc, *p) : NULL;
}

static int check_kind(struct ydoc *d, const yaml_node_t *v, const struct key *k)
{
	const yaml_node_t *e;

	if (k->kind == ANY)
		return 0;
	if (k->kind == MAP)
		return v->type == YAML_MAPPING_NODE ? 0 : yfail(d, v, "%s: not a mapping", k->name);
	if (k->kind == LIST || k->kind == TEXTS) {
		if (v->type != YAML_SEQUENCE_NODE)
			return yfail(d, v, "%s: not a list", k->name);
		for (size_t i = 0; k->kind == TEXTS && (e = yitem(d, v, i)); i++) {
			if (!ytext(e) || !*ytext(e))
				return yfail(d, e, "%s: not a text", k->name);
		}
		return 0;
	}
	if (!ytext(v))
		return yfail(d, v, "%s: not a text", k->name);
	if (k->kind == TEXT && ynull(v))
		return yfail(d, v, "%s: empty", k->name);
	return 0;
}

int ytake(struct ydoc *d, const yaml_node_t *map, const char *what, const struct key *keys,
	  size_t n, yaml_node_t **ret)
{
	int r;

	if (!map || map->type != YAML_MAPPING_NODE)
		return yfail(d, map, "%s: not a mapping", what);
	memset(ret, 0, n * sizeof(*ret));
	for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
	     p++) {
		yaml_node_t *k = yaml_document_get_node(&d->doc, p->key);
		yaml_node_t *v = yaml_document_get_node(&d->doc, p->value);
		size_t i = 0;

		while (ytext(k) && i < n && strcmp(keys[i].name, ytext(k)))
			i++;
		if (!ytext(k) || i == n)
			return yfail(d, k, "%s: unknown key '%s'", what, ytext(k) ?: "?");
		if (ret[i])
			return yfail(d, k, "%s: key '%s' twice", what, keys[i].name);
		ret[i] = v;
		r = check_kind(d, v, &keys[i]);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < n; i++) {
		if (keys[i].required && !ret[i])
			return yfail(d, map, "%s: key '%s' is missing", what, keys[i].name);
	}
	return 0;
}

yaml_node_t *ylookup(struct ydoc *d, const yaml_node_t *map, const char *key)
{
	for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
	     p++) {
		if (!strcmp(ytext(yaml_document_get_node(&d->doc, p->key)), key))
			return yaml_document_get_node(&d->doc, p->value);
	}
	return NULL;
}

int ynames(struct ydoc *d, const yaml_node_t *map, const char *what, enum kind kind)
{
	int r;

	for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
	     p++) {
		yaml_node_t *k = yaml_document_get_node(&d->doc, p->key);
		yaml_node_t *v = yaml_document_get_node(&d->doc, p->value);

		if (!ytext(k))
			return yfail(d, k, "%s: key is not a text", what);
		if (ylookup(d, map, ytext(k)) != v)
			return yfail(d, k, "%s: '%s' twice", what, ytext(k));
		r = check_kind(d, v, &(struct key){ytext(k), kind, true});
		if (r < 0)
			return r;
	}
	return 0;
}

int yone_of(struct ydoc *d, const yaml_node_t *n, const char *what, const char *list)
{
	const char *p = strstr(list, ytext(n));
	size_t len = strlen(ytext(n));

	for (; p; p = strstr(p + 1, ytext(n))) {
		if (len && (p == list || p[-1] == ' ') && (p[len] == ' ' || !p[len]))
			return 0;
	}
	return yfail(d, n, "unknown %s '%s'", what, ytext(n));
}
