// SPDX-License-Identifier: Apache-2.0
/*
 * Initial packets of QUIC clients whose flows wait. Flows in: datagrams as they left; flows out: the
 * name in the ClientHello, to names.c, once per flow. A ClientHello may fill several packets; what
 * they brought so far is kept by flow, FLOWS of them, the one that waited longest goes.
 *
 * What cannot be opened from the first packet on (another version, damaged) has no name, and the rules' `unknown:` counts, as it
 * does for a hello without one.
 */
#include <string.h>

#include "agent/worker/denials.h"
#include "flow/quic.h"

#define FLOWS 64

static struct flow_hello {
	uint64_t cookie, ns;
	struct quic_hello *hello;
	bool opened; /* one of its packets was */
} flows[FLOWS];

static void forget(struct flow_hello *f)
{
	quic_hello_free(f->hello);
	*f = (struct flow_hello){0};
}

static struct flow_hello *flow_of(uint64_t cookie, uint64_t ns)
{
	struct flow_hello *oldest = &flows[0];

	for (struct flow_hello *f = flows; f < flows + FLOWS; f++) {
		if (f->hello && f->cookie == cookie)
			return f;
		if (!f->hello || (oldest->hello && f->ns < oldest->ns))
			oldest = f;
	}
	if (oldest->hello)
		forget(oldest);
	*oldest = (struct flow_hello){.cookie = cookie, .ns = ns, .hello = quic_hello_new()};
	return oldest->hello ? oldest : NULL;
}

void names_quic(struct worker *w, const struct event_quic *e, size_t n)
{
	struct flow_hello *f;
	struct clienthello h;
	enum quic_answer a;

	if (e->size > n - sizeof(*e)) {
		w->count.bad_events++;
		return;
	}
	f = flow_of(e->cookie, e->h.boot_ns);
	if (!f)
		return;
	a = quic_initial(f->hello, e->bytes, e->size, &h);
	if (a == QUIC_MORE || (a == QUIC_BAD && f->opened)) {
		f->opened = true;
		return;
	}
	forget(f);
	names_judge(w, &e->h, e->cookie, &e->peer, a == QUIC_OK ? h.sni : "", GATE_BY_SNI);
}

void names_quic_free(void)
{
	for (struct flow_hello *f = flows; f < flows + FLOWS; f++)
		if (f->hello)
			forget(f);
}
