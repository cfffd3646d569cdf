// SPDX-License-Identifier: Apache-2.0
/* Parked calls: answers, ends, clocks that go back, restarts, and a store cut or spoilt at every byte. Long
 * because all cases share one world: its clocks, its store, its worker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/approvals.h"
#include "agent/procinfo.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "proto/record.pb-c.h"

#define S 1000000000ull
#define HOUR (3600 * S)
#define T0 (1800000000ull * S)

/* Here damage is what is tested: the log would be full of it. */
void log_line(enum log_level l, const char *fmt, ...) {}

static struct world {
	char dir[64], path[96];
	struct approvals_now now;
	struct role_grant grants[APPROVALS_GRANTS_MAX];
	size_t n, changes;
	bool worker;
	char sealed[4096]; /* "id:state id:state …" */
	size_t seals;
} w;

static void on_changed(void *ctx, const struct role_grant *v, size_t n)
{
	memcpy(w.grants, v, n * sizeof(*v));
	w.n = n;
	w.changes++;
}

static bool on_seal(void *ctx, const uint8_t *p, size_t n)
{
	Probity__V1__Control *c;
	size_t at = strlen(w.sealed);

	if (!w.worker)
		return false;
	c = probity__v1__control__unpack(NULL, n, p);
	assert_non_null(c);
	assert_int_equal(c->kind, PROBITY__V1__CONTROL__KIND__APPROVAL);
	assert_true(c->subject[0] && c->rule[0] && c->reason[0]);
	if (at < sizeof(w.sealed) - 64)
		snprintf(w.sealed + at, sizeof(w.sealed) - at, "%s%s:%s", at ? " " : "",
			 c->approval_id, c->approval_state);
	if (!strcmp(c->approval_state, "granted"))
		assert_true(!strcmp(c->operator_, "alice (1001)") && c->operator_uid == 1001);
	probity__v1__control__free_unpacked(c, NULL);
	w.seals++;
	return true;
}

static void on_now(void *ctx, struct approvals_now *ret)
{
	*ret = w.now;
}

static const struct approvals_ops ops = {on_changed, on_seal, on_now};

static struct approvals *open_it(void)
{
	struct approvals *a;

	w.n = 99;
	assert_int_equal(approvals_open(w.dir, &ops, NULL, &a), 0);
	approvals_resend(a);
	return a;
}

static int setup(void **state)
{
	w = (struct world){.worker = true,
			   .now = {.unix_ns = T0, .boot_ns = 1000 * S, .boot_id = "boot-1"}};
	/* In memory, where there is such a place: some thousand files are synced. */
	snprintf(w.dir, sizeof(w.dir), "%s/test-approvals-XXXXXX",
		 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	assert_non_null(mkdtemp(w.dir));
	snprintf(w.path, sizeof(w.path), "%s/approvals", w.dir);
	return 0;
}

static int teardown(void **state)
{
	char p[512];
	struct dirent *e;
	DIR *d = opendir(w.dir);

	while ((e = readdir(d))) {
		snprintf(p, sizeof(p), "%s/%s", w.dir, e->d_name);
		unlink(p);
	}
	closedir(d);
	rmdir(w.dir);
	return 0;
}

static void pass(struct approvals *a, uint64_t seconds)
{
	w.now.unix_ns += seconds * S;
	w.now.boot_ns += seconds * S;
	approvals_tick(a);
}

static struct role_pending call(const char *id)
{
	struct role_pending p = {.pid = getpid(), .uid = 1000, .root_pid = getpid()};

	snprintf(p.id, sizeof(p.id), "%s", id);
	for (size_t i = 0; i < sizeof(p.key); i++)
		p.key[i] = id[i % strlen(id)];
	strcpy(p.rule, "hold-all");
	strcpy(p.user, "bob");
	strcpy(p.tool, "claude_code");
	strcpy(p.service, "anthropic");
	strcpy(p.host, "api.anthropic.com");
	strcpy(p.why, "rule \"hold-all\"");
	procinfo_start(getpid(), &p.root_start_ns);
	return p;
}

static void park(struct approvals *a, const char *id)
{
	struct role_pending p = call(id);

	approvals_pending(a, &p);
}

/* "" = done, else what it said. */
static const char *say(struct approvals *a, const char *verb, const char *id, int for_s,
		       const char *scope)
{
	static char said[256];
	json_t *words = json_pack("{s:s, s:s, s:s*}", "do", verb, "id", id, "scope", scope), *r;

	if (for_s)
		json_object_set_new(words, "for_s", json_integer(for_s));
	r = approvals_answer(a, words, 1001, "alice");
	assert_non_null(r);
	snprintf(said, sizeof(said), "%s", json_string_value(json_object_get(r, "error")) ?: "");
	assert_true(said[0] || json_is_true(json_object_get(r, "ok")));
	json_decref(r);
	json_decref(words);
	return said;
}

static size_t pending(const struct approvals *a)
{
	json_t *l = approvals_list(a);
	size_t n = json_array_size(json_object_get(l, "pending"));

	json_decref(l);
	return n;
}

/* --- the way of one call ---------------------------------------------------------------------------- */

static void approved_once(void **state)
{
	struct approvals *a = open_it();

	assert_int_equal(w.n, 0);
	park(a, "aaaa");
	park(a, "aaaa"); /* the retry is the same one */
	assert_int_equal(pending(a), 1);
	assert_string_equal(say(a, "approve", "aaaa", 0, NULL), "");
	assert_int_equal(w.n, 1);
	assert_int_equal(w.grants[0].scope, GRANT_CALL);
	assert_int_equal(w.grants[0].until_unix_ns, 0);
	assert_false(w.grants[0].denied);
	assert_string_equal(w.grants[0].by, "alice");
	approvals_used(a, "aaaa");
	assert_int_equal(w.n, 0);
	assert_int_equal(pending(a), 0);
	assert_string_equal(w.sealed, "aaaa:pending aaaa:granted aaaa:used");
	approvals_close(a);
}

/* A call that comes between the end of an answer and the tick that says so is asked about. */
static void asked_right_after_the_end(void **state)
{
	struct approvals *a = open_it();

	park(a, "aaaa");
	assert_string_equal(say(a, "approve", "aaaa", 30, "service"), "");
	w.now.unix_ns += 31 * S;
	w.now.boot_ns += 31 * S;
	park(a, "aaaa");
	assert_int_equal(w.n, 0);
	pass(a, 1);
	assert_int_equal(pending(a), 1);
	assert_string_equal(say(a, "deny", "aaaa", 60, NULL), "");
	assert_string_equal(w.sealed, "aaaa:pending aaaa:granted aaaa:expired aaaa:pending "
				      "aaaa:denied");
	approvals_close(a);
}

static void scopes_and_ends(void **state)
{
	struct approvals *a = open_it();

	park(a, "aaaa");
	park(a, "bbbb");
	assert_string_equal(say(a, "approve", "aaaa", 3600, "tool"), "");
	assert_string_equal(say(a, "deny", "bbbb", 60, NULL), "");
	assert_int_equal(w.n, 2);
	approvals_used(a, "aaaa"); /* only a call's grant is used up */
	assert_int_equal(w.n, 2);
	pass(a, 59);
	assert_int_equal(w.n, 2);
	pass(a, 2);
	assert_int_equal(w.n, 1);
	assert_string_equal(w.grants[0].id, "aaaa");
	assert_int_equal(w.grants[0].until_unix_ns, T0 + HOUR);
	assert_string_equal(say(a, "revoke", "aaaa", 0, NULL), "");
	assert_int_equal(w.n, 0);
	assert_string_equal(w.sealed, "aaaa:pending bbbb:pending aaaa:granted bbbb:denied "
				      "bbbb:expired aaaa:revoked");
	approvals_close(a);
}

static void session_ends_with_its_program(void **state)
{
	struct approvals *a = open_it();
	struct role_pending p = call("cccc");
	pid_t child = fork();

	if (!child)
		for (;;)
			pause();
	p.root_pid = child;
	assert_int_equal(procinfo_start(child, &p.root_start_ns), 0);
	approvals_pending(a, &p);
	assert_string_equal(say(a, "approve", "cccc", 3600, "session"), "");
	assert_int_equal(w.grants[0].session_pid, child);
	assert_int_equal(w.grants[0].session_start_ns, p.root_start_ns);
	pass(a, 1);
	assert_int_equal(w.n, 1);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	pass(a, 1);
	assert_int_equal(w.n, 0);
	approvals_close(a);
}

static void refusals(void **state)
{
	static const struct {
		const char *verb, *id;
		int for_s;
		const char *scope, *word;
	} rows[] = {
		{"approve", "zzzz", 0, NULL, "no call zzzz"},
		{"approve", "aaa", 0, NULL, "no call aaa"}, /* too short for a beginning */
		{"approve", "aaaa", 0, NULL, "several"},
		{"approve", "aaaabbbb", -1, NULL, "for_s"},
		{"approve", "aaaabbbb", 91 * 24 * 3600, NULL, "for_s"},
		{"approve", "aaaabbbb", 60, "host", "scope"},
		{"revoke", "aaaabbbb", 0, NULL, "not answered"},
		{"status", "aaaabbbb", 0, NULL, "no answer"},
	};
	struct approvals *a = open_it();

	park(a, "aaaabbbb");
	park(a, "aaaacccc");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *said = say(a, rows[i].verb, rows[i].id, rows[i].for_s, rows[i].scope);

		if (!strstr(said, rows[i].word))
			fail_msg("row %zu said '%s'", i, said);
	}
	assert_int_equal(w.n, 0);
	assert_string_equal(say(a, "approve", "aaaab", 0, NULL), ""); /* unique beginning */
	approvals_close(a);
}

/* --- hostile or many ----------------------------------------------------------------------------------- */

static void bounds(void **state)
{
	struct approvals *a = open_it();
	char id[16];
	json_t *s;

	for (unsigned i = 0; i < APPROVALS_PENDING_MAX + 8; i++) {
		snprintf(id, sizeof(id), "%c%c%c%c%c", 'a' + i / 676 % 26, 'a' + i / 26 % 26,
			 'a' + i % 26, 'q', 'q');
		park(a, id);
		if (i % 16 == 15)
			pass(a, 1);
	}
	assert_int_equal(pending(a), APPROVALS_PENDING_MAX); /* the oldest gave way */
	pass(a, 1);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(id, sizeof(id), "zz%c%c%c", 'a' + i / 26, 'a' + i % 26, 'z');
		park(a, id);
	}
	s = approvals_status(a);
	assert_int_equal(json_integer_value(json_object_get(s, "refused")), 68);
	json_decref(s);
	approvals_close(a);
}

static void no_ids_of_two(void **state)
{
	struct approvals *a = open_it();
	struct role_pending p = call("aaaa");
	json_t *s;

	approvals_pending(a, &p);
	p.key[0] ^= 1;
	approvals_pending(a, &p);
	strcpy(p.id, "../x");
	approvals_pending(a, &p);
	assert_int_equal(pending(a), 1);
	s = approvals_status(a);
	assert_int_equal(json_integer_value(json_object_get(s, "same_id")), 1);
	assert_int_equal(json_integer_value(json_object_get(s, "refused")), 1);
	json_decref(s);
	approvals_close(a);
}

static void texts_are_made_safe(void **state)
{
	struct approvals *a = open_it();
	struct role_pending p = call("aaaa");
	json_t *l;

	strcpy(p.why, "x\x1b[2J\n\xff y");
	approvals_pending(a, &p);
	l = approvals_list(a);
	assert_string_equal(json_string_value(json_object_get(
				    json_array_get(json_object_get(l, "pending"), 0), "why")),
			    "x?[2J?\xef\xbf\xbd y");
	json_decref(l);
	approvals_close(a);
}

/* --- restarts, crashes ------------------------------------------------------------------------------------ */

static void survives(void **state)
{
	struct approvals *a = open_it();

	park(a, "aaaa");
	park(a, "bbbb");
	park(a, "cccc");
	assert_string_equal(say(a, "approve", "aaaa", 3600, "service"), "");
	assert_string_equal(say(a, "deny", "bbbb", 3600, NULL), "");
	approvals_close(a);
	a = open_it();
	assert_int_equal(w.n, 2);
	assert_int_equal(pending(a), 1);
	assert_int_equal(w.seals, 5); /* nothing is sealed twice */
	approvals_close(a);
}

static void seals_what_nobody_took(void **state)
{
	struct approvals *a;

	w.worker = false;
	a = open_it();
	park(a, "aaaa");
	assert_string_equal(say(a, "approve", "aaaa", 3600, NULL), "");
	approvals_used(a, "aaaa");
	assert_int_equal(w.seals, 0);
	approvals_close(a);
	w.worker = true;
	a = open_it();
	assert_string_equal(w.sealed, "aaaa:pending aaaa:granted aaaa:used");
	approvals_close(a);
	a = open_it();
	assert_int_equal(w.seals, 3);
	approvals_close(a);
}

static void clocks(void **state)
{
	static const struct {
		const char *name;
		int64_t wall, boot; /* seconds from the answer to the look */
		bool reboot, in_force;
	} rows[] = {
		{"in time", 3500, 3500, false, true},
		{"over", 3601, 3601, false, false},
		{"clock set back", 10, 3601, false, false},
		{"clock set before the answer", -86400, 3601, false, false},
		{"clock set forward", 4000, 100, false, false},
		{"another boot, in time", 3500, 3500, true, true},
		{"another boot, over", 3601, 3601, true, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct approvals *a;

		teardown(NULL);
		setup(NULL);
		a = open_it();
		park(a, "aaaa");
		assert_string_equal(say(a, "approve", "aaaa", 3600, "tool"), "");
		approvals_close(a);
		w.now.unix_ns += rows[i].wall * S;
		w.now.boot_ns = rows[i].reboot ? 50 * S : w.now.boot_ns + rows[i].boot * S;
		if (rows[i].reboot)
			strcpy(w.now.boot_id, "boot-2");
		a = open_it();
		approvals_tick(a);
		if ((w.n == 1) != rows[i].in_force)
			fail_msg("%s: %zu grants", rows[i].name, w.n);
		approvals_close(a);
	}
}

/* While the host was down its clock went back: what had passed has passed. */
static void clock_back_over_a_boot(void **state)
{
	struct approvals *a = open_it();

	park(a, "aaaa");
	assert_string_equal(say(a, "approve", "aaaa", 3600, "tool"), "");
	for (int i = 0; i < 50; i++)
		pass(a, 60); /* 50 minutes: the store carries the time */
	approvals_close(a);
	w.now = (struct approvals_now){.unix_ns = T0 + 60 * S, .boot_ns = 5 * S};
	strcpy(w.now.boot_id, "boot-2");
	a = open_it();
	approvals_tick(a);
	assert_int_equal(w.n, 1);
	pass(a, 11 * 60); /* ten were left */
	assert_int_equal(w.n, 0);
	approvals_close(a);
}

static char *store(size_t *n)
{
	char *text;

	assert_int_equal(fs_read(w.path, 1 << 20, &text, n), 0);
	return text;
}

static void put_store(const char *text, size_t n)
{
	FILE *f = fopen(w.path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	fclose(f);
}

/* A grant, then its end: whatever a crash leaves is a state that was, in order. */
static void cut_at_every_byte(void **state)
{
	struct approvals *a = open_it();
	_cleanup_free_ char *text = NULL;
	size_t n, granted, revoked;
	json_t *l;

	park(a, "aaaa");
	free(store(&granted));
	assert_string_equal(say(a, "approve", "aaaa", 3600, "tool"), "");
	free(store(&revoked));
	assert_string_equal(say(a, "revoke", "aaaa", 0, NULL), "");
	approvals_close(a);
	text = store(&n);
	for (size_t i = 0; i <= n; i++) {
		put_store(text, i);
		a = open_it();
		if (i < granted)
			assert_int_equal(w.n, 0);
		if (i == revoked)
			assert_int_equal(w.n, 1);
		if (i >= n - 1) /* the last newline may be missing, no more */
			assert_int_equal(w.n, 0);
		l = approvals_list(a);
		assert_true(json_array_size(json_object_get(l, "pending")) + w.n <= 1);
		json_decref(l);
		approvals_close(a);
		a = open_it(); /* what was mended holds */
		approvals_close(a);
	}
}

/* One bit at every place: never more than what was there, and never a grant that was taken back. */
static void spoilt_at_every_byte(void **state)
{
	struct approvals *a = open_it();
	_cleanup_free_ char *text = NULL;
	size_t n, lost = 0;
	char aside[128];
	struct stat st;

	park(a, "aaaa");
	park(a, "bbbb");
	assert_string_equal(say(a, "approve", "aaaa", 3600, "tool"), "");
	assert_string_equal(say(a, "approve", "bbbb", 3600, "tool"), "");
	assert_string_equal(say(a, "revoke", "bbbb", 0, NULL), "");
	approvals_close(a);
	text = store(&n);
	for (size_t i = 0; i + 1 < n; i += 3) {
		text[i] ^= 1 << i % 7;
		put_store(text, n);
		text[i] ^= 1 << i % 7;
		a = open_it();
		assert_true(w.n <= 1);
		assert_true(!w.n || !strcmp(w.grants[0].id, "aaaa"));
		lost += !w.n;
		approvals_close(a);
	}
	assert_true(lost > 0);
	snprintf(aside, sizeof(aside), "%s.damaged", w.path);
	assert_int_equal(stat(aside, &st), 0);
	assert_true(st.st_size > 0);
}

static void not_stored_not_in_force(void **state)
{
	struct approvals *a = open_it();
	const char *said;

	park(a, "aaaa");
	approvals_close(a);
	/* The store is a folder: nothing can be kept, and the agent runs all the same. */
	unlink(w.path);
	mkdir(w.path, 0700);
	assert_int_equal(approvals_open(w.dir, &ops, NULL, &a), 0);
	park(a, "bbbb");
	said = say(a, "approve", "bbbb", 60, NULL);
	assert_non_null(strstr(said, "not done"));
	assert_int_equal(w.n, 0);
	approvals_close(a);
	rmdir(w.path);
}

static void written_anew_when_large(void **state)
{
	struct approvals *a = open_it();
	struct stat st;

	park(a, "aaaa");
	for (int i = 0; i < 1500; i++)
		assert_string_equal(say(a, "deny", "aaaa", 600, NULL), "");
	assert_int_equal(stat(w.path, &st), 0);
	assert_true(st.st_size > 1 << 20);
	pass(a, 1);
	assert_int_equal(stat(w.path, &st), 0);
	assert_true(st.st_size < 4096);
	approvals_close(a);
	a = open_it();
	assert_int_equal(w.n, 1);
	assert_true(w.grants[0].denied);
	approvals_close(a);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(approved_once),
		T(asked_right_after_the_end),
		T(scopes_and_ends),
		T(session_ends_with_its_program),
		T(refusals),
		T(bounds),
		T(no_ids_of_two),
		T(texts_are_made_safe),
		T(survives),
		T(seals_what_nobody_took),
		T(clocks),
		T(clock_back_over_a_boot),
		T(cut_at_every_byte),
		T(spoilt_at_every_byte),
		T(not_stored_not_in_force),
		T(written_anew_when_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
