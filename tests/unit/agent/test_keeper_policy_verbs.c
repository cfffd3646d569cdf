// SPDX-License-Identifier: Apache-2.0
/* What operators ask of the policy by the control socket: packs to be loaded, and why. */
#include "keeper_rig.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "agent/control.h"

static const struct control_verb verbs[] = {
	{"policy_load", false, on_policy_load},
	{"explain", false, on_explain},
	{},
};

static int ask(const char *fmt, const char *arg)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", in("control.sock"));
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	dprintf(fd, fmt, arg);
	for (unsigned i = 0; i < 3; i++) /* connected, read, answered */
		event_base_loop(k.base, EVLOOP_NONBLOCK);
	return fd;
}

/* Closes fd. contains NULL: there is none yet. */
static void answered(int fd, const char *contains)
{
	char b[4096];
	ssize_t n;

	for (unsigned i = 0; i < 3; i++)
		event_base_loop(k.base, EVLOOP_NONBLOCK);
	n = recv(fd, b, sizeof(b) - 1, MSG_DONTWAIT);
	if (!contains) {
		assert_true(n < 0 && errno == EAGAIN);
		return;
	}
	b[n > 0 ? n : 0] = '\0';
	if (!strstr(b, contains))
		fail_msg("answer: %s, not %s", b, contains);
	close(fd);
	event_base_loop(k.base, EVLOOP_NONBLOCK);
}

#define LOAD "{\"do\": \"policy_load\", \"path\": \"%s\"}\n"

static void an_operator_loads_one(void **state)
{
	struct role_pack p;
	int load;

	put("g", "pack: file\n");
	put("h", "pack: loaded\n");
	keeper_begins("s8", "g", false, false);
	assert_int_equal(control_open(k.base, dir, verbs, &k, &k.socket), 0);
	tell_policy(&k, false);
	p = gets("pack: file\n", NULL);
	says(p.generation, 0, NULL);
	answered(ask(LOAD, "relative"), "from the root");
	answered(ask(LOAD, in("none")), "No such file");
	gets(NULL, "No such file");
	/* one at a time; the answer is the worker's, also of the next worker */
	load = ask(LOAD, in("h"));
	p = gets("pack: loaded\n", NULL);
	answered(load, NULL);
	answered(ask(LOAD, in("g")), "another pack is being loaded");
	worker_ends();
	worker_begins();
	tell_policy(&k, true);
	gets("pack: file\n", NULL);
	gets("pack: loaded\n", NULL);
	says(p.generation, 2, "not a pack");
	answered(load, "not a pack");
	holds(p.generation - 1, 0, "not a pack");
	load = ask(LOAD, in("h"));
	p = gets("pack: loaded\n", NULL);
	says(p.generation, 2, NULL);
	answered(load, "\"revision\":2");
	holds(p.generation, 2, "");
	control_free(k.socket);
	keeper_ends();
	/* it stays over a restart, until the file is another */
	keeper_begins("s8", "g", false, false);
	tell_policy(&k, false);
	gets("pack: loaded\n", NULL);
	gets_nothing();
	keeper_ends();
	put("g", "pack: newer file\n");
	keeper_begins("s8", "g", false, false);
	tell_policy(&k, false);
	gets("pack: loaded\n", NULL);
	gets("pack: newer file\n", NULL);
	keeper_ends();
}

static void judged(uint64_t id, const char *text)
{
	struct role_judged r = {.id = id, .len = strlen(text)};
	struct role_msg m;

	assert_int_equal(role_sendv(peer, ROLE_JUDGED, &r, sizeof(r), text, r.len), 0);
	assert_true(role_recv(k.worker.fd, &m, body, ROLE_BODY_MAX) > 0);
	assert_int_equal(m.kind, ROLE_JUDGED);
	policy_judged(&k, (const void *)body);
}

static uint64_t asked_to_judge(int pid)
{
	struct role_msg m;
	struct role_judge j;

	assert_true(role_recv(peer, &m, body, ROLE_BODY_MAX) > 0);
	assert_int_equal(m.kind, ROLE_PROC); /* what the worker knows may be old */
	assert_int_equal(((struct role_proc *)body)->pid, pid);
	assert_true(role_recv(peer, &m, body, ROLE_BODY_MAX) > 0);
	assert_int_equal(m.kind, ROLE_JUDGE);
	memcpy(&j, body, sizeof(j));
	assert_int_equal(j.pid, pid);
	return j.id;
}

static void on_hashed(void *ctx, uint32_t pid) {}

static void an_operator_asks_why(void **state)
{
	uint64_t one, two;
	char pid[16];
	int a, b;

	keeper_begins("s9", "g", false, false);
	assert_int_equal(control_open(k.base, dir, verbs, &k, &k.socket), 0);
	k.hashes = exehash_new(k.base, on_hashed, NULL);
	assert_non_null(k.hashes);
	snprintf(pid, sizeof(pid), "%d", getpid());
	answered(ask("{\"do\": \"explain\", \"pid\": %s}\n", "-1"), "needs");
	a = ask("{\"do\": \"explain\", \"pid\": %s}\n", pid);
	one = asked_to_judge(getpid());
	b = ask("{\"do\": \"explain\", \"pid\": %s}\n", pid);
	two = asked_to_judge(getpid());
	assert_true(one != two);
	judged(one ^ two, "{\"rule\": \"guessed\"}");
	answered(a, NULL);
	answered(b, NULL);
	judged(two, "{\"rule\": \"second\"}");
	judged(two, "{\"rule\": \"again\"}");
	answered(a, NULL);
	answered(b, "second");
	judged(one, "[\"no object\"]");
	answered(a, "answer is none");
	control_free(k.socket);
	exehash_free(k.hashes);
	keeper_ends();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_operator_loads_one),
		cmocka_unit_test(an_operator_asks_why),
	};

	return cmocka_run_group_tests(tests, rig_begin, rig_end);
}
