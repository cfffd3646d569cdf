// SPDX-License-Identifier: Apache-2.0
/*
 * Path patterns over the JSON scanner's events.
 *
 * In come events, out comes the tree node of the value each is about (0: nobody asked). The
 * scanner bounds the depth, the tree the number of nodes; a full tree refuses patterns, which
 * the caller, whose tables are constants, treats as a broken build.
 */
#include "jsonpath.h"

#include <string.h>

#define NOWHERE 0
#define ROOT 1

void jsonpath_init(struct jsonpath *t)
{
	memset(t, 0, sizeof(*t));
	t->used = ROOT + 1;
}

static uint16_t find(const struct jsonpath *t, uint16_t parent, const char *key, size_t n)
{
	uint16_t at = t->node[parent].child;

	for (; at; at = t->node[at].sibling) {
		const struct jsonpath_node *d = &t->node[at];

		if (key ? d->key && d->len == n && !memcmp(d->key, key, n) : !d->key)
			break;
	}
	return at;
}

static uint16_t find_or_add(struct jsonpath *t, uint16_t parent, const char *key, size_t n)
{
	uint16_t at = find(t, parent, key, n);

	if (at || t->used == JSONPATH_NODES || n > UINT8_MAX)
		return at;
	at = t->used++;
	t->node[at] = (struct jsonpath_node){.key = key,
					     .len = (uint8_t)n,
					     .sibling = t->node[parent].child};
	t->node[parent].child = at;
	return at;
}

uint16_t jsonpath_add(struct jsonpath *t, const char *pattern)
{
	uint16_t at = ROOT;

	while (*pattern && at) {
		size_t n = strcspn(pattern, ".[");

		if (n) {
			at = find_or_add(t, at, pattern, n);
			pattern += n;
		} else if (*pattern == '.') {
			pattern++;
		} else {
			at = find_or_add(t, at, NULL, 0);
			pattern += strlen("[*]");
		}
	}
	return at;
}

void jsonwalk_init(struct jsonwalk *w, const struct jsonpath *t, bool each)
{
	memset(w, 0, sizeof(*w));
	w->tree = t;
	w->each = each;
	w->value = ROOT;
}

/* Node of the elements, when the innermost open container is an array. */
static uint16_t element(const struct jsonwalk *w)
{
	if (w->depth == 1 && w->each)
		return ROOT;
	return find(w->tree, w->open[w->depth - 1], NULL, 0);
}

static uint16_t opened(struct jsonwalk *w, bool array)
{
	uint16_t node = array && !w->depth && w->each ? NOWHERE : w->value;
	uint64_t bit;

	if (w->depth == JSON_DEPTH_MAX)
		return NOWHERE;
	bit = 1ull << w->depth;
	w->arrays = array ? w->arrays | bit : w->arrays & ~bit;
	w->open[w->depth++] = node;
	w->value = array ? element(w) : NOWHERE;
	return node;
}

static uint16_t closed(struct jsonwalk *w)
{
	uint16_t node;

	if (!w->depth)
		return NOWHERE;
	node = w->open[--w->depth];
	w->value = NOWHERE;
	if (w->depth && w->arrays >> (w->depth - 1) & 1)
		w->value = element(w);
	return node;
}

uint16_t jsonwalk_step(struct jsonwalk *w, enum json_event ev, const char *p, size_t n)
{
	switch (ev) {
	case JSON_OBJECT:
	case JSON_ARRAY:
		return opened(w, ev == JSON_ARRAY);
	case JSON_OBJECT_END:
	case JSON_ARRAY_END:
		return closed(w);
	case JSON_KEY:
		w->value = w->depth && p ? find(w->tree, w->open[w->depth - 1], p, n) : NOWHERE;
		return NOWHERE;
	default:
		return w->value;
	}
}
