// SPDX-License-Identifier: Apache-2.0
/*
 * The machines the resolver knows. A build that has no x86 decoder (the cross-built unit test) says
 * PROBITY_NO_X86 and knows one machine less.
 */
#include "arch.h"

#include <stdlib.h>

#include "arch_list.h"
#include "base/cleanup.h"

const struct arch *arch_of(uint16_t machine)
{
	static const struct arch *const all[] = {
#ifndef PROBITY_NO_X86
		&arch_x86_64,
#endif
		&arch_aarch64,
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i]->machine == machine)
			return all[i];
	return NULL;
}

struct ref *refs_add(struct refs *r)
{
	if (r->n == r->cap && r->n < REFS_MAX) {
		size_t cap = r->cap ? 2 * r->cap : 64;
		struct ref *v = realloc(r->v, cap * sizeof(*v));

		if (v) {
			r->v = v;
			r->cap = cap;
		}
	}
	if (r->n == r->cap) {
		r->failed = true;
		return NULL;
	}
	r->v[r->n] = (struct ref){0};
	return &r->v[r->n++];
}
