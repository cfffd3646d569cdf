/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process and its ancestors in; which AI tool it is, or was started by, out.
 *
 * Signals of one process, strongest first: the path or base name of its executable; the package
 * directory (node_modules, site-packages, pipx and uv environments) that its executable or script
 * lies in; its script's name or an argv pattern. A name that other programs share counts only with
 * a second signal. The command name (comm) is never read: any process sets its own. Libraries
 * (SDKs) are not tools: a script that imports one is a program of its user's.
 *
 * Limits: what command.h bounds; a renamed copy of a tool outside its package is not recognised;
 * argv can be forged by the process, which `via` lets a policy weigh.
 */
#include "catalog.h"

#include <ctype.h>
#include <hs.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "catalog_data.h"
#include "command.h"

#define TEXT(off) (catalog_pool + (off))
#define ARGV_PATTERNS_MAX 192

/* One thread at a time: the scratch space is part of it. */
struct catalog {
	hs_database_t *argv;
	hs_scratch_t *scratch;
};

/* What Vectorscan saw: per pattern, whether it matched at all and the longest match that began
 * in the head of the command. */
struct hits {
	const struct command *c;
	bool any[ARGV_PATTERNS_MAX];
	size_t head[ARGV_PATTERNS_MAX];
};

void catalog_free(struct catalog *c)
{
	if (!c)
		return;
	hs_free_scratch(c->scratch);
	hs_free_database(c->argv);
	free(c);
}

DEFINE_CLEANUP(struct catalog, catalog_free)

struct catalog *catalog_new(void)
{
	_cleanup_(catalog_freep) struct catalog *c = calloc(1, sizeof(*c));
	const char *text[ARGV_PATTERNS_MAX];
	unsigned flags[ARGV_PATTERNS_MAX], ids[ARGV_PATTERNS_MAX];
	hs_compile_error_t *e = NULL;

	if (!c || catalog_argv_n > ARGV_PATTERNS_MAX)
		return NULL;
	for (unsigned i = 0; i < catalog_argv_n; i++) {
		text[i] = TEXT(catalog_argv[i].text);
		flags[i] = HS_FLAG_SOM_LEFTMOST;
		ids[i] = i;
	}
	if (hs_compile_multi(text, flags, ids, catalog_argv_n, HS_MODE_BLOCK, NULL, &c->argv, &e)) {
		hs_free_compile_error(e);
		return NULL;
	}
	if (hs_alloc_scratch(c->argv, &c->scratch))
		return NULL;
	malloc_trim(0); /* compiling needs several times what stays */
	return TAKE_PTR(c);
}

/* --- tables --------------------------------------------------------------------------------- */

struct slice {
	const char *s;
	size_t n;
};

static int by_slice(const void *key, const void *row)
{
	const struct slice *k = key;
	const char *text = TEXT(((const struct cat_text *)row)->text);
	int r = strncmp(k->s, text, k->n);

	return r ? r : -(int)(unsigned char)text[k->n];
}

static const struct cat_text *find(const struct cat_text *rows, size_t n, const char *s, size_t len)
{
	return bsearch(&(struct slice){s, len}, rows, n, sizeof(*rows), by_slice);
}

/* Python's spelling rules: case, '-', '_' and '.' are one. */
static const struct cat_text *find_pypi(const char *s, size_t n)
{
	char name[128];

	if (n >= sizeof(name))
		return NULL;
	for (size_t i = 0; i < n; i++)
		name[i] = strchr("-._", s[i]) ? '_' : tolower((unsigned char)s[i]);
	return find(catalog_pypi, catalog_pypi_n, name, n);
}

/* --- paths ---------------------------------------------------------------------------------- */

static size_t semver_len(const char *s)
{
	size_t n = strspn(s, "0123456789.");

	if (n < 3 || !isdigit((unsigned char)s[0]) || !memchr(s, '.', n))
		return 0;
	return s[n] == '-' || s[n] == '+' ? n + strcspn(s + n, "/") : n;
}

/* Glob of exe_paths: '*' any bytes at an end, else within a segment; [ab] one of; <semver>. */
static bool path_fits(const char *p, const char *s)
{
	for (; *p; p++, s++) {
		if (*p == '*') {
			if (!p[1])
				return *s;
			for (; *s && *s != '/'; s++) {
				if (path_fits(p + 1, s))
					return true;
			}
			return path_fits(p + 1, s);
		}
		if (!strncmp(p, "<semver>", 8)) {
			size_t n = semver_len(s);

			return n && path_fits(p + 8, s + n);
		}
		if (*p == '[') {
			size_t n = strcspn(++p, "]");

			if (!*s || !memchr(p, *s, n))
				return false;
			p += n;
		} else if (*p != *s) {
			return false;
		}
	}
	return !*s;
}

/* "~" and a leading "*": any directory; homes are where an administrator puts them. */
static bool exe_path_fits(const char *p, const char *exe)
{
	if (*p == '/')
		return path_fits(p, exe);
	for (const char *s = exe; s; s = strchr(s + 1, '/')) {
		if (*s == '/' && path_fits(p + 1, s))
			return true;
	}
	return false;
}

/* Name of the package whose directory begins at s: up to '/', for "@scope/name" the second. */
static const struct cat_text *npm_at(const char *s, size_t n)
{
	const char *slash;

	if (n > 5 && !memcmp(s, ".bin/", 5)) {
		s += 5;
		n -= 5;
	}
	slash = memchr(s, '/', n);
	if (n > 0 && *s == '@' && slash)
		slash = memchr(slash + 1, '/', n - (slash + 1 - s));
	return find(catalog_npm, catalog_npm_n, s, slash ? (size_t)(slash - s) : n);
}

static const struct cat_text *pypi_at(const char *s, size_t n)
{
	const char *slash = memchr(s, '/', n);

	return find_pypi(s, slash ? (size_t)(slash - s) : n);
}

/* Innermost package directory of a path that belongs to a tool. */
static const struct cat_text *package_of(const char *path, size_t n)
{
	static const struct {
		const char *dir;
		const struct cat_text *(*at)(const char *s, size_t n);
	} dirs[] = {
		{"node_modules/", npm_at}, {"site-packages/", pypi_at}, {"dist-packages/", pypi_at},
		{"pipx/venvs/", pypi_at},  {"uv/tools/", pypi_at},
	};

	for (size_t end = n; end > 0; end--) {
		for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
			size_t k = strlen(dirs[i].dir);
			const struct cat_text *t;

			if (k > end || memcmp(path + end - k, dirs[i].dir, k) ||
			    (end > k && path[end - k - 1] != '/'))
				continue;
			t = dirs[i].at(path + end, n - end);
			if (t)
				return t;
		}
	}
	return NULL;
}

/* --- one process ---------------------------------------------------------------------------- */

static int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
		    void *ctx)
{
	struct hits *h = ctx;

	h->any[id] = true;
	if (from >= h->c->head && from < h->c->tail && to - from > h->head[id])
		h->head[id] = to - from;
	return 0;
}

static const struct cat_text *best_pattern(const struct hits *h)
{
	const struct cat_text *best = NULL;
	size_t longest = 0;

	for (size_t i = 0; i < catalog_argv_n; i++) {
		if (h->head[i] > longest) {
			longest = h->head[i];
			best = &catalog_argv[i];
		}
	}
	return best;
}

static bool second_signal(const struct hits *h, uint8_t tool)
{
	for (size_t i = 0; i < catalog_argv_n; i++) {
		if (h->any[i] && catalog_argv[i].tool == tool)
			return true;
	}
	return false;
}

/* Same name, several tools: the first that stands. */
static const struct cat_text *by_name(const char *s, size_t n, const struct hits *h)
{
	const struct cat_text *t = find(catalog_exes, catalog_exes_n, s, n);
	const struct cat_text *end = catalog_exes + catalog_exes_n;

	if (!t)
		return NULL;
	while (t > catalog_exes && t[-1].text == t->text)
		t--;
	for (uint16_t text = t->text; t < end && t->text == text; t++) {
		if (!(t->flags & CAT_GENERIC) || second_signal(h, t->tool))
			return t;
	}
	return NULL;
}

static const struct cat_text *by_exe(const char *exe, size_t n, const struct hits *h)
{
	const char *base;

	for (size_t i = 0; i < catalog_exe_paths_n; i++) {
		if (exe_path_fits(TEXT(catalog_exe_paths[i].text), exe))
			return &catalog_exe_paths[i];
	}
	base = command_base(exe, n, &n);
	return by_name(base, n, h);
}

static const struct cat_text *by_package(const char *exe, size_t n, const struct command *c)
{
	const struct cat_text *t = package_of(exe, n);
	const char *s;

	if (t || !c->interpreter)
		return t;
	/* argv[0] of a virtual environment's script keeps the path that the link resolves away. */
	t = package_of(c->text + c->word[0], c->word_len[0]);
	if (t || c->script < 0)
		return t;
	s = c->text + c->word[c->script];
	n = c->word_len[c->script];
	return c->module ? find_pypi(s, memchr(s, '.', n) ? (size_t)strcspn(s, ".") : n)
			 : package_of(s, n);
}

static const struct cat_text *by_argv(const struct command *c, const struct hits *h)
{
	const struct cat_text *t = NULL;

	if (c->script >= 0 && !c->module) {
		size_t n = c->word_len[c->script];
		const char *base = command_base(c->text + c->word[c->script], n, &n);

		t = by_name(base, n, h);
	}
	return t ?: best_pattern(h);
}

static const struct cat_text *identify(const struct catalog *c, const struct catalog_process *p,
				       const char **ret_via)
{
	static const char gone[] = " (deleted)";
	const struct cat_text *t;
	struct command cmd;
	struct hits h = {.c = &cmd};
	char exe[COMMAND_MAX];
	size_t n = p->exe ? strnlen(p->exe, sizeof(exe) - 1) : 0;

	if (n)
		memcpy(exe, p->exe, n);
	if (n >= sizeof(gone) && !memcmp(exe + n - (sizeof(gone) - 1), gone, sizeof(gone) - 1))
		n -= sizeof(gone) - 1; /* replaced by an update while it runs */
	exe[n] = '\0';
	command_read(&cmd, exe, p->argv ?: "", p->argv ? p->argv_len : 0);
	hs_scan(c->argv, cmd.text, cmd.len, 0, c->scratch, on_match, &h);

	*ret_via = "exe";
	t = by_exe(exe, n, &h);
	if (!t) {
		*ret_via = "package";
		t = by_package(exe, n, &cmd);
	}
	if (!t) {
		*ret_via = "argv";
		t = by_argv(&cmd, &h);
	}
	return t && !(catalog_tools[t->tool].flags & CAT_TOOL_LIBRARY) ? t : NULL;
}

bool catalog_tool(const struct catalog *c, const struct catalog_process *p, size_t n,
		  struct catalog_tool *ret)
{
	*ret = (struct catalog_tool){"", "", "", "", "", 0};
	for (size_t i = 0; i < n; i++) {
		const char *via;
		const struct cat_text *t = identify(c, &p[i], &via);
		const struct cat_tool *tool;

		if (!t)
			continue;
		tool = &catalog_tools[t->tool];
		*ret = (struct catalog_tool){
			.id = TEXT(tool->id),
			.name = TEXT(tool->name),
			.vendor = TEXT(tool->vendor),
			.kind = TEXT(tool->kind),
			.via = i ? "ancestor" : via,
			.depth = i,
		};
		return true;
	}
	return false;
}
