/* SPDX-License-Identifier: Apache-2.0 */
/* Sealed records with payloads of every kind, for the views. */
#ifndef TEST_MADE_H
#define TEST_MADE_H

#include <stdlib.h>
#include <string.h>

#include "export/export.h"

/* The payload is packed into a record of seq 7, which is opened; both are freed with made_done. */
struct made {
	uint8_t bytes[65536], sig[RECORD_SIG_LEN];
	size_t n;
	struct sealed s;
	struct export_context c;
};

static inline struct made *made_of(uint32_t schema, const ProtobufCMessage *m)
{
	struct made *k = calloc(1, sizeof(*k));
	struct record r = {.epoch = 1,
			   .alg = RECORD_ED25519,
			   .seq = 7,
			   .id = 99,
			   .wall_ns = 1795300901534817450,
			   .boot_ns = 5,
			   .schema = schema};
	const char *why = "";

	memset(r.chain, 0xab, sizeof(r.chain));
	memset(r.prev, 0x11, sizeof(r.prev));
	memset(k->sig, 0x5a, sizeof(k->sig));
	r.payload_len = m ? protobuf_c_message_get_packed_size(m) : 0;
	r.payload = m ? malloc(r.payload_len + 1) : (const uint8_t *)"";
	if (m)
		protobuf_c_message_pack(m, (uint8_t *)r.payload);
	k->n = record_encode(&r, k->bytes, sizeof(k->bytes));
	if (m)
		free((void *)r.payload);
	assert_true(k->n > 0);
	assert_int_equal(sealed_open(k->bytes, k->n, k->sig, &k->s, &why), 0);
	snprintf(k->c.host, sizeof(k->c.host), "host1");
	snprintf(k->c.agent_version, sizeof(k->c.agent_version), "9");
	snprintf(k->c.kernel, sizeof(k->c.kernel), "6.1");
	k->c.authority_known = true;
	memset(k->c.authority, 0x77, sizeof(k->c.authority));
	return k;
}

static inline void made_done(struct made *k)
{
	sealed_done(&k->s);
	free(k);
}

static inline struct made *made_call(const char *model, const char *effect)
{
	Probity__V1__AiCall c = PROBITY__V1__AI_CALL__INIT;
	Probity__V1__Process p = PROBITY__V1__PROCESS__INIT;
	Probity__V1__Service v = PROBITY__V1__SERVICE__INIT;
	Probity__V1__Tool t = PROBITY__V1__TOOL__INIT;
	Probity__V1__Usage u = PROBITY__V1__USAGE__INIT;
	Probity__V1__Decision d = PROBITY__V1__DECISION__INIT;
	Probity__V1__RuleResult fired = PROBITY__V1__RULE_RESULT__INIT, *rules[] = {&fired};
	char *argv[] = {"curl", "=cmd|' /C calc'!A0"}, *groups[] = {"root", "ai"},
	     *up[] = {"/usr/bin/bash", "/sbin/init"};

	p.pid = 4242, p.ppid = 17, p.uid = 1000, p.user = "ann", p.exe = "/usr/bin/curl";
	p.exe_sha256 = "27125f0331490b7fbf4da11f2bd913ce1b94e071367b2fa8e535ce8c5526e29c";
	p.argv = argv, p.n_argv = 2, p.groups = groups, p.n_groups = 2;
	p.ancestry = up, p.n_ancestry = 2;
	v.id = "openai", v.name = "OpenAI API", v.vendor = "OpenAI", v.provider_name = "openai";
	v.known = true;
	t.id = "claude_code", t.name = "Claude Code", t.vendor = "Anthropic";
	u.has_input_tokens_case = PROBITY__V1__USAGE__HAS_INPUT_TOKENS_INPUT_TOKENS;
	u.input_tokens = 120;
	u.has_output_tokens_case = PROBITY__V1__USAGE__HAS_OUTPUT_TOKENS_OUTPUT_TOKENS;
	u.output_tokens = 48;
	fired.id = "no-pan", fired.triggered = true, fired.severity = "high";
	d.policy_set = "observe", d.policy_version = "1.1.0", d.mode = "enforce";
	d.disposition = *effect ? "deny" : "allow", d.effect = (char *)effect;
	d.rules = rules, d.n_rules = 1;
	c.process = &p, c.service = &v, c.tool = &t, c.usage = &u, c.decision = &d;
	c.operation_name = "chat", c.request_model = (char *)model;
	c.response_model = "gpt-4o-2026", c.response_id = "r1", c.finish_reason = "stop";
	c.server_address = "api.openai.com", c.peer_address = "192.0.2.9", c.peer_port = 443;
	c.http_method = "POST", c.http_path = "/v1/chat/completions", c.http_status = 200;
	c.user_agent = "-2+3", c.completeness = "complete";
	c.start_unix_ns = 1795300901000000000, c.end_ns = 250000000;
	return made_of(RECORD_AI_CALL, &c.base);
}

static inline struct made *made_mcp(void)
{
	Probity__V1__McpCall c = PROBITY__V1__MCP_CALL__INIT;

	c.method = "tools/call", c.tool_name = "read_file", c.transport = "stdio-pipe";
	c.server_name = "filesystem", c.request_id = "3", c.answered = true, c.is_error = true;
	c.start_unix_ns = 1795300901000000000, c.end_ns = 1000;
	return made_of(RECORD_MCP_CALL, &c.base);
}

static inline struct made *made_denial(const char *kind, const char *effect)
{
	Probity__V1__Denial d = PROBITY__V1__DENIAL__INIT;
	Probity__V1__Process p = PROBITY__V1__PROCESS__INIT;
	Probity__V1__Decision k = PROBITY__V1__DECISION__INIT;
	Probity__V1__RuleResult fired = PROBITY__V1__RULE_RESULT__INIT, *rules[] = {&fired};

	p.pid = 7, p.exe = "/bin/sh", p.user = "bob", p.uid = 1001;
	fired.id = "r", fired.triggered = true, fired.severity = "critical";
	k.disposition = "deny", k.effect = (char *)effect, k.rules = rules, k.n_rules = 1;
	d.process = &p, d.decision = &k, d.kind = (char *)kind, d.count = 3;
	d.first_unix_ns = 1795300901000000000, d.last_unix_ns = 1795300902000000000;
	d.path = "/opt/tool", d.server_address = "ai.example", d.peer_address = "192.0.2.1";
	d.peer_port = 443;
	return made_of(RECORD_DENIAL, &d.base);
}

static inline struct made *made_control(Probity__V1__Control__Kind kind)
{
	Probity__V1__Control c = PROBITY__V1__CONTROL__INIT;

	c.kind = kind, c.reason = "why", c.agent_version = "9", c.host = "host2";
	c.what = "chunks", c.count = 4, c.cause = "ring_full";
	return made_of(RECORD_CONTROL, &c.base);
}

#endif
