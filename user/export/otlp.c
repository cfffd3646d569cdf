// SPDX-License-Identifier: Apache-2.0
/*
 * Records as OpenTelemetry logs and spans, in the JSON encoding of OTLP (protobuf's JSON mapping with
 * trace and span ids in hex and 64-bit integers as texts), so that no foreign schema has to be
 * compiled. In: a record. Out: one logRecord for each, one span for each call whose times are known. Both carry
 * ids made from the leaf hash, so a log finds its span and either finds the record; nothing is
 * propagated from the observed programs' own traces, which are not seen. Of a span the start is
 * the call's, of a log the time is that of sealing.
 */
#include "otlp.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { SPAN_CLIENT = 3, STATUS_UNSET = 0, STATUS_ERROR = 2 };
enum severity { INFO = 9, WARN = 13, ERROR = 17 };

static void ids(struct build *b, json_t *o, const struct sealed *s)
{
	build_hex(b, o, "traceId", s->leaf, 16);
	build_hex(b, o, "spanId", s->leaf + 16, 8);
}

static bool refused(const Probity__V1__Decision *d)
{
	static const char *const effects[] = {"denied", "killed", "held"};

	for (size_t i = 0; d && i < ARRAY_SIZE(effects); i++)
		if (!strcmp(d->effect, effects[i]))
			return true;
	return false;
}

static enum severity severity_of(const struct sealed *s)
{
	if (s->control && s->control->kind == PROBITY__V1__CONTROL__KIND__LOSS)
		return ERROR;
	if (s->control && s->control->kind == PROBITY__V1__CONTROL__KIND__REPAIR)
		return ERROR;
	if (s->denial || (s->call && refused(s->call->decision)) ||
	    (s->mcp && refused(s->mcp->decision)))
		return WARN;
	return INFO;
}

int export_otlp_log(const struct export_context *c, const struct sealed *s, json_t **ret)
{
	enum severity level = severity_of(s);
	struct build b = {0};
	json_t *o = json_object(), *attributes;
	_cleanup_free_ char *line = render_line(s);
	char name[48];

	snprintf(name, sizeof(name), "probity.%s", render_kind(s));
	build_decimal(&b, o, "timeUnixNano", s->head.wall_ns);
	build_decimal(&b, o, "observedTimeUnixNano", s->head.wall_ns);
	build_int(&b, o, "severityNumber", level);
	build_text(&b, o, "severityText",
		   level == INFO   ? "INFO"
		   : level == WARN ? "WARN"
				   : "ERROR");
	build_text(&b, o, "eventName", name);
	build_text(&b, build_object(&b, o, "body"), "stringValue", line && *line ? line : name);
	ids(&b, o, s);
	attributes = build_array(&b, o, "attributes");
	otlp_attributes(&b, attributes, s);
	return build_done(&b, o, ret);
}

static void span_name(const struct sealed *s, char *out, size_t cap)
{
	const char *a = s->call ? s->call->operation_name : s->mcp->method;
	const char *z = s->call ? s->call->request_model : s->mcp->tool_name;

	snprintf(out, cap, "%s%s%s", *a ? a : "unknown", *z ? " " : "", z);
}

int export_otlp_span(const struct export_context *c, const struct sealed *s, json_t **ret)
{
	uint64_t start = s->call ? s->call->start_unix_ns : s->mcp ? s->mcp->start_unix_ns : 0;
	uint64_t length = s->call ? s->call->end_ns : s->mcp ? s->mcp->end_ns : 0;
	const char *error = s->call ? s->call->error_type : "";
	json_t *o, *attributes, *status;
	struct build b = {0};
	char name[256];

	if (!start)
		return -ENODATA;
	o = json_object();
	span_name(s, name, sizeof(name));
	ids(&b, o, s);
	build_text(&b, o, "name", name);
	build_int(&b, o, "kind", SPAN_CLIENT);
	build_decimal(&b, o, "startTimeUnixNano", start);
	build_decimal(&b, o, "endTimeUnixNano", start + length);
	attributes = build_array(&b, o, "attributes");
	otlp_attributes(&b, attributes, s);
	status = build_object(&b, o, "status");
	build_int(&b, status, "code",
		  *error || (s->mcp && (s->mcp->is_error || s->mcp->has_error_code_case))
			  ? STATUS_ERROR
			  : STATUS_UNSET);
	build_text(&b, status, "message", error);
	return build_done(&b, o, ret);
}

int export_otlp_request(const struct export_context *c, enum otlp_signal what, json_t *items,
			json_t **ret)
{
	struct build b = {0};
	json_t *o = json_object(), *r, *attributes, *scope;
	char chain[33] = "";

	for (size_t i = 0; c->chain_known && i < 16; i++)
		sprintf(chain + 2 * i, "%02x", c->chain[i]);
	r = build_item(&b,
		       build_array(&b, o, what == OTLP_LOGS ? "resourceLogs" : "resourceSpans"));
	attributes = build_array(&b, build_object(&b, r, "resource"), "attributes");
	otlp_text(&b, attributes, "service.name", "probityd");
	otlp_text(&b, attributes, "service.version", c->agent_version);
	otlp_text(&b, attributes, "service.instance.id", chain);
	otlp_text(&b, attributes, "host.name", c->host);
	otlp_text(&b, attributes, "os.type", "linux");
	build_text(&b, r, "schemaUrl", OTEL_SCHEMA_URL);
	r = build_item(&b, build_array(&b, r, what == OTLP_LOGS ? "scopeLogs" : "scopeSpans"));
	scope = build_object(&b, r, "scope");
	build_text(&b, scope, "name", "probity");
	build_text(&b, scope, "version", PROBITY_VERSION);
	build_text(&b, r, "schemaUrl", OTEL_SCHEMA_URL);
	build_set(&b, r, what == OTLP_LOGS ? "logRecords" : "spans", items);
	return build_done(&b, o, ret);
}
