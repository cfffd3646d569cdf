/* SPDX-License-Identifier: Apache-2.0 */
/* A doc_sink that writes down what it is given: "(event|data)" or "(event|data~" when cut. */
#ifndef PROBITY_TESTS_FLOW_DOCS_H
#define PROBITY_TESTS_FLOW_DOCS_H

#include "flow/doc.h"

struct docs {
	char text[1024];
	size_t n;
};

static inline void docs_put(struct docs *d, const void *p, size_t n)
{
	assert_true(d->n + n < sizeof(d->text));
	memcpy(d->text + d->n, p, n);
	d->n += n;
	d->text[d->n] = '\0';
}

static inline void docs_begin(void *ctx, const char *event)
{
	docs_put(ctx, "(", 1);
	docs_put(ctx, event ? event : "", event ? strlen(event) : 0);
	docs_put(ctx, "|", 1);
}

static inline void docs_data(void *ctx, const uint8_t *p, size_t n)
{
	docs_put(ctx, p, n);
}

static inline void docs_end(void *ctx, bool cut)
{
	docs_put(ctx, cut ? "~" : ")", 1);
}

#endif
