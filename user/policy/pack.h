/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A policy pack: YAML in, rules out. Validated whole: one error and nothing is taken. PURE.
 *
 *   pack: observe                 # id
 *   version: 1.0.0
 *   mode: monitor                 # monitor | enforce
 *   rules:
 *     - id: no-secrets
 *       on: call                  # call | exec | connect | tool_call
 *       severity: high            # info | low | medium | high | critical
 *       risk: 0.6                 # 0-1, added up over fired rules, capped at 1
 *       controls: [A.9.2]         # ISO/IEC 42001 Annex A
 *       match:                    # all keys must hold; a list = any of
 *         user: [alice, "svc-*"]  # globs, or {regex: ...}
 *         data_class: [pan, iban]
 *         not: {tool: claude_code} # all, any, not: sub-matches, nested
 *       disposition: deny         # allow | alert | hold | redact | deny | kill
 *   tests:
 *     - name: text
 *       given: {user: alice, host: llm.example.com, data_class: pan}
 *       expect: {disposition: deny, rules: [no-secrets], risk: 0.6}
 *
 * Precedence: kill > deny > redact > hold > alert > allow. No rule fired = allow. In monitor mode
 * the disposition is what would have been; only `effect` differs. The whole language:
 * docs/POLICY.md.
 *
 * A pack does not change, but one thread at a time uses it: its regular expressions share what
 * Vectorscan writes to while it matches.
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
bool pack_coverage(const struct pack *p);		   /* coverage: full */
int pack_rule_index(const struct pack *p, const char *id); /* -1: no such rule */
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
	unsigned percent;	    /* rollout: of hosts; 100 = all */
	bool monitor;		    /* mode: monitor, of this rule alone */
	/* then: what is forbidden below the agent whose model asked for this tool */
	struct facts_list tree_exec, tree_connect;  /* ids of rules with on: exec, on: connect */
	uint64_t tree_exec_bits, tree_connect_bits; /* the same, as bits of pack_exec_rules() and
						     * pack_krules() */
};
const struct pack_action *pack_rule_action(const struct pack *p, size_t i);
/* pack: gate: {hold: 20ms, full: pass | refuse | stop}; hold 0 = default */
struct pack_gate {
	unsigned hold_ms;
	unsigned full; /* enum gate_full */
};
struct pack_gate pack_gate(const struct pack *p);
uint64_t pack_revision(const struct pack *p); /* revision: monotonic per pack set; 0 = not given */

/* Whether rule i, at stage FACTS_REQUEST, needs what only the request shows: such rules make writes
 * wait. */
bool pack_rule_content(const struct pack *p, size_t i);

/* Does any rule on this subject ask for the fact, wherever in its match or exceptions? */
bool pack_asks(const struct pack *p, enum facts_subject on, const char *key);
/* Every pattern of every rule, lower case, with its line and its word ("service"); the classes of
 * `redact:` as data_class. A regular expression as it stands, between slashes: "/…/". */
void pack_values(const struct pack *p,
		 void (*each)(void *ctx, size_t rule, unsigned line, const char *key,
			      const char *value),
		 void *ctx);

enum rule_result { RULE_NO = 0, RULE_FIRED, RULE_UNKNOWN /* asks for facts not known yet */ };
struct decision {
	enum disposition disposition;
	/* The same if no rule were monitored alone: "would have been". */
	enum disposition would;
	double risk; /* 0–1 */
	size_t rules;
	uint8_t result[PACK_RULES_MAX]; /* enum rule_result, by rule index */
	int deciding; /* index of the first fired rule of that disposition, or -1 */
	/* Fired or unknown, but the rule alone is in monitor mode, or not rolled out here: it
	 * counts as an alert at most. */
	bool monitored[PACK_RULES_MAX];
	/* It would have fired, and an exception that is in force says no. */
	bool excepted[PACK_RULES_MAX];
};
void pack_decide(const struct pack *p, const struct facts *f, struct decision *ret);
/* The facts of d's unknown rules never come (ECH, undecodable): the most severe of what these rules
 * say by `unknown:`. *ret_rule: whose it is, or -1. DISPOSITION_ALLOW, _ALERT or _DENY. Rules whose
 * facts may still come are the caller's to take out of d. */
enum disposition pack_unknown(const struct pack *p, const struct decision *d, int *ret_rule);
/* Why rule i does not fire although it matches: the exception's reason; NULL: none holds. */
const char *pack_rule_excepted(const struct pack *p, size_t i, const struct facts *f);

/* A rule's state changes by its schedule alone; monitored and rollout are of the host. For rules
 * that the kernel decides: who sends them leaves OFF out, and makes WATCH tell and refuse nothing. */
enum rule_state { RULE_OFF, RULE_WATCH, RULE_ON };
enum rule_state pack_rule_state(const struct pack *p, size_t i, int64_t now_unix_s,
				const char *host_id);
/* When any rule's state, or an exception's, changes next; INT64_MAX: never. */
int64_t pack_next_change(const struct pack *p, int64_t now_unix_s);

/*
 * In-kernel rules: the deny and kill rules on calls and connections that ask only for host,
 * service, tool, user and (on: connect) address, at most 64, bit i = i-th such rule. `index` is the
 * rule's index in the pack. The content rules (pack_rule_content) with a hold, redact, deny or kill
 * are among them (content: true), by what they ask for besides: too much rather than too little, so
 * that the kernel knows whose writes wait. The set is the same at all times; see pack_rule_state().
 */
struct pack_krule {
	size_t index;
	bool any_host; /* neither hosts nor services nor nets: every AI host, never every host */
	bool any_tool, any_user;
	bool content;	/* the worker decides, by the request; the write waits for it */
	bool then_only; /* a `then:` names it: in force below such trees alone, for any user there */
	struct facts_list nets;		/* CIDR of `address` */
	struct facts_list hosts;	/* patterns with at most a leading "*." */
	struct facts_list services;	/* ids or globs; the caller expands them into hosts */
	struct facts_list tools, users; /* globs */
};
size_t pack_krules(const struct pack *p, struct pack_krule ret[static 64]);
/* Why the kernel cannot decide rule i, as half a sentence; NULL: it can, before the bytes leave. */
const char *pack_krule_reason(const struct pack *p, size_t i);
/* The tool bits for one tool id ("" = no tool): rules whose tools match it, any_tool included. */
uint64_t pack_krules_tool(const struct pack_krule *r, size_t n, const char *tool);

/*
 * Exec rules: those with on: exec, at most 64, in the order of the pack; an alert rule only watches.
 * The worker says of each file which of them name it (pack_exec_file), the kernel does the rest by
 * user and tree.
 */
struct pack_exec_rule {
	size_t index;
	bool any_user, in_tree; /* in_tree: only below an AI tool */
	bool allowlist;		/* it denies what is NOT named: nothing but all, any, not: {…} */
	bool then_only;		/* as of a krule */
	struct facts_list users;
};
size_t pack_exec_rules(const struct pack *p, struct pack_exec_rule ret[static 64]);
/* Bit i: exec rule i fires on this file for some user; f->subject is FACTS_EXEC. An exception that
 * holds now (f->now_unix_s) is taken off. */
uint64_t pack_exec_file(const struct pack *p, const struct facts *f);
/* Bits that depend on a fact that is NULL: a digest that is not there yet, for example. */
uint64_t pack_exec_unknown(const struct pack *p, const struct facts *f);

/* Does this file mean to be a pack? (A line begins with "pack:".) For folders of mixed files. */
bool pack_looks_like(const char *yaml, size_t n);

bool glob_match(const char *pattern, const char *s); /* * and ?, case-insensitive */

/*
 * Runs the pack's own tests; each(ctx, name, ok, detail) for every case. Returns failures. With
 * `coverage: full` in the pack, as in all that come with Probity, a last case "coverage" fails if a
 * rule fires in no test, or stays quiet in no test of its subject.
 */
size_t pack_test(const struct pack *p,
		 void (*each)(void *ctx, const char *name, bool ok, const char *detail), void *ctx,
		 size_t *ret_total);

#endif
