// SPDX-License-Identifier: Apache-2.0
/*
 * None silently missing. A connection to AI of which no plaintext, or not the beginning, was seen
 * becomes the record of a call whose contents are unknown: who, where, when, and why not.
 *
 * A socket counts when its ClientHello named a service of the catalog (not one whose evidence is
 * "shared"), or a host at which AI was spoken, by a process that is an AI tool; and when the server
 * answered, because before that nothing can be asked. Programs open connections they never use, so
 * one that sent hardly more than its handshake is none; where the kernel did not tell how much it
 * sent, one is believed to be unused if its process's probes are known to work.
 *
 * One to a host at which AI was spoken, by any other program, may be something else: such
 * connections are counted in a LOSS record.
 *
 * A connection that was under way when it was seen first counts by its bytes before the first
 * request. If it is to nobody known, or begins with a request and may have had others before, it
 * goes into the LOSS record of such connections.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/worker/conns.h"
#include "agent/worker/evidence.h"
#include "agent/worker/judge.h"
#include "agent/worker/known.h"
#include "agent/worker/socks.h"

#define HANDSHAKE_MAX 512 /* bytes a client sends beyond its ClientHello and before it asks */

struct why {
	enum completeness verdict;
	char reason[192]; /* the record takes as much as it has room for */
};

static bool is_service(const struct worker *w, const char *host)
{
	struct catalog_service s;

	return host[0] && catalog_host(w->catalog, host, &s) && s.ai;
}

static void record(struct worker *w, struct conn *c, const char *host, const struct why *because,
		   uint64_t start_ns, uint64_t end_ns)
{
	struct watch watch = {.slot = -1, .unseen = true};
	struct interaction it;

	interaction_init(&it);
	it.start_ns = start_ns;
	it.end_ns = end_ns;
	TEXT_SET(it.host, host, strlen(host));
	interaction_incomplete(&it, because->verdict, because->reason);
	dataclass_begin(&watch.request);
	dataclass_begin(&watch.response);
	judge_unseen(w, c, &watch, &it);
	w->count.unseen++;
}

/* --- sockets ------------------------------------------------------------------------------------ */

/* AI was spoken there, perhaps beside other things. */
static bool is_shadow(const struct worker *w, const struct sock *s, uint64_t ns)
{
	return s->sni && known_get(w->known, "", 0, s->sni, ns) == KNOWN_AI;
}

static bool to_ai(const struct worker *w, const struct sock *s, const struct proc *p, uint64_t ns)
{
	if (!s->sni)
		return false;
	if (is_service(w, s->sni))
		return true;
	return p && p->tls.tool && is_shadow(w, s, ns);
}

/* The probes were in place for all of it. False: it carried no call, as far as can be told. */
static bool why_silent(const struct sock *s, const struct proc *p, struct why *ret)
{
	if (p->tls.loose || s->bound)
		return false; /* its bytes, if any, came up */
	if (s->sent < 0 && p->tls.seen)
		return false;
	*ret = (struct why){UNDECODABLE,
			    "probes are in place, but its TLS does not go through them"};
	return true;
}

__attribute__((format(printf, 3, 4))) static bool why(struct why *ret, enum completeness verdict,
						      const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	ret->verdict = verdict;
	vsnprintf(ret->reason, sizeof(ret->reason), fmt, ap);
	va_end(ap);
	return true;
}

static bool why_unseen(const struct sock *s, const struct proc *p, struct why *ret)
{
	const struct proc_tls *t = p ? &p->tls : NULL;
	const char *colon = t && t->reason[0] ? ": " : "";

	if (s->sent >= 0 && s->sent < (int64_t)s->hello_len + HANDSHAKE_MAX)
		return false; /* nothing was asked */
	if (!t || !t->told_ns)
		return why(ret, UNDECODABLE, "not known whether this process has TLS functions");
	if (t->since_ns > s->answer_ns)
		return why(ret, LATE_ATTACH, "probes came %.0f ms after the handshake%s%s",
			   (t->since_ns - s->answer_ns) / 1e6, colon, t->reason);
	if (t->state == PROBES_IN_PLACE)
		return why_silent(s, p, ret);
	if (t->state == PROBES_NONE)
		return why(ret, UNDECODABLE, "no probes: %s",
			   t->reason[0] ? t->reason : "no TLS functions found in this process");
	return why(ret, LATE_ATTACH, "probes were not in place%s%s", colon, t->reason);
}

/* As much of a connection as the socket alone tells. */
static struct conn conn_of(struct worker *w, const struct sock *s)
{
	struct conn c = {.pid = s->pid,
			 .uid = s->uid,
			 .start_ns = s->start_ns,
			 .cgroup = s->cgroup,
			 .peer = s->peer,
			 .tls = s->tls,
			 .slot = -1,
			 .worker = w};

	if (s->sni)
		TEXT_SET(c.sni, s->sni, strlen(s->sni));
	if (s->alpn)
		TEXT_SET(c.alpn, s->alpn, strlen(s->alpn));
	return c;
}

void late_socket(struct worker *w, struct sock *s, uint64_t ns)
{
	const struct proc *p = procs_find(w->procs, s->pid, s->start_ns);
	bool ai = to_ai(w, s, p, ns);
	struct why because;
	struct conn c;

	if (s->seen || s->declared || !s->answer_ns || !(ai || is_shadow(w, s, ns)))
		return;
	if (!why_unseen(s, p, &because)) {
		w->count.quiet += s->closed_ns != 0;
		return;
	}
	s->declared = true;
	if (!ai) {
		w->count.unseen_shadow++;
		return;
	}
	c = conn_of(w, s);
	inflight_sock_told(w->inflight, s->kept);
	record(w, &c, s->sni, &because, s->hello_ns, ns);
	kept_drop(s);
}

/* --- connections -------------------------------------------------------------------------------- */

/* The kernel saw the handle late, but its socket said hello under our eyes and the probes were there
 * when the server answered: nothing was asked before. */
static bool from_the_start(const struct conn *c)
{
	const struct proc *p = procs_find(c->worker->procs, c->pid, c->start_ns);
	const struct sock *s = c->sock;

	return s && s->hello_ns && s->answer_ns && p && p->tls.since_ns &&
	       p->tls.since_ns <= s->answer_ns;
}

void late_bytes(struct conn *c, const char *host, uint64_t ns)
{
	static const struct why because = {LATE_ATTACH,
					   "was under way when its connection was seen first"};

	if (c->late_told || !(c->flags & EVENT_F_LATE) || c->flags & EVENT_F_SERVER ||
	    from_the_start(c))
		return;
	c->late_told = true;
	if (!c->stray)
		c->worker->count.late++; /* what was before, if anything, was whole calls */
	else if (c->ai || is_service(c->worker, host))
		record(c->worker, c, host, &because, c->first_ns, ns);
	else
		c->worker->count.late++;
}
