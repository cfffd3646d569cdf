/* SPDX-License-Identifier: Apache-2.0 */
/* What a body is made of: by its declared type, and by its first bytes. */
#ifndef PROBITY_FLOW_BODY_FORM_H
#define PROBITY_FLOW_BODY_FORM_H

#include "http1.h"

enum form {
	FORM_SNIFF, /* not known yet */
	FORM_JSON,
	FORM_SSE,
	FORM_NDJSON,
	FORM_MESSAGES, /* of gRPC or Connect */
	FORM_EVENTS,   /* of AWS */
	FORM_PARTS,    /* of a form */
	FORM_OPAQUE,
};

/* OPAQUE: the type says nothing that is known. */
enum form body_form_declared(struct slice content_type);
/* By n of up to eight first bytes; SNIFF: more are needed. */
enum form body_form_sniff(const uint8_t *p, size_t n, enum form declared);

#endif
