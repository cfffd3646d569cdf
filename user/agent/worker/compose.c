// SPDX-License-Identifier: Apache-2.0
/*
 * Fills the message from what is there and packs it once; the bytes are then what is hashed,
 * signed and forwarded. No allocation: texts are borrowed, lists live on this file's one static
 * scratch. Argument lists go through mask_argv first. Wall time is made from boot time here, with
 * the offset of now.
 *
 * Size: every list has a bound and their sum stays under RECORD_PAYLOAD_MAX; should a pack with
 * very many, very long rule names exceed it, the rules that did not fire are left out first.
 */
#include "compose.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/discover/resolve.h"
#include "agent/worker/gate.h"
#include "agent/worker/mask.h"
#include "base/cleanup.h"
#include "classify/price.h"

#define OFFERED_MAX 256
#define CONTROLS_MAX 64

static struct scratch {
	Probity__V1__AiCall call;
	Probity__V1__Process process;
	Probity__V1__Tool tool;
	Probity__V1__Service service;
	Probity__V1__Usage usage;
	Probity__V1__Cost cost;
	char price_date[11];
	Probity__V1__Decision decision;
	Probity__V1__Redaction redaction[DATACLASS_MAX], *redactions[DATACLASS_MAX];
	char *controls[CONTROLS_MAX];
	Probity__V1__ToolCall tool_call[TOOL_CALLS_MAX], *tool_calls[TOOL_CALLS_MAX];
	Probity__V1__DataClass class[DATACLASS_MAX], *classes[DATACLASS_MAX];
	Probity__V1__RuleResult rule[PACK_RULES_MAX], *rules[PACK_RULES_MAX];
	struct process_text who;
	char *offered[OFFERED_MAX];
	char peer[INET6_ADDRSTRLEN];
} s_;

static char *text(const char *t)
{
	return (char *)(t ?: "");
} /* protobuf-c has no const */

static size_t split(const char *list, size_t n, char **ret, size_t max)
{
	size_t count = 0;

	for (size_t at = 0; at < n && count < max; at += strnlen(list + at, n - at) + 1)
		ret[count++] = (char *)list + at;
	return count;
}

void compose_process(const struct worker *w, const struct subject *s, struct process_text *t,
		     Probity__V1__Process *m)
{
	const struct proc *line[ANCESTORS_MAX], *p = s->proc;
	size_t n;

	probity__v1__process__init(m);
	m->pid = s->pid;
	m->start_boot_ns = s->start_ns;
	m->uid = s->uid;
	m->user = text(s->user);
	m->n_groups = split(s->groups, s->groups_len, t->groups, GROUPS_MAX);
	m->groups = t->groups;
	if (!p)
		return;
	if (p->loginuid != (uint32_t)-1) {
		m->has_login_uid_case = PROBITY__V1__PROCESS__HAS_LOGIN_UID_LOGIN_UID;
		m->login_uid = p->loginuid;
	}
	m->login_user = text(p->login_user);
	m->exe = text(p->exe);
	m->exe_sha256 = text(p->exe_sha256);
	n = mask_argv(w->classes, p->argv, p->argv_len, t->argv, sizeof(t->argv) - 1);
	t->argv[n] = '\0';
	m->n_argv = split(t->argv, n, t->args, ARGS_MAX);
	m->argv = t->args;
	m->ppid = p->ppid;
	n = procs_ancestry(w->procs, p, line);
	for (size_t i = 1; i < n; i++)
		t->ancestry[i - 1] = text(line[i]->exe);
	m->n_ancestry = n ? n - 1 : 0;
	m->ancestry = t->ancestry;
	m->cgroup = text(p->cgroup_path);
	m->container_id = text(p->container);
}

static void tool(const struct catalog_tool *t)
{
	probity__v1__tool__init(&s_.tool);
	s_.tool.id = text(t->id);
	s_.tool.name = text(t->name);
	s_.tool.vendor = text(t->vendor);
	s_.tool.via = text(t->via);
	s_.tool.depth = t->depth;
	s_.call.tool = &s_.tool;
}

static void service(const struct catalog_service *v)
{
	Probity__V1__Service *m = &s_.service;

	probity__v1__service__init(m);
	m->id = text(v->id);
	m->name = text(v->name);
	m->vendor = text(v->vendor);
	m->provider_name = text(v->provider);
	m->known = v->known;
	m->host_role = text(v->role);
	m->evidence = text(v->evidence);
	m->hq = text(v->hq);
	s_.call.service = m;
	s_.call.operation = text(v->operation);
	s_.call.operation_name = text(v->otel_operation);
}

#define USAGE(field, FIELD, value)                                                               \
	do {                                                                                     \
		if ((value) >= 0) {                                                              \
			s_.usage.has_##field##_case = PROBITY__V1__USAGE__HAS_##FIELD##_##FIELD; \
			s_.usage.field = (value);                                                \
		}                                                                                \
	} while (0)

static void usage(const struct tokens *t)
{
	probity__v1__usage__init(&s_.usage);
	USAGE(input_tokens, INPUT_TOKENS, t->input);
	USAGE(output_tokens, OUTPUT_TOKENS, t->output);
	USAGE(cache_read_input_tokens, CACHE_READ_INPUT_TOKENS, t->cached);
	USAGE(cache_creation_input_tokens, CACHE_CREATION_INPUT_TOKENS, t->cache_write);
	USAGE(reasoning_output_tokens, REASONING_OUTPUT_TOKENS, t->reasoning);
	s_.call.usage = &s_.usage;
}

/* By the prices of the day of the call. Absent where nothing can be said. */
static void cost(const struct worker *w, const struct catalog_service *v,
		 const struct interaction *it)
{
	const struct price_call call = {
		.service = v->id,
		.host = it->host,
		.model = it->response_model,
		.asked = it->request_model,
		.tier = it->service_tier,
		.day = price_day(it->start_ns + w->wall_offset_ns),
		.input = it->tokens.input,
		.output = it->tokens.output,
		.cached = it->tokens.cached,
		.cache_write = it->tokens.cache_write,
		.cache_write_1h = it->tokens.cache_write_1h,
		.reasoning = it->tokens.reasoning,
	};
	struct price_cost c;

	if (!price_of(&price_table_compiled, &call, &c))
		return;
	probity__v1__cost__init(&s_.cost);
	price_day_text(c.from, s_.price_date);
	s_.cost.nano_usd = c.nano_usd;
	s_.cost.price_date = s_.price_date;
	s_.cost.partial = c.partial;
	s_.call.cost = &s_.cost;
}

static void answer(const struct interaction *it)
{
	Probity__V1__AiCall *m = &s_.call;
	uint32_t calls =
		it->tool_calls_count < TOOL_CALLS_MAX ? it->tool_calls_count : TOOL_CALLS_MAX;

	m->dialect = text(dialect_name(it->dialect));
	m->request_model = text(it->request_model);
	m->response_model = text(it->response_model);
	m->response_id = text(it->response_id);
	m->model_vendor = text(catalog_model_vendor(it->response_model[0] ? it->response_model
									  : it->request_model));
	m->stream = it->stream_answered;
	m->finish_reason = text(it->finish_reason);
	m->error_type = text(it->error_type);
	for (const char *t = NULL;
	     (t = names_next(&it->tools_offered, t)) && m->n_tools_offered < OFFERED_MAX;)
		s_.offered[m->n_tools_offered++] = text(t);
	m->tools_offered = s_.offered;
	m->tools_offered_refused = it->tools_offered.refused;
	for (uint32_t i = 0; i < calls; i++) {
		probity__v1__tool_call__init(&s_.tool_call[i]);
		s_.tool_call[i].name = text(it->tool_calls[i].name);
		s_.tool_call[i].id = text(it->tool_calls[i].id);
		s_.tool_calls[i] = &s_.tool_call[i];
	}
	m->n_tool_calls = calls;
	m->tool_calls = s_.tool_calls;
	m->tool_calls_count = it->tool_calls_count;
	usage(&it->tokens);
}

static void classes(const struct watch *watch)
{
	Probity__V1__AiCall *m = &s_.call;

	for (size_t i = 0; i < dataclass_count(); i++) {
		Probity__V1__DataClass *d = &s_.class[m->n_data_classes];

		if (!watch->request.count[i] && !watch->response.count[i])
			continue;
		probity__v1__data_class__init(d);
		d->id = text(dataclass_id(i));
		d->request = watch->request.count[i];
		d->response = watch->response.count[i];
		s_.classes[m->n_data_classes++] = d;
	}
	m->data_classes = s_.classes;
}

static void where(const struct conn *c, const struct interaction *it)
{
	Probity__V1__AiCall *m = &s_.call;

	m->server_address = text(it->host[0] ? it->host : c->sni);
	m->server_port = it->port ? it->port : c->peer.port;
	m->sni = text(c->sni);
	s_.peer[0] = '\0';
	if (c->peer.family)
		inet_ntop(c->peer.family, c->peer.addr, s_.peer, sizeof(s_.peer));
	m->peer_address = s_.peer;
	m->peer_port = c->peer.port;
	if (c->peer.family)
		m->peer_source = !c->id || c->flags & EVENT_F_PLAIN ? "socket"
				 : c->peer_adjacent		    ? "adjacent"
								    : "nested";
	m->http_method = text(it->method);
	m->http_path = text(it->path);
	m->http_status = it->status;
	m->user_agent = text(it->user_agent);
	m->websocket = it->websocket;
	m->connection_id = c->id;
	m->request_offset = it->request_offset;
	m->alpn = text(c->alpn);
	m->tls_version = c->tls == 0x0304 ? "1.3" : c->tls == 0x0303 ? "1.2" : "";
}

/* By which stack's functions the bytes came. The kernel says it; what does not know is told by the
 * process, when only one was found in it. */
static const char *capture(const struct conn *c, const struct proc *p)
{
	if (!c->id)
		return "";
	if (c->flags & EVENT_F_PLAIN)
		return "socket";
	if (EVENT_F_STACK(c->flags) && EVENT_F_STACK(c->flags) < TLS_STACK__MAX)
		return tls_stack_name(EVENT_F_STACK(c->flags));
	return p && p->tls.stacks[0] && !strchr(p->tls.stacks, ',') ? p->tls.stacks : "tls";
}

static void wire(const struct interaction *it)
{
	Probity__V1__AiCall *m = &s_.call;

	m->http_version = text(it->http_version);
	m->wire = text(it->wire);
	m->turn = it->turn;
	if (it->grpc_status >= 0) {
		m->has_grpc_status_case = PROBITY__V1__AI_CALL__HAS_GRPC_STATUS_GRPC_STATUS;
		m->grpc_status = it->grpc_status;
	}
}

static uint64_t after(const struct interaction *it, uint64_t ns)
{
	return ns > it->start_ns ? ns - it->start_ns : 0;
}

#define SIZE(field, FIELD, value)                                                         \
	do {                                                                              \
		s_.call.has_##field##_case = PROBITY__V1__AI_CALL__HAS_##FIELD##_##FIELD; \
		s_.call.field = (value);                                                  \
	} while (0)

static void sizes(const struct interaction *it)
{
	SIZE(request_wire_bytes, REQUEST_WIRE_BYTES, it->request_wire);
	SIZE(request_body_bytes, REQUEST_BODY_BYTES, it->request_body);
	SIZE(response_wire_bytes, RESPONSE_WIRE_BYTES, it->response_wire);
	SIZE(response_body_bytes, RESPONSE_BODY_BYTES, it->response_body);
}

/* As it left: with masked bytes where they were masked. */
static void request_hash(const struct watch *watch, const struct interaction *it)
{
	const struct gate_outcome *o = gate_outcome(watch);
	const uint8_t *sha = o && o->masked ? o->sha256 : it->request_sha256;

	if (it->request_body && (!o || !o->masked || o->hashed))
		s_.call.request_sha256 = (ProtobufCBinaryData){32, (uint8_t *)sha};
}

static const char *why_incomplete(const struct conn *c, const struct watch *watch,
				  const struct interaction *it)
{
	const struct gate_outcome *o = gate_outcome(watch);

	if (c->refused)
		return c->kill_mechanism == GATE_SIGNAL ? "killed before the request could leave"
		       : c->kill_mechanism == GATE_NONE
			       ? "was to be refused, and nothing could here"
			       : "refused before the request could leave";
	if (!o || o->failed || !o->mechanism || o->did == DISPOSITION_REDACT)
		return it->incomplete_reason;
	if (o->timeout)
		return "refused: no decision in time";
	return o->before ? "refused before the request could leave" : "refused after a part of it";
}

static void how_much(const struct worker *w, const struct conn *c, const struct watch *watch,
		     const struct interaction *it)
{
	Probity__V1__AiCall *m = &s_.call;

	if (!watch->unseen)
		sizes(it);
	request_hash(watch, it);
	if (it->response_body)
		m->response_sha256 = (ProtobufCBinaryData){32, (uint8_t *)it->response_sha256};
	m->messages = it->messages;
	m->start_unix_ns = it->start_ns + w->wall_offset_ns;
	m->request_end_ns = after(it, it->request_end_ns);
	m->first_byte_ns = after(it, it->first_byte_ns);
	m->first_token_ns = after(it, it->first_token_ns);
	m->end_ns = after(it, it->end_ns);
	m->completeness = text(completeness_name(it->completeness));
	m->incomplete_reason = text(why_incomplete(c, watch, it));
}

static void redactions(const struct gate_outcome *o, Probity__V1__Decision *m)
{
	for (size_t i = 0; i < o->n_redactions && i < DATACLASS_MAX; i++) {
		const struct gate_redaction *from = &o->redactions[i];
		Probity__V1__Redaction *r = &s_.redaction[i];

		probity__v1__redaction__init(r);
		r->id = text(dataclass_id(from->class));
		r->count = from->count;
		r->bytes = from->bytes;
		r->offsets = (uint64_t *)from->offsets;
		r->n_offsets = from->n_offsets;
		s_.redactions[m->n_redactions++] = r;
	}
	m->redactions = s_.redactions;
}

static void gated(const struct gate_outcome *o, Probity__V1__Decision *m)
{
	m->sent_before = o->sent_before;
	m->waited_ns = o->waited_ns;
	m->waited_by = text(o->waited_by ?: "");
	m->approval_id = text(o->approval_id);
	m->approved_by = text(o->approved_by);
	redactions(o, m);
}

/* Of the rules that fired, each once. */
static void controls(const struct pack_action *a, Probity__V1__Decision *m)
{
	for (size_t i = 0; a && i < a->controls.n; i++) {
		size_t k = 0;

		while (k < m->n_controls && strcmp(m->controls[k], a->controls.v[i]))
			k++;
		if (k == m->n_controls && k < CONTROLS_MAX)
			s_.controls[m->n_controls++] = text(a->controls.v[i]);
	}
}

static void decision(const struct worker *w, const struct watch *watch, const struct decision *d,
		     const struct verdict_text *v)
{
	const struct gate_outcome *o = watch ? gate_outcome(watch) : NULL;
	Probity__V1__Decision *m = &s_.decision;

	probity__v1__decision__init(m);
	m->controls = s_.controls;
	if (o)
		gated(o, m);
	if (watch)
		m->not_judged = text(gate_not_judged(watch));
	m->evaluated_at_unix_ns = boot_now() + w->wall_offset_ns;
	m->mode = w->enforce ? "enforce" : "monitor";
	m->disposition = text(disposition_name(d->disposition));
	m->risk_score = d->risk;
	m->effect = text(v->effect);
	m->mechanism = text(v->mechanism);
	m->before_effect = v->before_effect;
	m->rules = s_.rules;
	s_.call.decision = m;
	if (!w->pack)
		return;
	m->policy_set = text(pack_id(w->pack));
	m->policy_version = text(pack_version(w->pack));
	m->policy_sha256 = (ProtobufCBinaryData){32, (uint8_t *)pack_sha256(w->pack)};
	m->policy_generation = w->generation;
	for (size_t i = 0; i < d->rules; i++) {
		Probity__V1__RuleResult *r = &s_.rule[i];

		probity__v1__rule_result__init(r);
		r->id = text(pack_rule_id(w->pack, i));
		r->triggered = d->result[i] == RULE_FIRED;
		r->unknown = d->result[i] == RULE_UNKNOWN;
		r->disposition = text(disposition_name(pack_rule_disposition(w->pack, i)));
		r->severity = text(pack_rule_severity(w->pack, i));
		s_.rules[m->n_rules++] = r;
		if (r->triggered)
			controls(pack_rule_action(w->pack, i), m);
	}
}

Probity__V1__Decision *compose_decision(const struct worker *w, const struct decision *d,
					const struct verdict_text *v)
{
	decision(w, NULL, d, v);
	return &s_.decision;
}

static void keep_fired_rules(void)
{
	Probity__V1__Decision *m = &s_.decision;
	size_t n = 0;

	for (size_t i = 0; i < m->n_rules; i++)
		if (m->rules[i]->triggered)
			m->rules[n++] = m->rules[i];
	m->n_rules = n;
}

size_t compose_call(const struct worker *w, const struct conn *c, const struct watch *watch,
		    const struct interaction *it, const struct subject *s, const struct decision *d,
		    const struct verdict_text *v, uint8_t *out, size_t cap)
{
	probity__v1__ai_call__init(&s_.call);
	compose_process(w, s, &s_.who, &s_.process);
	s_.call.process = &s_.process;
	tool(&s->tool);
	service(&watch->service);
	answer(it);
	cost(w, &watch->service, it);
	classes(watch);
	where(c, it);
	s_.call.capture = text(capture(c, s->proc));
	wire(it);
	how_much(w, c, watch, it);
	decision(w, watch, d, v);
	if (probity__v1__ai_call__get_packed_size(&s_.call) > cap) {
		keep_fired_rules();
		if (probity__v1__ai_call__get_packed_size(&s_.call) > cap)
			s_.process.n_argv = s_.call.n_tools_offered = s_.decision.n_rules = 0;
	}
	return probity__v1__ai_call__pack(&s_.call, out);
}
