// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: the pack in force, and files as the keeper describes them. Flows out: what the exec bits
 * of the pack do, for whom, and where their files may be found; per file the bits that name it. User
 * and place in the process tree are left to the kernel.
 *
 * A file is judged by path, digest, package and tool. What the keeper does not say is not known (NULL)
 * and fires nothing; `wants` tells it what the rules ask for. A script's tool is that of its
 * interpreter called with it.
 *
 * When a schedule or an exception begins or ends the rules are told again under the same generation:
 * which of them hold. A file has the bits of all, also of those that do not hold now.
 *
 * Files that a rule names are kept for the records of denials: KEPT of them, by (device, inode); the
 * slot's older one is forgotten, and its denial is recorded with what the kernel knows.
 */
#include "exec_rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "classify/package.h"

#define KEPT 4096
#define USERS_MAX 256
#define PLACES_MAX 256
#define WAIT_US 200000 /* of an exec for the keeper, where it can wait */

struct kept {
	struct exec_file file;
	char text[512 + 65 + 127 + 64];
};
struct exec_rules {
	struct worker *w;
	struct pack_exec_rule rule[64];
	size_t n;
	uint64_t generation, all, asked; /* all: rules that hold now, or will */
	struct kept *kept[KEPT];
};

struct message {
	struct role_exec_rules head;
	struct role_exec_user user[USERS_MAX];
	struct role_exec_place place[PLACES_MAX];
};

struct exec_rules *exec_rules_new(struct worker *w)
{
	struct exec_rules *x = calloc(1, sizeof(*x));

	if (x)
		x->w = w;
	return x;
}

static void forget(struct exec_rules *x)
{
	for (size_t i = 0; i < KEPT; i++)
		free(TAKE_PTR(x->kept[i]));
}

void exec_rules_free(struct exec_rules *x)
{
	if (!x)
		return;
	forget(x);
	free(x);
}

static int64_t unix_now(const struct worker *w)
{
	return (int64_t)((boot_now() + w->wall_offset_ns) / 1000000000ull);
}

/* --- the pack ----------------------------------------------------------------------------------- */

/* Which facts cost the keeper a look into the file. */
static uint32_t wants(const struct pack *p)
{
	return (pack_asks(p, FACTS_EXEC, "exe_sha256") ? EXEC_WANTS_DIGEST : 0) |
	       (pack_asks(p, FACTS_EXEC, "package") ? EXEC_WANTS_PACKAGE : 0);
}

static void add_users(struct message *m, const struct pack_exec_rule *r, uint64_t bit)
{
	for (size_t i = 0; i < r->users.n && m->head.users < USERS_MAX; i++) {
		struct role_exec_user *u = &m->user[m->head.users];

		if (strlen(r->users.v[i]) >= sizeof(u->pattern))
			continue;
		strcpy(u->pattern, r->users.v[i]);
		u->rules = bit;
		m->head.users++;
	}
}

static void add_rule(struct exec_rules *x, struct message *m, unsigned i)
{
	const struct pack_exec_rule *r = &x->rule[i];
	const struct pack *p = x->w->pack;
	enum rule_state state = pack_rule_state(p, r->index, unix_now(x->w), x->w->host_id);
	enum disposition d = pack_rule_disposition(p, r->index);
	struct role_exec_rules *h = &m->head;
	uint64_t bit = 1ull << i;

	if (d == DISPOSITION_ALLOW)
		return;
	x->all |= bit;
	add_users(m, r, bit); /* the same at all times, and so is what the list is */
	h->allowlist |= r->allowlist ? bit : 0;
	if (state == RULE_OFF)
		return;
	h->all |= bit;
	if (!x->w->enforce || state == RULE_WATCH || d == DISPOSITION_ALERT)
		h->watch |= bit;
	else if (d == DISPOSITION_KILL)
		h->kill |= bit;
	else
		h->deny |= bit;
	/* What a `then:` names holds below some trees alone, for any user there. */
	if (r->any_user || r->then_only)
		h->any_user |= bit;
	if (r->in_tree && !r->then_only)
		h->in_tree |= bit;
	else if (!r->then_only)
		h->any_tree |= bit;
	if (pack_rule_action(p, r->index)->fail == PACK_FAIL_CLOSED)
		h->closed |= bit;
}

struct places {
	const struct pack *pack;
	struct message *m;
};

static void add_place(void *ctx, size_t rule, unsigned line, const char *key, const char *value)
{
	struct places *s = ctx;
	struct role_exec_place *at = &s->m->place[s->m->head.places];

	if (pack_rule_action(s->pack, rule)->on != FACTS_EXEC || s->m->head.places == PLACES_MAX)
		return;
	if (!strcmp(key, "package")) { /* a command line names it before it is there */
		if (strlen(value) >= PACKAGE_NAME_MAX || value[0] == '/' || strpbrk(value, "*?"))
			return;
		snprintf(at->path, sizeof(at->path), ROLE_PLACE_PACKAGE "%s", value);
	} else {
		if (value[0] != '/' || (strcmp(key, "exe") && strcmp(key, "script")) ||
		    strlen(value) >= sizeof(at->path) || value[strlen(value) - 1] == '/')
			return;
		strcpy(at->path, value);
	}
	s->m->head.places++;
}

/* What a tool call may yet put in force below its agent. */
static void add_then(const struct worker *w, struct role_exec_rules *h)
{
	for (size_t i = 0; w->enforce && i < pack_rules(w->pack); i++) {
		const struct pack_action *a = pack_rule_action(w->pack, i);

		if (a->on != FACTS_TOOL_CALL)
			continue;
		h->then_exec |= a->tree_exec_bits & h->all;
		h->then_connect |= !!a->tree_connect_bits;
	}
}

void exec_rules_send(struct exec_rules *x)
{
	_cleanup_free_ struct message *m = calloc(1, sizeof(*m));
	_cleanup_free_ uint8_t *out = NULL;
	struct worker *w = x->w;
	size_t users, places;

	if (!m || !w->pack)
		return;
	x->n = pack_exec_rules(w->pack, x->rule);
	if (x->generation != w->generation)
		forget(x);
	x->generation = w->generation;
	x->all = 0;
	m->head.generation = w->generation;
	m->head.wait_us = WAIT_US;
	for (unsigned i = 0; i < x->n; i++)
		add_rule(x, m, i);
	add_then(w, &m->head);
	if (x->all) {
		m->head.wants = wants(w->pack);
		pack_values(w->pack, add_place, &(struct places){w->pack, m});
	}
	users = m->head.users * sizeof(m->user[0]);
	places = m->head.places * sizeof(m->place[0]);
	out = malloc(sizeof(m->head) + users + places);
	if (!out)
		return;
	memcpy(out, &m->head, sizeof(m->head));
	memcpy(out + sizeof(m->head), m->user, users);
	memcpy(out + sizeof(m->head) + users, m->place, places);
	tell_keeper(w, ROLE_EXEC_RULES, out, sizeof(m->head) + users + places);
}

int exec_rules_index(const struct exec_rules *x, unsigned bit)
{
	return bit < x->n ? (int)x->rule[bit].index : -1;
}

uint64_t exec_rules_bits(const struct exec_rules *x, const struct facts_list *ids)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < x->n; i++)
		for (size_t k = 0; k < ids->n; k++)
			if (!strcmp(pack_rule_id(x->w->pack, x->rule[i].index), ids->v[k]))
				bits |= 1ull << i;
	return bits;
}

/* --- files -------------------------------------------------------------------------------------- */

/* The process that this file would be: itself, or its interpreter with it as the first word. */
static void tool_of(const struct exec_rules *x, const struct role_file *f, struct catalog_tool *ret)
{
	struct catalog_process p = {.exe = f->path, .comm = "", .argv = f->path};
	char argv[64 + 512 + 2], exe[80];

	p.argv_len = strlen(f->path) + 1;
	if (f->script) {
		snprintf(exe, sizeof(exe), "/usr/bin/%s",
			 f->interpreter[0] ? f->interpreter : "node");
		p.exe = exe;
		p.argv = argv;
		p.argv_len = snprintf(argv, sizeof(argv), "%s%c%s", exe + 9, 0, f->path) + 1;
	}
	catalog_tool(x->w->catalog, &p, 1, ret);
	if (!ret->id[0] && f->script) { /* a #! script is also known by its own name */
		p.exe = f->path;
		p.argv = f->path;
		p.argv_len = strlen(f->path) + 1;
		catalog_tool(x->w->catalog, &p, 1, ret);
	}
}

/* By a package's name alone: what a process out of it would be. */
static void tool_of_package(const struct exec_rules *x, const char *package,
			    struct catalog_tool *ret)
{
	char argv[256], path[200];
	struct catalog_process p = {.exe = "/usr/bin/node", .comm = "", .argv = argv};

	snprintf(path, sizeof(path), "/node_modules/%s/cli.js", package);
	p.argv_len = snprintf(argv, sizeof(argv), "node%c%s", 0, path) + 1;
	catalog_tool(x->w->catalog, &p, 1, ret);
	if (ret->id[0])
		return;
	p.exe = "/usr/bin/python3";
	snprintf(path, sizeof(path), "/site-packages/%s/main.py", package);
	p.argv_len = snprintf(argv, sizeof(argv), "python3%c%s", 0, path) + 1;
	catalog_tool(x->w->catalog, &p, 1, ret);
}

static struct kept **place(const struct exec_rules *x, uint64_t dev, uint64_t ino)
{
	return (struct kept **)&x->kept[(ino * 0x9e3779b97f4a7c15ull >> 40 ^ dev) % KEPT];
}

static const char *put(char **at, const char *s)
{
	const char *here = *at;

	*at = stpcpy(*at, s) + 1;
	return here;
}

static void keep(struct exec_rules *x, const struct role_file *f, uint64_t rules, const char *tool)
{
	struct kept **k = place(x, f->dev, f->ino);
	char *at;

	if (f->flags & FILE_NAME || strlen(tool) >= 64)
		return;
	if (!rules) {
		if (*k && (*k)->file.dev == f->dev && (*k)->file.ino == f->ino)
			free(TAKE_PTR(*k));
		return;
	}
	if (!*k)
		*k = malloc(sizeof(**k));
	if (!*k)
		return;
	at = (*k)->text;
	(*k)->file = (struct exec_file){.dev = f->dev, .ino = f->ino, .rules = rules};
	(*k)->file.path = put(&at, f->path);
	(*k)->file.sha256 = put(&at, f->sha256);
	(*k)->file.package = put(&at, f->package);
	(*k)->file.tool = put(&at, tool);
}

const struct exec_file *exec_rules_find(const struct exec_rules *x, uint64_t dev, uint64_t ino)
{
	const struct kept *k = *place(x, dev, ino);

	return k && k->file.dev == dev && k->file.ino == ino ? &k->file : NULL;
}

void exec_rules_file(struct exec_rules *x, const struct role_file *f)
{
	struct role_file_rules a = {.id = f->id, .generation = x->generation, .flags = EXEC_KNOWN};
	struct facts facts = {.subject = FACTS_EXEC,
			      .stage = FACTS_PROCESS,
			      .user = "",
			      .exe = f->path,
			      .cgroup = "",
			      .container = "",
			      .exe_sha256 = f->sha256[0] ? f->sha256 : NULL,
			      .script = f->script ? f->path : "",
			      .package = f->package,
			      .now_unix_s = unix_now(x->w),
			      .host_id = x->w->host_id};
	struct catalog_tool tool;

	if (!f->path[0]) /* a package, whoever names it */
		facts.exe = facts.script = NULL;
	tool_of(x, f, &tool);
	if (!tool.id[0] && f->package[0] && (f->script || f->flags & FILE_NAME))
		tool_of_package(x, f->package, &tool);
	facts.tool = tool.id;
	x->asked++;
	if (x->w->pack && x->all)
		a.rules = pack_exec_file(x->w->pack, &facts) & x->all;
	if (is_interpreter(f->path) && !f->script)
		a.flags |= EXEC_INTERPRETER;
	if (f->script)
		a.flags |= EXEC_SCRIPT;
	snprintf(a.tool, sizeof(a.tool), "%s", tool.id);
	keep(x, f, a.rules, tool.id);
	tell_keeper(x->w, ROLE_FILE_RULES, &a, sizeof(a));
}

json_t *exec_rules_status(const struct exec_rules *x)
{
	return json_pack("{s:I, s:I}", "rules", (json_int_t)__builtin_popcountll(x->all),
			 "files_judged", (json_int_t)x->asked);
}
