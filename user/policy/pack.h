/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A policy pack: YAML in, rules out. Validated whole: one error and nothing is taken. PURE.
 *
 *   pack: observe                 # id
 *   version: 1.0.0
 *   description: text
 *   mode: monitor                 # monitor | enforce
 *   rules:
 *     - id: no-shadow-ai
 *       description: text
 *       severity: high            # info | low | medium | high | critical
 *       risk: 0.6                 # 0–1, added up over fired rules, capped at 1
 *       match:                    # all keys must hold; a list = any of
 *         user: [alice, "svc-*"]  # globs; also group, tool, exe, service, vendor, host, model,
 *         known: false            #   operation, dialect, tool_call, tool_offered, data_class,
 *         data_class: [pan, iban] #   cgroup, container, completeness, evidence; known: bool
 *         not: {tool: claude_code} # a sub-match or a list of them: none may hold;
 *       disposition: alert        # allow | alert | kill   (any: a list, one must hold)
 *   tests:
 *     - name: text
 *       given: {user: alice, known: false, host: llm.example.com, data_class: pan}
 *       expect: {disposition: alert, rules: [no-shadow-ai], risk: 0.6}
 *
 * Precedence: kill > alert > allow. No rule fired = allow. In monitor mode the disposition is
 * what would have been; only `effect` differs. Rules are about AI calls: the caller decides
 * nothing for other traffic. The whole language: docs/POLICY.md.
 */
#ifndef PROBITY_POLICY_PACK_H
#define PROBITY_POLICY_PACK_H

#include "facts.h"

#define PACK_RULES_MAX 256
#define PACK_FILE_MAX (192 * 1024)

/* By precedence. `hold`: refused until an operator approves. `redact`: masked, then let go. */
enum disposition {
	DISPOSITION_ALLOW = 0,
	DISPOSITION_ALERT,
	DISPOSITION_HOLD,
	DISPOSITION_REDACT,
	DISPOSITION_DENY,
	DISPOSITION_KILL
};
const char *disposition_name(enum disposition d);

struct pack;
/* file: name used in errors. err: "file:line: what" (one line). 0, -EINVAL, -ENOMEM, -E2BIG. */
int pack_parse(const char *file, const char *yaml, size_t n, struct pack **ret, char *err,
	       size_t err_len);
void pack_free(struct pack *p);

const char *pack_id(const struct pack *p);
const char *pack_version(const struct pack *p);
bool pack_enforce(const struct pack *p);	  /* mode: enforce */
const uint8_t *pack_sha256(const struct pack *p); /* 32 bytes, of the YAML as read */
size_t pack_rules(const struct pack *p);
size_t pack_tests(const struct pack *p);
const char *pack_rule_id(const struct pack *p, size_t i);
const char *pack_rule_severity(const struct pack *p, size_t i);
double pack_rule_risk(const struct pack *p, size_t i);
enum disposition pack_rule_disposition(const struct pack *p, size_t i);

/* --- what a rule says beyond its match --- */
enum pack_fail { PACK_FAIL_OPEN = 0, PACK_FAIL_CLOSED };
struct pack_action {
	enum facts_subject on;
	enum pack_fail fail; /* no answer in time, or no way to wait: fail: open | closed */
	enum disposition
		unknown; /* facts that never come: unknown: allow (default) | alert | deny */
	enum disposition
		otherwise; /* redact that cannot be done: else: allow | alert | hold | deny |
				     * kill; default deny */
	unsigned refuse;   /* REFUSE_* of gate.h: refuse: [error, shutdown, kill]; default the
				 * first two */
	bool drop_quic;	   /* quic: drop */
	struct facts_list redact;   /* class ids or globs; of a redact rule, never empty */
	unsigned hold_s;	    /* hold: a grant's life unless the operator says otherwise */
	unsigned block_ms;	    /* hold: wait that long before refusing; 0 = refuse now */
	struct facts_list controls; /* "A.9.2": of ISO/IEC 42001 Annex A */
	/* then: what is forbidden below the agent whose model asked for this tool */
	struct facts_list tree_exec, tree_connect; /* ids of rules with on: exec, on: connect */
};
const struct pack_action *pack_rule_action(const struct pack *p, size_t i);
/* pack: gate: {hold_ms: 20, full: pass | refuse}; 0 = default */
struct pack_gate {
	unsigned hold_ms;
	bool refuse_when_full;
};
struct pack_gate pack_gate(const struct pack *p);
uint64_t pack_revision(const struct pack *p); /* revision: monotonic per pack set; 0 = not given */

/* Whether rule i, at stage FACTS_REQUEST, needs what only the request shows: such rules make writes
 * wait. */
bool pack_rule_content(const struct pack *p, size_t i);

/* Every pattern of every rule, lower case, with its line and its word ("service"). */
void pack_values(const struct pack *p,
		 void (*each)(void *ctx, size_t rule, unsigned line, const char *key,
			      const char *value),
		 void *ctx);

enum rule_result { RULE_NO = 0, RULE_FIRED, RULE_UNKNOWN /* asks for facts not known yet */ };
struct decision {
	enum disposition disposition;
	double risk; /* 0–1 */
	size_t rules;
	uint8_t result[PACK_RULES_MAX]; /* enum rule_result, by rule index */
	int deciding; /* index of the first fired rule of that disposition, or -1 */
	bool monitored
		[PACK_RULES_MAX]; /* the rule alone is in monitor mode, or not rolled out here */
};
void pack_decide(const struct pack *p, const struct facts *f, struct decision *ret);

/*
 * In-kernel rules: the deny and kill rules on calls and connections that ask only for host,
 * service, tool, user and address, at most 64, bit i = i-th such rule. `index` is the rule's index
 * in the pack. Content rules with a deny, kill, redact or hold are among them (content: true), by
 * what they ask for besides, so that the kernel knows whose writes wait.
 */
struct pack_krule {
	size_t index;
	bool any_host; /* neither hosts nor services: every AI host, never every host */
	bool any_tool, any_user;
	bool content;		    /* the worker decides, by the request; the write waits for it */
	struct facts_list nets;	    /* CIDR of `address` */
	struct facts_list hosts;    /* patterns with at most a leading "*." */
	struct facts_list services; /* ids or globs; the caller expands them into hosts */
	struct facts_list tools, users; /* globs */
};
size_t pack_krules(const struct pack *p, struct pack_krule ret[static 64]);
/* Why the kernel cannot decide rule i, as half a sentence; NULL: it can, before the bytes leave. */
const char *pack_krule_reason(const struct pack *p, size_t i);
/* The tool bits for one tool id ("" = no tool): rules whose tools match it, any_tool included. */
uint64_t pack_krules_tool(const struct pack_krule *r, size_t n, const char *tool);

/* Exec rules: those with on: exec, at most 64, in the order of the pack. The worker says of each
 * file which of them name it (pack_exec_file), the kernel does the rest by user and tree. */
struct pack_exec_rule {
	size_t index;
	bool any_user, in_tree; /* in_tree: only below an AI tool */
	bool allowlist;		/* it denies what is NOT named: match: {not: {…}} only */
	struct facts_list users;
};
size_t pack_exec_rules(const struct pack *p, struct pack_exec_rule ret[static 64]);
/* Bit i: exec rule i fires on this file for some user; f->subject is FACTS_EXEC. */
uint64_t pack_exec_file(const struct pack *p, const struct facts *f);

bool glob_match(const char *pattern, const char *s); /* * and ?, case-insensitive */

/* Runs the pack's own tests; each(ctx, name, ok, detail) for every case. Returns failures. */
size_t pack_test(const struct pack *p,
		 void (*each)(void *ctx, const char *name, bool ok, const char *detail), void *ctx,
		 size_t *ret_total);

#endif
