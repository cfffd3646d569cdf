// SPDX-License-Identifier: Apache-2.0
/*
 * What the pack in force says of one living process, before it does anything: who it is, which rules
 * cannot concern it any more, and what each of the others waits for. Flows in: ROLE_JUDGE. Flows out:
 * one JSON object, texts printable by the reader's care, at most PACK_RULES_MAX rules.
 */
#include "policy.h"

#include <stdlib.h>
#include <string.h>

#include "agent/worker/compose.h"
#include "agent/worker/judge.h"
#include "base/cleanup.h"
#include "policy/fact_key.h"
#include "policy/needs.h"

static json_t *text(const char *s)
{
	return json_string(s) ?: json_string("?"); /* a name that is no UTF-8 */
}

static json_t *groups(const struct facts *f)
{
	json_t *list = json_array();

	for (size_t i = 0; i < f->groups.n; i++)
		json_array_append_new(list, text(f->groups.v[i]));
	return list;
}

static json_t *ancestry(const struct worker *w, const struct proc *p)
{
	const struct proc *line[ANCESTORS_MAX];
	size_t n = p ? procs_ancestry(w->procs, p, line) : 0;
	json_t *list = json_array();

	for (size_t i = 1; i < n; i++)
		json_array_append_new(list, text(line[i]->exe));
	return list;
}

/* --- rules -------------------------------------------------------------------------------------- */

struct waits {
	size_t rule;
	enum facts_stage stage;
	json_t *list;
};

/* Words of the rule that are not known of a process alone, each once. */
static void later(void *ctx, size_t rule, unsigned line, const char *key, const char *value)
{
	struct waits *a = ctx;
	const struct fact_key *k = rule == a->rule ? fact_key_by_name(key) : NULL;
	size_t i;
	json_t *v;

	if (!k || k->first <= a->stage)
		return;
	json_array_foreach(a->list, i, v) if (!strcmp(json_string_value(v), key)) return;
	json_array_append_new(a->list, text(key));
}

static json_t *needs_json(uint32_t bits)
{
	json_t *list = json_array();

	for (unsigned n = 0; n < NEED__MAX; n++)
		if (bits & NEED_BIT(n))
			json_array_append_new(list, text(policy_need_name(n)));
	return list;
}

static const char *subject_name(enum facts_subject s)
{
	static const char *const names[] = {
		[FACTS_CALL] = "call",
		[FACTS_EXEC] = "exec",
		[FACTS_CONNECT] = "connect",
		[FACTS_TOOL_CALL] = "tool_call",
	};

	return s < ARRAY_SIZE(names) ? names[s] : "";
}

static json_t *rule_json(const struct pack *p, size_t i, enum rule_result r)
{
	struct waits a = {.rule = i, .stage = FACTS_PROCESS, .list = json_array()};

	if (r == RULE_UNKNOWN)
		pack_values(p, later, &a);
	if (r == RULE_UNKNOWN && !json_array_size(a.list)) /* of words without a pattern: known */
		json_array_append_new(a.list, text("what it does"));
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "id", pack_rule_id(p, i), "on",
			 subject_name(pack_rule_action(p, i)->on), "disposition",
			 disposition_name(pack_rule_disposition(p, i)), "severity",
			 pack_rule_severity(p, i), "concerns",
			 r == RULE_FIRED     ? "yes"
			 : r == RULE_UNKNOWN ? "depends"
					     : "no",
			 "depends_on", a.list, "needs", needs_json(policy_needs_of(p, i)));
}

/* Each rule is asked as what it is about. */
static json_t *rules_json(const struct worker *w, struct facts *f)
{
	json_t *list = json_array();
	struct decision d[FACTS_TOOL_CALL + 1];

	if (!w->pack)
		return list;
	for (unsigned s = FACTS_CALL; s <= FACTS_TOOL_CALL; s++) {
		f->subject = s;
		pack_decide(w->pack, f, &d[s]);
	}
	for (size_t i = 0; i < pack_rules(w->pack); i++)
		json_array_append_new(list,
				      rule_json(w->pack, i,
						d[pack_rule_action(w->pack, i)->on].result[i]));
	return list;
}

static json_t *explain(struct worker *w, const struct proc *p)
{
	struct facts f = {.stage = FACTS_PROCESS,
			  .host = "",
			  .service = "",
			  .vendor = "",
			  .evidence = "",
			  .operation = "",
			  .dialect = "",
			  .model = "",
			  .completeness = "",
			  .address = "",
			  .mcp_server = ""};
	struct subject s;

	judge_subject(w, p->uid, p->pid, p->start_ns, &s);
	judge_facts(&s, &f);
	return json_pack(
		"{s:I, s:I, s:o, s:I, s:o, s:o, s:s, s:o, s:o, s:o, s:{s:s, s:s, s:s, s:I}, s:s, "
		"s:s, s:I, s:s, s:o}",
		"pid", (json_int_t)p->pid, "start_boot_ns", (json_int_t)p->start_ns, "user",
		text(s.user), "uid", (json_int_t)s.uid, "groups", groups(&f), "exe", text(f.exe),
		"exe_sha256", p->exe_sha256, "cgroup", text(f.cgroup), "container",
		text(f.container), "ancestry", ancestry(w, s.proc), "tool", "id", s.tool.id, "name",
		s.tool.name, "via", s.tool.via, "depth", (json_int_t)s.tool.depth, "policy_set",
		w->pack ? pack_id(w->pack) : "", "policy_version",
		w->pack ? pack_version(w->pack) : "", "generation", (json_int_t)w->generation,
		"mode", w->enforce ? "enforce" : "monitor", "rules", rules_json(w, &f));
}

void explain_process(struct worker *w, const struct role_judge *r)
{
	const struct proc *p = procs_find(w->procs, r->pid, 0);
	json_t *j =
		p ? explain(w, p) : json_pack("{s:s}", "error", "the agent knows no such process");
	_cleanup_free_ char *dump = j ? json_dumps(j, JSON_COMPACT) : NULL;
	_cleanup_free_ uint8_t *m = NULL;
	struct role_judged head = {.id = r->id, .len = dump ? strlen(dump) : 0};

	json_decref(j);
	m = malloc(sizeof(head) + head.len);
	if (!m || sizeof(head) + head.len > ROLE_BODY_MAX)
		return; /* the keeper answers for us when its time is over */
	memcpy(m, &head, sizeof(head));
	memcpy(m + sizeof(head), dump, head.len);
	tell_keeper(w, ROLE_JUDGED, m, sizeof(head) + head.len);
}
