/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that the kernel stopped. The kernel's part is played here: notes, gate_going, signals and
 * what a program does when it finds its process there. At the end of each test nobody is stopped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "agent/stopped.h"
#include "base/cleanup.h"

#define MS 1000000ull
#define HOLD (20 * MS)
#define NOTES 64
#define START 77

static struct note {
	uint64_t seq;
	struct gate_waiter w;
} notes[NOTES];
static struct role_done told[256];
static struct gate_slot slot_;
static unsigned told_n, passes, refusals, conts, kills;
static bool stopped[8]; /* by tgid */
static uint64_t going_[8], now;
static int refuse_says;
static bool spared_, still_;
/* What a program does between our looks at the notes. */
static void (*meanwhile)(void);
static struct stopped *s;

static struct note *note_of(uint64_t seq)
{
	for (size_t i = 0; i < NOTES; i++)
		if (notes[i].seq == seq)
			return &notes[i];
	return NULL;
}

static int get(void *ctx, uint64_t seq, struct gate_waiter *ret)
{
	struct note *n = seq ? note_of(seq) : NULL;

	if (!n)
		return -ENOENT;
	*ret = n->w;
	return 0;
}

static int next(void *ctx, const uint64_t *seq, uint64_t *ret)
{
	size_t i = seq && note_of(*seq) ? (size_t)(note_of(*seq) - notes) + 1 : 0;
	void (*fn)(void) = meanwhile;

	while (i < NOTES && !notes[i].seq)
		i++;
	if (i == NOTES) {
		meanwhile = NULL;
		if (fn)
			fn();
		return -ENOENT;
	}
	*ret = notes[i].seq;
	return 0;
}

static int put(void *ctx, uint64_t seq, const struct gate_waiter *w)
{
	if (!note_of(seq))
		return -ENOENT;
	note_of(seq)->w = *w;
	return 0;
}

static void drop(void *ctx, uint64_t seq)
{
	if (seq && note_of(seq))
		note_of(seq)->seq = 0;
}

static void going(void *ctx, uint32_t tgid, uint64_t seq)
{
	going_[tgid] = seq;
}

static void slot(void *ctx, const struct gate_waiter *w, uint64_t seq, uint32_t verdict)
{
	slot_ = (struct gate_slot){w->conn, seq, verdict, 0};
}

static bool still(void *ctx, const struct gate_waiter *w)
{
	return still_;
}

static int send_it(void *ctx, const struct gate_waiter *w, int sig)
{
	if (w->start_ns != START)
		return -ESRCH;
	kills += sig == SIGKILL;
	conts += sig == SIGCONT;
	stopped[w->tgid] = false;
	return 0;
}

static void pass(void *ctx, const struct gate_waiter *w)
{
	passes++;
}

static int refuse(void *ctx, const struct gate_waiter *w)
{
	refusals++;
	return refuse_says;
}

static bool spared(void *ctx, uint32_t tgid)
{
	return spared_;
}

static void tell(void *ctx, const struct role_done *d)
{
	told[told_n++ % ARRAY_SIZE(told)] = *d;
}

/* --- what the kernel does ----------------------------------------------------------------------------- */

static void noted(uint64_t seq, uint32_t tgid, enum gate_wait how, unsigned closed)
{
	struct note *n = note_of(0);

	n->seq = seq;
	n->w = (struct gate_waiter){.conn = 100 + seq,
				    .start_ns = START,
				    .cookie = 1000 + seq,
				    .tgid = tgid,
				    .since_ns = now,
				    .how = how,
				    .closed = closed};
}

static void word(uint64_t seq, uint32_t tgid)
{
	const struct event e = {.conn = seq, .pid = tgid, .start_ns = START};

	stopped_note(s, &e, HOLD, now);
}

static void stop(uint64_t seq, uint32_t tgid, unsigned closed)
{
	noted(seq, tgid, GATE_STOPPED, closed);
	stopped[tgid] = true;
	word(seq, tgid);
}

static int say_ms(uint64_t seq, uint32_t tgid, enum gate_verdict v, uint32_t ms)
{
	const struct role_continue r = {.seq = seq,
					.start_ns = START,
					.pid = tgid,
					.verdict = v,
					.block_ms = ms,
					.id = "abc"};

	return stopped_continue(s, &r, now);
}

static int say(uint64_t seq, uint32_t tgid, enum gate_verdict v)
{
	return say_ms(seq, tgid, v, 0);
}

static const struct role_done *last(void)
{
	assert_true(told_n);
	return &told[(told_n - 1) % ARRAY_SIZE(told)];
}

static int begin(void **state)
{
	static const struct stopped_ops ops = {get,   next,    put,  drop,   going,  slot,
					       still, send_it, pass, refuse, spared, tell};

	memset(notes, 0, sizeof(notes));
	memset(stopped, 0, sizeof(stopped));
	memset(going_, 0, sizeof(going_));
	told_n = passes = refusals = conts = kills = 0;
	refuse_says = GATE_SHUTDOWN;
	spared_ = false;
	still_ = true;
	meanwhile = NULL;
	now = 1000 * MS;
	return stopped_new(&ops, NULL, &s);
}

static int over(void **state)
{
	int r = 0;

	stopped_free(s);
	for (size_t i = 0; i < ARRAY_SIZE(stopped); i++)
		r |= stopped[i] || going_[i];
	for (size_t i = 0; i < NOTES; i++)
		r |= notes[i].seq && notes[i].w.how == GATE_STOPPED;
	if (r)
		print_error("a process stays stopped, or a note stays\n");
	return r;
}

/* --- tests --------------------------------------------------------------------------------------------- */

static void test_answers(void **state)
{
	static const struct {
		enum gate_verdict v;
		unsigned conts, kills;
		uint32_t mechanism;
	} rows[] = {{GATE_PASS, 1, 0, GATE_NONE},
		    {GATE_REFUSE, 1, 0, GATE_NONE},
		    {GATE_KILL, 0, 1, GATE_PIDFD}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		conts = kills = told_n = 0;
		stop(i + 1, 1, WAITER_CLOSED);
		assert_true(stopped_turn(s, now) == now + HOLD);
		assert_int_equal(say(i + 1, 1, rows[i].v), 0);
		assert_int_equal(conts, rows[i].conts);
		assert_int_equal(kills, rows[i].kills);
		assert_int_equal(told_n, 1);
		assert_int_equal(last()->seq, i + 1);
		assert_int_equal(last()->cookie, 1001 + i);
		assert_int_equal(last()->result, 0);
		assert_int_equal(last()->mechanism, rows[i].mechanism);
		assert_null(note_of(i + 1));
		assert_true(stopped_turn(s, now) == 0);
	}
	assert_int_equal(refusals, 0); /* the worker had asked for that before */
	assert_int_equal(slot_.verdict, GATE_REFUSE);
	assert_int_equal(slot_.seq, 2);
}

static void test_spared_is_not_killed(void **state)
{
	spared_ = true;
	stop(1, 1, 0);
	say(1, 1, GATE_KILL);
	assert_int_equal(kills, 0);
	assert_int_equal(conts, 1);
	assert_int_equal(last()->result, -EACCES);
}

/* Nobody answers. */
static void test_the_end_of_a_wait(void **state)
{
	static const struct {
		unsigned closed;
		int says;
		unsigned refusals, passes;
		uint32_t mechanism, slot;
	} rows[] = {
		{0, GATE_SHUTDOWN, 0, 1, GATE_NONE, GATE_PASS},
		{WAITER_CLOSED, GATE_SHUTDOWN, 1, 0, GATE_SHUTDOWN, GATE_REFUSE},
		{WAITER_CLOSED, -ENOTCONN, 1, 1, GATE_NONE, GATE_REFUSE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		refusals = passes = conts = told_n = 0;
		refuse_says = rows[i].says;
		stop(i + 1, 1, rows[i].closed);
		stopped_turn(s, now + HOLD - 1);
		assert_int_equal(told_n, 0);
		now += HOLD;
		assert_true(stopped_turn(s, now) == 0 || stopped_now(s) == 0);
		assert_int_equal(refusals, rows[i].refusals);
		assert_int_equal(passes, rows[i].passes);
		assert_int_equal(conts, 1);
		assert_int_equal(last()->result, -ETIMEDOUT);
		assert_int_equal(last()->mechanism, rows[i].mechanism);
		assert_int_equal(slot_.verdict, rows[i].slot);
		/* Too late. */
		say(i + 1, 1, GATE_PASS);
		assert_int_equal(last()->result, -ESRCH);
	}
}

static void test_only_that_process(void **state)
{
	struct role_continue r = {.seq = 1, .start_ns = START + 1, .pid = 1, .verdict = GATE_PASS};

	stop(1, 1, 0);
	assert_int_equal(say(1, 2, GATE_PASS), -EPERM);
	assert_int_equal(stopped_continue(s, &r, now), -EPERM);
	assert_int_equal(conts, 0);
	assert_int_equal(say(2, 1, GATE_PASS), 0); /* no such wait */
	assert_int_equal(last()->result, -ESRCH);
	/* One that waits in its probe is answered by its slot. */
	noted(3, 2, GATE_HELD, 0);
	say(3, 2, GATE_PASS);
	assert_int_equal(last()->result, -ESRCH);
	assert_int_equal(conts, 0);
	drop(NULL, 3);
}

/* The answer comes before the word that its process was stopped: no SIGCONT before the SIGSTOP. */
static void test_answer_first(void **state)
{
	noted(1, 1, GATE_STOPPED, 0);
	assert_int_equal(say(1, 1, GATE_PASS), 0);
	assert_int_equal(conts, 0);
	stopped[1] = true;
	word(1, 1);
	assert_int_equal(conts, 1);
	assert_int_equal(last()->result, 0);
	/* ... which never comes: it was not stopped after all. */
	noted(2, 1, GATE_STOPPED, 0);
	say(2, 1, GATE_PASS);
	drop(NULL, 2);
	now += 2000 * MS;
	stopped_turn(s, now);
	assert_int_equal(last()->result, -ESRCH);
	assert_int_equal(stopped_now(s), 0);
}

/* Several threads: it goes on with the last. */
static void test_threads(void **state)
{
	stop(1, 1, 0);
	stop(2, 1, 0);
	stop(3, 2, 0);
	say(1, 1, GATE_PASS);
	assert_int_equal(conts, 0);
	assert_true(stopped[1]);
	assert_int_equal(last()->seq, 1);
	assert_int_equal(note_of(1)->w.answered, 1);
	say(2, 1, GATE_REFUSE);
	assert_int_equal(conts, 1);
	assert_null(note_of(1));
	assert_null(note_of(2));
	assert_true(stopped[2]);
}

static void another_waits(void)
{
	noted(2, 1, GATE_STOPPED, 0);
}

/* A thread noted its wait while we were about to continue its process: it sees gate_going and gives way,
 * or it was before us and stops. */
static void test_going(void **state)
{
	for (int gives_way = 0; gives_way < 2; gives_way++) {
		conts = 0;
		still_ = false;
		stop(1, 1, 0);
		noted(2, 1, GATE_STOPPED, 0);
		say(1, 1, GATE_PASS);
		for (int i = 0; i < 25; i++) {
			assert_int_equal(conts, 0);
			assert_int_equal(going_[1], i >= 20 ? 1 : 0);
			now += MS;
			assert_true(stopped_turn(s, now) == now + MS);
		}
		note_of(2)->w.since_ns = now;
		if (gives_way)
			drop(NULL, 2);
		else
			word(2, 1);
		now += MS;
		stopped_turn(s, now);
		assert_int_equal(conts, gives_way);
		assert_int_equal(going_[1], 0);
		still_ = true;
		if (!gives_way) {
			assert_true(stopped[1]);
			say(2, 1, GATE_PASS);
			assert_int_equal(conts, 1);
		}
	}
}

/* It is continued when all its threads stand still, and nobody is kept from stopping it again then. */
static void test_still(void **state)
{
	still_ = false;
	stop(1, 1, 0);
	say(1, 1, GATE_PASS);
	assert_int_equal(conts, 0);
	still_ = true;
	now += MS;
	stopped_turn(s, now);
	assert_int_equal(conts, 1);
	assert_int_equal(going_[1], 0);
	/* One that never does. */
	still_ = false;
	stop(2, 1, 0);
	say(2, 1, GATE_PASS);
	for (int i = 0; i < 22; i++) {
		now += MS;
		stopped_turn(s, now);
	}
	assert_int_equal(conts, 2);
	assert_int_equal(stopped_now(s), 0);
}

/* ... or does neither: that is no reason to stay stopped. */
static void test_going_is_bounded(void **state)
{
	unsigned n = 0;

	stop(1, 1, 0);
	meanwhile = another_waits;
	word(9, 3); /* of nobody: looks through the notes */
	say(1, 1, GATE_PASS);
	while (stopped_turn(s, now) && n++ < 1000)
		now += MS;
	assert_true(n > 50 && n < 200);
	assert_true(conts >= 1);
	assert_false(stopped[1]);
	drop(NULL, 2);
}

/* A stop without a note is nobody's. */
static void test_stray(void **state)
{
	stopped[1] = true;
	word(5, 1);
	assert_int_equal(conts, 1);
	assert_int_equal(stopped_count(s)->stray, 1);
	/* ... but not while another thread of it waits. */
	stop(1, 1, 0);
	word(6, 1);
	assert_int_equal(conts, 1);
	say(1, 1, GATE_PASS);
	assert_int_equal(conts, 2);
}

/* An operator is asked: before the stop (the slot says so), or after it. */
static void test_block(void **state)
{
	for (int before = 0; before < 2; before++) {
		uint64_t seq = 1 + before, until = 0, end;

		told_n = 0;
		if (before) {
			noted(seq, 1, GATE_REEXEC, 0);
			say_ms(seq, 1, GATE_BLOCK, 30000);
			assert_int_equal(stopped_for(s, "abc", &until), 0);
			assert_int_equal(note_of(seq)->w.closed, 0); /* it is the kernel's still */
			note_of(seq)->w.how = GATE_STOPPED;
			stopped[1] = true;
			word(seq, 1);
		} else {
			stop(seq, 1, 0);
			say_ms(seq, 1, GATE_BLOCK, 30000);
		}
		assert_int_equal(note_of(seq)->w.closed, WAITER_CLOSED);
		assert_int_equal(stopped_for(s, "abc", &until), 1);
		assert_int_equal(stopped_for(s, "abd", &until), 0);
		assert_true(until == now + 30000 * MS);
		now += 29999 * MS;
		stopped_turn(s, now);
		assert_int_equal(told_n, 0);
		/* Longer: not without a bound. */
		for (int i = 0; i < 20 && stopped_now(s); i++) {
			say_ms(seq, 1, GATE_BLOCK, 290000);
			end = stopped_turn(s, now);
			assert_true(end - note_of(seq)->w.since_ns <= 303000 * MS);
			now += 100000 * MS;
			stopped_turn(s, now);
		}
		assert_int_equal(last()->result, -ETIMEDOUT); /* refused, whatever fail says */
		assert_int_equal(last()->mechanism, GATE_SHUTDOWN);
		assert_int_equal(slot_.verdict, GATE_REFUSE);
	}
	assert_int_equal(refusals, 2);
	assert_int_equal(stopped_count(s)->blocked, 2);
}

static void test_block_is_answered(void **state)
{
	uint64_t until;

	stop(1, 1, 0);
	say_ms(1, 1, GATE_BLOCK, 30000);
	now += 5000 * MS;
	stopped_turn(s, now);
	say(1, 1, GATE_PASS);
	assert_int_equal(last()->result, 0);
	assert_int_equal(slot_.verdict, GATE_PASS);
	assert_int_equal(stopped_for(s, "abc", &until), 0);
	/* Nobody would know of the answer: it ends now, and is refused. */
	stop(2, 1, 0);
	say_ms(2, 1, GATE_BLOCK, 30000);
	say_ms(2, 1, GATE_BLOCK, 0);
	now += 2000 * MS;
	stopped_turn(s, now);
	assert_int_equal(last()->result, -ETIMEDOUT);
	assert_int_equal(refusals, 1);
}

/* The process ended while it was stopped. */
static void test_killed_meanwhile(void **state)
{
	stop(1, 1, 0);
	drop(NULL, 1);
	stopped[1] = false;
	stopped_tick(s);
	assert_int_equal(last()->result, -ESRCH);
	assert_int_equal(stopped_now(s), 0);
}

/* The agent ends: all go on, as without an answer. */
static void test_end(void **state)
{
	for (uint64_t i = 1; i <= 40; i++)
		stop(i, i % 7 + 1, i & 1 ? WAITER_CLOSED : 0);
	stop(41, 1, 0);
	say_ms(41, 1, GATE_BLOCK, 30000);
	stopped_free(s);
	s = NULL;
	assert_int_equal(refusals, 21);
	for (size_t i = 0; i < ARRAY_SIZE(stopped); i++)
		assert_false(stopped[i]);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, over)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_answers),
		CASE(test_spared_is_not_killed),
		CASE(test_the_end_of_a_wait),
		CASE(test_only_that_process),
		CASE(test_answer_first),
		CASE(test_threads),
		CASE(test_going),
		CASE(test_still),
		CASE(test_going_is_bounded),
		CASE(test_stray),
		CASE(test_block),
		CASE(test_block_is_answered),
		CASE(test_killed_meanwhile),
		CASE(test_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
