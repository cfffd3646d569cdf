/* SPDX-License-Identifier: Apache-2.0 */
/* Newline-delimited JSON: one document per line. */
#ifndef PROBITY_FLOW_NDJSON_H
#define PROBITY_FLOW_NDJSON_H

#include "doc.h"

struct ndjson {
	const struct doc_sink *sink;
	bool open; /* a document is */
	bool skip; /* to the end of the line: its start is missing */
};

void ndjson_init(struct ndjson *s, const struct doc_sink *sink);
void ndjson_data(struct ndjson *s, const uint8_t *p, size_t n);
void ndjson_gap(struct ndjson *s);	     /* bytes are missing here */
void ndjson_end(struct ndjson *s, bool cut); /* the last line needs no newline */

#endif
