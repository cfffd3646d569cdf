// SPDX-License-Identifier: Apache-2.0
/*
 * A record's fields under the names of the GenAI semantic conventions (the schema URL in export.h pins
 * which), and under probity.* where they have none. Names of stable conventions (server.*, process.*,
 * error.type, http.*) are used as they are there. Arguments and results of tools are never stored, so
 * the opt-in attributes for content are never set.
 */
#include <inttypes.h>
#include <string.h>

#include "otlp.h"
#include "record/private.h"

static json_t *value(struct build *b, json_t *attributes, const char *key)
{
	json_t *a = build_item(b, attributes);

	build_text(b, a, "key", key);
	return build_object(b, a, "value");
}

void otlp_text(struct build *b, json_t *attributes, const char *key, const char *v)
{
	if (v && *v)
		build_text(b, value(b, attributes, key), "stringValue", v);
}

void otlp_int(struct build *b, json_t *attributes, const char *key, int64_t v)
{
	char s[24];

	snprintf(s, sizeof(s), "%" PRId64, v);
	build_text(b, value(b, attributes, key), "intValue", s);
}

static void count(struct build *b, json_t *attributes, const char *key, uint64_t v)
{
	if (v && v <= INT64_MAX)
		otlp_int(b, attributes, key, v);
}

void otlp_bool(struct build *b, json_t *attributes, const char *key, bool v)
{
	build_bool(b, value(b, attributes, key), "boolValue", v);
}

void otlp_hex(struct build *b, json_t *attributes, const char *key, const uint8_t *p, size_t n)
{
	if (n)
		build_hex(b, value(b, attributes, key), "stringValue", p, n);
}

void otlp_texts(struct build *b, json_t *attributes, const char *key, char *const *v, size_t n)
{
	json_t *list;

	if (!n)
		return;
	list = build_array(b, build_object(b, value(b, attributes, key), "arrayValue"), "values");
	for (size_t i = 0; i < n; i++)
		build_set(b, build_item(b, list), "stringValue", render_text(v[i]));
}

static void process(struct build *b, json_t *a, const Probity__V1__Process *p)
{
	if (!p)
		return;
	otlp_int(b, a, "process.pid", p->pid);
	count(b, a, "process.parent_pid", p->ppid);
	otlp_text(b, a, "process.executable.path", p->exe);
	otlp_texts(b, a, "process.command_args", p->argv, p->n_argv);
	otlp_text(b, a, "process.user.name", p->user);
	if (p->uid != PRIVATE_UID)
		otlp_int(b, a, "process.user.id", p->uid);
	otlp_text(b, a, "container.id", p->container_id);
	otlp_text(b, a, "probity.process.sha256", p->exe_sha256);
}

static void decision(struct build *b, json_t *a, const Probity__V1__Decision *d)
{
	if (!d || !d->disposition[0])
		return;
	otlp_text(b, a, "probity.decision.disposition", d->disposition);
	otlp_text(b, a, "probity.decision.effect", d->effect);
	otlp_text(b, a, "probity.decision.mode", d->mode);
	otlp_text(b, a, "probity.policy.set", d->policy_set);
	otlp_text(b, a, "probity.policy.version", d->policy_version);
	otlp_hex(b, a, "probity.policy.sha256", d->policy_sha256.data, d->policy_sha256.len);
	otlp_texts(b, a, "probity.controls", d->controls, d->n_controls);
	for (size_t i = 0; i < d->n_rules; i++) {
		if (!d->rules[i]->triggered)
			continue;
		otlp_text(b, a, "probity.rule", d->rules[i]->id);
		return; /* an attribute is there once: the first that fired */
	}
}

static void usage(struct build *b, json_t *a, const Probity__V1__Usage *u)
{
	if (!u)
		return;
	if (u->has_input_tokens_case)
		otlp_int(b, a, "gen_ai.usage.input_tokens", u->input_tokens);
	if (u->has_output_tokens_case)
		otlp_int(b, a, "gen_ai.usage.output_tokens", u->output_tokens);
	if (u->has_cache_read_input_tokens_case)
		otlp_int(b, a, "gen_ai.usage.cache_read.input_tokens", u->cache_read_input_tokens);
	if (u->has_cache_creation_input_tokens_case)
		otlp_int(b, a, "gen_ai.usage.cache_creation.input_tokens",
			 u->cache_creation_input_tokens);
	if (u->has_reasoning_output_tokens_case)
		otlp_int(b, a, "gen_ai.usage.reasoning.output_tokens", u->reasoning_output_tokens);
}

/* The conventions demand provider and operation; what is not known is said to be so. */
static void call(struct build *b, json_t *a, const Probity__V1__AiCall *c)
{
	const Probity__V1__Service *v = c->service;
	char *finish = c->finish_reason;

	otlp_text(b, a, "gen_ai.operation.name",
		  c->operation_name[0] ? c->operation_name : "unknown");
	otlp_text(b, a, "gen_ai.provider.name",
		  v && v->provider_name[0] ? v->provider_name
		  : v && v->id[0]	   ? v->id
					   : "unknown");
	otlp_text(b, a, "gen_ai.request.model", c->request_model);
	otlp_text(b, a, "gen_ai.response.model", c->response_model);
	otlp_text(b, a, "gen_ai.response.id", c->response_id);
	otlp_texts(b, a, "gen_ai.response.finish_reasons", &finish, finish[0] ? 1 : 0);
	usage(b, a, c->usage);
	otlp_text(b, a, "error.type", c->error_type);
	otlp_text(b, a, "server.address", c->server_address[0] ? c->server_address : c->sni);
	count(b, a, "server.port", c->server_port ? c->server_port : c->peer_port);
	otlp_text(b, a, "network.peer.address", c->peer_address);
	count(b, a, "network.peer.port", c->peer_port);
	otlp_text(b, a, "http.request.method", c->http_method);
	otlp_text(b, a, "url.path", c->http_path);
	count(b, a, "http.response.status_code", c->http_status);
	otlp_text(b, a, "user_agent.original", c->user_agent);
	otlp_text(b, a, "gen_ai.agent.id", c->tool ? c->tool->id : "");
	otlp_text(b, a, "gen_ai.agent.name", c->tool ? c->tool->name : "");
	otlp_text(b, a, "probity.completeness", c->completeness);
	otlp_bool(b, a, "probity.service.known", v && v->known);
	if (c->cost)
		otlp_int(b, a, "probity.cost.nano_usd", c->cost->nano_usd);
	process(b, a, c->process);
	decision(b, a, c->decision);
}

static void mcp(struct build *b, json_t *a, const Probity__V1__McpCall *c)
{
	bool stdio = !strncmp(c->transport, "stdio", 5);

	otlp_text(b, a, "mcp.method.name", c->method[0] ? c->method : "unknown");
	otlp_text(b, a, "mcp.protocol.version", c->protocol_version);
	otlp_text(b, a, "jsonrpc.request.id", c->request_id);
	if (!strcmp(c->method, "tools/call")) {
		otlp_text(b, a, "gen_ai.operation.name", "execute_tool");
		otlp_text(b, a, "gen_ai.tool.name", c->tool_name);
	}
	otlp_text(b, a, "gen_ai.tool.call.id", c->tool_use_id);
	otlp_text(b, a, "network.transport", stdio ? "pipe" : "tcp");
	otlp_text(b, a, "server.address", c->server_address);
	otlp_text(b, a, "probity.mcp.server", render_mcp_server(c));
	if (c->has_error_code_case)
		otlp_int(b, a, "rpc.response.status_code", c->error_code);
	if (c->is_error)
		otlp_text(b, a, "error.type", "tool_error");
	otlp_text(b, a, "probity.completeness", c->completeness);
	process(b, a, c->client);
	decision(b, a, c->decision);
}

static void denial(struct build *b, json_t *a, const Probity__V1__Denial *d)
{
	otlp_text(b, a, "probity.denial.kind", d->kind);
	otlp_text(b, a, "probity.denial.evidence", d->evidence);
	count(b, a, "probity.denial.count", d->count);
	otlp_text(b, a, "file.path", d->path);
	otlp_text(b, a, "server.address", d->server_address);
	otlp_text(b, a, "network.peer.address", d->peer_address);
	count(b, a, "network.peer.port", d->peer_port);
	process(b, a, d->process);
	decision(b, a, d->decision);
}

static void control(struct build *b, json_t *a, const Probity__V1__Control *c)
{
	otlp_text(b, a, "probity.control", render_control_kind(c));
	otlp_text(b, a, "probity.reason", c->reason);
	otlp_text(b, a, "probity.loss.what", c->what);
	otlp_text(b, a, "probity.loss.cause", c->cause);
	count(b, a, "probity.loss.count", c->count);
	otlp_text(b, a, "probity.policy.set", c->policy_set);
	otlp_text(b, a, "probity.policy.version", c->policy_version);
}

void otlp_attributes(struct build *b, json_t *a, const struct sealed *s)
{
	const struct record *h = &s->head;
	char uid[EXPORT_UID_LEN];

	if (s->call)
		call(b, a, s->call);
	else if (s->mcp)
		mcp(b, a, s->mcp);
	else if (s->denial)
		denial(b, a, s->denial);
	else if (s->control)
		control(b, a, s->control);
	export_uid(h->chain, h->seq, uid);
	otlp_text(b, a, "log.record.uid", uid);
	otlp_int(b, a, "probity.seq", h->seq > INT64_MAX ? INT64_MAX : (int64_t)h->seq);
	otlp_hex(b, a, "probity.leaf", s->leaf, sizeof(s->leaf));
	otlp_hex(b, a, "probity.key_id", h->key_id, sizeof(h->key_id));
}
