// SPDX-License-Identifier: Apache-2.0
/*
 * Packages and modules by what command lines call them. Flows in: packages that rules name, those that
 * judged files belong to, those that a launcher named. Flows out: entries of exec_names, with the bits of
 * the rules that fire on the package by its name alone (the worker says so), for as long as these are
 * in force; and, once, the grammar (classify/launch.c).
 *
 * A module is what the package's RECORD says it brings; until that is seen, the package's own name. A
 * rule that asks for more than the package (its path, its digest) fires on no name, and an allowlist
 * refuses none: those are judged by file.
 *
 * Bounds: NAMES_MAX packages, KEYS_MAX names of each; those beyond are judged late, and counted.
 */
#include "exec_gate_int.h"

#include <bpf/bpf.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "classify/launch.h"
#include "classify/package.h"

#define NAMES_MAX 1024
#define KEYS_MAX 24
#define SITES_MAX 16

struct xname {
	char package[PACKAGE_NAME_MAX];
	uint64_t judged, rules; /* generation of rules in `rules`, 0 = none */
	bool queued, asked;
	struct exec_rules_of of[2]; /* as in the kernel */
	struct exec_key file;	    /* one of its files that rules name, for the record */
	unsigned keys, sites;
	struct exec_name key[KEYS_MAX];
	char *site[SITES_MAX]; /* where it was looked for */
};
struct xnames {
	unsigned n, waiting; /* waiting: queued or asked */
	uint64_t refused;
	struct xname v[NAMES_MAX];
};

/* --- the kernel --------------------------------------------------------------------------------- */

/* Two packages may have one name: what a rule says of either holds. */
static void add_rules(const struct xname *x, const struct exec_name *key,
		      struct exec_rules_of of[2])
{
	bool has = false;

	for (unsigned i = 0; i < x->keys && !has; i++)
		has = !memcmp(&x->key[i], key, sizeof(*key));
	for (int i = 0; has && i < 2; i++)
		for (int k = 0; k < 2; k++)
			if (of[i].generation == x->of[k].generation)
				of[i].rules |= x->of[k].rules;
}

static void put(struct exec_gate *g, const struct xname *x, const struct exec_name *key)
{
	struct exec_name_value v = {};

	/* A name of the grammar keeps what it leads to: python -m pipx run. */
	bpf_map_lookup_elem(g->names_fd, key, &v);
	memcpy(v.of, x->of, sizeof(v.of));
	v.file = x->file;
	for (unsigned i = 0; i < g->names->n; i++)
		if (&g->names->v[i] != x)
			add_rules(&g->names->v[i], key, v.of);
	if (!v.of[0].rules && !v.of[1].rules && !v.next)
		bpf_map_delete_elem(g->names_fd, key);
	else if (bpf_map_update_elem(g->names_fd, key, &v, BPF_ANY))
		g->names->refused++;
}

static void add_key(struct exec_gate *g, struct xname *x, uint32_t space, const char *word)
{
	struct exec_name key;

	if (!launch_name(space, word, &key))
		return;
	for (unsigned i = 0; i < x->keys; i++)
		if (!memcmp(&x->key[i], &key, sizeof(key)))
			return;
	if (x->keys == KEYS_MAX) {
		g->names->refused++;
		return;
	}
	x->key[x->keys++] = key;
	if (x->judged)
		put(g, x, &key);
}

static void put_grammar(void *ctx, const struct exec_name *key, uint32_t next, uint16_t how,
			uint16_t flags)
{
	struct exec_name_value v = {};
	struct exec_gate *g = ctx;

	bpf_map_lookup_elem(g->names_fd, key, &v);
	v.next = next;
	v.how = how;
	v.flags = flags;
	if (bpf_map_update_elem(g->names_fd, key, &v, BPF_ANY))
		g->names->refused++;
}

static bool in_force(const struct exec_gate *g, const struct exec_rules_of *of)
{
	return of->rules && of->generation == g->now.generation;
}

/* What a former agent put there: its rules may be in force until ours are, its grammar is not ours. */
static void drop_old(struct exec_gate *g)
{
	struct exec_name key, next, *at = NULL;
	struct exec_name_value v;

	while (!bpf_map_get_next_key(g->names_fd, at, &next)) {
		if (at && !bpf_map_lookup_elem(g->names_fd, at, &v) && !in_force(g, &v.of[0]) &&
		    !in_force(g, &v.of[1]))
			bpf_map_delete_elem(g->names_fd, at);
		key = next;
		at = &key;
	}
}

int xnames_open(struct exec_gate *g)
{
	g->names = calloc(1, sizeof(*g->names));
	if (!g->names)
		return -1;
	drop_old(g);
	launch_grammar(put_grammar, g);
	return 0;
}

void xnames_close(struct exec_gate *g)
{
	for (unsigned i = 0; g->names && i < g->names->n; i++)
		for (unsigned k = 0; k < g->names->v[i].sites; k++)
			free(g->names->v[i].site[k]);
	free(TAKE_PTR(g->names));
}

/* --- modules ------------------------------------------------------------------------------------ */

static void add_modules(struct exec_gate *g, struct xname *x, const char *site)
{
	char modules[PACKAGE_MODULES][PACKAGE_NAME_MAX], name[PACKAGE_NAME_MAX];
	size_t n;

	strcpy(name, x->package);
	package_pypi_name(name);
	n = exec_python_modules(site, name, modules);
	for (size_t i = 0; i < n; i++)
		add_key(g, x, EXEC_HOW_MODULE, modules[i]);
}

static void add_own_name(struct exec_gate *g, struct xname *x)
{
	char module[PACKAGE_NAME_MAX];

	add_key(g, x, EXEC_HOW_NPM, x->package);
	add_key(g, x, EXEC_HOW_PYPI, x->package);
	strcpy(module, x->package);
	package_pypi_name(module);
	for (char *s = module; *s; s++)
		*s = *s == '-' ? '_' : *s;
	add_key(g, x, EXEC_HOW_MODULE, module);
	add_modules(g, x, NULL);
}

/* --- packages ----------------------------------------------------------------------------------- */

static struct xname *find(struct exec_gate *g, const char *package)
{
	for (unsigned i = 0; i < g->names->n; i++)
		if (!strcmp(g->names->v[i].package, package))
			return &g->names->v[i];
	return NULL;
}

static void queue(struct exec_gate *g, struct xname *x)
{
	if (x->queued || x->asked)
		return;
	x->queued = true;
	g->names->waiting++;
}

static struct xname *name_of(struct exec_gate *g, const char *package)
{
	struct xname *x = find(g, package);

	if (x || !package[0] || strlen(package) >= sizeof(x->package))
		return x;
	if (g->names->n == NAMES_MAX) {
		g->names->refused++;
		return NULL;
	}
	x = &g->names->v[g->names->n++];
	strcpy(x->package, package);
	add_own_name(g, x);
	queue(g, x);
	return x;
}

void xnames_rules(struct exec_gate *g, const struct role_exec_place *at, uint32_t n)
{
	const size_t k = strlen(ROLE_PLACE_PACKAGE);

	for (unsigned i = 0; i < g->names->n; i++)
		queue(g, &g->names->v[i]);
	for (uint32_t i = 0; i < n; i++)
		if (!strncmp(at[i].path, ROLE_PLACE_PACKAGE, k))
			name_of(g, at[i].path + k);
}

void xname_seen(struct exec_gate *g, const char *package, const char *path,
		const struct exec_key *file)
{
	const char *in = strstr(path, "-packages/");
	struct xname *x = package ? name_of(g, package) : NULL;
	char site[PATH_MAX];

	if (x && file)
		x->file = *file;
	if (!x || !in ||
	    snprintf(site, sizeof(site), "%.*s", (int)(in + 9 - path), path) >= PATH_MAX)
		return;
	for (unsigned i = 0; i < x->sites; i++)
		if (!strcmp(x->site[i], site))
			return;
	if (x->sites < SITES_MAX && (x->site[x->sites] = strdup(site)))
		x->sites++;
	add_modules(g, x, site);
}

struct xname *xnames_next(struct exec_gate *g, const char **ret_package)
{
	for (unsigned i = 0; g->names->waiting && i < g->names->n; i++) {
		struct xname *x = &g->names->v[i];

		if (!x->queued)
			continue;
		x->queued = false;
		x->asked = true;
		*ret_package = x->package;
		return x;
	}
	return NULL;
}

void xname_judged(struct exec_gate *g, struct xname *x, uint64_t rules, uint64_t generation)
{
	struct exec_name_value was;

	if (!x->of[0].generation && x->keys && !bpf_map_lookup_elem(g->names_fd, x->key, &was))
		memcpy(x->of, was.of, sizeof(x->of)); /* of a former agent */
	x->asked = false;
	g->names->waiting--;
	if (generation != g->rules.generation) {
		queue(g, x); /* by the pack before */
		return;
	}
	x->judged = generation;
	x->rules = rules & g->rules.all & ~g->rules.allowlist;
	*exec_slot(g, x->of, generation) = (struct exec_rules_of){x->rules, generation};
	for (unsigned i = 0; i < x->keys; i++)
		put(g, x, &x->key[i]);
}

void xnames_again(struct exec_gate *g)
{
	for (unsigned i = 0; i < g->names->n; i++) {
		struct xname *x = &g->names->v[i];

		x->queued |= x->asked;
		x->asked = false;
	}
}

unsigned xnames_waiting(const struct exec_gate *g)
{
	return g->names->waiting;
}

bool xname_known(const struct exec_gate *g, uint32_t space, const char *word)
{
	struct exec_name_value v;
	struct exec_name key;

	if (!launch_name(space, word, &key) || bpf_map_lookup_elem(g->names_fd, &key, &v))
		return false;
	for (int i = 0; i < 2; i++)
		if (v.of[i].generation == g->now.generation)
			return v.of[i].rules;
	return false;
}

json_t *xnames_status(const struct exec_gate *g)
{
	unsigned keys = 0;

	for (unsigned i = 0; i < g->names->n; i++)
		keys += g->names->v[i].rules ? g->names->v[i].keys : 0;
	return json_pack("{s:i, s:i, s:I}", "packages", (int)g->names->n, "names", (int)keys,
			 "refused", (json_int_t)g->names->refused);
}
