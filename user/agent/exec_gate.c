// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: exec rules of the pack in force and the worker's word on each file (worker), files the walk
 * found. Flows out: settings and users into the kernel, the hooks attached. Questions to the worker are
 * exec_ask.c's, programs that begin exec_runs.c's.
 *
 * Rules change without a gap: files are asked about under the new rules while the old ones hold, their
 * answers stand beside the old ones in the kernel, and the settings turn to the new generation when
 * every file that is known has its answer, or TURN_NS later. Where no rules were in force they turn at once,
 * and hold for each file as it is judged. Rules that hold for files nobody has looked at (fail:
 * closed) begin when the walk has seen all places, so that they do not lock the host up. Told again
 * under the same generation (schedules, exceptions), they turn at once: the bits are there.
 *
 * The worker is hostile: in monitor mode rules may only watch; files that are built-in allowed are
 * never named by a rule; an answer is taken for a question that was asked, once.
 */
#include "exec_gate_int.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "agent/backends.h"
#include "agent/bpf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "policy/pack.h"

#define TURN_NS 10000000000ull
#define WAIT_US_MAX 1000000

uint64_t exec_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

struct exec_rules_of *exec_slot(const struct exec_gate *g, struct exec_rules_of of[2],
				uint64_t generation)
{
	if (of[0].generation == generation)
		return &of[0];
	if (of[1].generation == generation || of[0].generation == g->now.generation)
		return &of[1];
	return &of[0];
}

/* --- rules ---------------------------------------------------------------------------------------- */

static void add_user(struct exec_gate *g, uint32_t uid, uint64_t rules)
{
	for (unsigned i = 0; i < g->users; i++)
		if (g->user[i].uid == uid) {
			g->user[i].rules |= rules;
			return;
		}
	if (g->users < USERS_MAX)
		g->user[g->users++] = (struct user_rules){uid, rules};
}

static void find_users(struct exec_gate *g, const struct role_exec_user *u, size_t n)
{
	struct passwd *pw;

	g->users = 0;
	setpwent();
	while (n && (pw = getpwent()))
		for (size_t i = 0; i < n; i++)
			if (glob_match(u[i].pattern, pw->pw_name))
				add_user(g, pw->pw_uid, u[i].rules);
	endpwent();
	for (size_t i = 0; i < n; i++) {
		char *end;
		unsigned long uid = strtoul(u[i].pattern, &end, 10);

		if (end != u[i].pattern && !*end)
			add_user(g, uid, u[i].rules);
	}
}

/* Beside what is there for the rules in force. */
static void put_users(struct exec_gate *g)
{
	uint64_t generation = g->rules.generation;

	for (unsigned i = 0; i < g->users; i++) {
		struct exec_user v = {};
		struct exec_rules_of *of;

		bpf_map_lookup_elem(g->users_fd, &g->user[i].uid, &v);
		of = v.of[0].generation == g->now.generation && g->now.all ? &v.of[1] : &v.of[0];
		*of = (struct exec_rules_of){g->user[i].rules, generation};
		bpf_map_update_elem(g->users_fd, &g->user[i].uid, &v, BPF_ANY);
	}
}

static void drop_old_users(struct exec_gate *g)
{
	uint32_t key, next, *at = NULL;
	struct exec_user v;

	while (!bpf_map_get_next_key(g->users_fd, at, &next)) {
		if (at && !bpf_map_lookup_elem(g->users_fd, at, &v) &&
		    v.of[0].generation != g->now.generation &&
		    v.of[1].generation != g->now.generation)
			bpf_map_delete_elem(g->users_fd, at);
		key = next;
		at = &key;
	}
}

static void turn(struct exec_gate *g)
{
	const struct role_exec_rules *r = &g->rules;
	uint32_t zero = 0;
	int e;

	g->now = (struct exec_settings){
		.all = r->all,
		.any_user = r->any_user,
		.any_tree = r->any_tree,
		.in_tree = r->in_tree,
		.deny = r->deny,
		.kill = r->kill,
		.watch = r->watch,
		.allowlist = r->allowlist,
		.closed = g->walked ? r->closed : 0,
		.generation = r->generation,
		.then_exec = g->s.monitor ? 0 : r->then_exec,
		.then_connect = g->s.monitor ? 0 : r->then_connect,
		.alive_ns = exec_now(),
		.wait_us = r->wait_us,
	};
	e = exec_hooks_want(g->hooks, r->all, r->all);
	if (e && r->all)
		log_err("exec rules cannot be enforced here: %s", strerror(-e));
	bpf_map_update_elem(g->settings_fd, &zero, &g->now, BPF_ANY);
	drop_old_users(g);
}

static bool turned(const struct exec_gate *g)
{
	return g->now.generation == g->rules.generation;
}

static bool all_judged(const struct exec_gate *g)
{
	return !g->todo_n && !g->asked_n && !exec_look_waiting(g->look) && !xnames_waiting(g);
}

static void maybe_turn(struct exec_gate *g)
{
	bool closed = g->walked && g->now.closed != g->rules.closed;

	if (!turned(g) && (all_judged(g) || exec_now() > g->told_ns + TURN_NS))
		turn(g);
	else if (turned(g) && closed && all_judged(g))
		turn(g);
}

static bool sane(const struct exec_gate *g, const struct role_exec_rules *r)
{
	uint64_t acts = r->deny | r->kill;

	return !(acts & ~r->all) && !(r->then_exec & ~r->all) && !(r->watch & ~r->all) &&
	       !(acts & r->watch) && r->wait_us <= WAIT_US_MAX && !(g->s.monitor && acts);
}

int exec_gate_rules(struct exec_gate *g, const struct role_exec_rules *r,
		    const struct role_exec_user *u)
{
	const struct role_exec_place *at = (const void *)(u + r->users);
	bool again = g->now.all && r->generation == g->now.generation;

	if (!sane(g, r))
		return -EPERM;
	g->rules = *r;
	g->told_ns = exec_now();
	g->walked &= again;
	find_users(g, u, r->users);
	put_users(g);
	if (!r->all || !g->now.all || again)
		turn(g);
	if (!r->all)
		return 0;
	xfiles_queue_all(g);
	xnames_rules(g, at, r->places);
	exec_gate_ask_worker(g);
	if (again)
		return 0; /* a schedule, or an exception that ended: files keep the bits they have
			   * until they were judged again */
	for (uint32_t i = 0; i < r->places; i++)
		if (at[i].path[0] == '/')
			exec_walk_place(g->walk, at[i].path);
	exec_walk_begin(g->walk);
	return 0;
}

int exec_gate_file_rules(struct exec_gate *g, const struct role_file_rules *r)
{
	struct asked *a = NULL, was;

	for (unsigned i = 0; i < ASKED_MAX && !a; i++)
		if (r->id && g->asked[i].id == r->id)
			a = &g->asked[i];
	if (!a)
		return 0; /* of a worker before this one */
	was = *a;
	*a = (struct asked){};
	g->asked_n--;
	if (was.name) {
		xname_judged(g, was.name, r->rules, r->generation);
	} else if (r->generation != g->rules.generation) {
		if (was.file)
			xfile_queue(g, was.file); /* judged by the pack before */
	} else if (was.file) {
		xfile_judged(g, was.file, r, was.alias);
	} else {
		late_package(g, &was, r->rules & g->rules.all);
	}
	exec_gate_ask_worker(g);
	maybe_turn(g);
	return 0;
}

/* --- beginning and end -------------------------------------------------------------------------------- */

static void on_found(void *ctx, int fd, const char *link)
{
	struct xfile *f = xfile_seen(ctx, fd, NULL);

	if (f && link)
		xpath_link(ctx, f, link);
}

static bool is_ready(void *ctx)
{
	struct exec_gate *g = ctx;

	return exec_look_waiting(g->look) < EXEC_LOOK_QUEUE / 2 && g->todo_n < ASKED_MAX * 4;
}

static void on_walked(void *ctx)
{
	struct exec_gate *g = ctx;

	g->walked = true;
	maybe_turn(g);
}

void exec_gate_tick(struct exec_gate *g)
{
	uint32_t zero = 0;

	if (g->now.then_exec || g->now.then_connect) {
		g->now.alive_ns = exec_now();
		bpf_map_update_elem(g->settings_fd, &zero, &g->now, BPF_ANY);
	}
	exec_stops_tick(g);
	exec_gate_look_at_written(g);
	exec_gate_ask_worker(g);
	maybe_turn(g);
}

static int maps(struct exec_gate *g)
{
	const struct {
		const char *name;
		int *fd;
	} all[] = {
		{"exec_files", &g->files_fd},
		{"exec_paths", &g->paths_fd},
		{"exec_names", &g->names_fd},
		{"exec_users", &g->users_fd},
		{"exec_settings", &g->settings_fd},
		{"trees", &g->trees_fd},
		{"proc_marks", &g->marks_fd},
		{"exec_counts", &g->counts_fd},
		{"folds", &g->folds_fd},
		{"proc_execs", &g->execs_fd},
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		*all[i].fd = bpf_map_named(g->s.bpf, all[i].name);
		if (*all[i].fd < 0)
			return *all[i].fd;
	}
	return 0;
}

static void on_answer_time(evutil_socket_t fd, short what, void *ctx)
{
	exec_gate_ask_worker(ctx);
}

int exec_gate_new(const struct exec_gate_setup *s, struct exec_gate **ret)
{
	static const struct exec_walk_ops ops = {on_found, is_ready, on_walked};
	struct exec_gate *g = calloc(1, sizeof(*g));
	uint32_t zero = 0;
	int r;

	if (!g)
		return -ENOMEM;
	g->s = *s;
	r = maps(g);
	if (!r)
		r = xfiles_open(g);
	if (!r && getrandom(&g->next_id, sizeof(g->next_id), 0) != sizeof(g->next_id))
		r = -EIO;
	g->next_id |= 1;
	g->hooks = exec_hooks_new(s->bpf);
	g->look = exec_look_new(s->base, xfile_looked, g);
	g->walk = exec_walk_new(s->base, &ops, g);
	g->answer = event_new(s->base, -1, 0, on_answer_time, g);
	if (!r && (!g->hooks || !g->look || !g->walk || !g->answer))
		r = -ENOMEM;
	if (r) {
		exec_gate_free(g);
		return r;
	}
	/* What a former agent left in force stays until our own rules are. */
	if (bpf_map_lookup_elem(g->settings_fd, &zero, &g->now))
		g->now = (struct exec_settings){};
	r = xnames_open(g) ?: exec_stops_open(g);
	if (r) {
		exec_gate_free(g);
		return r;
	}
	backend_offer(NEED_TREE, 30, GATE_NONE, "trees in the kernel");
	*ret = g;
	return 0;
}

void exec_gate_free(struct exec_gate *g)
{
	if (!g)
		return;
	for (unsigned i = 0; i < WRITTEN_MAX; i++)
		if (g->written[i])
			close(g->written[i]);
	exec_walk_free(g->walk);
	exec_look_free(g->look);
	exec_hooks_free(g->hooks);
	if (g->answer)
		event_free(g->answer);
	exec_stops_close(g);
	xnames_close(g);
	xfiles_close(g);
	free(g);
}

/* --- status ------------------------------------------------------------------------------------------ */

static json_t *kernel_counts(const struct exec_gate *g)
{
	static const char *const names[] = {"checked", "unknown", "waited",
					    "expired", "refused", "would",
					    "named",   "stopped", "not_stopped"};
	int cpus = libbpf_num_possible_cpus();
	uint64_t v[cpus > 0 ? cpus : 1], sum;
	json_t *j = json_object();

	for (uint32_t i = 0; i < ARRAY_SIZE(names); i++) {
		sum = 0;
		if (!bpf_map_lookup_elem(g->counts_fd, &i, v))
			for (int c = 0; c < cpus; c++)
				sum += v[c];
		json_object_set_new(j, names[i], json_integer(sum));
	}
	return j;
}

json_t *exec_gate_status(const struct exec_gate *g)
{
	return json_pack(
		"{s:i, s:b, s:b, s:i, s:i, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, "
		"s:o, s:o}",
		"rules", __builtin_popcountll(g->now.all), "in_force", turned(g), "walked",
		g->walked, "files", (int)g->files, "files_looked_at", (int)g->looked,
		"files_waiting", (int)(g->todo_n + exec_look_waiting(g->look)), "files_asked",
		(int)g->asked_n, "files_refused", (json_int_t)g->count.files_refused,
		"paths_refused", (json_int_t)g->count.paths_refused, "unreadable",
		(json_int_t)g->count.unreadable, "walked_entries",
		(json_int_t)exec_walk_entries(g->walk), "questions", (json_int_t)g->count.asks,
		"scripts", (json_int_t)g->count.scripts, "late_kills",
		(json_int_t)g->count.late_kills, "late_failed", (json_int_t)g->count.late_failed,
		"late_would", (json_int_t)g->count.late_would, "kernel", kernel_counts(g), "names",
		xnames_status(g), "stops", exec_stops_status(g));
}

void exec_gate_backends(const struct exec_gate *g, json_t *rows)
{
	exec_hooks_backends(g->hooks, rows);
}
