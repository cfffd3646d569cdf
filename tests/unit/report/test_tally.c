// SPDX-License-Identifier: Apache-2.0
/* Records made here, counted there: periods, folded denials, violations, refusals, runs, packs, samples,
 * and what does not fit. Long because it is mostly records and what they add up to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <openssl/sha.h>
#include <string.h>

#include "report/tally.h"

#define SEC 1000000000ull
#define T0 (1795248000ull * SEC) /* 2026-11-21T08:00:00Z, a Saturday */

#define FRAMEWORK                                                                                    \
	"framework: x\ntitle: X\nabout: y\ncontrols:\n"                                              \
	"  - {id: C.1, title: t, evidence: direct, shows: s, limits: l, records: [call]}\n"          \
	"  - {id: C.2, title: t, evidence: partial, shows: s, limits: l, records: [denial, seal]}\n" \
	"  - {id: C.3, title: t, evidence: partial, shows: s, limits: l, records: [first_seen]}\n"

struct fix {
	struct framework *fw;
	struct tally *t;
	uint64_t seq;
	uint8_t leaf[64][RECORD_HASH_LEN];
};

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));
	struct tally_options o = {.from_ns = T0, .to_ns = T0 + 100 * SEC};
	char err[256];

	assert_int_equal(framework_parse("f", FRAMEWORK, strlen(FRAMEWORK), &f->fw, err,
					 sizeof(err)),
			 0);
	o.framework = f->fw;
	assert_int_equal(tally_new(&o, &f->t), 0);
	assert_int_equal(tally_begin(f->t, "h1", "dir"), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	tally_free(f->t);
	framework_free(f->fw);
	free(f);
	return 0;
}

/* Seals a message `at` seconds after T0 (may be before) and gives it to the tally. */
static void put(struct fix *f, uint32_t schema, const void *message, double at)
{
	uint8_t payload[4096], bytes[8192];
	struct record r = {.alg = RECORD_ED25519,
			   .seq = f->seq,
			   .schema = schema,
			   .wall_ns = T0 + (int64_t)(at * SEC)};
	_cleanup_sealed_ struct sealed s = {0};
	const char *why;
	size_t n;

	assert_true(protobuf_c_message_get_packed_size(message) <= sizeof(payload));
	r.payload_len = protobuf_c_message_pack(message, payload);
	r.payload = payload;
	n = record_encode(&r, bytes, sizeof(bytes));
	assert_true(n > 0);
	assert_int_equal(sealed_open(bytes, n, NULL, &s, &why), 0);
	memcpy(f->leaf[f->seq++ % 64], s.leaf, RECORD_HASH_LEN);
	tally_record(f->t, &s);
}

struct call {
	const char *tool, *service, *vendor, *model, *completeness, *rule, *rule_disposition,
		*effect, *approved, *control;
	int64_t in, out; /* -1: not known */
};

static void put_decision(Probity__V1__Decision *d, Probity__V1__RuleResult *rule,
			 Probity__V1__RuleResult **rules, char **controls, const struct call *c)
{
	if (c->rule) {
		rule->id = (char *)c->rule;
		rule->triggered = true;
		rule->disposition = (char *)c->rule_disposition;
		rule->severity = "high";
		rules[0] = rule;
		d->rules = rules;
		d->n_rules = 1;
	}
	if (c->control) {
		controls[0] = (char *)c->control;
		d->controls = controls;
		d->n_controls = 1;
	}
	d->disposition = "x";
	d->effect = (char *)(c->effect ?: "none");
	d->approved_by = (char *)(c->approved ?: "");
}

static void put_call(struct fix *f, double at, struct call c)
{
	Probity__V1__AiCall m = PROBITY__V1__AI_CALL__INIT;
	Probity__V1__Tool tool = PROBITY__V1__TOOL__INIT;
	Probity__V1__Service service = PROBITY__V1__SERVICE__INIT;
	Probity__V1__Process who = PROBITY__V1__PROCESS__INIT;
	Probity__V1__Usage usage = PROBITY__V1__USAGE__INIT;
	Probity__V1__Decision d = PROBITY__V1__DECISION__INIT;
	Probity__V1__RuleResult rule = PROBITY__V1__RULE_RESULT__INIT, *rules[1];
	char *controls[1];

	tool.id = (char *)(c.tool ?: "");
	service.id = (char *)(c.service ?: "openai");
	service.vendor = (char *)(c.vendor ?: "OpenAI");
	who.user = "alice";
	who.exe = "/usr/bin/prog";
	m.tool = &tool;
	m.service = &service;
	m.process = &who;
	m.server_address = "shadow.example";
	m.response_model = (char *)(c.model ?: "gpt");
	m.completeness = (char *)(c.completeness ?: "complete");
	if (c.in >= 0) {
		usage.has_input_tokens_case = PROBITY__V1__USAGE__HAS_INPUT_TOKENS_INPUT_TOKENS;
		usage.input_tokens = c.in;
	}
	if (c.out >= 0) {
		usage.has_output_tokens_case = PROBITY__V1__USAGE__HAS_OUTPUT_TOKENS_OUTPUT_TOKENS;
		usage.output_tokens = c.out;
	}
	m.usage = &usage;
	put_decision(&d, &rule, rules, controls, &c);
	m.decision = &d;
	put(f, RECORD_AI_CALL, &m, at);
}

static void put_control(struct fix *f, double at, int kind)
{
	Probity__V1__Control m = PROBITY__V1__CONTROL__INIT;

	m.kind = kind;
	m.what = "chunks";
	m.cause = "ring_full";
	m.count = 5;
	m.approval_state = "granted";
	put(f, RECORD_CONTROL, &m, at);
}

static void put_pack(struct fix *f, double at, const char *version, bool refused)
{
	Probity__V1__Control m = PROBITY__V1__CONTROL__INIT;
	uint8_t sha[32] = {7};

	m.kind = PROBITY__V1__CONTROL__KIND__POLICY;
	m.policy_set = "p";
	m.policy_version = (char *)version;
	m.policy_sha256 = (ProtobufCBinaryData){sizeof(sha), sha};
	m.mode = "enforce";
	m.refused = refused;
	put(f, RECORD_CONTROL, &m, at);
}

static void put_denial(struct fix *f, double at, uint64_t count)
{
	Probity__V1__Denial m = PROBITY__V1__DENIAL__INIT;
	Probity__V1__Decision d = PROBITY__V1__DECISION__INIT;
	Probity__V1__RuleResult rule = PROBITY__V1__RULE_RESULT__INIT, *rules[1];
	char *controls[1];

	put_decision(&d, &rule, rules, controls,
		     &(struct call){.rule = "no-exec",
				    .rule_disposition = "deny",
				    .effect = "denied"});
	m.decision = &d;
	m.count = count;
	put(f, RECORD_DENIAL, &m, at);
}

/* --- cases --------------------------------------------------------------------------------------- */

static void period(void **state)
{
	struct fix *f = *state;

	put_call(f, -10, (struct call){.model = "old"});
	put_call(f, 0, (struct call){.model = "old"});
	put_call(f, 5, (struct call){.model = "new"});
	put_call(f, 99.999, (struct call){.model = "new"});
	put_call(f, 100, (struct call){.model = "late"}); /* the end is not in it */
	assert_int_equal(f->t->read, 4);
	assert_int_equal(f->t->in_period, 3);
	assert_int_equal(f->t->sorts[SORT_CALL], 3);
	assert_int_equal(roll_find(f->t->dim[DIM_MODEL], "old")->records, 1);
	assert_int_equal(roll_find(f->t->dim[DIM_MODEL], "old")->first_ns, T0 - 10 * SEC);
	assert_null(roll_find(f->t->dim[DIM_MODEL], "late"));
	/* The first of all was before the period: in it only the new model is new. */
	assert_int_equal(f->t->sorts[SORT_NEW], 1);
	assert_int_equal(roll_find(f->t->dim[DIM_WEEK], "2026-W47")->records, 3);
}

static void decisions(void **state)
{
	struct fix *f = *state;

	put_call(f, 1,
		 (struct call){.rule = "r",
			       .rule_disposition = "deny",
			       .effect = "denied",
			       .completeness = "truncated",
			       .control = "C.1"});
	put_call(f, 2,
		 (struct call){.rule = "r",
			       .rule_disposition = "deny",
			       .effect = "would_deny",
			       .completeness = "truncated"});
	put_call(f, 3,
		 (struct call){.rule = "r", .rule_disposition = "deny", .effect = "deny_failed"});
	put_call(f, 4, (struct call){.rule = "ok", .rule_disposition = "allow"});
	put_call(f, 5, (struct call){.rule = "h", .rule_disposition = "hold", .approved = "root"});
	put_call(f, 6, (struct call){.completeness = "late-attach"});
	put_call(f, 7, (struct call){.completeness = "refused"}); /* no word of ours */
	assert_int_equal(f->t->violations, 4);
	assert_int_equal(f->t->refused, 1);
	assert_int_equal(f->t->would, 1);
	assert_int_equal(f->t->failed, 1);
	assert_int_equal(f->t->overrides, 1);
	assert_int_equal(f->t->whole_calls[WHOLE_REFUSED], 1);
	assert_int_equal(f->t->whole_calls[WHOLE_TRUNCATED], 1);
	assert_int_equal(f->t->whole_calls[WHOLE_LATE], 1);
	assert_int_equal(f->t->whole_calls[WHOLE_OTHER], 1);
	assert_int_equal(f->t->whole_calls[WHOLE_COMPLETE], 3);
	assert_int_equal(roll_find(f->t->dim[DIM_RULE], "r")->violations, 3);
	assert_int_equal(roll_find(f->t->dim[DIM_RULE], "r")->refused, 1);
	assert_int_equal(roll_find(f->t->dim[DIM_RULE], "ok")->violations, 0);
	assert_string_equal(roll_find(f->t->dim[DIM_RULE], "r")->label, "deny, high");
	assert_int_equal(f->t->control[0].records, 7);
	assert_int_equal(f->t->control[0].violations, 4);
	assert_int_equal(f->t->control[0].attributed, 1);
	assert_int_equal(f->t->control[0].incomplete, 3);
}

static void denials_count_in_full(void **state)
{
	struct fix *f = *state;

	put_denial(f, 1, 40);
	put_denial(f, 2, 0);
	assert_int_equal(f->t->sorts[SORT_DENIAL], 2);
	assert_int_equal(f->t->events, 41);
	assert_int_equal(f->t->violations, 41);
	assert_int_equal(f->t->refused, 41);
	assert_int_equal(f->t->control[1].records, 2);
	assert_int_equal(f->t->control[1].events, 41);
}

static void unknown_is_not_zero(void **state)
{
	struct fix *f = *state;

	put_call(f, 1, (struct call){.in = 10, .out = 4});
	put_call(f, 2, (struct call){.in = 7, .out = -1});
	assert_int_equal(f->t->input_tokens, 17);
	assert_int_equal(f->t->output_tokens, 4);
	assert_int_equal(f->t->tokens_unknown, 1);
	assert_int_equal(f->t->cost_unknown, 2);
}

static void names(void **state)
{
	struct fix *f = *state;

	put_call(f, 1, (struct call){.tool = "codex"});
	put_call(f, 2, (struct call){.service = "unknown", .vendor = ""});
	assert_non_null(roll_find(f->t->dim[DIM_TOOL], "codex"));
	assert_non_null(roll_find(f->t->dim[DIM_TOOL], "(prog)"));
	assert_non_null(roll_find(f->t->dim[DIM_SERVICE], "unknown: shadow.example"));
	assert_non_null(roll_find(f->t->dim[DIM_SUPPLIER], "unknown: shadow.example"));
	assert_non_null(roll_find(f->t->dim[DIM_SUPPLIER], "OpenAI"));
	assert_int_equal(f->t->sorts[SORT_SHADOW], 1);
}

static void runs(void **state)
{
	struct fix *f = *state;
	struct tally_source *s = &f->t->source[0];
	unsigned other;

	put_control(f, 0, PROBITY__V1__CONTROL__KIND__START);
	put_control(f, 10, PROBITY__V1__CONTROL__KIND__STOP);
	put_control(f, 11, PROBITY__V1__CONTROL__KIND__SEAL);
	put_control(f, 21, PROBITY__V1__CONTROL__KIND__START);
	put_call(f, 30, (struct call){0});
	put_control(f, 37, PROBITY__V1__CONTROL__KIND__START); /* no STOP before it */
	put_control(f, 40, PROBITY__V1__CONTROL__KIND__LOSS);
	assert_int_equal(tally_end(f->t, &other), 0);
	assert_int_equal(s->starts, 3);
	assert_int_equal(s->stops, 1);
	assert_int_equal(s->crash_starts, 1);
	assert_int_equal(s->down_ns, 17 * SEC);
	assert_int_equal(s->observed_ns, 40 * SEC);
	assert_true(s->running);
	assert_int_equal(f->t->gaps, 2);
	assert_false(f->t->gap[0].crash);
	assert_int_equal(f->t->gap[0].from_ns, T0 + 11 * SEC);
	assert_true(f->t->gap[1].crash);
	assert_int_equal(f->t->gap[1].seq, 5);
	assert_int_equal(roll_find(f->t->dim[DIM_LOSS], "chunks: ring_full")->events, 5);
}

static void a_gap_over_the_beginning_counts_from_it(void **state)
{
	struct fix *f = *state;
	unsigned other;

	put_control(f, -50, PROBITY__V1__CONTROL__KIND__START);
	put_control(f, -40, PROBITY__V1__CONTROL__KIND__START);
	put_control(f, -30, PROBITY__V1__CONTROL__KIND__STOP);
	put_control(f, 4, PROBITY__V1__CONTROL__KIND__START);
	assert_int_equal(tally_end(f->t, &other), 0);
	assert_int_equal(f->t->gaps, 1);
	assert_int_equal(f->t->source[0].down_ns, 4 * SEC);
	assert_int_equal(f->t->source[0].crash_starts, 0);
	assert_int_equal(f->t->source[0].observed_ns, 4 * SEC);
}

static void packs(void **state)
{
	struct fix *f = *state;

	put_pack(f, -5, "1", false);
	put_pack(f, 1, "1", false); /* the same, after a restart */
	put_pack(f, 2, "2", true);
	put_pack(f, 3, "3", false);
	assert_int_equal(f->t->policies, 3);
	assert_string_equal(f->t->policy[0].version, "1");
	assert_int_equal(f->t->policy[0].to_ns, T0 + 3 * SEC);
	assert_true(f->t->policy[1].refused);
	assert_string_equal(f->t->policy[2].version, "3");
	assert_int_equal(f->t->policy[2].to_ns, 0);
}

static void samples(void **state)
{
	struct fix *f = *state;
	const struct tally_control *c = &f->t->control[0];
	uint8_t score[32], in[4 + RECORD_HASH_LEN] = "C.1";
	size_t below;

	for (int i = 0; i < 40; i++)
		put_call(f, i, (struct call){.in = i});
	assert_int_equal(c->samples, TALLY_SAMPLES);
	for (size_t i = 0; i < TALLY_SAMPLES; i++) {
		below = 0;
		for (int k = 0; k < 40; k++) {
			memcpy(in + 4, f->leaf[k], RECORD_HASH_LEN);
			SHA256(in, sizeof(in), score);
			below += memcmp(score, c->sample[i].score, 32) < 0;
			if (k == (int)c->sample[i].seq)
				assert_memory_equal(score, c->sample[i].score, 32);
		}
		assert_int_equal(below, i);
		assert_memory_equal(c->sample[i].leaf, f->leaf[c->sample[i].seq], RECORD_HASH_LEN);
	}
}

static void bounded(void **state)
{
	struct fix *f = *state;
	char model[32];

	for (int i = 0; i < 5000; i++) {
		snprintf(model, sizeof(model), "m%d", i);
		put_call(f, i % 90, (struct call){.model = model});
	}
	assert_int_equal(roll_count(f->t->dim[DIM_MODEL]), 4096);
	assert_int_equal(roll_left_out(f->t->dim[DIM_MODEL]), 904);
	assert_int_equal(f->t->sorts[SORT_CALL], 5000);
	for (int i = 0; i < TALLY_APPROVALS_MAX + 9; i++)
		put_control(f, 1, PROBITY__V1__CONTROL__KIND__APPROVAL);
	assert_int_equal(f->t->approvals, TALLY_APPROVALS_MAX);
	assert_int_equal(f->t->approvals_all, TALLY_APPROVALS_MAX + 9);
	for (int i = 0; i < TALLY_GAPS_MAX + 9; i++)
		put_control(f, 2, PROBITY__V1__CONTROL__KIND__START);
	assert_int_equal(f->t->gaps, TALLY_GAPS_MAX);
	assert_int_equal(f->t->gaps_all, TALLY_GAPS_MAX + 9);
	for (int i = 0; i < TALLY_BREAKS_MAX + 9; i++)
		tally_broken(f->t, "f", i, i, "crc");
	assert_int_equal(f->t->source[0].breaks, TALLY_BREAKS_MAX + 9);
	for (int i = 1; i < TALLY_SOURCES_MAX; i++)
		assert_int_equal(tally_begin(f->t, "h", "d"), 0);
	assert_int_not_equal(tally_begin(f->t, "h", "d"), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
/* What was done to the records: who, to what, why. A SEAL in time is nothing of the kind. */
static void events(void **state)
{
	static const struct {
		int kind;
		bool late, told, range;
		enum item_sort sort;
	} rows[] = {
		{PROBITY__V1__CONTROL__KIND__START, false, false, false, 0},
		{PROBITY__V1__CONTROL__KIND__SEAL, false, false, false, 0},
		{PROBITY__V1__CONTROL__KIND__SEAL, true, true, false, SORT_SEAL},
		{PROBITY__V1__CONTROL__KIND__REVEAL, false, true, false, SORT_REVEAL},
		{PROBITY__V1__CONTROL__KIND__ERASE, false, true, true, SORT_ERASE},
		{PROBITY__V1__CONTROL__KIND__REPAIR, false, true, false, SORT_REPAIR},
		{PROBITY__V1__CONTROL__KIND__CLOCK_STEP, false, true, false, SORT_CLOCK},
		{PROBITY__V1__CONTROL__KIND__GUARD, false, true, false, SORT_GUARD},
		{PROBITY__V1__CONTROL__KIND__COLLECTOR, false, true, true, SORT_COLLECTOR},
		{PROBITY__V1__CONTROL__KIND__LOSS, false, false, false, 0}, /* has a table */
	};
	struct fix *f = *state;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		Probity__V1__Control m = PROBITY__V1__CONTROL__INIT;

		m.kind = rows[i].kind;
		m.late = rows[i].late;
		m.operator_ = "root (0)";
		m.subject = "u:abc";
		m.reason = "because\033[2J";
		m.first_seq = 3;
		m.last_seq = 9;
		put(f, RECORD_CONTROL, &m, -1); /* before the period */
		put(f, RECORD_CONTROL, &m, 1 + i);
		n += rows[i].told;
		assert_int_equal(f->t->events_all, n);
		if (rows[i].told) {
			const struct tally_event *e = &f->t->event[n - 1];

			assert_int_equal(e->sort, rows[i].sort);
			assert_int_equal(e->range, rows[i].range);
			assert_string_equal(e->by, "root (0)");
			assert_string_equal(e->subject, "u:abc");
			assert_null(strchr(e->reason, '\033'));
			assert_int_equal(e->seq, 2 * i + 1);
		}
	}
	for (int i = 0; i < TALLY_EVENTS_MAX; i++)
		put_control(f, 50, PROBITY__V1__CONTROL__KIND__ERASE);
	assert_int_equal(f->t->events_all, n + TALLY_EVENTS_MAX);
	assert_int_equal(f->t->event_rows, TALLY_EVENTS_MAX);
}

static void pairs(void **state)
{
	struct fix *f = *state;

	put_call(f, 1, (struct call){.tool = "codex", .model = "gpt-5"});
	put_call(f, 2, (struct call){.tool = "codex", .model = "gpt-5"});
	put_call(f, 3, (struct call){.service = "unknown"});
	assert_int_equal(roll_find(f->t->dim[DIM_FLOW], "codex · openai · gpt-5 · h1")->calls, 2);
	assert_int_equal(roll_find(f->t->dim[DIM_ACCESS], "alice · openai")->calls, 2);
	assert_non_null(roll_find(f->t->dim[DIM_ACCESS], "alice · unknown: shadow.example"));
	assert_int_equal(roll_count(f->t->dim[DIM_SENT]), 0);
	assert_int_equal(roll_count(f->t->dim[DIM_VERSION]), 0);
}

static void a_chain_twice_is_told(void **state)
{
	struct fix *f = *state;
	unsigned other = 77;

	put_control(f, 1, PROBITY__V1__CONTROL__KIND__START);
	put_control(f, 2, PROBITY__V1__CONTROL__KIND__STOP);
	assert_int_equal(tally_end(f->t, &other), 0);
	assert_int_equal(tally_begin(f->t, "h2", "rest of it"), 0);
	put_control(f, 3, PROBITY__V1__CONTROL__KIND__START); /* goes on where that ended */
	assert_int_equal(tally_end(f->t, &other), 0);
	assert_int_equal(other, 77);
	assert_int_equal(tally_begin(f->t, "h3", "a copy"), 0);
	f->seq = 1;
	put_control(f, 2, PROBITY__V1__CONTROL__KIND__STOP);
	assert_int_equal(tally_end(f->t, &other), -EEXIST);
	assert_int_equal(other, 0);
}

/* A fleet; one chain more than can be named is refused, not left out. */
static void many_chains(void **state)
{
	struct fix *f = *state;
	char host[16];

	for (int i = 1; i < TALLY_SOURCES_MAX; i++) {
		snprintf(host, sizeof(host), "h%d", i);
		assert_int_equal(tally_begin(f->t, host, "d"), 0);
	}
	assert_string_equal(f->t->source[0].host, "h1"); /* as the fixture has it */
	assert_string_equal(f->t->source[TALLY_SOURCES_MAX - 1].host, host);
	assert_int_equal(tally_begin(f->t, "one more", "d"), -E2BIG);
	assert_int_equal(f->t->sources, TALLY_SOURCES_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(period),
		T(decisions),
		T(denials_count_in_full),
		T(unknown_is_not_zero),
		T(names),
		T(runs),
		T(a_gap_over_the_beginning_counts_from_it),
		T(packs),
		T(samples),
		T(bounded),
		T(events),
		T(pairs),
		T(a_chain_twice_is_told),
		T(many_chains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
