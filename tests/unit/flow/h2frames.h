/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of HTTP/2 made by hand, for a rig. Fields are literals that no table keeps. */
#ifndef PROBITY_TESTS_FLOW_H2FRAMES_H
#define PROBITY_TESTS_FLOW_H2FRAMES_H

#include "rig.h"

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

struct frames {
	uint8_t p[400000];
	size_t n;
};

static inline void frames_add(struct frames *b, unsigned type, unsigned flags, uint32_t stream,
			      const void *payload, size_t n)
{
	uint8_t head[9] = {n >> 16,	 n >> 8,       n,	    type,  flags,
			   stream >> 24, stream >> 16, stream >> 8, stream};

	if (b->n + n + 9 > sizeof(b->p))
		abort();
	memcpy(b->p + b->n, head, 9);
	if (n)
		memcpy(b->p + b->n + 9, payload, n);
	b->n += 9 + n;
}

/* "name value\nname value\n" as a header block; gives its length. */
static inline size_t fields_put(uint8_t *p, const char *fields)
{
	size_t n = 0;

	while (*fields) {
		size_t name = strcspn(fields, " "), value = strcspn(fields + name + 1, "\n");

		if (name > 126 || value > 126)
			abort();
		p[n++] = 0;
		p[n++] = name;
		memcpy(p + n, fields, name);
		n += name;
		p[n++] = value;
		memcpy(p + n, fields + name + 1, value);
		n += value;
		fields += name + 1 + value;
		fields += *fields == '\n';
	}
	return n;
}

static inline void frames_head(struct frames *b, bool end, uint32_t stream, const char *fields)
{
	uint8_t block[4096];

	frames_add(b, 1, end ? 5 : 4, stream, block, fields_put(block, fields));
}

#endif
