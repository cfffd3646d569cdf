// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: verdicts of kernel programs, each with a count (what the kernel folded). Flows out: DENIAL
 * records. The first of a subject is recorded at once; more of the same within a second are added up
 * and recorded together, with the times of the first and the last. The sum of all counts is the number
 * of verdicts.
 *
 * A subject is: user, rules, hook, mechanism, and what was refused; not the process, so that a
 * thousand children that try the same are one flood. Bound: FLOODS at once; when all are in use each
 * verdict is a record of its own.
 */
#include "denials.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "agent/worker/compose.h"
#include "agent/worker/exec_rules.h"
#include "agent/worker/judge.h"
#include "agent/worker/policy.h"
#include "agent/worker/trees.h"
#include "base/cleanup.h"
#include "policy/mechanism.h"
#include "record/record.h"

#define FLOODS 512
#define FLOOD_NS 1000000000ull

struct flood {
	bool used;
	struct event_deny last;
	uint64_t count, first_ns, seen_ns; /* not recorded yet */
};

struct denials {
	struct worker *worker;
	struct flood flood[FLOODS];
	uint64_t verdicts, records, watched;
};

struct denials *denials_new(struct worker *w)
{
	struct denials *d = calloc(1, sizeof(*d));

	if (d)
		d->worker = w;
	return d;
}

void denials_free(struct denials *d)
{
	free(d);
}

/* --- what was decided ----------------------------------------------------------------------------- */

static bool of_file(const struct event_deny *e)
{
	return e->hook == GATE_AT_EXEC || e->hook == GATE_AT_SCRIPT || e->hook == GATE_AT_MAP;
}

static int rule_of(const struct worker *w, const struct event_deny *e, unsigned bit)
{
	if (of_file(e))
		return w->exec_rules ? exec_rules_index(w->exec_rules, bit) : -1;
	return bit < w->krules ? (int)w->krule[bit].index : -1;
}

static void decision_of(const struct worker *w, const struct event_deny *e, struct decision *d,
			struct verdict_text *v)
{
	bool kill = e->mechanism == GATE_SIGNAL || e->mechanism == GATE_SIGNAL_EXEC ||
		    e->mechanism == GATE_PIDFD || e->mechanism == GATE_STOP_EXEC;
	bool failed = !e->watched && e->mechanism == GATE_NONE; /* it had ended */
	bool alert = e->watched == DENIAL_ALERT;
	enum disposition did = kill ? DISPOSITION_KILL : DISPOSITION_DENY;

	*d = (struct decision){.disposition = did, .would = did, .deciding = -1};
	d->rules = w->pack ? pack_rules(w->pack) : 0;
	for (unsigned bit = 0; e->policy == w->generation && w->pack && bit < 64; bit++) {
		int i = e->rules >> bit & 1 ? rule_of(w, e, bit) : -1;

		if (i < 0)
			continue;
		d->result[i] = alert ? RULE_UNKNOWN : RULE_FIRED;
		d->risk += alert ? 0 : pack_rule_risk(w->pack, i);
		if (d->deciding < 0 ||
		    pack_rule_disposition(w->pack, i) > pack_rule_disposition(w->pack, d->deciding))
			d->deciding = i;
	}
	if (d->risk > 1)
		d->risk = 1;
	if (alert)
		did = d->disposition = DISPOSITION_ALERT;
	else if ((e->watched || failed) && d->deciding >= 0)
		did = d->disposition = pack_rule_disposition(w->pack, d->deciding);
	*v = (struct verdict_text){effect_name(did, e->watched ? EFFECT_WOULD
						    : failed   ? EFFECT_FAILED
							       : EFFECT_DONE),
				   gate_mechanism_name(e->mechanism),
				   !e->watched && !failed && e->mechanism != GATE_PIDFD};
}

/* --- the record ------------------------------------------------------------------------------------ */

static struct scratch {
	Probity__V1__Denial m;
	Probity__V1__Process process;
	Probity__V1__Tool tool;
	Probity__V1__Service service;
	struct process_text who;
	char peer[INET6_ADDRSTRLEN];
} s_;

static char *text(const char *t)
{
	return (char *)(t ?: "");
}

static void who(const struct worker *w, const struct subject *s)
{
	compose_process(w, s, &s_.who, &s_.process);
	s_.m.process = &s_.process;
	probity__v1__tool__init(&s_.tool);
	s_.tool.id = text(s->tool.id);
	s_.tool.name = text(s->tool.name);
	s_.tool.vendor = text(s->tool.vendor);
	s_.tool.via = text(s->tool.via);
	s_.tool.depth = s->tool.depth;
	s_.m.tool = &s_.tool;
}

static void file(const struct worker *w, const struct event_deny *e)
{
	const struct exec_file *f =
		w->exec_rules ? exec_rules_find(w->exec_rules, e->dev, e->ino) : NULL;

	if (e->evidence == GATE_BY_NAME) { /* no file: the command line is with the process */
		s_.m.package = text(f && f->package[0] ? f->package : e->what);
		return;
	}
	s_.m.path = text(f && f->path[0] ? f->path : e->what);
	if (!f)
		return;
	s_.m.sha256 = text(f->sha256);
	s_.m.package = text(f->package);
}

static void server(const struct worker *w, const struct event_deny *e)
{
	struct catalog_service v;

	s_.m.server_address = text(e->what);
	s_.m.peer_port = e->peer.port;
	s_.peer[0] = '\0';
	if (e->peer.family)
		inet_ntop(e->peer.family, e->peer.addr, s_.peer, sizeof(s_.peer));
	s_.m.peer_address = s_.peer;
	if (!e->what[0] || !catalog_host(w->catalog, e->what, &v))
		return;
	probity__v1__service__init(&s_.service);
	s_.service.id = text(v.id);
	s_.service.name = text(v.name);
	s_.service.vendor = text(v.vendor);
	s_.service.provider_name = text(v.provider);
	s_.service.known = v.known;
	s_.service.host_role = text(v.role);
	s_.service.evidence = text(v.evidence);
	s_.service.hq = text(v.hq);
	s_.m.service = &s_.service;
}

static void cause(const struct worker *w, const struct event_deny *e)
{
	const struct tree_cause *c;

	/* Of a connection the evidence says how its host was known. */
	if (!w->trees || (of_file(e) && e->evidence != GATE_BY_TREE))
		return;
	c = trees_cause(w->trees, e->h.pid, e->h.start_ns, of_file(e) ? e->rules : 0,
			of_file(e) ? 0 : e->rules);
	if (!c)
		return;
	s_.m.tool_use_id = text(c->use_id);
	s_.m.tool_use_name = text(c->use_name);
}

static void record(struct denials *ds, const struct event_deny *e, uint64_t count,
		   uint64_t first_ns)
{
	static uint8_t payload[RECORD_PAYLOAD_MAX];
	struct worker *w = ds->worker;
	struct verdict_text v;
	struct decision d;
	struct subject s;

	probity__v1__denial__init(&s_.m);
	judge_subject(w, e->h.uid, e->h.pid, e->h.start_ns, &s);
	who(w, &s);
	s_.m.kind = text(gate_hook_name(e->hook));
	s_.m.evidence = text(gate_evidence_name(e->evidence));
	s_.m.count = count;
	s_.m.first_unix_ns = first_ns + w->wall_offset_ns;
	s_.m.last_unix_ns = e->h.boot_ns + w->wall_offset_ns;
	if (of_file(e) || e->hook == GATE_AT_GUARD)
		file(w, e);
	else
		server(w, e);
	cause(w, e);
	decision_of(w, e, &d, &v);
	policy_count(w, &d, v.effect);
	s_.m.decision = compose_decision(w, &d, &v);
	if (probity__v1__denial__get_packed_size(&s_.m) > sizeof(payload))
		s_.process.n_argv = s_.m.decision->n_rules = 0;
	ds->records++;
	handover_add(w->handover, inflight_id(w->inflight, -1, false), e->h.boot_ns, RECORD_DENIAL,
		     payload, probity__v1__denial__pack(&s_.m, payload));
}

/* --- floods ---------------------------------------------------------------------------------------- */

static bool same(const struct event_deny *a, const struct event_deny *b)
{
	return a->h.uid == b->h.uid && a->rules == b->rules && a->policy == b->policy &&
	       a->hook == b->hook && a->mechanism == b->mechanism && a->evidence == b->evidence &&
	       a->watched == b->watched && a->dev == b->dev && a->ino == b->ino &&
	       !memcmp(&a->peer, &b->peer, sizeof(a->peer)) && !strcmp(a->what, b->what);
}

static uint32_t hash(const struct event_deny *e)
{
	uint64_t h = e->h.uid ^ e->rules * 31 ^ e->ino * 17 ^ e->hook << 8 ^ e->mechanism;

	for (const char *p = e->what; *p; p++)
		h = h * 131 + (uint8_t)*p;
	for (size_t i = 0; i < sizeof(e->peer.addr); i++)
		h = h * 131 + e->peer.addr[i];
	return h ^ h >> 32;
}

/* Its own, or one that is free; NULL: all near it are others'. */
static struct flood *flood_of(struct denials *d, const struct event_deny *e)
{
	struct flood *unused = NULL;

	for (uint32_t at = hash(e), i = 0; i < 8; i++) {
		struct flood *f = &d->flood[(at + i) % FLOODS];

		if (f->used && same(&f->last, e))
			return f;
		if (!f->used && !unused)
			unused = f;
	}
	return unused;
}

void denials_event(struct denials *d, const struct event_deny *told)
{
	struct event_deny e = *told;
	uint64_t count = e.count ?: 1;
	struct flood *f;

	e.what[sizeof(e.what) - 1] = '\0';
	d->verdicts += count;
	d->watched += e.watched ? count : 0;
	f = flood_of(d, &e);
	if (f && f->used) {
		if (!f->count)
			f->first_ns = e.h.boot_ns;
		f->count += count;
		f->seen_ns = boot_now();
		f->last = e;
		return;
	}
	if (f)
		*f = (struct flood){.used = true, .last = e, .seen_ns = boot_now()};
	record(d, &e, count, e.h.boot_ns);
}

void denials_tick(struct denials *d)
{
	uint64_t now = boot_now();

	for (struct flood *f = d->flood; f < d->flood + FLOODS; f++) {
		if (!f->used)
			continue;
		if (f->count)
			record(d, &f->last, f->count, f->first_ns);
		f->count = 0;
		f->used = f->seen_ns + FLOOD_NS > now;
	}
}

json_t *denials_status(const struct denials *d)
{
	return json_pack("{s:I, s:I, s:I}", "verdicts", (json_int_t)d->verdicts, "watched",
			 (json_int_t)d->watched, "records", (json_int_t)d->records);
}
