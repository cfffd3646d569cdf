// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: the pack in force, as rules of the kernel. Flows out: ROLE_GATE, what each of their bits
 * does and how long writes wait; and the gate's counters for the status. Rules that only watch make
 * nothing wait: their calls' records say what would have been.
 */
#include "agent/worker/gate_int.h"

#include "base/cleanup.h"

/* --- the pack -------------------------------------------------------------------------------------- */

/*
 * What each bit does. One whose rule does not hold now keeps its place and only watches: the kernel
 * gets this before it is told which bits are in force (ROLE_KRULES), and must not take one that it
 * still has for a rule that says nothing. Returns the bits that hold.
 */
static uint64_t todo_of(const struct worker *w, struct krule_do *t)
{
	int64_t now = (int64_t)((boot_now() + w->wall_offset_ns) / 1000000000ull);
	const char *host = w->host_id[0] ? w->host_id : NULL;
	uint64_t holds = 0;

	for (size_t i = 0; i < w->krules; i++) {
		const struct pack_krule *k = &w->krule[i];
		const struct pack_action *a = pack_rule_action(w->pack, k->index);
		enum disposition d = pack_rule_disposition(w->pack, k->index);
		enum rule_state state = pack_rule_state(w->pack, k->index, now, host);
		uint64_t bit = 1ull << i;

		if (!w->enforce && state == RULE_ON)
			state = RULE_WATCH;
		if (k->content && state == RULE_WATCH)
			continue; /* its record says what would have been; nothing need wait */
		holds |= state == RULE_OFF ? 0 : bit;
		if (k->content) {
			t->content |= bit;
			t->fail_open |= a && a->fail == PACK_FAIL_CLOSED ? 0 : bit;
		} else {
			t->deny |= d == DISPOSITION_DENY ? bit : 0;
			t->kill |= d == DISPOSITION_KILL ? bit : 0;
		}
		t->no_kill |=
			d != DISPOSITION_KILL && !(gate_may(w, k->index) & REFUSE_KILL) ? bit : 0;
		t->no_quic |= a && a->drop_quic ? bit : 0;
		t->unknown |= a && a->unknown == DISPOSITION_DENY ? bit : 0;
		t->watch |= state == RULE_ON ? 0 : bit;
	}
	return holds;
}

void gate_pack(struct gate *g)
{
	struct worker *w = g->worker;
	struct role_gate r = {.generation = w->generation};
	struct pack_gate settings;
	uint64_t holds;

	g->on = g->redacts = g->clear = false;
	if (w->pack && w->enforce) {
		settings = pack_gate(w->pack);
		r.hold_us = settings.hold_ms * 1000;
		r.full = settings.full;
		holds = todo_of(w, &r.todo);
		r.on = g->on = holds & r.todo.content && g->slots;
		g->clear = holds & (r.todo.content | r.todo.deny | r.todo.kill);
		for (size_t i = 0; i < pack_rules(w->pack); i++) {
			g->redacts |= pack_rule_disposition(w->pack, i) == DISPOSITION_REDACT;
			r.blocks |= pack_rule_action(w->pack, i)->block_ms != 0;
		}
	} else if (w->pack) {
		todo_of(w, &r.todo);
		r.todo = (struct krule_do){.watch = r.todo.watch};
	}
	tell_keeper(w, ROLE_GATE, &r, sizeof(r));
	gate_blocked_answered(g);
}

/* --- status ----------------------------------------------------------------------------------- */

/* The upper end of the bucket that holds this share of all answers. */
static uint64_t share(const struct gate *g, double part)
{
	uint64_t all = 0, upto = 0;

	for (unsigned i = 0; i < GATE_TIMES; i++)
		all += g->count.took[i];
	for (unsigned i = 0; all && i < GATE_TIMES; i++) {
		upto += g->count.took[i];
		if (upto >= part * all)
			return 2ull << i;
	}
	return 0;
}

json_t *gate_status(const struct gate *g)
{
	const struct gate_counts *c = &g->count;
	const struct {
		const char *name;
		uint64_t n;
	} all[] = {
		{"asked", c->asked},
		{"passed", c->passed},
		{"refused", c->refused},
		{"killed", c->killed},
		{"masked", c->masked},
		{"held", c->held},
		{"approved", c->approved},
		{"timeouts", c->timeouts},
		{"unanswered", c->too_late},
		{"timeouts_passed", c->went_late},
		{"no_wait", c->no_wait},
		{"agent_away", c->away},
		{"stopped", c->stopped},
		{"blocked", c->blocked},
		{"block_over", c->block_over},
		{"unread", c->unread},
		{"unknown", c->unknown},
		{"failed", c->failed},
		{"after_the_fact", c->late_refused},
		{"tried_again", c->again},
		{"clear_text", c->clear},
		{"grants", approve_count(g->approve)},
		{"answer_p50_us", share(g, 0.5)},
		{"answer_p99_us", share(g, 0.99)},
	};
	json_t *j = json_object();

	json_object_set_new(j, "on", json_boolean(g->on));
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		json_object_set_new(j, all[i].name, json_integer(all[i].n));
	return j;
}
