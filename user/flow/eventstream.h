/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AWS event stream (application/vnd.amazon.eventstream): each event's JSON payload is one document;
 * of an event "chunk" (Bedrock InvokeModel) the document is in its base64 field "bytes".
 */
#ifndef PROBITY_FLOW_EVENTSTREAM_H
#define PROBITY_FLOW_EVENTSTREAM_H

#include "doc.h"
#include "json.h"

#define EVENTSTREAM_HEADERS 1024 /* bytes of an event's headers that are read */
#define EVENTSTREAM_PRELUDE 12
#define EVENTSTREAM_MAX (24u << 20) /* larger events are taken for broken */

struct eventstream_sink {
	struct doc_sink doc;
	/* The service gives up: its exception's or error's name. */
	void (*fault)(void *ctx, const char *name);
	/* Framing or checksum is wrong. Once per place. */
	void (*bad)(void *ctx, const char *reason);
};

struct eventstream {
	const struct eventstream_sink *sink;
	unsigned state;
	uint32_t left, payload; /* bytes of the part in reading; of the payload to come */
	uint32_t crc;
	uint8_t prelude[EVENTSTREAM_PRELUDE], prelude_n;
	uint8_t headers[EVENTSTREAM_HEADERS];
	uint16_t headers_n;
	bool open, chunk, skip; /* of the payload: document begun, is base64, is no document */
	char event[64];
	/* of an event "chunk" */
	struct json json;
	bool in_bytes;
	uint32_t bits;
	uint8_t bits_n;
};

void eventstream_init(struct eventstream *s, const struct eventstream_sink *sink);
void eventstream_data(struct eventstream *s, const uint8_t *p, size_t n);
void eventstream_gap(struct eventstream *s); /* bytes are missing here */
/* No more comes; gives whether it ended between events. */
bool eventstream_end(struct eventstream *s, bool cut);

#endif
