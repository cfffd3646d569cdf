// SPDX-License-Identifier: Apache-2.0
/*
 * What becomes of a write. Flows in: what the pack wants of each exchange that has bytes in it, and
 * its bytes. Flows out: the most severe of that, the spans to mask, and for each exchange what its
 * record will say.
 *
 * A redaction that cannot be done becomes what the rule's `else` says, of several rules the most severe,
 * because bytes are masked all or not at all; a parked call with a grant
 * goes. A write is one: where one of its exchanges is refused all are, and all of them say so.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/worker/gate_int.h"
#include "agent/worker/judge.h"
#include "base/cleanup.h"

/* --- redaction ------------------------------------------------------------------------------------ */

static struct gate_redaction *redaction_of(struct gate_outcome *o, unsigned class)
{
	struct gate_redaction *v;

	for (size_t i = 0; i < o->n_redactions; i++)
		if (o->redactions[i].class == class)
			return &o->redactions[i];
	v = realloc(o->redactions, (o->n_redactions + 1) * sizeof(*v));
	if (!v)
		return NULL;
	o->redactions = v;
	v[o->n_redactions] = (struct gate_redaction){.class = class};
	return &v[o->n_redactions++];
}

static void on_value(void *ctx, const struct held_value *v, uint64_t bytes)
{
	struct gate_redaction *r = redaction_of(ctx, v->class);

	if (!r)
		return;
	r->count++;
	r->bytes += bytes;
	if (r->n_offsets < GATE_OFFSETS)
		r->offsets[r->n_offsets++] = v->start;
}

/* Values that the scan counted and nobody placed: before the gate knew of this request. */
static bool all_placed(const struct watch *w)
{
	const struct held_text *t = &w->gate->text;

	for (unsigned i = 0; i < dataclass_count(); i++) {
		uint32_t n = 0;

		if (!w->gate->wanted[i] || !w->request.count[i])
			continue;
		for (size_t k = 0; k < t->found.n; k++)
			n += t->found.v[k].class == i;
		for (size_t k = 0; k < t->masked.n; k++)
			n += t->masked.v[k].class == i;
		if (n < w->request.count[i])
			return false;
	}
	return true;
}

/* Only what leaves as it is, or under a WebSocket's key, can be masked in place. */
static bool maskable(const struct watch *w)
{
	const struct interaction *it = w->it;

	if (!it || it->completeness != COMPLETE)
		return false;
	return it->websocket ? !strcmp(it->wire, "websocket")
			     : !strcmp(it->wire, "http") && !it->request_encoding[0];
}

static enum disposition redact(struct gate *g, struct gate_conn *gc, struct watch *w)
{
	struct gate_watch *gw = w->gate;
	int r = -ENODATA;

	if (!gc->spans)
		gc->spans = calloc(MASK_SPANS_MAX, sizeof(*gc->spans));
	if (gc->spans && maskable(w) && all_placed(w))
		r = held_spans(&gc->held, &gw->text, gw->wanted, w->told, gc->spans, MASK_SPANS_MAX,
			       &gc->spans_n, on_value, &gw->out);
	if (!r)
		return DISPOSITION_REDACT;
	gw->out.failed = true;
	gw->rule = gw->otherwise_rule;
	return gw->otherwise;
}

/* Between exchanges of one write: one that may not go counts before one that is masked. */
static unsigned weight(enum disposition d)
{
	return d == DISPOSITION_REDACT ? 2
	       : d == DISPOSITION_HOLD ? 3
	       : d < DISPOSITION_HOLD  ? d
				       : d + 4;
}

static void worse(struct gate_conn *gc, const struct gate_watch *gw)
{
	if (weight(gw->final) <= weight(gc->worst))
		return;
	gc->worst = gw->final;
	gc->rule = gw->rule;
}

void gate_otherwise(struct gate_conn *gc, struct gate_watch *gw)
{
	gw->final = gw->otherwise;
	gw->rule = gw->otherwise_rule;
	worse(gc, gw);
}

/* --- approval ------------------------------------------------------------------------------------- */

/* again: its wait was told of before. */
static enum disposition hold(struct gate *g, struct gate_conn *gc, struct watch *w, bool again)
{
	struct gate_watch *gw = w->gate;
	const struct interaction *it = w->it;
	const struct conn *c = gc->conn;
	struct approve_call call = {.rule = gw->rule, .service = w->service.id ?: ""};
	enum approve_answer said;
	struct subject s;

	if (gw->approved)
		return DISPOSITION_ALLOW;
	judge_subject(g->worker, c->uid, c->pid, c->start_ns, &s);
	call.s = &s;
	call.host = it && it->host[0] ? it->host : c->sni;
	call.model = it ? it->request_model : "";
	call.again = again;
	said = approve_ask(g->approve, &call, gw->out.approval_id, gw->out.approved_by);
	gw->asked = said == APPROVE_ASKED;
	if (said != APPROVE_YES)
		return DISPOSITION_HOLD;
	g->count.approved++;
	gw->approved = true;
	gw->out.did = DISPOSITION_HOLD;
	gw->out.rule = gw->rule;
	gw->out.generation = g->worker->generation;
	return DISPOSITION_ALLOW;
}

/* --- the write ------------------------------------------------------------------------------------ */

static enum disposition finally(struct gate *g, struct gate_conn *gc, struct watch *w)
{
	enum disposition want = w->gate->want;

	if (want == DISPOSITION_REDACT)
		want = redact(g, gc, w);
	if (want == DISPOSITION_HOLD)
		want = hold(g, gc, w, false);
	return want;
}

int gate_closed_rule(const struct worker *w, uint64_t rules)
{
	for (size_t i = 0; i < w->krules; i++) {
		const struct pack_action *a = pack_rule_action(w->pack, w->krule[i].index);

		if (rules >> i & 1 && w->krule[i].content && a && a->fail == PACK_FAIL_CLOSED)
			return w->krule[i].index;
	}
	return -1;
}

/* Joined in its middle, by a worker that came after another's death, and no request has begun since: what
 * these bytes are a part of is not known. */
static bool joined(const struct conn *c)
{
	return c->wrote && c->first_write && !c->headed;
}

void gate_resolve(struct gate *g, struct gate_conn *gc, bool unread)
{
	gc->worst = DISPOSITION_ALLOW;
	gc->rule = -1;
	gc->generation = g->worker->generation;
	gc->spans_n = 0;
	for (struct watch *w = gc->conn->watches; w; w = w->next) {
		struct gate_watch *gw = w->gate;

		if (!gw || !gw->touched)
			continue;
		gw->final = gw->want >= DISPOSITION_HOLD ? finally(g, gc, w) : DISPOSITION_ALLOW;
		worse(gc, gw);
	}
	gc->spans_n = held_order(gc->spans, gc->spans_n);
	if ((unread || joined(gc->conn)) && gc->worst < DISPOSITION_REDACT) {
		int rule = gate_closed_rule(g->worker, gc->rules);

		if (rule < 0)
			return;
		gc->worst = DISPOSITION_DENY;
		gc->rule = rule;
	}
}

void gate_hold_again(struct gate *g, struct gate_conn *gc)
{
	gc->worst = DISPOSITION_ALLOW;
	gc->rule = -1;
	for (struct watch *w = gc->conn->watches; w; w = w->next) {
		struct gate_watch *gw = w->gate;

		if (!gw || !gw->touched)
			continue;
		if (gw->final == DISPOSITION_HOLD)
			gw->final = hold(g, gc, w, true);
		worse(gc, gw);
	}
}

/* --- what the records say -------------------------------------------------------------------------- */

static void refused(const struct gate_conn *gc, struct watch *w, unsigned mechanism, bool failed)
{
	struct gate_watch *gw = w->gate;
	struct gate_outcome *o = &gw->out;

	o->did = gw->final >= DISPOSITION_HOLD && gw->final != DISPOSITION_REDACT ? gw->final
										  : gc->worst;
	o->rule = gw->final == o->did && gw->rule >= 0 ? gw->rule : gc->rule;
	o->generation = gc->generation;
	o->mechanism = mechanism;
	o->failed = failed;
	o->sent_before =
		gc->held.start > w->request_offset ? gc->held.start - w->request_offset : 0;
	o->before = !failed && !gw->body_left &&
		    !(w->it && w->it->websocket && o->sent_before); /* it has no head of its own */
	/* What was to be masked in this write never left; what was masked before did. */
	if (!o->masked)
		o->n_redactions = 0;
}

static void masked(const struct gate_conn *gc, struct gate_watch *gw, unsigned mechanism,
		   bool failed)
{
	gw->out.did = DISPOSITION_REDACT;
	gw->out.rule = gw->rule;
	gw->out.generation = gc->generation;
	gw->out.mechanism = mechanism;
	gw->out.failed |= failed; /* of an earlier write, too */
	gw->out.before = !gw->out.failed;
	gw->out.masked |= !failed;
}

void gate_set_outcome(struct gate_conn *gc, unsigned mechanism, bool failed)
{
	for (struct watch *w = gc->conn->watches; w; w = w->next) {
		if (!w->gate || !w->gate->touched)
			continue;
		if (gc->worst != DISPOSITION_REDACT)
			refused(gc, w, mechanism, failed);
		else if (w->gate->final == DISPOSITION_REDACT)
			masked(gc, w->gate, mechanism, failed);
	}
}

void gate_set_left(struct gate_conn *gc)
{
	for (struct watch *w = gc->conn->watches; w; w = w->next) {
		struct gate_watch *gw = w->gate;

		if (!gw || !gw->touched)
			continue;
		held_text_left(&gc->held, &gw->text);
		gw->left_before = gw->body_left;
		gw->body_left = gw->body;
		/* It could not be masked, and the rule lets it go all the same. */
		if (gw->want == DISPOSITION_REDACT && gw->final < DISPOSITION_HOLD) {
			gw->out.did = DISPOSITION_REDACT;
			gw->out.rule = gw->rule;
			gw->out.generation = gc->generation;
		}
	}
}

bool gate_again(struct gate *g, const struct conn *c, const struct watch *w,
		const struct interaction *it)
{
	const struct gate_outcome *o = gate_outcome(w);
	struct gate_repeat *r = g ? &g->repeat[c->id % GATE_REPEATS] : NULL;
	struct gate_repeat now = {.id = c->id, .ns = boot_now(), .wire = it->request_wire};
	bool same;

	if (!r || !o || o->failed || !o->mechanism || o->did == DISPOSITION_REDACT)
		return false;
	memcpy(now.sha256, it->request_sha256, sizeof(now.sha256));
	snprintf(now.model, sizeof(now.model), "%.63s", it->request_model);
	same = r->id == now.id && now.ns < r->ns + GATE_REPEAT_NS && r->wire == now.wire &&
	       !memcmp(r->sha256, now.sha256, sizeof(now.sha256)) && !strcmp(r->model, now.model);
	*r = now;
	g->count.again += same;
	return same;
}
