// SPDX-License-Identifier: Apache-2.0
/*
 * Facts are gathered from the interaction (flow), the connection (kernel), the process table and
 * the catalog; the pack decides on them; the record says what was decided and what came of it.
 *
 * Rules that ask only for host, service, tool and user are in the kernel, before the bytes leave.
 * All others are decided here as soon as what they ask for is known: of a write that waits, by the
 * gate (gate.c); otherwise the keeper ends the process or the socket, and the record says that the
 * request had left (before_effect false). Where a request or an answer cannot be read, rules on what it
 * would have shown are unknown, and say by `unknown:` what is done. In monitor mode nothing is done and the record says
 * would_kill, would_deny …
 */
#include "judge.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/worker/compose.h"
#include "agent/worker/gate.h"
#include "agent/worker/krules.h"
#include "agent/worker/users.h"
#include "agent/worker/outcome.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "agent/worker/policy.h"
#include "policy/mechanism.h"
#include "proto/record.pb-c.h"
#include "record/record.h"

/* --- facts -------------------------------------------------------------------------------------- */

bool judge_service(const struct worker *w, const struct conn *c, const struct interaction *it,
		   const char *dialect, struct catalog_service *ret)
{
	uint16_t port = it->port ? it->port : c->peer.port;

	return catalog_service(w->catalog, it->host[0] ? it->host : c->sni, port, it->method,
			       it->path, dialect, ret) &&
	       ret->ai;
}

static void list_add(struct facts_list *l, const char *s)
{
	if (s[0] && l->n < FACTS_LIST_MAX)
		l->v[l->n++] = s;
}

void judge_facts(const struct subject *s, struct facts *f)
{
	f->uid = s->uid;
	f->user = s->user;
	f->exe = s->proc ? s->proc->exe : "";
	f->tool = s->tool.id;
	f->cgroup = s->proc ? s->proc->cgroup_path : "";
	f->container = s->proc ? s->proc->container : "";
	for (uint32_t i = 0; i < s->groups_len; i += strlen(s->groups + i) + 1)
		list_add(&f->groups, s->groups + i);
}

/* request: its data classes so far. address: room for the peer's, as long as f is used. */
static void facts_call(const struct conn *c, const struct watch *watch,
		       const struct interaction *it, const struct dataclass_scan *request,
		       char address[static INET6_ADDRSTRLEN], struct facts *f)
{
	const struct catalog_service *s = &watch->service;

	address[0] = '\0';
	if (c->peer.family)
		inet_ntop(c->peer.family, c->peer.addr, address, INET6_ADDRSTRLEN);
	f->address = address;
	f->port = c->peer.port;

	f->host = it->host[0] ? it->host : c->sni;
	f->service = s->id;
	f->vendor = s->vendor;
	f->evidence = s->evidence;
	f->service_known = s->known;
	f->operation = s->operation;
	f->model = it->response_model[0] ? it->response_model : it->request_model;
	f->dialect = dialect_name(it->dialect);
	f->completeness = completeness_name(it->completeness);
	for (const char *t = NULL; (t = names_next(&it->tools_offered, t));)
		list_add(&f->tools_offered, t);
	for (uint32_t i = 0; i < it->tool_calls_count && i < TOOL_CALLS_MAX; i++)
		list_add(&f->tool_calls, it->tool_calls[i].name);
	for (size_t i = 0; i < dataclass_count(); i++)
		if (request->count[i] || watch->response.count[i])
			list_add(&f->data_classes, dataclass_id(i));
}

/* Of the uid that made the call, which may not be the one its process began with. */
static void subject_user(struct worker *w, struct subject *s)
{
	const struct proc *p = procs_find(w->procs, s->pid, s->start_ns);
	const struct role_user *u = p && p->named == s->uid ? NULL : users_find(w, s->uid);

	s->proc = procs_find(w->procs, s->pid, s->start_ns); /* told anew meanwhile, perhaps */
	if (u) {
		s->user = u->user;
		s->groups = u->groups;
		s->groups_len = u->groups_len;
	} else if (s->proc && s->proc->named == s->uid) {
		s->user = s->proc->user;
		s->groups = s->proc->groups;
		s->groups_len = s->proc->groups_len;
	} else {
		snprintf(s->number, sizeof(s->number), "%u", s->uid);
		s->user = s->number;
		s->groups = "";
	}
}

void judge_subject(struct worker *w, uint32_t uid, uint32_t pid, uint64_t start_ns,
		   struct subject *ret)
{
	*ret = (struct subject){.uid = uid, .pid = pid, .start_ns = start_ns};
	subject_user(w, ret);
	ret->tool = (struct catalog_tool){"", "", "", "", "", 0};
	if (ret->proc)
		procs_tool(w->procs, w->catalog, ret->proc, &ret->tool);
}

static void subject_of(struct worker *w, const struct conn *c, struct subject *ret)
{
	judge_subject(w, c->uid, c->pid, c->start_ns, ret);
}

void judge_now(const struct worker *w, struct facts *f)
{
	f->now_unix_s = (int64_t)((boot_now() + w->wall_offset_ns) / 1000000000ull);
	f->host_id = w->host_id[0] ? w->host_id : NULL;
}

static void decide_on(const struct worker *w, const struct subject *s, struct facts *f,
		      struct decision *ret)
{
	judge_facts(s, f);
	judge_now(w, f);
	*ret = (struct decision){.deciding = -1};
	if (w->pack)
		pack_decide(w->pack, f, ret);
}

static void decide(const struct worker *w, const struct conn *c, const struct watch *watch,
		   const struct interaction *it, const struct subject *s, enum facts_stage stage,
		   struct decision *ret)
{
	struct facts f = {.stage = stage};
	char address[INET6_ADDRSTRLEN];

	f.unread = stage >= FACTS_REQUEST && it->completeness != COMPLETE;
	facts_call(c, watch, it, &watch->request, address, &f);
	decide_on(w, s, &f, ret);
}

/* Takes rules out of d whose facts may still come, or did: those on requests are asked once, when the
 * request was over, and those on answers when the call is. */
static void never_known(const struct worker *w, const struct watch *watch, enum facts_stage stage,
			struct decision *d)
{
	for (size_t i = 0; i < d->rules; i++)
		if (pack_rule_content(w->pack, i) ? watch->read_whole : stage < FACTS_DONE)
			d->result[i] = RULE_NO;
}

/* Facts that never come: the rules' `unknown:` counts. At the end of a call that was judged before,
 * what was decided then stands. */
static void judge_unknown(const struct worker *w, struct watch *watch, enum facts_stage stage,
			  struct decision *d)
{
	struct decision left = *d;
	enum disposition u;
	int rule;

	if (!w->pack || stage < FACTS_REQUEST)
		return;
	never_known(w, watch, stage, &left);
	u = pack_unknown(w->pack, &left, &rule);
	if ((int)u > watch->unknown) {
		watch->unknown = u;
		watch->unknown_rule = rule;
	}
	if (watch->unknown <= (int)d->disposition || (size_t)watch->unknown_rule >= d->rules)
		return;
	d->disposition = watch->unknown;
	d->deciding = watch->unknown_rule;
	d->would = d->would > d->disposition ? d->would : d->disposition;
}

/* --- verdicts ----------------------------------------------------------------------------------- */

/* The answer may change what a rule asks for (the model that answered): what would have been done at
 * the request counts. */
static void note_would(const struct worker *w, struct watch *watch, const struct decision *d)
{
	enum disposition would =
		d->would > d->disposition || w->enforce ? d->would : d->disposition;

	if (would < DISPOSITION_HOLD || (int)would <= watch->would ||
	    (w->enforce && would <= d->disposition))
		return;
	watch->would = would;
	watch->would_rule = d->deciding;
}

void judge_early(struct worker *w, struct conn *c, struct watch *watch,
		 const struct interaction *it, enum facts_stage stage)
{
	struct role_kill k = {.pid = c->pid, .start_ns = c->start_ns, .conn = c->id};
	struct decision d;
	struct subject s;

	if (!w->pack || watch->kill_asked || c->refused)
		return;
	subject_of(w, c, &s);
	decide(w, c, watch, it, &s, stage, &d);
	watch->told |= stage == FACTS_REQUEST;
	watch->read_whole |= stage == FACTS_REQUEST && it->completeness == COMPLETE;
	judge_unknown(w, watch, stage, &d);
	note_would(w, watch, &d);
	if (!w->enforce)
		return;
	if (gate_decided(w->gate, c, watch, it, &d, stage) || d.disposition != DISPOSITION_KILL)
		return;
	snprintf(k.rule, sizeof(k.rule), "%s", pack_rule_id(w->pack, d.deciding));
	watch->kill_asked = true;
	w->count.late_kills++;
	tell_keeper(w, ROLE_KILL, &k, sizeof(k));
}

/* The last bytes count as if the text ended with them: they may be all there is of a value. */
void judge_partial(struct worker *w, struct conn *c, struct watch *watch)
{
	struct facts f = {.stage = FACTS_REQUEST, .partial = true};
	struct dataclass_scan seen = watch->request;
	char address[INET6_ADDRSTRLEN];
	struct decision d;
	struct subject s;

	if (!w->enforce || !w->pack || !watch->it)
		return;
	dataclass_end(w->classes, &seen);
	subject_of(w, c, &s);
	facts_call(c, watch, watch->it, &seen, address, &f);
	decide_on(w, &s, &f, &d);
	gate_decided(w->gate, c, watch, watch->it, &d, FACTS_REQUEST);
}

/* The kernel's verdict stands, whatever the pack says by now. */
static void effect_refused(const struct worker *w, const struct conn *c, struct decision *d,
			   struct verdict_text *ret)
{
	bool kill = c->kill_mechanism == GATE_SIGNAL, failed = c->kill_mechanism == GATE_NONE;
	enum disposition did = kill ? DISPOSITION_KILL : DISPOSITION_DENY;

	for (size_t i = 0; i < w->krules && c->kill_policy == w->generation; i++)
		if (c->kill_rules >> i & 1) {
			d->result[w->krule[i].index] = RULE_FIRED;
			if (d->deciding < 0 || d->disposition != did)
				d->deciding = w->krule[i].index;
		}
	d->disposition = did;
	*ret = (struct verdict_text){effect_name(did, failed ? EFFECT_FAILED : EFFECT_DONE),
				     gate_mechanism_name(c->kill_mechanism), !failed};
}

/* What the gate did, or tried to do. */
static void effect_gated(const struct worker *w, const struct watch *watch, struct decision *d,
			 struct verdict_text *ret)
{
	const struct gate_outcome *o = gate_outcome(watch);
	bool unknown = watch->unknown == (int)o->did && watch->unknown_rule == o->rule;

	d->disposition = o->did;
	if (o->rule >= 0 && o->generation == w->generation) {
		d->deciding = o->rule;
		if (!unknown)
			d->result[o->rule] = RULE_FIRED;
	}
	*ret = (struct verdict_text){effect_name(o->did, o->failed ? EFFECT_FAILED : EFFECT_DONE),
				     gate_mechanism_name(o->mechanism), o->before};
	/* Parked and approved: it went. */
	if (o->did == DISPOSITION_HOLD && !o->failed && o->mechanism == GATE_NONE)
		ret->effect = "none";
}

static void effect_other(const struct worker *w, const struct watch *watch, struct decision *d,
			 struct verdict_text *ret)
{
	enum disposition would = d->would > d->disposition ? d->would : d->disposition;

	if (watch->would > (int)would) {
		would = watch->would;
		if (!w->enforce) {
			d->disposition = would;
			d->deciding = watch->would_rule;
			if (d->deciding >= 0 && (size_t)d->deciding < d->rules)
				d->result[d->deciding] = RULE_FIRED;
		}
	}
	if (w->enforce && d->disposition >= DISPOSITION_HOLD)
		ret->effect = effect_name(d->disposition, EFFECT_FAILED);
	else if (would >= DISPOSITION_HOLD)
		ret->effect = effect_name(would, EFFECT_WOULD);
}

/* killed: what became of a kill by the keeper. */
static void effect_of(const struct worker *w, const struct conn *c, const struct watch *watch,
		      bool killed, struct decision *d, struct verdict_text *ret)
{
	*ret = (struct verdict_text){.effect = "none", .mechanism = ""};
	if (c->refused) {
		effect_refused(w, c, d, ret);
	} else if (gate_outcome(watch)) {
		effect_gated(w, watch, d, ret);
	} else if (watch->kill_asked) {
		d->disposition = DISPOSITION_KILL;
		*ret = (struct verdict_text){effect_name(DISPOSITION_KILL,
							 killed ? EFFECT_DONE : EFFECT_FAILED),
					     gate_mechanism_name(GATE_PIDFD), false};
	} else {
		effect_other(w, watch, d, ret);
	}
}

void judge_hand_over(struct worker *w, int slot, uint64_t ns, const uint8_t *payload, size_t n)
{
	w->count.calls++;
	handover_add(w->handover, inflight_id(w->inflight, slot, true), ns, RECORD_AI_CALL, payload,
		     n);
}

void judge_done(struct worker *w, struct conn *c, struct watch *watch, const struct interaction *it)
{
	static uint8_t payload[RECORD_PAYLOAD_MAX], failed[RECORD_PAYLOAD_MAX];
	struct outcome o = {.pid = c->pid,
			    .start_ns = c->start_ns,
			    .call_ns = it->start_ns,
			    .slot = watch->slot,
			    .killed = payload,
			    .failed = failed};
	struct verdict_text v;
	struct decision d;
	struct subject s;

	if (!watch->unseen)
		judge_service(w, c, it, dialect_name(it->dialect), &watch->service);
	if (gate_again(w->gate, c, watch, it))
		return;
	gate_done(watch, it);
	subject_of(w, c, &s);
	decide(w, c, watch, it, &s, FACTS_DONE, &d);
	judge_unknown(w, watch, FACTS_DONE, &d);
	effect_of(w, c, watch, true, &d, &v);
	policy_count(w, &d, v.effect);
	o.killed_len = compose_call(w, c, watch, it, &s, &d, &v, payload, sizeof(payload));
	watch->slot = -1;
	if (!watch->kill_asked || c->refused) {
		judge_hand_over(w, o.slot, o.call_ns, payload, o.killed_len);
		return;
	}
	effect_of(w, c, watch, false, &d, &v);
	o.failed_len = compose_call(w, c, watch, it, &s, &d, &v, failed, sizeof(failed));
	outcomes_add(w->outcomes, &o);
}

void judge_unseen(struct worker *w, struct conn *c, struct watch *watch,
		  const struct interaction *it)
{
	if (!catalog_host(w->catalog, it->host, &watch->service)) {
		watch->service.id = watch->service.provider = "unknown";
		watch->service.name = "Unknown AI service";
	}
	judge_done(w, c, watch, it);
}

void judge_refused(struct worker *w, struct conn *c, uint64_t ns)
{
	struct watch watch = {.slot = TAKE_FD(c->slot)};
	struct interaction it;

	interaction_init(&it);
	it.start_ns = ns;
	it.end_ns = ns;
	TEXT_SET(it.host, c->sni, strlen(c->sni));
	interaction_incomplete(&it, TRUNCATED, "killed before the request could leave");
	judge_service(w, c, &it, "", &watch.service);
	judge_done(w, c, &watch, &it);
}

/* --- control records ---------------------------------------------------------------------------- */

void judge_control(struct worker *w, const Probity__V1__Control *m, uint64_t id)
{
	uint8_t payload[4096];

	if (probity__v1__control__get_packed_size(m) > sizeof(payload))
		return; /* cannot be: every text in it is bounded */
	w->count.control_records++;
	handover_add(w->handover, id ?: inflight_id(w->inflight, -1, false), boot_now(),
		     RECORD_CONTROL, payload, probity__v1__control__pack(m, payload));
}

void judge_seal(struct worker *w, const uint8_t *control, size_t n)
{
	w->count.control_records++;
	handover_add(w->handover, inflight_id(w->inflight, -1, false), boot_now(), RECORD_CONTROL,
		     control, n);
}

void judge_loss(struct worker *w, uint64_t id, const char *what, uint64_t count, const char *cause,
		const char *reason)
{
	Probity__V1__Control m = PROBITY__V1__CONTROL__INIT;

	m.kind = PROBITY__V1__CONTROL__KIND__LOSS;
	m.reason = (char *)reason;
	m.what = (char *)what;
	m.count = count;
	m.cause = (char *)cause;
	judge_control(w, &m, id);
}

/* --- the pack ----------------------------------------------------------------------------------- */

void judge_process(struct worker *w, struct proc *p)
{
	struct role_tool t = {.start_ns = p->start_ns, .pid = p->pid, .generation = w->generation};
	struct catalog_tool tool;

	if (!w->krules)
		return;
	procs_tool(w->procs, w->catalog, p, &tool);
	t.rules = pack_krules_tool(w->krule, w->krules, tool.id) & w->krules_told;
	if (t.rules == p->rules)
		return;
	p->rules = t.rules;
	tell_keeper(w, ROLE_TOOL, &t, sizeof(t));
}
