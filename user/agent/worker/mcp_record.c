// SPDX-License-Identifier: Apache-2.0
/*
 * A request of MCP, its parties, links and effects → the payload of its record (McpCall). Texts are
 * borrowed, lists live on this file's one static scratch; nothing here is kept.
 *
 * Decision: of the pack in force only the rules that the tool's name makes fire. They are found by
 * deciding twice, with the name and without it: rules on services, models or hosts speak of calls of
 * a model, and would accuse every tool server of being an unknown one. Nothing is stopped here: what
 * a rule would have ended is recorded as would_kill.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/worker/compose.h"
#include "agent/worker/judge.h"
#include "agent/worker/mcp.h"
#include "base/cleanup.h"
#include "proto/record.pb-c.h"

#define LISTED_MAX 256

static struct {
	Probity__V1__McpCall call;
	Probity__V1__Process client, server;
	Probity__V1__Tool tool;
	Probity__V1__Decision decision;
	Probity__V1__Effect effect[LINKS_EFFECTS_MAX], *effects[LINKS_EFFECTS_MAX];
	Probity__V1__RuleResult rule[PACK_RULES_MAX], *rules[PACK_RULES_MAX];
	struct process_text client_text, server_text;
	char *listed[LISTED_MAX];
	char sha256[65];
} s_;

static char *text(const char *t)
{
	return (char *)(t ?: "");
} /* protobuf-c has no const */

/* Asking for the client's user may have replaced the server's entry. */
static void find_again(const struct worker *w, struct subject *s)
{
	s->proc = procs_find(w->procs, s->pid, s->start_ns);
	if (!s->proc || s->proc->named != s->uid)
		return;
	s->user = s->proc->user;
	s->groups = s->proc->groups;
	s->groups_len = s->proc->groups_len;
}

static void parties(struct worker *w, const struct mcp_party *p, struct subject *client)
{
	Probity__V1__McpCall *m = &s_.call;
	struct subject server = {};

	if (p->server.pid)
		judge_subject(w, p->server_uid, p->server.pid, p->server.start_ns, &server);
	judge_subject(w, p->client_uid, p->client.pid, p->client.start_ns, client);
	compose_process(w, client, &s_.client_text, &s_.client);
	m->client = &s_.client;
	probity__v1__tool__init(&s_.tool);
	s_.tool.id = text(client->tool.id);
	s_.tool.name = text(client->tool.name);
	s_.tool.vendor = text(client->tool.vendor);
	s_.tool.via = text(client->tool.via);
	s_.tool.depth = client->tool.depth;
	m->tool = &s_.tool;
	if (!p->server.pid)
		return;
	find_again(w, &server);
	compose_process(w, &server, &s_.server_text, &s_.server);
	m->server = &s_.server;
}

static void said(const struct mcp_call *c, const struct names *tools)
{
	Probity__V1__McpCall *m = &s_.call;

	m->method = text(c->method);
	m->request_id = text(c->id.text);
	m->tool_name = text(c->tool);
	m->request_bytes = c->request_bytes;
	m->response_bytes = c->response_bytes;
	m->arguments_bytes = c->arguments_bytes;
	if (c->has_arguments)
		m->arguments_sha256 = (ProtobufCBinaryData){32, (uint8_t *)c->arguments_sha256};
	m->answered = c->answered;
	m->is_error = c->is_error;
	if (c->has_code) {
		m->has_error_code_case = PROBITY__V1__MCP_CALL__HAS_ERROR_CODE_ERROR_CODE;
		m->error_code = c->code;
	}
	m->tools_listed = s_.listed;
	for (const char *t = NULL; (t = names_next(tools, t)) && m->n_tools_listed < LISTED_MAX;)
		s_.listed[m->n_tools_listed++] = text(t);
	m->completeness = text(completeness_name(c->completeness));
	m->incomplete_reason = text(c->reason);
}

static char *hex(const uint8_t sha256[static 32])
{
	for (int i = 0; i < 32; i++)
		snprintf(s_.sha256 + 2 * i, 3, "%02x", sha256[i]);
	return s_.sha256;
}

static void session(const struct mcp_party *p)
{
	Probity__V1__McpCall *m = &s_.call;

	m->transport = text(p->transport);
	m->server_name = text(p->facts->server_name);
	m->server_version = text(p->facts->server_version);
	m->protocol_version = text(p->facts->protocol_version);
	m->client_name = text(p->facts->client_name);
	m->server_address = text(p->server_address);
	if (p->session_sha256)
		m->session_id_sha256 = hex(p->session_sha256);
}

static void links(const struct mcp_party *p, const struct mcp_call *c)
{
	Probity__V1__McpCall *m = &s_.call;

	if (p->use) {
		m->tool_use_id = text(p->use->id);
		m->tool_use_name = text(p->use->name);
		m->tool_use_model = text(p->use->model);
		m->tool_use_connection_id = p->use->conn;
		m->tool_use_request_offset = p->use->request_offset;
		m->tool_use_link = text(p->use_how);
	}
	if (!p->effects)
		return;
	m->effects = s_.effects;
	m->effects_refused = p->effects->refused;
	for (unsigned i = 0; i < p->effects->n; i++) {
		const struct effect *e = &p->effects->list[i];
		Probity__V1__Effect *out = s_.effects[i] = &s_.effect[i];

		probity__v1__effect__init(out);
		out->kind = text(e->kind);
		out->pid = e->pid;
		out->what = e->what;
		out->at_ns = e->at_ns > c->start_ns ? e->at_ns - c->start_ns : 0;
	}
	m->n_effects = p->effects->n;
}

/* Rules the tool's name alone makes fire; *ret is of those. */
static void decide(const struct worker *w, const struct subject *client, const struct mcp_call *c,
		   struct decision *ret)
{
	struct facts f = {.stage = FACTS_DONE,
			  .host = "",
			  .service = "mcp",
			  .vendor = "",
			  .evidence = "",
			  .service_known = true,
			  .operation = "execute_tool",
			  .dialect = "",
			  .model = ""};
	struct decision without;

	f.completeness = completeness_name(c->completeness);
	judge_facts(client, &f);
	pack_decide(w->pack, &f, &without);
	f.tool_calls = (struct facts_list){.v = {c->tool}, .n = 1};
	pack_decide(w->pack, &f, ret);
	ret->risk = ret->risk > without.risk ? ret->risk - without.risk : 0;
	ret->disposition = DISPOSITION_ALLOW;
	for (size_t i = 0; i < ret->rules; i++) {
		enum disposition d = pack_rule_disposition(w->pack, i);

		if (ret->result[i] == RULE_FIRED && without.result[i] == RULE_FIRED)
			ret->result[i] = RULE_NO;
		if (ret->result[i] == RULE_FIRED && d > ret->disposition)
			ret->disposition = d;
	}
}

static void decision(const struct worker *w, const struct subject *client, const struct mcp_call *c)
{
	Probity__V1__Decision *m = &s_.decision;
	struct decision d;

	if (!w->pack || strcmp(c->method, "tools/call"))
		return;
	decide(w, client, c, &d);
	probity__v1__decision__init(m);
	m->policy_set = text(pack_id(w->pack));
	m->policy_version = text(pack_version(w->pack));
	m->policy_sha256 = (ProtobufCBinaryData){32, (uint8_t *)pack_sha256(w->pack)};
	m->policy_generation = w->generation;
	m->evaluated_at_unix_ns = boot_now() + w->wall_offset_ns;
	m->mode = w->enforce ? "enforce" : "monitor";
	m->disposition = text(disposition_name(d.disposition));
	m->risk_score = d.risk;
	m->effect = d.disposition == DISPOSITION_KILL ? "would_kill" : "none";
	m->rules = s_.rules;
	for (size_t i = 0; i < d.rules; i++) {
		Probity__V1__RuleResult *r = &s_.rule[i];

		if (d.result[i] != RULE_FIRED)
			continue;
		probity__v1__rule_result__init(r);
		r->id = text(pack_rule_id(w->pack, i));
		r->triggered = true;
		r->disposition = text(disposition_name(pack_rule_disposition(w->pack, i)));
		r->severity = text(pack_rule_severity(w->pack, i));
		s_.rules[m->n_rules++] = r;
	}
	s_.call.decision = m;
}

size_t mcp_record(struct worker *w, const struct mcp_party *p, const struct mcp_call *c,
		  const struct names *tools, uint8_t *out, size_t cap)
{
	Probity__V1__McpCall *m = &s_.call;
	struct subject client;

	probity__v1__mcp_call__init(m);
	parties(w, p, &client);
	said(c, tools);
	session(p);
	links(p, c);
	m->start_unix_ns = c->start_ns + w->wall_offset_ns;
	m->end_ns = c->end_ns - c->start_ns;
	decision(w, &client, c);
	if (probity__v1__mcp_call__get_packed_size(m) > cap)
		s_.client.n_argv = s_.server.n_argv = s_.decision.n_rules = 0;
	return probity__v1__mcp_call__pack(m, out);
}
