// SPDX-License-Identifier: Apache-2.0
/*
 * Calls to models and requests to tool servers as API Activity, with the profile ai_operation. A call
 * made by a known AI tool is by an agent (ai_agent, which carries the model as well); ai_model is set
 * in any case, so that a reader of either finds it.
 */
#include <inttypes.h>
#include <string.h>

#include "ocsf.h"

static const char *or_unknown(const char *s)
{
	return s && *s ? s : "unknown";
}

static void model(struct ocsf_event *e, json_t *o, const Probity__V1__AiCall *c)
{
	const char *provider = c->service && c->service->provider_name[0]
				       ? c->service->provider_name
			       : c->service ? c->service->vendor
					    : "";
	json_t *m = build_object(&e->b, o, "ai_model");

	build_text(&e->b, m, "ai_provider", or_unknown(provider[0] ? provider : c->model_vendor));
	build_text(&e->b, m, "name",
		   or_unknown(c->request_model[0] ? c->request_model : c->response_model));
	/* What answered, where it is not what was asked for. */
	if (c->response_model[0])
		build_text(&e->b, m, "version", c->response_model);
}

static void agent(struct ocsf_event *e, const Probity__V1__Tool *t, const Probity__V1__AiCall *c)
{
	json_t *a;

	if (!t || !t->id[0])
		return;
	a = build_object(&e->b, e->o, "ai_agent");
	build_text(&e->b, a, "uid", t->id);
	build_text(&e->b, a, "name", t->name[0] ? t->name : t->id);
	build_int(&e->b, a, "type_id", 99);
	build_text(&e->b, a, "type", or_unknown(t->vendor));
	if (c)
		model(e, a, c);
}

/* Counts of the schema are of 32 bits; larger ones are in unmapped.call alone. */
static void tokens(struct ocsf_event *e, json_t *m, const Probity__V1__Usage *u)
{
	int64_t in = u && u->has_input_tokens_case ? u->input_tokens : -1;
	int64_t out = u && u->has_output_tokens_case ? u->output_tokens : -1;

	if (in >= 0 && in <= INT32_MAX)
		build_int(&e->b, m, "prompt_tokens", in);
	if (out >= 0 && out <= INT32_MAX)
		build_int(&e->b, m, "completion_tokens", out);
	if (in >= 0 && out >= 0 && in <= INT32_MAX - out)
		build_int(&e->b, m, "total_tokens", in + out);
}

static void context(struct ocsf_event *e, const Probity__V1__AiCall *c)
{
	json_t *m = build_object(&e->b, e->o, "message_context"), *v;

	build_int(&e->b, m, "ai_role_id", 2);
	build_text(&e->b, m, "uid", c->response_id);
	tokens(e, m, c->usage);
	v = build_object(&e->b, m, "service");
	build_text(&e->b, v, "uid", or_unknown(c->service ? c->service->id : ""));
	build_text(&e->b, v, "name", c->service ? c->service->name : "");
}

static void http(struct ocsf_event *e, const Probity__V1__AiCall *c)
{
	json_t *q, *u;

	if (c->http_method[0] || c->http_path[0]) {
		q = build_object(&e->b, e->o, "http_request");
		build_text(&e->b, q, "http_method", c->http_method);
		build_text(&e->b, q, "user_agent", c->user_agent);
		build_text(&e->b, q, "version", c->http_version);
		if (c->has_request_body_bytes_case && c->request_body_bytes <= INT32_MAX)
			build_int(&e->b, q, "body_length", c->request_body_bytes);
		if (c->http_path[0]) {
			u = build_object(&e->b, q, "url");
			build_text(&e->b, u, "hostname", c->server_address);
			build_text(&e->b, u, "path", c->http_path);
		}
	}
	if (!c->http_status)
		return;
	q = build_object(&e->b, e->o, "http_response");
	build_int(&e->b, q, "code", c->http_status);
	if (c->has_response_body_bytes_case && c->response_body_bytes <= INT32_MAX)
		build_int(&e->b, q, "body_length", c->response_body_bytes);
}

static void times(struct ocsf_event *e, uint64_t start_ns, uint64_t end_ns)
{
	if (!start_ns)
		return;
	build_int(&e->b, e->o, "start_time", ocsf_ms(start_ns));
	if (!end_ns)
		return;
	build_int(&e->b, e->o, "end_time", ocsf_ms(start_ns + end_ns));
	build_int(&e->b, e->o, "duration", end_ns / 1000000);
}

static void status(struct ocsf_event *e, int id, const char *detail)
{
	build_int(&e->b, e->o, "status_id", id);
	build_text(&e->b, e->o, "status_detail", detail);
	build_int(&e->b, e->o, "severity_id", 1);
}

/* The whole payload in its own words; process and decision stand in their places. */
static void payload(struct ocsf_event *e, const char *key, const ProtobufCMessage *m)
{
	json_t *o = render_message(m);

	json_object_del(o, "process");
	json_object_del(o, "client");
	json_object_del(o, "decision");
	json_object_del(o, "salt");
	build_set(&e->b, e->unmapped, key, o);
}

void ocsf_call(struct ocsf_event *e)
{
	const Probity__V1__AiCall *c = e->s->call;
	json_t *api = build_object(&e->b, e->o, "api"), *v;
	bool failed = c->error_type[0] || c->http_status >= 400;

	build_text(&e->b, api, "operation",
		   or_unknown(c->operation_name[0] ? c->operation_name : c->operation));
	if (c->service && c->service->id[0]) {
		v = build_object(&e->b, api, "service");
		build_text(&e->b, v, "uid", c->service->id);
		build_text(&e->b, v, "name", c->service->name);
	}
	ocsf_actor(e, c->process, c->tool);
	ocsf_device(e, "device");
	ocsf_device(e, "src_endpoint");
	ocsf_endpoint(e, c->server_address[0] ? c->server_address : c->sni, c->peer_address,
		      c->peer_port, c->service);
	http(e, c);
	model(e, e->o, c);
	agent(e, c->tool, c);
	context(e, c);
	times(e, c->start_unix_ns, c->end_ns);
	status(e, failed ? 2 : c->http_status ? 1 : 0, c->error_type);
	ocsf_decision(e, c->decision);
	payload(e, "call", &c->base);
}

void ocsf_mcp(struct ocsf_event *e)
{
	const Probity__V1__McpCall *c = e->s->mcp;
	json_t *api = build_object(&e->b, e->o, "api"), *m, *v, *q;

	build_text(&e->b, api, "operation", or_unknown(c->method));
	build_text(&e->b, api, "version", c->protocol_version);
	v = build_object(&e->b, api, "service");
	build_text(&e->b, v, "name", or_unknown(render_mcp_server(c)));
	build_text(&e->b, v, "version", c->server_version);
	if (c->request_id[0]) {
		q = build_object(&e->b, api, "request");
		build_text(&e->b, q, "uid", c->request_id);
	}
	ocsf_actor(e, c->client, c->tool);
	ocsf_device(e, "device");
	ocsf_device(e, "src_endpoint");
	ocsf_endpoint(e, c->server_address, "", 0, NULL);
	agent(e, c->tool, NULL);
	m = build_object(&e->b, e->o, "message_context");
	build_int(&e->b, m, "ai_role_id", 3);
	build_text(&e->b, m, "uid", c->tool_use_id);
	build_text(&e->b, m, "name", c->tool_name);
	v = build_object(&e->b, m, "service");
	build_text(&e->b, v, "name", or_unknown(render_mcp_server(c)));
	times(e, c->start_unix_ns, c->end_ns);
	status(e, !c->answered ? 0 : c->is_error || c->has_error_code_case ? 2 : 1, "");
	ocsf_decision(e, c->decision);
	payload(e, "mcp_call", &c->base);
}
