// SPDX-License-Identifier: Apache-2.0
/*
 * argv in; out the packages and modules it names, before any of them need be there: npx, bunx, npm exec,
 * pnpm and yarn dlx, uvx, uv tool run, pipx run, deno run npm:…, python -m. What a word means depends on
 * the state; states and their words are the table below, which the kernel has as a map, so that a name
 * that is judged here late is one that it would have judged, and no other.
 *
 * An option that is not in the table has no value. Limits: EXEC_LINE_WORDS words, names of
 * EXEC_NAME_MAX, DOTS dots of a module. A repository, a path or a URL is no name.
 */
#include "launch.h"

#include <string.h>

#include "base/cleanup.h"

#define CLUSTER 8
#define DOTS 4

enum { /* above enum exec_how */
       PYTHON = 16,
       MODULE,
       PIPX,
       PYPI,
       PYPI_VALUE,
       PIPX_VALUE,
       UV,
       UV_TOOL,
       UV_RUN,
       UV_RUN_VALUE,
       NODE,
       NPM,
       NPX,
       NPX_VALUE,
       DLX,
       BUN,
       DENO,
       DENO_RUN,
};

static const struct start {
	const char *name; /* of the file; what follows must be a version */
	uint32_t state;
} starts[] = {
	{"python", PYTHON}, {"pypy", PYTHON}, {"node", NODE}, {"nodejs", NODE}, {"bun", BUN},
	{"bunx", NPX},	    {"deno", DENO},   {"uv", UV},     {"uvx", PYPI},
};

static const struct entry {
	uint32_t space;
	const char *words; /* between spaces; "": of the state itself */
	uint32_t next;
	uint16_t how, flags;
} grammar[] = {
	{PYTHON, "", 0, EXEC_HOW_BASE, EXEC_WORD_CLUSTER},
	{PYTHON, "-m", MODULE, 0, 0},
	{PYTHON, "-c", 0, 0, EXEC_WORD_END},
	{PYTHON, "-W -X --check-hash-based-pycs", 0, 0, EXEC_WORD_SKIP},
	{PYTHON, "pipx pipx.pyz", PIPX, 0, 0},
	{PYTHON, "uvx", PYPI, 0, 0},
	{PYTHON, "uv", UV, 0, 0},
	{MODULE, "", 0, EXEC_HOW_MODULE, EXEC_WORD_BACK},
	{EXEC_HOW_MODULE, "pipx", PIPX, 0, 0},
	{EXEC_HOW_MODULE, "uv", UV, 0, 0},

	{PIPX, "", 0, EXEC_HOW_VERB, 0},
	{PIPX, "run", PYPI, 0, 0},
	{PYPI, "", 0, EXEC_HOW_PYPI, 0},
	{PYPI, "--from --with --with-editable --spec -w", PYPI_VALUE, 0, 0},
	{PYPI,
	 "-p --python --pip-args --index-url -i --default-index --index --extra-index-url "
	 "--find-links -f --cache-dir --directory --project --config-file --env-file "
	 "--with-requirements --constraints -c --overrides --refresh-package --upgrade-package -P "
	 "--resolution --prerelease --index-strategy --keyring-provider --link-mode --exclude-newer "
	 "--python-preference --color",
	 0, 0, EXEC_WORD_SKIP},
	{PYPI_VALUE, "", PYPI, EXEC_HOW_PYPI, EXEC_WORD_BACK},

	{UV, "", 0, EXEC_HOW_VERB, 0},
	{UV, "tool", UV_TOOL, 0, 0},
	{UV, "run", UV_RUN, 0, 0},
	{UV, "--cache-dir --directory --project --config-file --color", 0, 0, EXEC_WORD_SKIP},
	{UV_TOOL, "", 0, EXEC_HOW_VERB, 0},
	{UV_TOOL, "run uvx", PYPI, 0, 0},
	{UV_RUN, "", 0, EXEC_HOW_END, 0},
	{UV_RUN, "--with --with-editable -w", UV_RUN_VALUE, 0, 0},
	{UV_RUN, "-m --module", MODULE, 0, 0},
	{UV_RUN,
	 "-p --python --index-url -i --default-index --index --extra-index-url --extra --group "
	 "--env-file --package --project --directory --cache-dir --config-file --with-requirements",
	 0, 0, EXEC_WORD_SKIP},
	{UV_RUN_VALUE, "", UV_RUN, EXEC_HOW_PYPI, EXEC_WORD_BACK},

	{NODE, "", 0, EXEC_HOW_BASE, 0},
	{NODE,
	 "-r --require --import --loader --experimental-loader -C --conditions --env-file "
	 "--title --input-type --icu-data-dir --redirect-warnings --diagnostic-dir",
	 0, 0, EXEC_WORD_SKIP},
	{NODE, "-e --eval -p --print -pe", 0, 0, EXEC_WORD_END},
	{NODE, "npx npx-cli.js bunx", NPX, 0, 0},
	{NODE, "npm npm-cli.js", NPM, 0, 0},
	{NODE, "pnpm pnpm.cjs pnpm.js yarn yarn.js", DLX, 0, 0},
	{NODE, "pnpx pnpx.cjs", NPX, 0, 0},
	{NPM, "", 0, EXEC_HOW_VERB, 0},
	{NPM, "exec x", NPX, 0, 0},
	{NPM, "--prefix -C --registry --cache --userconfig --loglevel -w --workspace", 0, 0,
	 EXEC_WORD_SKIP},
	{DLX, "", 0, EXEC_HOW_VERB, 0},
	{DLX, "dlx", NPX, 0, 0},
	{DLX, "-C --dir --cwd --filter -F", 0, 0, EXEC_WORD_SKIP},
	{NPX, "", 0, EXEC_HOW_NPM, 0},
	{NPX, "-p --package", NPX_VALUE, 0, 0},
	{NPX, "-c --call", 0, 0, EXEC_WORD_END},
	{NPX, "--cache --registry --userconfig --prefix --loglevel -w --workspace --node-options",
	 0, 0, EXEC_WORD_SKIP},
	{NPX_VALUE, "", NPX, EXEC_HOW_NPM, EXEC_WORD_BACK},

	{BUN, "", 0, EXEC_HOW_VERB, 0},
	{BUN, "bunx", NPX, 0, EXEC_WORD_ZERO},
	{BUN, "x", NPX, 0, 0},
	{BUN, "-r --preload --cwd --env-file -c --config", 0, 0, EXEC_WORD_SKIP},
	{BUN, "-e --eval -p --print", 0, 0, EXEC_WORD_END},
	{DENO, "", 0, EXEC_HOW_VERB, 0},
	{DENO, "run x serve", DENO_RUN, 0, 0},
	{DENO_RUN, "", 0, EXEC_HOW_DENO, 0},
	{DENO_RUN, "-c --config --import-map --lock --cert --location --seed -L --log-level", 0, 0,
	 EXEC_WORD_SKIP},
};

/* --- the table ---------------------------------------------------------------------------------- */

static bool next_word(const char **at, struct exec_name *ret)
{
	size_t n = strcspn(*at, " ");

	memset(ret->word, 0, sizeof(ret->word));
	memcpy(ret->word, *at, n);
	*at += n + strspn(*at + n, " ");
	return n;
}

void launch_grammar(void (*each)(void *ctx, const struct exec_name *key, uint32_t next,
				 uint16_t how, uint16_t flags),
		    void *ctx)
{
	for (size_t i = 0; i < ARRAY_SIZE(grammar); i++) {
		const struct entry *e = &grammar[i];
		struct exec_name key = {.space = e->space};
		const char *at = e->words;

		while (next_word(&at, &key) || !*e->words) {
			each(ctx, &key, e->next, e->how, e->flags);
			if (!*e->words)
				break;
		}
	}
}

static const struct entry *find(uint32_t space, const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(grammar); i++) {
		const char *at = grammar[i].words;
		struct exec_name key;

		if (grammar[i].space != space)
			continue;
		if (!*at && !*word)
			return &grammar[i];
		while (next_word(&at, &key))
			if (!strcmp(key.word, word))
				return &grammar[i];
	}
	return NULL;
}

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

uint32_t launch_start(const char *path)
{
	const char *base = base_of(path);

	for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
		size_t k = strlen(starts[i].name);

		if (!strncmp(base, starts[i].name, k) && !base[k + strspn(base + k, "0123456789.")])
			return starts[i].state;
	}
	return 0;
}

/* --- names -------------------------------------------------------------------------------------- */

struct reading {
	uint32_t state, next;
	const struct entry *as;
	launch_fn *each;
	void *ctx;
	bool skip;
};

static bool ends_name(uint32_t how, char c, size_t to)
{
	if (how == EXEC_HOW_PYPI)
		return strchr("@[=<>!~;,( ", c);
	return (how == EXEC_HOW_NPM || how == EXEC_HOW_DENO) && c == '@' && to;
}

static char folded(uint32_t how, char c)
{
	if (how == EXEC_HOW_PYPI && (c == '_' || c == '.'))
		return '-';
	return how != EXEC_HOW_MODULE && how >= EXEC_HOW_NPM && c >= 'A' && c <= 'Z' ? c + 'a' - 'A'
										     : c;
}

static void say(struct reading *r, uint32_t space, const struct exec_name *key)
{
	const struct entry *e = find(space, key->word);

	if (e && e->next)
		r->next = e->next;
	if (space >= EXEC_HOW_NPM && space < EXEC_HOW__MAX && r->each)
		r->each(r->ctx, space, key->word);
}

/* A name as it stands in a word; parts of a module's are said on the way. False: it is none. */
static bool take(struct reading *r, uint32_t how, const char *s, struct exec_name *key)
{
	bool scoped = false;
	unsigned dots = 0;
	size_t to = 0;

	memset(key, 0, sizeof(*key));
	for (size_t i = 0; i < EXEC_NAME_MAX - 1 && s[i] && !ends_name(how, s[i], to); i++) {
		char c = s[i];

		if (c == '/' && how >= EXEC_HOW_NPM) {
			if (how == EXEC_HOW_DENO && (key->word[0] != '@' || scoped))
				break;
			if (how > EXEC_HOW_DENO || key->word[0] != '@' || scoped)
				return false;
			scoped = true;
		}
		if (c == ':' && how >= EXEC_HOW_NPM)
			return false;
		if (c == '.' && how == EXEC_HOW_MODULE && r && dots++ < DOTS)
			say(r, EXEC_HOW_MODULE, key);
		c = folded(how, c);
		if (c == '-' && how == EXEC_HOW_PYPI && to && key->word[to - 1] == '-')
			continue;
		key->word[to++] = c;
	}
	return to;
}

static const struct entry *as_of(uint32_t state)
{
	static const struct entry none;

	return find(state, "") ?: &none;
}

static void value(struct reading *r, const char *w)
{
	uint32_t how = r->as->how, back = r->as->flags & EXEC_WORD_BACK ? r->as->next : 0;
	struct exec_name key;

	r->next = 0;
	if (how == EXEC_HOW_BASE)
		w = base_of(w);
	if (how == EXEC_HOW_DENO) {
		if (strncmp(w, "npm:", 4)) {
			r->state = 0;
			return;
		}
		w += w[4] == '/' ? 5 : 4;
	}
	if (how && take(r, how, w, &key))
		say(r,
		    how == EXEC_HOW_DENO  ? EXEC_HOW_NPM
		    : how > EXEC_HOW_BASE ? how
					  : r->state,
		    &key);
	r->state = r->next ?: back;
}

/* Of an option: what follows it in this word, "" = the next word is meant. */
static void option(struct reading *r, const struct entry *e, const char *rest)
{
	if (!e)
		return;
	if (e->flags & EXEC_WORD_SKIP) {
		r->skip = !*rest;
	} else if (e->flags & EXEC_WORD_END) {
		r->state = 0;
	} else if (e->next) {
		r->state = e->next;
		r->as = as_of(r->state);
		if (*rest)
			value(r, rest);
	}
}

static void cluster(struct reading *r, const char *w)
{
	for (int i = 1; i < CLUSTER && w[i]; i++) {
		const char key[] = {'-', w[i], 0};
		const struct entry *e = find(r->state, key);

		if (!e)
			continue;
		option(r, e, w + i + 1);
		return;
	}
}

static void long_option(struct reading *r, const char *w)
{
	char key[EXEC_NAME_MAX] = "";
	size_t n = strcspn(w, "=");

	if (n >= sizeof(key))
		n = sizeof(key) - 1;
	memcpy(key, w, n);
	option(r, find(r->state, key), w[n] ? w + n + 1 : "");
}

static void zero(struct reading *r, const char *w)
{
	const struct entry *e = find(r->state, base_of(w));

	if (e && e->flags & EXEC_WORD_ZERO)
		r->state = e->next;
}

static void step(struct reading *r, const char *w)
{
	if (r->skip) {
		r->skip = false;
		return;
	}
	r->as = as_of(r->state);
	if (w[0] != '-' || !w[1] || r->as->flags & EXEC_WORD_BACK)
		value(r, w);
	else if (r->as->flags & EXEC_WORD_CLUSTER && w[1] != '-')
		cluster(r, w);
	else
		long_option(r, w);
}

void launch_read(uint32_t state, const char *argv, size_t n, launch_fn *each, void *ctx)
{
	struct reading r = {.state = state, .each = each, .ctx = ctx};
	bool rest = false;
	size_t at = 0;

	for (int i = 0; i < EXEC_LINE_WORDS && at < n && r.state; i++) {
		char w[EXEC_NAME_MAX] = "";
		size_t k = strnlen(argv + at, n - at);
		bool was = rest;

		rest = k >= sizeof(w);
		k = rest ? sizeof(w) - 1 : k;
		memcpy(w, argv + at, k);
		at += k + !rest;
		if (was)
			continue;
		if (at == k + !rest)
			zero(&r, w);
		else
			step(&r, w);
	}
}

bool launch_name(uint32_t space, const char *name, struct exec_name *ret)
{
	struct exec_name key;

	if (space < EXEC_HOW_NPM || space >= EXEC_HOW__MAX || !take(NULL, space, name, &key))
		return false;
	key.space = space;
	*ret = key;
	return true;
}
