// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: each tool call as soon as a model's answer shows it, and each tools/call to a tool server.
 * Flows out: a record (Denial, kind tool_call) when a rule `on: tool_call` fires; and what its `then:`
 * says, to the keeper: bits of exec and connect rules that are in force from now on below the agent.
 * The kernel spreads them to children, refuses by them, and says "tree" as the evidence; trees_cause()
 * gives the tool call that it was.
 *
 * The agent is the process that made the call, or the one above it that is the AI tool. What was
 * forbidden to it stays as long as it lives and the generation of rules is in force: a tool call that
 * was refused once may come again under another name. A new generation begins with none.
 *
 * A tool call that a server is then asked for is judged once more, because only then the server's name
 * is known; a rule that had fired on it is not recorded twice. A kill is asked for at once; its record
 * says whether the agent was there to be killed.
 *
 * Bounds: CAUSES of them, the oldest make room; the bits in the kernel stay.
 */
#include "trees.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/worker/compose.h"
#include "agent/worker/judge.h"
#include "base/cleanup.h"
#include "policy/mechanism.h"
#include "proto/record.pb-c.h"
#include "record/record.h"

#define CAUSES 256

struct trees {
	struct worker *w;
	struct tree_cause cause[CAUSES];
	unsigned next;
	uint64_t generation; /* of the causes */
	uint64_t seen, fired, told;
};

/* One tool call to be judged. */
struct asked {
	struct who client;
	const char *name, *id, *model, *server, *host;
	const struct event_addr *peer; /* of the model's answer; NULL: a tool server's */
	uint64_t ns;
};

static struct {
	Probity__V1__Denial denial;
	Probity__V1__Process process;
	Probity__V1__Tool tool;
	Probity__V1__Service service;
	Probity__V1__Decision decision;
	Probity__V1__RuleResult rule[PACK_RULES_MAX], *rules[PACK_RULES_MAX];
	struct process_text text;
	uint8_t payload[RECORD_PAYLOAD_MAX];
} s_;

static char *text(const char *t)
{
	return (char *)(t ?: "");
} /* protobuf-c has no const */

struct trees *trees_new(struct worker *w)
{
	struct trees *t = calloc(1, sizeof(*t));

	if (t)
		t->w = w;
	return t;
}

void trees_free(struct trees *t)
{
	free(t);
}

static void new_generation(struct trees *t)
{
	if (t->generation == t->w->generation)
		return;
	t->generation = t->w->generation;
	memset(t->cause, 0, sizeof(t->cause));
}

/* --- the record ---------------------------------------------------------------------------------- */

static void decision_of(const struct worker *w, const struct decision *d, const char *effect)
{
	Probity__V1__Decision *m = &s_.decision;

	probity__v1__decision__init(m);
	m->policy_set = text(pack_id(w->pack));
	m->policy_version = text(pack_version(w->pack));
	m->policy_sha256 = (ProtobufCBinaryData){32, (uint8_t *)pack_sha256(w->pack)};
	m->policy_generation = w->generation;
	m->evaluated_at_unix_ns = boot_now() + w->wall_offset_ns;
	m->mode = w->enforce ? "enforce" : "monitor";
	m->disposition = text(disposition_name(d->disposition));
	m->risk_score = d->risk;
	m->effect = text(effect);
	m->mechanism = strcmp(effect, "killed") ? "" : text(gate_mechanism_name(GATE_PIDFD));
	m->rules = s_.rules;
	for (size_t i = 0; i < d->rules; i++) {
		Probity__V1__RuleResult *r = &s_.rule[i];

		if (d->result[i] != RULE_FIRED)
			continue;
		probity__v1__rule_result__init(r);
		r->id = text(pack_rule_id(w->pack, i));
		r->triggered = true;
		r->disposition = text(disposition_name(pack_rule_disposition(w->pack, i)));
		r->severity = text(pack_rule_severity(w->pack, i));
		s_.rules[m->n_rules++] = r;
	}
}

static void subject_of(struct worker *w, const struct asked *a, struct subject *s)
{
	const struct proc *p = procs_find(w->procs, a->client.pid, a->client.start_ns);

	judge_subject(w, p ? p->uid : 0, a->client.pid, a->client.start_ns, s);
}

static void record(struct trees *t, const struct asked *a, const struct subject *s,
		   const struct decision *d, const char *effect)
{
	Probity__V1__Denial *m = &s_.denial;
	struct worker *w = t->w;

	probity__v1__denial__init(m);
	compose_process(w, s, &s_.text, &s_.process);
	m->process = &s_.process;
	probity__v1__tool__init(&s_.tool);
	s_.tool.id = text(s->tool.id);
	s_.tool.name = text(s->tool.name);
	s_.tool.vendor = text(s->tool.vendor);
	s_.tool.via = text(s->tool.via);
	s_.tool.depth = s->tool.depth;
	m->tool = &s_.tool;
	m->kind = "tool_call";
	m->count = 1;
	m->first_unix_ns = m->last_unix_ns = a->ns + w->wall_offset_ns;
	m->server_address = text(a->server[0] ? a->server : a->host);
	m->tool_use_id = text(a->id);
	m->tool_use_name = text(a->name);
	decision_of(w, d, effect);
	m->decision = &s_.decision;
	if (probity__v1__denial__get_packed_size(m) > sizeof(s_.payload))
		s_.process.n_argv = 0;
	handover_add(w->handover, inflight_id(w->inflight, -1, false), a->ns, RECORD_DENIAL,
		     s_.payload, probity__v1__denial__pack(m, s_.payload));
}

/* --- what is forbidden ------------------------------------------------------------------------------ */

static bool same(const struct who *a, const struct who *b)
{
	return a->pid == b->pid && a->start_ns / KRULE_TICK_NS == b->start_ns / KRULE_TICK_NS;
}

static struct who agent_of(const struct worker *w, const struct subject *s)
{
	const struct proc *line[ANCESTORS_MAX];
	size_t n = s->proc ? procs_ancestry(w->procs, s->proc, line) : 0;

	if (s->tool.id[0] && s->tool.depth < n)
		return (struct who){line[s->tool.depth]->pid, line[s->tool.depth]->start_ns};
	return (struct who){s->pid, s->start_ns};
}

/* All that was forbidden to this agent; the keeper's word replaces the one before. What was run since
 * the model asked may have been quicker than this: the keeper looks at it. */
static void tell_tree(struct trees *t, const struct who *agent, uint64_t since_ns)
{
	struct role_tree r = {.pid = agent->pid,
			      .start_ns = agent->start_ns,
			      .since_ns = since_ns,
			      .generation = t->generation};

	for (unsigned i = 0; i < CAUSES; i++)
		if (same(&t->cause[i].agent, agent)) {
			r.exec_rules |= t->cause[i].exec_rules;
			r.connect_rules |= t->cause[i].connect_rules;
		}
	if (!r.pid || (!r.exec_rules && !r.connect_rules))
		return;
	t->told++;
	tell_keeper(t->w, ROLE_TREE, &r, sizeof(r));
}

static const struct tree_cause *known(const struct trees *t, const struct who *agent,
				      const char *id, size_t rule)
{
	for (unsigned i = 0; id[0] && i < CAUSES; i++)
		if (same(&t->cause[i].agent, agent) && t->cause[i].rule == rule &&
		    !strcmp(t->cause[i].use_id, id))
			return &t->cause[i];
	return NULL;
}

/* Rules of d that say something new of this tool call. */
static bool remember(struct trees *t, const struct asked *a, const struct who *agent,
		     struct decision *d)
{
	bool any = false, forbids = false;

	for (size_t i = 0; i < d->rules; i++) {
		const struct pack_action *act = pack_rule_action(t->w->pack, i);
		struct tree_cause *c;

		if (d->result[i] != RULE_FIRED)
			continue;
		if (act->on != FACTS_TOOL_CALL || known(t, agent, a->id, i)) {
			d->result[i] = RULE_NO;
			continue;
		}
		any = true;
		c = &t->cause[t->next++ % CAUSES];
		*c = (struct tree_cause){.agent = *agent, .rule = i, .ns = a->ns};
		snprintf(c->use_id, sizeof(c->use_id), "%s", a->id);
		snprintf(c->use_name, sizeof(c->use_name), "%s", a->name);
		snprintf(c->model, sizeof(c->model), "%s", a->model);
		if (d->monitored[i])
			continue;
		c->exec_rules = act->tree_exec_bits;
		c->connect_rules = act->tree_connect_bits;
		forbids |= c->exec_rules || c->connect_rules;
	}
	if (forbids)
		tell_tree(t, agent, a->ns);
	return any;
}

static const char *kill_agent(struct trees *t, const struct asked *a, const struct decision *d)
{
	struct role_kill k = {.pid = a->client.pid, .start_ns = a->client.start_ns};
	const struct proc *p = procs_find(t->w->procs, k.pid, k.start_ns);

	if (!t->w->enforce)
		return effect_name(DISPOSITION_KILL, EFFECT_WOULD);
	if (!p || p->dead_ns || d->deciding < 0)
		return effect_name(DISPOSITION_KILL, EFFECT_FAILED);
	snprintf(k.rule, sizeof(k.rule), "%s", pack_rule_id(t->w->pack, d->deciding));
	tell_keeper(t->w, ROLE_KILL, &k, sizeof(k));
	return effect_name(DISPOSITION_KILL, EFFECT_DONE);
}

static void judge(struct trees *t, const struct asked *a)
{
	struct worker *w = t->w;
	struct facts f = {.subject = FACTS_TOOL_CALL,
			  .stage = FACTS_DONE,
			  .host = a->host,
			  .service = "",
			  .vendor = "",
			  .evidence = "",
			  .operation = "",
			  .dialect = "",
			  .model = a->model,
			  .completeness = "",
			  .mcp_server = a->server,
			  .now_unix_s = (int64_t)((a->ns + w->wall_offset_ns) / 1000000000ull)};
	struct catalog_service service;
	char address[INET6_ADDRSTRLEN] = "";
	const char *effect = "none";
	struct decision d;
	struct subject s;
	struct who agent;

	t->seen++;
	if (!w->pack || !a->client.pid)
		return;
	if (a->peer && a->peer->family)
		inet_ntop(a->peer->family, a->peer->addr, address, sizeof(address));
	f.address = address;
	f.port = a->peer ? a->peer->port : 0;
	new_generation(t);
	subject_of(w, a, &s);
	judge_facts(&s, &f);
	if (catalog_host(w->catalog, a->host, &service)) {
		f.service = service.id;
		f.vendor = service.vendor;
		f.evidence = service.evidence;
		f.service_known = service.known;
	}
	f.tool_calls = (struct facts_list){.v = {a->name}, .n = 1};
	pack_decide(w->pack, &f, &d);
	agent = agent_of(w, &s);
	if (!remember(t, a, &agent, &d))
		return;
	t->fired++;
	if (d.disposition == DISPOSITION_KILL)
		effect = kill_agent(t, a, &d);
	subject_of(w, a, &s); /* asking for its user may have replaced its entry */
	record(t, a, &s, &d, effect);
}

/* Clients put the server before the tool's name: "mcp__github__create_issue". */
static const char *server_in(const char *name, char *buf, size_t cap)
{
	const char *end = strncmp(name, "mcp__", 5) ? NULL : strstr(name + 5, "__");

	buf[0] = '\0';
	if (end && (size_t)(end - name - 5) < cap) {
		memcpy(buf, name + 5, end - name - 5);
		buf[end - name - 5] = '\0';
	}
	return buf;
}

void trees_model_call(struct trees *t, const struct who *client, const struct event_addr *peer,
		      const struct interaction *it, uint32_t from, uint64_t ns)
{
	char server[128];

	for (uint32_t i = from; t && i < it->tool_calls_count && i < TOOL_CALLS_MAX; i++) {
		const char *name = it->tool_calls[i].name;

		judge(t, &(struct asked){.client = *client,
					 .name = name,
					 .id = it->tool_calls[i].id,
					 .model = it->response_model[0] ? it->response_model
									: it->request_model,
					 .server = server_in(name, server, sizeof(server)),
					 .host = it->host,
					 .peer = peer,
					 .ns = ns});
	}
}

void trees_mcp_call(struct trees *t, const struct who *client, const char *server, const char *tool,
		    const char *use_id, uint64_t ns)
{
	if (t)
		judge(t, &(struct asked){.client = *client,
					 .name = tool,
					 .id = use_id,
					 .model = "",
					 .server = server,
					 .host = "",
					 .ns = ns});
}

/* The agent, or its child: an agent that was forked and began no image is in no line of ancestors. */
static bool is_of(const struct tree_cause *c, const struct proc *p)
{
	return same(&c->agent, &(struct who){p->pid, p->start_ns}) ||
	       (p->ppid == c->agent.pid && p->start_ns >= c->agent.start_ns);
}

const struct tree_cause *trees_cause(const struct trees *t, uint32_t pid, uint64_t start_ns,
				     uint64_t exec_rules, uint64_t connect_rules)
{
	const struct proc *line[ANCESTORS_MAX];
	const struct proc *p = procs_find(t->w->procs, pid, start_ns);
	size_t n = p ? procs_ancestry(t->w->procs, p, line) : 0;
	const struct tree_cause *best = NULL;

	for (unsigned i = 0; i < CAUSES; i++) {
		const struct tree_cause *c = &t->cause[i];

		if (!(c->exec_rules & exec_rules) && !(c->connect_rules & connect_rules))
			continue;
		for (size_t k = 0; k < n; k++)
			if (is_of(c, line[k]) && (!best || best->ns < c->ns))
				best = c;
	}
	return best;
}

json_t *trees_status(const struct trees *t)
{
	return json_pack("{s:I, s:I, s:I}", "tool_calls", (json_int_t)t->seen, "rules_fired",
			 (json_int_t)t->fired, "trees", (json_int_t)t->told);
}
