/* SPDX-License-Identifier: Apache-2.0 */
/* Server-sent events: each event with data is one document. */
#ifndef PROBITY_FLOW_SSE_H
#define PROBITY_FLOW_SSE_H

#include "doc.h"

#define SSE_EVENT_MAX 64 /* longer event names are cut */

struct sse {
	const struct doc_sink *sink;
	unsigned state, after_colon;
	uint8_t bom;   /* bytes of the byte order mark seen */
	bool after_cr; /* an LF now belongs to the line that has ended */
	bool has_data; /* the event has had a data line */
	bool open;     /* and its document has begun */
	bool in_doubt; /* after a gap: the line is perhaps the tail of another */
	uint8_t field_n, event_n;
	char field[8], event[SSE_EVENT_MAX];
};

void sse_init(struct sse *s, const struct doc_sink *sink);
void sse_data(struct sse *s, const uint8_t *p, size_t n);
void sse_gap(struct sse *s);	       /* bytes are missing here */
void sse_end(struct sse *s, bool cut); /* an event that is still open ends with the stream */

#endif
