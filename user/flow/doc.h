/* SPDX-License-Identifier: Apache-2.0 */
/* Where SSE events and NDJSON lines go: each is one document, given in pieces of any size. */
#ifndef PROBITY_FLOW_DOC_H
#define PROBITY_FLOW_DOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct doc_sink {
	void (*begin)(void *ctx, const char *event); /* name of the SSE event, or NULL */
	void (*data)(void *ctx, const uint8_t *p, size_t n);
	void (*end)(void *ctx, bool cut); /* cut: its end was not seen */
	void *ctx;
};

#endif
