// SPDX-License-Identifier: Apache-2.0
/*
 * Record bytes in, JSON out. The payload is walked by the descriptors protobuf-c generates, so a
 * field added to record.proto shows up here without a line of code, under its own name. Invariant:
 * whatever bytes the record holds, the object is built or memory has run out: broken UTF-8 is
 * replaced, a payload that is no message gives an object without its fields and says so in
 * "payload_error". Limits: a record is at most 64 KiB, so is the work.
 */
#include "render.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/base64.h"
#include "base/hex.h"
#include "printable.h"

int sealed_open(const uint8_t *record, size_t n, const uint8_t *sig, struct sealed *ret,
		const char **ret_why)
{
	struct sealed s = {.bytes = record, .sig = sig, .len = n};
	int r = record_decode(record, n, &s.head, ret_why);

	if (r)
		return r;
	record_leaf(record, s.leaf);
	if (!s.head.payload) { /* erased */
		*ret = s;
		return 0;
	}
	if (s.head.schema == RECORD_AI_CALL)
		s.call = probity__v1__ai_call__unpack(NULL, s.head.payload_len, s.head.payload);
	else if (s.head.schema == RECORD_CONTROL)
		s.control = probity__v1__control__unpack(NULL, s.head.payload_len, s.head.payload);
	else if (s.head.schema == RECORD_MCP_CALL)
		s.mcp = probity__v1__mcp_call__unpack(NULL, s.head.payload_len, s.head.payload);
	else if (s.head.schema == RECORD_DENIAL)
		s.denial = probity__v1__denial__unpack(NULL, s.head.payload_len, s.head.payload);
	*ret = s;
	return 0;
}

void sealed_done(struct sealed *s)
{
	if (s->call)
		probity__v1__ai_call__free_unpacked(s->call, NULL);
	if (s->control)
		probity__v1__control__free_unpacked(s->control, NULL);
	if (s->mcp)
		probity__v1__mcp_call__free_unpacked(s->mcp, NULL);
	if (s->denial)
		probity__v1__denial__free_unpacked(s->denial, NULL);
	s->call = NULL;
	s->denial = NULL;
	s->control = NULL;
	s->mcp = NULL;
}

const char *render_kind(const struct sealed *s)
{
	return s->head.schema == RECORD_AI_CALL	   ? "ai_call"
	       : s->head.schema == RECORD_CONTROL  ? "control"
	       : s->head.schema == RECORD_MCP_CALL ? "mcp_call"
	       : s->head.schema == RECORD_DENIAL   ? "denial"
						   : "unknown";
}

const char *render_verdict(const Probity__V1__AiCall *c)
{
	return render_decision(c->decision);
}

const char *render_decision(const Probity__V1__Decision *d)
{
	static const struct {
		const char *effect, *text;
	} effects[] = {
		{"killed", "killed"},
		{"kill_failed", "kill failed"},
		{"would_kill", "would kill"},
		{"denied", "denied"},
		{"deny_failed", "deny failed"},
		{"would_deny", "would deny"},
		{"held", "held"},
		{"hold_failed", "hold failed"},
		{"would_hold", "would hold"},
		{"redacted", "redacted"},
		{"redact_failed", "redact failed"},
		{"would_redact", "would redact"},
	};

	if (!d || !d->disposition[0])
		return "";
	for (size_t i = 0; i < ARRAY_SIZE(effects); i++)
		if (!strcmp(d->effect, effects[i].effect))
			return effects[i].text;
	if (!strcmp(d->disposition, "kill"))
		return "would kill";
	return !strcmp(d->disposition, "alert") ? "alert" : "allow";
}

const char *render_control_kind(const Probity__V1__Control *c)
{
	static const char *const name[] = {"unspecified", "start",	"stop",	    "policy",
					   "loss",	  "repair",	"approval", "guard",
					   "seal",	  "clock_step", "erase",    "reveal",
					   "collector",	  "tpm"};

	return (unsigned)c->kind < ARRAY_SIZE(name) ? name[c->kind] : "unknown";
}

bool render_shadow(const Probity__V1__AiCall *c)
{
	return c->service && !strcmp(c->service->id, "unknown");
}

const char *render_program(const Probity__V1__AiCall *c)
{
	const char *exe = c->process ? c->process->exe : "";
	const char *slash = strrchr(exe, '/');

	return slash ? slash + 1 : exe;
}

void render_time(uint64_t unix_ns, char ret[static 40])
{
	time_t t = unix_ns / 1000000000;
	struct tm tm;
	char day[24];

	if (!gmtime_r(&t, &tm) || !strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm))
		snprintf(day, sizeof(day), "?");
	snprintf(ret, 40, "%s.%09uZ", day, (unsigned)(unix_ns % 1000000000));
}

json_t *render_hex(const uint8_t *p, size_t n)
{
	_cleanup_free_ char *b = malloc(2 * n + 1);

	if (!b)
		return NULL;
	hex_encode(p, n, b);
	return json_stringn(b, 2 * n);
}

json_t *render_base64(const uint8_t *p, size_t n)
{
	_cleanup_free_ char *b = malloc(BASE64_LEN(n) + 1);

	if (!b)
		return NULL;
	base64_encode(p, n, b);
	return json_stringn(b, BASE64_LEN(n));
}

json_t *render_text(const char *s)
{
	_cleanup_free_ char *u = utf8_dup(s ? s : "", s ? strlen(s) : 0);

	return u ? json_string(u) : NULL;
}

/* One value at `at`, of the field's type. */
static json_t *value_json(const ProtobufCFieldDescriptor *f, const void *at)
{
	const ProtobufCBinaryData *bytes = at;
	const ProtobufCEnumValue *e;
	uint64_t u;
	char dec[24];

	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		return render_text(*(char *const *)at);
	case PROTOBUF_C_TYPE_BYTES:
		return render_hex(bytes->data, bytes->len);
	case PROTOBUF_C_TYPE_MESSAGE:
		return render_message(*(ProtobufCMessage *const *)at);
	case PROTOBUF_C_TYPE_BOOL:
		return json_boolean(*(const protobuf_c_boolean *)at);
	case PROTOBUF_C_TYPE_DOUBLE:
		/* JSON has no infinity and no NaN: null says the value was there but is none. */
		return json_real(*(const double *)at) ?: json_null();
	case PROTOBUF_C_TYPE_FLOAT:
		return json_real(*(const float *)at) ?: json_null();
	case PROTOBUF_C_TYPE_ENUM:
		e = protobuf_c_enum_descriptor_get_value(f->descriptor, *(const int *)at);
		return e ? render_text(e->name) : json_integer(*(const int *)at);
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		return json_integer(*(const int32_t *)at);
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		return json_integer(*(const uint32_t *)at);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		return json_integer(*(const int64_t *)at);
	default:
		u = *(const uint64_t *)at;
		if (u <= INT64_MAX && strcmp(f->name, "connection_id"))
			return json_integer(u);
		snprintf(dec, sizeof(dec), "%llu", (unsigned long long)u);
		return json_string(dec);
	}
}

static size_t value_size(ProtobufCType t)
{
	switch (t) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_ENUM:
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		return 4;
	default:
		return 8;
	}
}

static json_t *list_json(const ProtobufCFieldDescriptor *f, const void *items, size_t n)
{
	json_t *a = json_array();

	for (size_t i = 0; a && i < n; i++) {
		const void *at = (const char *)items + i * value_size(f->type);

		if (json_array_append_new(a, value_json(f, at))) {
			json_decref(a);
			return NULL;
		}
	}
	return a;
}

/* Is there nothing to say about this single field? */
static bool is_absent(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, const void *at)
{
	const ProtobufCBinaryData *bytes = at;

	if (f->type == PROTOBUF_C_TYPE_STRING)
		return !*(char *const *)at || !**(char *const *)at;
	if (f->type == PROTOBUF_C_TYPE_BYTES)
		return !bytes->len;
	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		return !*(ProtobufCMessage *const *)at;
	/* The only optionals of proto3 here are oneofs of one field: the case names who is there. */
	if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return *(const uint32_t *)((const char *)m + f->quantifier_offset) != f->id;
	return false;
}

static int add_fields(json_t *o, const ProtobufCMessage *m)
{
	const ProtobufCMessageDescriptor *d = m->descriptor;

	for (unsigned i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];
		const void *at = (const char *)m + f->offset;
		json_t *v;

		if (f->label == PROTOBUF_C_LABEL_REPEATED)
			v = list_json(f, *(void *const *)at,
				      *(const size_t *)((const char *)m + f->quantifier_offset));
		else if (is_absent(m, f, at))
			continue;
		else
			v = value_json(f, at);
		if (json_object_set_new(o, f->name, v))
			return -ENOMEM;
	}
	return 0;
}

json_t *render_message(const ProtobufCMessage *m)
{
	json_t *o = json_object();

	if (o && add_fields(o, m)) {
		json_decref(o);
		return NULL;
	}
	return o;
}

static json_t *head_json(const struct sealed *s)
{
	const struct record *h = &s->head;
	json_t *o = json_pack("{so sI so sI sI sI so si ss so so so so si}", "chain",
			      render_hex(h->chain, 16), "epoch", (json_int_t)h->epoch, "id",
			      json_integer(h->id), "seq", (json_int_t)h->seq, "wall_unix_ns",
			      (json_int_t)h->wall_ns, "boot_ns", (json_int_t)h->boot_ns, "boot_id",
			      render_hex(h->boot_id, 16), "schema", (int)h->schema, "algorithm",
			      h->alg == RECORD_ED25519	    ? "ed25519"
			      : h->alg == RECORD_CHECKPOINT ? "checkpoint"
							    : "unknown",
			      "key_id", render_hex(h->key_id, 8), "prev", render_hex(h->prev, 32),
			      "leaf", render_hex(s->leaf, 32), "payload_sha256",
			      render_hex(s->bytes + RECORD_HEADER_LEN - 32, 32), "payload_bytes",
			      (int)h->payload_len);

	if (o && s->sig &&
	    json_object_set_new(o, "signature", render_base64(s->sig, RECORD_SIG_LEN))) {
		json_decref(o);
		return NULL;
	}
	return o;
}

json_t *render_json(const struct sealed *s)
{
	const ProtobufCMessage *m = s->call	 ? &s->call->base
				    : s->control ? &s->control->base
				    : s->mcp	 ? &s->mcp->base
				    : s->denial	 ? &s->denial->base
						 : NULL;
	char when[40];
	json_t *o;

	render_time(s->head.wall_ns, when);
	o = json_pack("{sI ss ss}", "seq", (json_int_t)s->head.seq, "time", when, "kind",
		      render_kind(s));
	if (!o)
		return NULL;
	/* The payload's own "kind" of these stands under the name of the record's. */
	if (s->control &&
	    json_object_set_new(o, "control", render_text(render_control_kind(s->control))))
		goto fail;
	if (s->denial && json_object_set_new(o, "denial", render_text(s->denial->kind)))
		goto fail;
	if (m) {
		json_t *p = render_message(m);

		if (p && (s->control || s->denial))
			json_object_del(p, "kind");
		if (!p || json_object_update_new(o, p))
			goto fail;
	} else if (json_object_set_new(o, "payload_error",
				       json_string(s->head.payload ? "not readable" : "erased"))) {
		goto fail;
	}
	if (json_object_set_new(o, "record", head_json(s)))
		goto fail;
	return o;
fail:
	json_decref(o);
	return NULL;
}
