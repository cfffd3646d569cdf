/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sealed record made readable: as a JSON object, as one line, as a page, as a decision
 * certificate. Used by the CLI and the collector. PURE; checks no signature (keys.h does).
 *
 * JSON: {"seq", "time", "kind": "ai_call" | "control" | "mcp_call" | "denial", every field of the payload under its name in
 * proto/record.proto, "record": {chain, epoch, id, …, leaf, signature}}; a control record's own kind
 * is under "control" ("start", "loss", …), a denial's under "denial" ("exec", "connect", …). Numbers, booleans and lists are always there; an empty text or byte string and an absent optional are left out ("unknown").
 * Bytes are lower-case hex, the signature is base64, connection_id a decimal string.
 */
#ifndef PROBITY_RECORD_RENDER_H
#define PROBITY_RECORD_RENDER_H

#include <jansson.h>

#include "base/cleanup.h"
#include "proto/record.pb-c.h"
#include "record.h"

struct sealed {
	struct record head;	    /* payload points into bytes */
	const uint8_t *bytes, *sig; /* borrowed; sig may be NULL */
	size_t len;
	uint8_t leaf[RECORD_HASH_LEN];
	/* One of them by head.schema, or none: an unknown schema, or a payload that is no such
	 * message. */
	Probity__V1__AiCall *call;
	Probity__V1__Control *control;
	Probity__V1__McpCall *mcp;
	Probity__V1__Denial *denial;
};
/* 0; -EBADMSG with *ret_why from record_decode. A payload that does not unpack is no error. */
int sealed_open(const uint8_t *record, size_t n, const uint8_t *sig, struct sealed *ret,
		const char **ret_why);
void sealed_done(struct sealed *s);
#define _cleanup_sealed_ _cleanup_(sealed_done)

const char *render_kind(const struct sealed *s); /* ai_call, control, mcp_call, denial, unknown */
/* allow, alert, denied, would deny, deny failed, …; "" without a decision: static. */
const char *render_verdict(const Probity__V1__AiCall *c);
const char *render_decision(const Probity__V1__Decision *d);	/* the same; NULL is fine */
const char *render_control_kind(const Probity__V1__Control *c); /* start, stop, policy, … */
bool render_shadow(const Probity__V1__AiCall *c); /* a service nobody entered in the catalog */
const char *render_program(const Probity__V1__AiCall *c); /* last part of the exe path, raw */
/* Of a request to a tool server: the AI tool or program that asks; the server's name for itself, or
 * its program or address; ok, error, unanswered. */
const char *render_denial_program(const Probity__V1__Denial *d);
const char *render_denial_subject(const Probity__V1__Denial *d);
const char *render_mcp_client(const Probity__V1__McpCall *c);
const char *render_mcp_server(const Probity__V1__McpCall *c);
const char *render_mcp_result(const Probity__V1__McpCall *c);
void render_time(uint64_t unix_ns, char ret[static 40]); /* RFC 3339, UTC, nanoseconds */

/* All give NULL only when out of memory. Texts are printable (printable.h); caller frees. */
json_t *render_json(const struct sealed *s);
json_t *render_message(const ProtobufCMessage *m); /* any message of record.proto */
json_t *render_hex(const uint8_t *p, size_t n);
json_t *render_base64(const uint8_t *p, size_t n);
json_t *render_text(const char *s);	   /* broken UTF-8 replaced, so it never fails on bytes */
char *render_line(const struct sealed *s); /* no time, no newline */
char *render_detail(const struct sealed *s);
char *render_classes(const Probity__V1__AiCall *c); /* "email 2, iban 1" */

/* To be raised with every field that a certificate gains, also by a new field in proto/record.proto: a reader
 * takes the fields of its own version for all there are. */
#define CERTIFICATE_VERSION 3
/* The record's certificate; NULL: out of memory. `pub` is the key of the record's epoch; the caller has verified s->sig, if there is one. */
json_t *render_certificate(const struct sealed *s, const uint8_t pub[static RECORD_PUBKEY_LEN]);

#endif
