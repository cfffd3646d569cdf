/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of a pack, for the files of policy/ only. Everything lives in the pack's arena. */
#ifndef PROBITY_POLICY_PACK_IMPL_H
#define PROBITY_POLICY_PACK_IMPL_H

#include "arena.h"
#include "cidr.h"
#include "fact_key.h"
#include "glob.h"
#include "pack.h"
#include "regex.h"
#include "schedule.h"
#include "yaml_doc.h"

#define RISK_ONE 10000	  /* risk is counted in 1/10000, so that sums are exact */
#define MATCH_DEPTH_MAX 6 /* of all, any and not in one another */
#define EXCEPTIONS_MAX 32 /* of one rule */
#define KRULES_MAX 64	  /* bits of a rule set in the kernel */

struct cond {
	const struct fact_key *key;
	struct glob *globs; /* TEXT, LIST: any of */
	size_t n;
	const char **regexes; /* or any of these, as written */
	size_t n_regexes;
	struct regex_set *regex;  /* of them; NULL: there are none */
	struct cidr *nets;	  /* ADDRESS: n of them; their texts are in globs */
	struct port_range *ports; /* PORT */
	bool want;		  /* BOOL */
	unsigned line;
};
enum group_kind { GROUP_ALL, GROUP_ANY, GROUP_NOT };
struct match;
struct group {
	enum group_kind kind;
	struct match *subs;
	size_t n;
};
/* All conditions and all groups must hold. */
struct match {
	struct cond *conds;
	size_t n;
	struct group *groups;
	size_t n_groups;
};
struct exception {
	struct match match;
	const char *reason;
	int64_t until; /* the first second it no longer holds */
	const char *until_text;
};
struct rule {
	const char *id, *severity;
	const char *not_kernel; /* why the kernel cannot decide it, NULL: it can */
	enum disposition disposition;
	unsigned risk, line, percent;
	bool content, monitor, then_only;
	int krule; /* its bit in the kernel's set of its kind, or -1 */
	struct pack_action action;
	struct match match;
	struct schedule *schedule; /* NULL: always */
	struct exception *exceptions;
	size_t n_exceptions;
};
struct pack_case {
	const char *name;
	const struct doc_node *given, *expect;
};
struct pack {
	struct arena arena;
	struct regex_space *regex;
	const char *id, *version;
	uint64_t revision;
	bool enforce, coverage;
	struct pack_gate gate;
	uint8_t sha256[32];
	struct rule *rules;
	size_t n_rules;
	struct pack_case *cases;
	size_t n_cases;
};

/* Where we are while reading; the first refusal fills err. */
struct reading {
	struct pack *pack;
	const char *file;
	char *err;
	size_t err_len;
};

int pack_read_match(struct reading *rd, const struct doc_node *n, const char *what,
		    enum facts_subject on, struct match *ret);
int pack_read_description(struct reading *rd, const struct doc_node *map);
int pack_read_rule(struct reading *rd, const struct doc_node *n, struct rule *rule);
/* `n`: the rule; what it says beyond match and disposition. */
int pack_read_action(struct reading *rd, const struct doc_node *n, struct rule *rule);
int pack_read_limits(struct reading *rd, const struct doc_node *n, struct rule *rule);
int pack_read_then(struct reading *rd, const struct doc_node *rules);
int pack_read_cases(struct reading *rd, const struct doc_node *n);
/* Which rules the kernel and the gate get; refuses what nobody could enforce. */
int pack_place_rules(struct reading *rd);
int pack_rule_by_id(const struct pack *p, const char *id); /* index or -1 */

const struct cond *match_find(const struct match *m, const char *key); /* directly in it, or NULL */
/* Every condition, however deep. */
void match_each(const struct match *m, void (*each)(void *ctx, const struct cond *c), void *ctx);
/* caller: what is of the caller (user, in_tree) counts as given. */
enum rule_result match_eval(const struct match *m, const struct facts *f, bool caller);
/* Can it come out as yes (or as no) when a request is known and its answer is not? */
bool match_may(const struct match *m, bool yes);

#endif
