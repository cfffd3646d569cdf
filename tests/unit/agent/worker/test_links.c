// SPDX-License-Identifier: Apache-2.0
/* Which tool_use belongs to which request, and whose effects count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/worker/links.h"
#include "base/cleanup.h"

#define MS 1000000ull
#define CLIENT 100
#define SERVER 200
#define BELOW 300 /* a child of the server */
#define OTHER 400 /* nobody's */

static struct procs *p;
static struct links *l;

static void fork_of(uint32_t parent, uint32_t child, uint64_t start)
{
	struct event_exec e = {.h = {.kind = EVENT_FORK, .pid = child, .start_ns = start},
			       .ppid = parent};

	assert_non_null(procs_fork(p, &e));
}

static int setup(void **state)
{
	p = procs_new();
	l = links_new(p);
	fork_of(1, CLIENT, 10 * MS);
	fork_of(CLIENT, SERVER, 100 * MS);
	fork_of(SERVER, BELOW, 200 * MS);
	fork_of(1, OTHER, 50 * MS);
	return 0;
}

static int teardown(void **state)
{
	links_free(l);
	procs_free(p);
	return 0;
}

static const struct who client = {CLIENT, 10 * MS}, server = {SERVER, 100 * MS};

/* --- tool_uses --------------------------------------------------------------------------------- */

struct said { /* an answer of a model: who asked, and "name=id" of its tool_uses */
	uint32_t pid;
	const char *uses[4];
};
struct asked { /* a request, and the id it belongs to and how */
	const char *tool, *meta, *id, *how;
};
static const struct row {
	const char *name, *server;
	struct said said[4];
	struct asked asked[4];
} rows[] = {
	{"the same name", "", {{CLIENT, {"read=a"}}}, {{"read", NULL, "a", "name_order"}}},
	{"a server's name before it",
	 "",
	 {{CLIENT, {"mcp__files__read=a"}}},
	 {{"read", NULL, "a", "name_order"}}},
	{"with other signs in the tool's own name",
	 "",
	 {{CLIENT, {"mcp__files__read_a_file=a", "get_sum=b", "getXsum=c"}}},
	 {{"read-a.file", NULL, "a", "name_order"},
	  {"get-sum", NULL, "b", "name_order"},
	  {"get-sum", NULL, NULL, NULL}}},
	{"with one underscore, or a dash",
	 "",
	 {{CLIENT, {"files_read=a", "files-list=b"}}},
	 {{"list", NULL, "b", "name_order"}, {"read", NULL, "a", "name_order"}}},
	{"not a part of a word", "", {{CLIENT, {"spread=a"}}}, {{"read", NULL, NULL, NULL}}},
	{"not another tool", "", {{CLIENT, {"write=a"}}}, {{"read", NULL, NULL, NULL}}},
	{"in order, each once",
	 "",
	 {{CLIENT, {"read=a", "read=b"}}},
	 {{"read", NULL, "a", "name_order"},
	  {"read", NULL, "b", "name_order"},
	  {"read", NULL, NULL, NULL}}},
	{"the newest answer first",
	 "",
	 {{CLIENT, {"read=old"}}, {CLIENT, {"read=a", "read=b"}}},
	 {{"read", NULL, "a", "name_order"},
	  {"read", NULL, "b", "name_order"},
	  {"read", NULL, "old", "name_order"}}},
	{"the server that is named",
	 "My Files",
	 {{CLIENT, {"mcp__web__read=a", "mcp__my_files__read=b"}}},
	 {{"read", NULL, "b", "name_order"}}},
	{"an id in _meta, whatever the order",
	 "",
	 {{CLIENT, {"read=a", "read=b"}}},
	 {{"read", "b", "b", "meta_id"}, {"read", NULL, "a", "name_order"}}},
	{"an id in _meta needs no process",
	 "",
	 {{OTHER, {"x=a"}}},
	 {{"read", "a", "a", "meta_id"}}},
	{"another process's is not ours", "", {{OTHER, {"read=a"}}}, {{"read", NULL, NULL, NULL}}},
	{"one above the client", "", {{1, {"read=a"}}}, {{"read", NULL, NULL, NULL}}},
	{"the server itself asks a model",
	 "",
	 {{SERVER, {"read=a"}}},
	 {{"read", NULL, "a", "name_order"}}},
};

static void say(const struct said *s, uint64_t ns)
{
	struct interaction *it = calloc(1, sizeof(*it));
	const struct proc *of = procs_find(p, s->pid, 0);
	struct who who = {s->pid, of ? of->start_ns : 1};

	interaction_init(it);
	strcpy(it->response_model, "m");
	it->request_offset = ns;
	for (unsigned i = 0; i < 4 && s->uses[i]; i++)
		sscanf(s->uses[i], "%127[^=]=%63s", it->tool_calls[it->tool_calls_count++].name,
		       it->tool_calls[i].id);
	links_model_call(l, &who, 77, it, 0, ns);
	free(it);
}

static void test_uses(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];

		links_free(l);
		l = links_new(p);
		for (unsigned k = 0; k < 4 && r->said[k].pid; k++)
			say(&r->said[k], (k + 1) * 1000);
		for (unsigned k = 0; k < 4 && r->asked[k].tool; k++) {
			const struct asked *a = &r->asked[k];
			struct mcp_call call = {.start_ns = 10000, .metas = a->meta != NULL};
			const struct tool_use *use;
			const char *how = NULL;

			strcpy(call.tool, a->tool);
			if (a->meta)
				strcpy(call.meta[0], a->meta);
			use = links_find(l, &client, &server, r->server, &call, &how);
			if (!use != !a->id ||
			    (use && (strcmp(use->id, a->id) || strcmp(how, a->how))))
				fail_msg("%s, request %u: got %s %s, want %s %s", r->name, k,
					 use ? use->id : "none", how ?: "", a->id ?: "none",
					 a->how ?: "");
			if (use)
				assert_int_equal(use->conn, 77);
		}
	}
}

/* An answer of more than an hour ago is not what is asked for now. */
static void test_old(void **state)
{
	struct mcp_call call = {.start_ns = 3700 * 1000 * MS, .tool = "read"};
	const char *how;

	say(&(struct said){CLIENT, {"read=a"}}, 1000);
	assert_null(links_find(l, &client, &server, "", &call, &how));
}

static void test_many_uses(void **state)
{
	struct mcp_call call = {.start_ns = 10000, .tool = "read"};
	const char *how;

	for (unsigned i = 0; i < LINKS_USES_MAX; i++)
		say(&(struct said){CLIENT, {i ? "x=b" : "read=first"}}, 1000 + i);
	assert_non_null(links_find(l, &client, &server, "", &call, &how));
	say(&(struct said){CLIENT, {"read=first"}}, 1000);
	for (unsigned i = 0; i < LINKS_USES_MAX; i++)
		say(&(struct said){CLIENT, {"x=b"}}, 2000 + i);
	assert_null(links_find(l, &client, &server, "", &call, &how));
}

/* --- effects ------------------------------------------------------------------------------------ */

static void opens(uint32_t pid, uint64_t start, const char *path, uint32_t flags)
{
	struct event_file e = {.h = {.pid = pid, .start_ns = start, .boot_ns = 5}, .flags = flags};

	strncpy(e.path, path, sizeof(e.path) - 1);
	links_file(l, &e);
}

static void test_effects(void **state)
{
	struct event_conn c = {.h = {.pid = BELOW, .start_ns = 200 * MS},
			       .peer = {.family = AF_INET, .port = 443}};
	_cleanup_free_ struct event_exec *x = calloc(1, sizeof(*x));
	struct effects *e;

	opens(SERVER, 100 * MS, "/before", O_RDONLY);
	e = links_watch(l, &server);
	opens(SERVER, 100 * MS, "/a", O_RDONLY);
	opens(SERVER, 100 * MS, "/a", O_RDONLY); /* once is enough */
	opens(BELOW, 200 * MS, "/b", O_WRONLY | O_CREAT);
	opens(CLIENT, 10 * MS, "/client", O_RDONLY);
	opens(OTHER, 50 * MS, "/other", O_RDONLY);
	memcpy(c.peer.addr, "\x7f\0\0\1", 4);
	links_connect(l, &c);
	x->h = (struct event){.pid = BELOW, .start_ns = 200 * MS};
	strcpy(x->filename, "/bin/ls");
	links_exec(l, x);
	assert_int_equal(e->n, 4);
	assert_int_equal(e->refused, 0);
	assert_string_equal(e->list[0].what, "/a");
	assert_string_equal(e->list[0].kind, "file_read");
	assert_string_equal(e->list[1].what, "/b");
	assert_string_equal(e->list[1].kind, "file_write");
	assert_string_equal(e->list[2].what, "127.0.0.1:443");
	assert_string_equal(e->list[3].kind, "exec");
	links_unwatch(l, e);
	opens(SERVER, 100 * MS, "/after", O_RDONLY);
}

static void test_two_open(void **state)
{
	struct effects *a = links_watch(l, &server), *b = links_watch(l, &server);

	opens(SERVER, 100 * MS, "/a", O_RDONLY);
	assert_int_equal(a->n, 1);
	assert_int_equal(b->n, 1);
	links_unwatch(l, a);
	opens(SERVER, 100 * MS, "/b", O_RDWR);
	assert_int_equal(b->n, 2);
	links_unwatch(l, b);
	links_unwatch(l, NULL);
}

static void test_bounds(void **state)
{
	struct effects *e = links_watch(l, &server);
	char path[32];

	for (int i = 0; i < LINKS_EFFECTS_MAX + 5; i++) {
		snprintf(path, sizeof(path), "/f%d", i);
		opens(SERVER, 100 * MS, path, O_RDONLY);
	}
	assert_int_equal(e->n, LINKS_EFFECTS_MAX);
	assert_int_equal(e->refused, 5);
	links_unwatch(l, e);
}

static void test_noise(void **state)
{
	static const struct {
		const char *path;
		uint32_t flags;
		bool told;
	} files[] = {
		{"/usr/lib/x86_64-linux-gnu/libc.so.6", 0, false},
		{"/opt/x/module.so", 0, false},
		{"/etc/ld.so.cache", 0, false},
		{"/dev/null", O_RDWR, false},
		{"/usr/share/zoneinfo/UTC", 0, false},
		{"/home/a/notes.txt", 0, true},
		{"/home/a/dir", O_PATH | O_DIRECTORY, false},
		{"/home/a/dir", O_DIRECTORY, true},
		{"/srv/a.sock", 0, true},
		{"relative.txt", 0, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		struct effects *e = links_watch(l, &server);

		opens(SERVER, 100 * MS, files[i].path, files[i].flags);
		if (e->n != files[i].told)
			fail_msg("%s: told %u", files[i].path, e->n);
		links_unwatch(l, e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_uses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_old, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_uses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_effects, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_open, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_noise, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
