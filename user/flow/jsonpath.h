/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of many path patterns a JSON value lies on: "choices[*].delta.content", "" for the root.
 * Patterns are compiled into a tree of keys once; a walk then keeps one node per open container,
 * so a value costs one comparison of its key with the few keys that may stand there.
 */
#ifndef PROBITY_FLOW_JSONPATH_H
#define PROBITY_FLOW_JSONPATH_H

#include "json.h"

#define JSONPATH_NODES 1024

struct jsonpath_node {
	const char *key; /* points into the pattern; NULL = any element of an array */
	uint8_t len;
	uint16_t child, sibling;
};

/* Node 0 stands for "on no pattern", node 1 for the root. */
struct jsonpath {
	uint16_t used;
	struct jsonpath_node node[JSONPATH_NODES];
};

void jsonpath_init(struct jsonpath *t);
/* Node of the pattern, which must outlive the tree; 0 if the tree is full. */
uint16_t jsonpath_add(struct jsonpath *t, const char *pattern);

struct jsonwalk {
	const struct jsonpath *tree;
	bool each;	/* a root array is a list of documents: its elements are roots */
	uint16_t value; /* node of the value to come, or of the string being read */
	uint16_t depth;
	uint16_t open[JSON_DEPTH_MAX]; /* nodes of the open containers */
	uint64_t arrays;
};

void jsonwalk_init(struct jsonwalk *w, const struct jsonpath *t, bool each);
/* Takes the scanner's events one by one; node of the value the event is about. */
uint16_t jsonwalk_step(struct jsonwalk *w, enum json_event ev, const char *p, size_t n);
/* The event just taken opened or closed the array that holds the documents. */
static inline bool jsonwalk_in_list(const struct jsonwalk *w)
{
	return w->each && w->depth && w->arrays & 1;
}

#endif
