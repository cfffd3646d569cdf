// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: what processes are, whom they greet, and what their connections turned out to be. Flows
 * out: ROLE_WATCH, on change, and in answer to every ClientHello the kernel holds.
 *
 * AI: the process is an AI tool by the catalog, greeted an AI service, or made an AI call. Never
 * taken back while the image lasts. CLIENT: it greets a server that may be AI: one unknown, one not
 * named, or one of an AI vendor. NOT_AI: it greets a server this program was seen to speak
 * something else to within the hour, or all it said so far was something else; and nothing of it
 * is open whose end is not known. An unknown server is where shadow AI is found, so the first
 * connection of a program to a name is always looked at. (Within the hour a program that spoke
 * something else to a name first, and AI to it then, goes unseen, unless it has probes anyway.)
 *
 * Bounds: NOT_AI of one process at most once in GAP_NS, then in the next sweep; SECOND_MAX messages
 * a second of the other kinds but AI. A word that is not sent costs probes that stay, or a packet
 * that waits for its bound.
 */
#include "evidence.h"

#include <string.h>

#include "agent/worker/conns.h"
#include "agent/worker/known.h"
#include "agent/worker/socks.h"
#include "flow/interaction.h"

#define GAP_NS 1000000000ull
#define SECOND_MAX 1000

static unsigned left = SECOND_MAX; /* messages of this second */

/* --- telling ------------------------------------------------------------------------------------ */

static void tell(struct worker *w, struct proc *p, enum role_evidence evidence, const char *name,
		 bool again)
{
	struct role_watch m = {.start_ns = p->start_ns, .pid = p->pid, .evidence = evidence};

	if (!again && p->tls.evidence == evidence)
		return;
	if (evidence != WATCH_AI && !left) {
		w->count.evidence_refused++;
		return;
	}
	left -= evidence != WATCH_AI;
	TEXT_SET(m.name, name, strlen(name));
	p->tls.evidence = evidence;
	p->tls.sent_ns = boot_now();
	p->tls.ai |= evidence == WATCH_AI;
	w->count.evidence++;
	tell_keeper(w, ROLE_WATCH, &m, sizeof(m));
}

static void tell_ai(struct worker *w, struct proc *p, const char *name)
{
	p->tls.due = false;
	tell(w, p, WATCH_AI, name, false);
}

static bool all_not_ai(const struct worker *w, const struct proc *p)
{
	return !p->tls.ai && p->tls.not_ai && !conns_open(w->conns, p->pid, p->start_ns) &&
	       !socks_open(w->socks, p->pid, p->start_ns);
}

static void maybe_not_ai(struct worker *w, struct proc *p, const char *name, bool again)
{
	p->tls.due = false;
	if (!again && p->tls.evidence == WATCH_NOT_AI)
		return;
	if (!again && boot_now() - p->tls.sent_ns < GAP_NS)
		p->tls.due = true;
	else
		tell(w, p, WATCH_NOT_AI, name, again);
}

/* --- programs and names ------------------------------------------------------------------------- */

/* What tells one program from another: its file, and for an interpreter its script. */
static size_t program_of(const struct proc *p, char *ret, size_t cap)
{
	size_t n = strnlen(p->exe, cap - 1), first = strnlen(p->argv, p->argv_len);
	const char *script = first + 1 < p->argv_len ? p->argv + first + 1 : "";
	size_t m = strlen(script);

	if (!n)
		return 0;
	memcpy(ret, p->exe, n);
	ret[n++] = '\0';
	if (script[0] == '-' || m > cap - n)
		m = 0;
	memcpy(ret + n, script, m);
	return n + m;
}

static enum known_as judged_before(const struct worker *w, const struct proc *p, const char *name)
{
	char program[1000];

	return known_get(w->known, program, program_of(p, program, sizeof(program)), name,
			 boot_now());
}

/* --- what happens ------------------------------------------------------------------------------- */

void evidence_process(struct worker *w, struct proc *p)
{
	struct catalog_process self = {p->exe, p->comm, p->argv, p->argv_len};
	struct catalog_tool tool = {"", "", "", "", "", 0};

	if (!p->tls.tool)
		p->tls.tool = catalog_tool(w->catalog, &self, 1, &tool) && tool.id[0];
	if (p->tls.tool)
		tell_ai(w, p, "");
}

static void greets(struct worker *w, struct sock *s, struct proc *p, bool held)
{
	const char *name = s->sni ?: "";
	enum known_as as = name[0] && !s->ech ? judged_before(w, p, name) : KNOWN_NOTHING;
	struct catalog_service service;
	bool listed = name[0] && catalog_host(w->catalog, name, &service);

	if (listed && service.ai) {
		tell_ai(w, p, name);
		return;
	}
	if (p->tls.ai)
		return;
	s->judged |= as == KNOWN_NOT_AI && !listed;
	if (!s->judged || conns_open(w->conns, p->pid, p->start_ns) ||
	    socks_open(w->socks, p->pid, p->start_ns))
		tell(w, p, WATCH_CLIENT, name, held);
	else
		maybe_not_ai(w, p, name, held);
}

void evidence_hello(struct worker *w, struct sock *s, bool held)
{
	struct proc *p = procs_find(w->procs, s->pid, s->start_ns);
	struct proc nobody = {.pid = s->pid, .start_ns = s->start_ns, .exe = "", .argv = ""};

	/* Not told yet who it is: the keeper is answered all the same. What it has taken away without
	 * our word it gives again on our word. */
	greets(w, s, p ?: &nobody, held || !p || p->tls.state == PROBES_REMOVED);
}

void evidence_ai(struct worker *w, const struct conn *c, const char *host)
{
	struct proc *p = procs_find(w->procs, c->pid, c->start_ns);
	uint64_t now = boot_now();

	known_set(w->known, "", 0, host, KNOWN_AI, now);
	known_set(w->known, "", 0, c->sni, KNOWN_AI, now);
	if (p)
		tell_ai(w, p, host);
}

void evidence_not_ai(struct worker *w, const struct conn *c)
{
	struct proc *p = procs_find(w->procs, c->pid, c->start_ns);
	char program[1000];

	if (!p || c->flags & EVENT_F_PLAIN)
		return;
	p->tls.not_ai++;
	known_set(w->known, program, program_of(p, program, sizeof(program)), c->sni, KNOWN_NOT_AI,
		  boot_now());
}

void evidence_again(struct worker *w, uint32_t pid, uint64_t start_ns)
{
	struct proc *p = procs_find(w->procs, pid, start_ns);

	if (p && !p->dead_ns && p->tls.evidence != WATCH_NOT_AI && all_not_ai(w, p))
		maybe_not_ai(w, p, "", false);
}

static void put_off(void *ctx, struct proc *p)
{
	struct worker *w = ctx;

	if (!p->tls.due)
		return;
	p->tls.due = false;
	if (all_not_ai(w, p))
		maybe_not_ai(w, p, "", false);
}

void evidence_sweep(struct worker *w)
{
	left = SECOND_MAX;
	procs_each(w->procs, put_off, w);
}
