// SPDX-License-Identifier: Apache-2.0
/* Names, numbers, homes and the fields that can be redacted, in every kind of record.
 * Long because it is one row or more for each kind. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "proto/record.pb-c.h"
#include "record/private_int.h"
#include "record/record.h"

static const uint8_t key[32] = {1, 2, 3}, other_key[32] = {1, 2, 4};
static uint8_t in[RECORD_PAYLOAD_MAX], out[RECORD_PAYLOAD_MAX];

static const char *name(const char *user)
{
	static char text[4][PSEUDONYM_SIZE];
	static unsigned at;
	char *to = text[at++ % 4];

	pseudonym_of(key, PSEUDONYM_USER, user, to);
	return to;
}

static void process(Probity__V1__Process *p, char **argv, size_t n)
{
	static char *groups[] = {"alice", "dev"},
		    *ancestry[] = {"/home/alice/bin/tool", "/usr/bin/bash"};

	probity__v1__process__init(p);
	p->pid = 7;
	p->uid = 1000;
	p->user = "alice";
	p->has_login_uid_case = PROBITY__V1__PROCESS__HAS_LOGIN_UID_LOGIN_UID;
	p->login_uid = 1001;
	p->login_user = "bob.b";
	p->groups = groups;
	p->n_groups = 2;
	p->exe = "/home/alice/.venv/bin/python3";
	p->argv = argv;
	p->n_argv = n;
	p->ancestry = ancestry;
	p->n_ancestry = 2;
	p->cgroup = "/user.slice/user-1000.slice/user@1001.service/x";
	p->container_id = "0123abcd";
}

/* A call with everything in it; packs into `in`. */
static size_t call_of(const char *path)
{
	char *argv[] = {"python3", "--out=/home/alice/notes", "bob.b@web", "malice",
			"/home/carol/x"};
	Probity__V1__AiCall c = PROBITY__V1__AI_CALL__INIT;
	Probity__V1__Decision d = PROBITY__V1__DECISION__INIT;
	Probity__V1__Process p;

	process(&p, argv, ARRAY_SIZE(argv));
	c.process = &p;
	c.decision = &d;
	d.approved_by = "alice";
	c.server_address = "api.eu.example.com";
	c.sni = "api.eu.example.com";
	c.peer_address = "203.0.113.77";
	c.user_agent = "sdk-python/0.40 (alice)";
	c.http_path = (char *)path;
	c.request_model = "m";
	return probity__v1__ai_call__pack(&c, in);
}

static Probity__V1__AiCall *applied(const struct private *p, const char *path)
{
	size_t n = 0;

	assert_int_equal(private_apply(p, RECORD_AI_CALL, in, call_of(path), out, sizeof(out), &n),
			 0);
	return probity__v1__ai_call__unpack(NULL, n, out);
}

static struct private config(bool users, const char *spec)
{
	struct private p = {.users = users};
	const char *bad;
	size_t n;

	memcpy(p.key, key, sizeof(key));
	if (*spec)
		assert_int_equal(private_parse(spec, &p, &bad, &n), 0);
	return p;
}

static void test_pseudonym(void **state)
{
	enum pseudonym_kind kind;
	char a[PSEUDONYM_SIZE], b[PSEUDONYM_SIZE];
	static char lengthy[3000];

	/* HMAC-SHA256(01 02 03 00 …, "u\0alice"), the first 80 bits: made with Python's hmac and base64. */
	pseudonym_of(key, PSEUDONYM_USER, "alice", a);
	assert_string_equal(a, "u:3bifqrrsyf42u6lb");
	pseudonym_of(key, PSEUDONYM_GROUP, "alice", b);
	assert_string_not_equal(a + 2, b + 2);
	pseudonym_of(other_key, PSEUDONYM_USER, "alice", b);
	assert_string_not_equal(a, b);
	pseudonym_of(key, PSEUDONYM_USER, "", b);
	assert_string_equal(b, "");
	memset(lengthy, 'x', sizeof(lengthy) - 1);
	pseudonym_of(key, PSEUDONYM_TEXT, lengthy, a);
	lengthy[2998] = 'y';
	pseudonym_of(key, PSEUDONYM_TEXT, lengthy, b);
	assert_string_not_equal(a, b);

	assert_true(pseudonym_ok(a, &kind) && kind == PSEUDONYM_TEXT);
	for (size_t i = 0; i < strlen(a); i++) {
		memcpy(b, a, sizeof(b));
		b[i] = '1'; /* in no alphabet, no kind, no colon */
		assert_false(pseudonym_ok(b, &kind));
	}
	assert_false(pseudonym_ok("", &kind));
	assert_false(pseudonym_ok("u:", &kind));
}

static void test_keys(void **state)
{
#define K1 "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"
#define K2 "10112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	static const struct {
		const char *text;
		size_t n; /* 0: refused */
		unsigned line;
	} rows[] = {
		{K1, 1, 0},
		{K1 "\n", 1, 0},
		{"# now\n" K2 "\n\n# before\n" K1 "\n", 2, 0},
		{"", 0, 1},
		{"\n#\n", 0, 3},
		{K1 "\n" K2 "0\n", 0, 2},
		{"x" K1, 0, 1},
		{"zz112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n", 0, 1},
		{K1 "\n" K1 "\n" K1 "\n" K1 "\n" K1 "\n" K1 "\n" K1 "\n" K1 "\n" K1 "\n" K1 "\n" K1
		    "\n" K1 "\n" K1 "\n" K1 "\n" K1 "\n" K1 "\n" K1 "\n",
		 0, 17},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pseudonym_keys k = {0};
		unsigned line = 0;
		int r = pseudonym_keys_parse(rows[i].text, strlen(rows[i].text), &k, &line);

		assert_int_equal(r, rows[i].n ? 0 : -EBADMSG);
		assert_int_equal(k.n, rows[i].n);
		assert_int_equal(line, rows[i].line);
		if (rows[i].n)
			assert_int_equal(k.key[k.n - 1][31], 0xff);
	}
}

static void test_parse(void **state)
{
	static const struct {
		const char *spec, *bad;
	} rows[] = {
		{"argv=drop", NULL},
		{"argv=drop,http_path=mask,peer_address=hash,cgroup=keep", NULL},
		{"argv", "argv"},
		{"argv=", "argv="},
		{"argv=gone", "argv=gone"},
		{"argv=drop,", ""},
		{"argv=drop,nothing=mask", "nothing=mask"},
		{"=drop", "=drop"},
		{"", ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct private p = {0};
		const char *bad = NULL;
		size_t n = 0;

		assert_int_equal(private_parse(rows[i].spec, &p, &bad, &n),
				 rows[i].bad ? -EINVAL : 0);
		if (rows[i].bad) {
			assert_int_equal(n, strlen(rows[i].bad));
			assert_memory_equal(bad, rows[i].bad, n);
			assert_false(private_any(&p));
		} else {
			assert_true(private_any(&p));
			assert_int_equal(p.how[PRIVATE_ARGV], PRIVATE_DROP);
			assert_int_equal(private_keyed(&p),
					 p.how[PRIVATE_PEER_ADDRESS] == PRIVATE_HASH);
		}
	}
}

static bool holds(const uint8_t *p, size_t n, const char *text)
{
	return memmem(p, n, text, strlen(text)) != NULL;
}

static void test_users(void **state)
{
	struct private p = config(true, "");
	Probity__V1__AiCall *c = applied(&p, "/v1/alice/home/zoe");
	Probity__V1__Process *who = c->process;
	char want[200];

	assert_string_equal(who->user, name("alice"));
	assert_string_equal(who->login_user, name("bob.b"));
	assert_int_equal(who->uid, PRIVATE_UID);
	assert_int_equal(who->has_login_uid_case, 0);
	assert_int_equal(who->n_groups, 2);
	assert_true(who->groups[0][0] == 'g' && who->groups[1][0] == 'g');
	snprintf(want, sizeof(want), "/home/%s/.venv/bin/python3", name("alice"));
	assert_string_equal(who->exe, want);
	assert_string_equal(who->argv[0], "python3");
	snprintf(want, sizeof(want), "--out=/home/%s/notes", name("alice"));
	assert_string_equal(who->argv[1], want);
	snprintf(want, sizeof(want), "%s@web", name("bob.b"));
	assert_string_equal(who->argv[2], want);
	assert_string_equal(who->argv[3], "malice");
	snprintf(want, sizeof(want), "/home/%s/x", name("carol"));
	assert_string_equal(who->argv[4], want);
	snprintf(want, sizeof(want), "/home/%s/bin/tool", name("alice"));
	assert_string_equal(who->ancestry[0], want);
	snprintf(want, sizeof(want), "/user.slice/user-%s.slice/user@%s.service/x", name("alice"),
		 name("bob.b"));
	assert_string_equal(who->cgroup, want);
	snprintf(want, sizeof(want), "/v1/%s/home/zoe", name("alice")); /* no file's path */
	assert_string_equal(c->http_path, want);
	assert_string_equal(c->decision->approved_by, "alice"); /* an operator stands for it */
	assert_string_equal(c->request_model, "m");
	assert_string_equal(c->peer_address, "203.0.113.77");
	probity__v1__ai_call__free_unpacked(c, NULL);
}

static void test_accounts(void **state)
{
	static const struct {
		uint32_t uid;
		const char *user, *want; /* NULL: a pseudonym of what follows */
		const char *of;
	} rows[] = {
		{0, "root", "root", NULL},	   {33, "www-data", "www-data", NULL},
		{999, "svc", "svc", NULL},	   {1000, "alice", NULL, "alice"},
		{65534, "nobody", "nobody", NULL}, {70000, "", NULL, "70000"},
	};
	struct private p = config(true, "");

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		Probity__V1__Denial d = PROBITY__V1__DENIAL__INIT, *to;
		Probity__V1__Process who = PROBITY__V1__PROCESS__INIT;
		bool person = !rows[i].want;
		size_t n = 0;

		assert_int_equal(private_person(rows[i].uid), person);
		who.uid = rows[i].uid;
		who.user = (char *)rows[i].user;
		d.process = &who;
		d.path = "/opt/x";
		assert_int_equal(private_apply(&p, RECORD_DENIAL, in,
					       probity__v1__denial__pack(&d, in), out, sizeof(out),
					       &n),
				 0);
		to = probity__v1__denial__unpack(NULL, n, out);
		assert_string_equal(to->process->user, rows[i].want ?: name(rows[i].of));
		assert_int_equal(to->process->uid, person ? PRIVATE_UID : rows[i].uid);
		assert_string_equal(to->path, "/opt/x");
		probity__v1__denial__free_unpacked(to, NULL);
	}
}

static void test_control(void **state)
{
	Probity__V1__Control c = PROBITY__V1__CONTROL__INIT, *to;
	struct private p = config(true, "");
	char want[100];
	size_t n = 0;

	c.kind = PROBITY__V1__CONTROL__KIND__APPROVAL;
	c.user = "alice";
	c.user_uid = 1000;
	c.subject = "alice by claude_code to openai";
	c.operator_ = "alice (1000)";
	assert_int_equal(private_apply(&p, RECORD_CONTROL, in, probity__v1__control__pack(&c, in),
				       out, sizeof(out), &n),
			 0);
	to = probity__v1__control__unpack(NULL, n, out);
	snprintf(want, sizeof(want), "%s by claude_code to openai", name("alice"));
	assert_string_equal(to->subject, want);
	assert_string_equal(to->user, name("alice"));
	assert_int_equal(to->user_uid, PRIVATE_UID);
	assert_string_equal(to->operator_, "alice (1000)");
	probity__v1__control__free_unpacked(to, NULL);
}

static void test_mcp(void **state)
{
	Probity__V1__McpCall c = PROBITY__V1__MCP_CALL__INIT, *to;
	Probity__V1__Effect e[2], *effects[] = {&e[0], &e[1]};
	Probity__V1__Process client, server;
	struct private p = config(true, "peer_address=mask,server_address=mask,argv=drop");
	char want[100];
	size_t n = 0;

	process(&client, NULL, 0);
	process(&server, NULL, 0);
	server.uid = 1234;
	server.user = "dave";
	probity__v1__effect__init(&e[0]);
	probity__v1__effect__init(&e[1]);
	e[0].kind = "file_read";
	e[0].what = "/srv/dave/plan";
	e[1].kind = "connect";
	e[1].what = "[2001:db8:1:2::3]:443";
	c.client = &client;
	c.server = &server;
	c.server_address = "127.0.0.1:8000";
	c.effects = effects;
	c.n_effects = 2;
	assert_int_equal(private_apply(&p, RECORD_MCP_CALL, in, probity__v1__mcp_call__pack(&c, in),
				       out, sizeof(out), &n),
			 0);
	assert_false(holds(out, n, "dave") || holds(out, n, "alice") || holds(out, n, "bob"));
	to = probity__v1__mcp_call__unpack(NULL, n, out);
	snprintf(want, sizeof(want), "/srv/%s/plan", name("dave"));
	assert_string_equal(to->effects[0]->what, want);
	assert_string_equal(to->effects[1]->what, "2001:db8:1::/48:443");
	assert_string_equal(to->server_address, "127.0.0.0/24:8000");
	probity__v1__mcp_call__free_unpacked(to, NULL);
}

/* Each field, each way: what stands there afterwards. NULL: its "h:" pseudonym. */
static void test_fields(void **state)
{
	static const struct {
		const char *spec;
		enum {
			ARGV1,
			ARGVN,
			EXE,
			PEER,
			SERVER,
			SNI,
			AGENT,
			PATH,
			GROUP0,
			GROUPN,
			CGROUP,
			BOX
		} at;
		const char *want;
	} rows[] = {
		{"argv=keep", ARGV1, "--out=/home/alice/notes"},
		{"argv=drop", ARGVN, "0"},
		{"argv=mask", ARGVN, "5"},
		{"argv=mask", ARGV1, "***"},
		{"argv=hash", ARGV1, NULL},
		{"home_path=drop", EXE, ""},
		{"home_path=mask", EXE, "/home/alice/***"},
		{"home_path=hash", EXE, NULL},
		{"home_path=drop", ARGV1, "--out="},
		{"home_path=mask", ARGV1, "--out=/home/alice/***"},
		{"home_path=mask", PATH, "/v1/chat/completions"},
		{"peer_address=drop", PEER, ""},
		{"peer_address=mask", PEER, "203.0.113.0/24"},
		{"peer_address=hash", PEER, NULL},
		{"server_address=drop", SERVER, ""},
		{"server_address=mask", SERVER, "*.example.com"},
		{"server_address=hash", SERVER, NULL},
		{"server_address=mask", SNI, "*.example.com"},
		{"user_agent=drop", AGENT, ""},
		{"user_agent=mask", AGENT, "sdk-python***"},
		{"user_agent=hash", AGENT, NULL},
		{"http_path=drop", PATH, ""},
		{"http_path=mask", PATH, "/v1/***"},
		{"http_path=hash", PATH, NULL},
		{"groups=drop", GROUPN, "0"},
		{"groups=mask", GROUP0, "***"},
		{"groups=hash", GROUP0, NULL},
		{"cgroup=drop", CGROUP, ""},
		{"cgroup=mask", CGROUP, "***"},
		{"cgroup=mask", BOX, "***"},
		{"cgroup=hash", BOX, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct private p = config(false, rows[i].spec);
		Probity__V1__AiCall *c = applied(&p, "/v1/chat/completions");
		Probity__V1__Process *w = c->process;
		char argn[12], groupn[12];
		const char *got[] = {
			[ARGV1] = w->n_argv ? w->argv[1] : "",
			[ARGVN] = argn,
			[EXE] = w->exe,
			[PEER] = c->peer_address,
			[SERVER] = c->server_address,
			[SNI] = c->sni,
			[AGENT] = c->user_agent,
			[PATH] = c->http_path,
			[GROUP0] = w->n_groups ? w->groups[0] : "",
			[GROUPN] = groupn,
			[CGROUP] = w->cgroup,
			[BOX] = w->container_id,
		};
		enum pseudonym_kind kind;

		snprintf(argn, sizeof(argn), "%zu", w->n_argv);
		snprintf(groupn, sizeof(groupn), "%zu", w->n_groups);
		if (rows[i].want)
			assert_string_equal(got[rows[i].at], rows[i].want);
		else
			assert_true(pseudonym_ok(got[rows[i].at], &kind) && kind == PSEUDONYM_TEXT);
		assert_string_equal(w->user, "alice"); /* not asked for */
		assert_int_equal(w->uid, 1000);
		probity__v1__ai_call__free_unpacked(c, NULL);
	}
}

static void test_refused(void **state)
{
	struct private p = config(true, "");
	size_t full = call_of("/"), n = 77, small;

	assert_int_equal(private_apply(&p, 99, in, full, out, sizeof(out), &n), -EBADMSG);
	assert_int_equal(private_apply(&p, RECORD_AI_CALL, in, 1, out, sizeof(out), &n), -EBADMSG);
	/* Every truncation: refused, or a message; never more than was there. */
	for (size_t cut = 0; cut < full; cut++) {
		int r = private_apply(&p, RECORD_AI_CALL, in, cut, out, sizeof(out), &n);

		assert_true(r == 0 || r == -EBADMSG);
		assert_true(r || !holds(out, n, "/home/alice"));
	}
	assert_int_equal(private_apply(&p, RECORD_AI_CALL, in, full, out, sizeof(out), &n), 0);
	/* Too long by a byte: without its arguments. Without room for the rest: not at all. */
	small = n - 1;
	assert_int_equal(private_apply(&p, RECORD_AI_CALL, in, full, out, small, &n), 0);
	assert_true(n < small - 20 && !holds(out, n, "malice"));
	n = 77;
	assert_int_equal(private_apply(&p, RECORD_AI_CALL, in, full, out, 50, &n), -EMSGSIZE);
	assert_int_equal(n, 77);
}

/* Nobody can say what stands in a field that is not known: it is left out. */
static void test_unknown_field(void **state)
{
	struct private p = config(true, "");
	size_t n = call_of("/"), m;

	memcpy(in + n, "\x82\x7d\x03xyz", 6); /* field 2000, three bytes */
	assert_int_equal(private_apply(&p, RECORD_AI_CALL, in, n + 6, out, sizeof(out), &m), 0);
	assert_false(holds(out, m, "xyz"));
}

/* Where a name stands, and where it only seems to. */
static void test_words(void **state)
{
	static const struct {
		const char *text, *want; /* @: alice's pseudonym, #: zoe's */
	} rows[] = {
		{"alice", "@"},
		{"Alice@web", "@@web"},
		{"~ALICE/x", "~@/x"},
		{"malice alicent alice_2 alice2 al ice", NULL},
		{"%2Fhome%2Falice%2Fx", "%2Fhome%2F@%2Fx"},
		{"file=%2fhome%2fzoe%2fx", "file=%2fhome%2f#%2fx"},
		{"q=%20alice", "q=%20@"},
		{"q=%alice", "q=%@"},
		{"x20alice", NULL},
		{"/nfs/home/zoe/x", "/nfs/home/#/x"},
		{"C:/Users/zoe", "C:/Users/#"},
		{"/homes/zoe", NULL},
		{"-home-alice-src", "-home-@-src"},
		{"user-1000.slice power-user-1000", "user-@.slice power-user-@"},
		{"superuser-1000", NULL},
		{"", NULL},
	};
	struct private_names names = {.n = 1};
	struct private p = config(true, "");
	bool error = false;

	snprintf(names.v[0].name, sizeof(names.v[0].name), "alice");
	snprintf(names.v[0].number, sizeof(names.v[0].number), "1000");
	memcpy(names.v[0].alias, name("alice"), PSEUDONYM_SIZE);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *got = private_words(&p, &names, rows[i].text, true, &error), want[400] = "";

		for (const char *s = rows[i].want ?: ""; *s; s++)
			if (*s == '#' || (*s == '@' && (s == rows[i].want || s[-1] != '@')))
				strcat(want, name(*s == '#' ? "zoe" : "alice"));
			else
				strncat(want, s, 1);
		if (rows[i].want)
			assert_string_equal(got, want);
		else
			assert_null(got);
		free(got);
	}
	assert_false(error);
}

static void test_without(void **state)
{
	bool error = false;
	char *got = private_without("alice", "u:x", "is it Alice? malice, alice@web", &error);

	assert_string_equal(got, "is it u:x? malice, u:x@web");
	free(got);
	assert_null(private_without("alice", "u:x", "who was it", &error));
	assert_null(private_without("", "u:x", "who was it", &error));
	assert_false(error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pseudonym), cmocka_unit_test(test_keys),
		cmocka_unit_test(test_parse),	  cmocka_unit_test(test_users),
		cmocka_unit_test(test_accounts),  cmocka_unit_test(test_control),
		cmocka_unit_test(test_mcp),	  cmocka_unit_test(test_fields),
		cmocka_unit_test(test_refused),	  cmocka_unit_test(test_unknown_field),
		cmocka_unit_test(test_words),	  cmocka_unit_test(test_without),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
