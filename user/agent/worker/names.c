// SPDX-License-Identifier: Apache-2.0
/*
 * Names that the kernel could not read, of sockets whose packets wait: a ClientHello in pieces, a QUIC
 * Initial. Flows in: the name, or that there is none; flows out: ROLE_SOCK, and what was refused as a
 * DENIAL, or told as an alert where a rule says `unknown: alert` of a connection without a name.
 *
 * A host that several services share says nothing of the service: a rule on services or vendors is
 * left to the write gate there. Rules on content never decide here. Nobody is told twice of the same
 * socket: the keeper is, and the kernel keeps it.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "agent/worker/compose.h"
#include "agent/worker/denials.h"
#include "agent/worker/judge.h"
#include "base/cleanup.h"
#include "flow/interaction.h"
#include "policy/facts.h"

struct asked {
	struct worker *w;
	const struct event *h;
	uint64_t cookie;
	const struct event_addr *peer;
	const char *name;
	enum gate_evidence by;
};

static void facts_of(const struct asked *a, const struct subject *s, struct catalog_service *v,
		     char address[static INET6_ADDRSTRLEN], struct facts *f)
{
	bool known = a->name[0] && catalog_host(a->w->catalog, a->name, v);
	bool shared = known && !strcmp(v->evidence, "shared");

	address[0] = '\0';
	if (a->peer->family)
		inet_ntop(a->peer->family, a->peer->addr, address, INET6_ADDRSTRLEN);
	f->stage = FACTS_HOST;
	f->host = a->name;
	f->service = known && !shared ? v->id : "";
	f->vendor = known && !shared ? v->vendor : "";
	f->evidence = known ? v->evidence : "";
	f->service_known = known && !shared;
	f->operation = f->dialect = f->model = f->completeness = "";
	f->address = address;
	f->port = a->peer->port;
	judge_facts(s, f);
	judge_now(a->w, f);
}

/* The kernel rules whose pack rules fired and refuse without looking at content. */
static uint64_t refusing(const struct worker *w, const struct decision *d)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < w->krules; i++) {
		size_t rule = w->krule[i].index;

		if (!w->krule[i].content && d->result[rule] == RULE_FIRED && !d->monitored[rule] &&
		    pack_rule_disposition(w->pack, rule) >= DISPOSITION_DENY)
			bits |= 1ull << i;
	}
	return bits;
}

/* Without a name: those whose `unknown:` says so. */
static uint64_t unknown(const struct worker *w, const struct decision *d, enum disposition says)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < w->krules; i++) {
		const struct pack_action *act = pack_rule_action(w->pack, w->krule[i].index);

		enum disposition does = act ? act->unknown : DISPOSITION_ALLOW;

		if (d->monitored[w->krule[i].index] && does > DISPOSITION_ALERT)
			does = DISPOSITION_ALERT;
		if (!w->krule[i].content && d->result[w->krule[i].index] == RULE_UNKNOWN &&
		    does == says)
			bits |= 1ull << i;
	}
	return bits;
}

struct verdicts {
	uint64_t refuse, alert; /* bits of w->krule */
};

static struct verdicts judge(const struct asked *a)
{
	struct facts f = {.subject = FACTS_CONNECT};
	char address[INET6_ADDRSTRLEN];
	struct verdicts ret = {};
	struct catalog_service v;
	struct decision d;
	struct subject s;

	judge_subject(a->w, a->h->uid, a->h->pid, a->h->start_ns, &s);
	for (int call = 0; call < 2; call++) {
		f.subject = call ? FACTS_CALL : FACTS_CONNECT;
		facts_of(a, &s, &v, address, &f);
		if (!a->name[0])
			f.stage = FACTS_PROCESS; /* the host is not known */
		pack_decide(a->w->pack, &f, &d);
		if (a->name[0]) {
			ret.refuse |= refusing(a->w, &d);
		} else {
			ret.refuse |= unknown(a->w, &d, DISPOSITION_DENY);
			ret.alert |= unknown(a->w, &d, DISPOSITION_ALERT);
		}
		f = (struct facts){0};
	}
	return ret;
}

static void tell(const struct asked *a, uint64_t rules, unsigned watched)
{
	struct event_deny e = {.h = *a->h,
			       .rules = rules,
			       .policy = a->w->generation,
			       .cookie = a->cookie,
			       .count = 1,
			       .peer = *a->peer,
			       .hook = a->by == GATE_BY_SNI && a->h->kind == EVENT_QUIC
					       ? GATE_AT_QUIC
					       : GATE_AT_HELLO,
			       .evidence = a->by,
			       .watched = watched};

	if (!watched)
		e.mechanism = a->h->kind == EVENT_QUIC ? GATE_QUIC : GATE_CLIENTHELLO;
	snprintf(e.what, sizeof(e.what), "%s", a->name);
	if (a->w->denials)
		denials_event(a->w->denials, &e);
}

void names_judge(struct worker *w, const struct event *h, uint64_t cookie,
		 const struct event_addr *peer, const char *name, enum gate_evidence by)
{
	const struct asked a = {w, h, cookie, peer, name, by};
	struct role_sock r = {.cookie = cookie,
			      .start_ns = h->start_ns,
			      .pid = h->pid,
			      .verdict = SOCK_PASS};

	struct verdicts v;

	if (!w->pack || !w->krules)
		return;
	v = judge(&a);
	if (v.alert && !(w->enforce && v.refuse))
		tell(&a, v.alert, DENIAL_ALERT);
	if (!w->enforce)
		return;
	r.rules = v.refuse;
	if (r.rules) {
		r.verdict = SOCK_DENY;
		r.flags = h->kind == EVENT_QUIC ? 0 : SOCK_END;
		tell(&a, r.rules, 0);
	}
	tell_keeper(w, ROLE_SOCK, &r, sizeof(r));
}
