/* SPDX-License-Identifier: Apache-2.0 */
/*
 * argv and executable in; out which words say what runs. `node --inspect x/codex.js exec "…"` runs
 * codex.js; `git commit -m "codex exec"` does not, so a pattern must begin in the program's name
 * or, when that is an interpreter or launcher, before the end of the script's name. argv[0] is the
 * process's own claim: it counts when the executable has the same name, is an interpreter (whose
 * process title a script may set) or is not known.
 *
 * Limits: 4 KiB and 64 words; what lies behind takes no part. Inline code (`node -e`, `python -c`)
 * names no script.
 */
#include "command.h"

#include <ctype.h>
#include <string.h>

#include "base/cleanup.h"

struct launcher {
	const char *name;	/* prefix of the base name; what follows must be a version */
	const char *with_value; /* options that take the next word, between spaces */
	const char *code;	/* options whose value is the program itself */
	const char *verbs;	/* words before the script's name */
};

static const struct launcher launchers[] = {
	{"node",
	 " -r --require --import --loader --experimental-loader --conditions -C --env-file ",
	 " -e --eval -p --print -pe ", " "},
	{"nodejs", " -r --require --import --loader ", " -e --eval -p --print ", " "},
	{"python", " -W -X --check-hash-based-pycs ", " -c ", " "},
	{"pypy", " -W -X ", " -c ", " "},
	{"bun", " -r --preload --cwd --env-file ", " -e --eval -p --print ", " run x exec "},
	{"bunx", " --package -p ", " ", " "},
	{"deno", " -c --config --import-map ", " eval ", " run serve task x "},
	{"tsx", " --tsconfig ", " -e --eval ", " watch "},
	{"npx", " --package -p ", " -c --call ", " "},
	{"npm", " --package ", " -c --call ", " exec x run "},
	{"pnpm", " --package -C ", " -c ", " dlx exec run "},
	{"yarn", " -p --package ", " ", " dlx exec run "},
	{"uv", " --from --with --python -p --project --directory ", " -c ", " run tool "},
	{"uvx", " --from --with --python -p ", " ", " "},
	{"pipx", " --spec --python ", " ", " run "},
	{"docker", " -v -e -p --name --network --env --volume --mount -u --user -w ", " ",
	 " run container "},
	{"podman", " -v -e -p --name --network --env --volume --mount -u --user -w ", " ",
	 " run container "},
	{"ruby", " -r -I ", " -e ", " "},
	{"java", " -cp -classpath --class-path ", " ", " "},
	{"bash", " -o -O --rcfile --init-file ", " -c -lc -ic ", " "},
	{"sh", " -o ", " -c ", " "},
	{"dash", " -o ", " -c ", " "},
	{"zsh", " -o ", " -c ", " "},
	{"env", " -u -C ", " -S ", " "},
	{"ape", " ", " ", " "},
	{".ape-", " ", " ", " "},
};

const char *command_base(const char *path, size_t n, size_t *ret_n)
{
	size_t i = n;

	while (i > 0 && path[i - 1] != '/')
		i--;
	*ret_n = n - i;
	return path + i;
}

static const struct launcher *find_launcher(const char *path, size_t n)
{
	const char *base = command_base(path, n, &n);

	for (size_t i = 0; i < ARRAY_SIZE(launchers); i++) {
		size_t k = strlen(launchers[i].name);

		if (n < k || memcmp(base, launchers[i].name, k))
			continue;
		while (k < n && (isdigit((unsigned char)base[k]) || base[k] == '.'))
			k++;
		if (k == n)
			return &launchers[i];
	}
	return NULL;
}

static bool listed(const char *list, const char *word, size_t n)
{
	char key[40];

	if (n + 3 > sizeof(key))
		return false;
	key[0] = ' ';
	memcpy(key + 1, word, n);
	memcpy(key + 1 + n, " ", 2);
	return strstr(list, key);
}

/* The word that names what the launcher runs; -1 for inline code and interactive use. */
static int find_script(struct command *c, const struct launcher *l)
{
	for (size_t i = 1; i < c->words; i++) {
		const char *w = c->text + c->word[i];
		size_t n = c->word_len[i];

		if (listed(l->code, w, n))
			return -1;
		if (n == 2 && !memcmp(w, "-m", 2) && !strncmp(l->name, "py", 2)) {
			c->module = i + 1 < c->words;
			return c->module ? (int)i + 1 : -1;
		}
		if (listed(l->with_value, w, n))
			i++;
		else if (n > 0 && *w != '-' && !listed(l->verbs, w, n))
			return i;
	}
	return -1;
}

static void split(struct command *c, const char *argv, size_t n)
{
	if (n >= COMMAND_MAX)
		n = COMMAND_MAX - 1;
	while (n > 0 && !argv[n - 1])
		n--;
	for (size_t i = 0, at = 0; i <= n; i++) {
		if (i < n && argv[i]) {
			c->text[i] = argv[i];
			continue;
		}
		c->text[i] = i < n ? ' ' : '\0';
		if (c->words < COMMAND_WORDS && i > at) {
			c->word[c->words] = at;
			c->word_len[c->words++] = i - at;
		}
		at = i + 1;
	}
	c->len = n;
}

/* A process title is one word with spaces; its program's name ends at the first. */
static size_t name_len(const struct command *c, size_t w)
{
	const char *space = memchr(c->text + c->word[w], ' ', c->word_len[w]);

	return space ? (size_t)(space - c->text) - c->word[w] : c->word_len[w];
}

void command_read(struct command *c, const char *exe, const char *argv, size_t argv_len)
{
	size_t en, an;
	const char *eb = command_base(exe, strlen(exe), &en), *ab;
	const struct launcher *l = find_launcher(exe, strlen(exe)), *by_name = NULL;

	c->len = c->words = c->head = c->tail = 0;
	c->interpreter = c->module = false;
	c->script = -1;
	c->text[0] = '\0';
	split(c, argv, argv_len);
	if (c->words == 0)
		return;
	ab = command_base(c->text + c->word[0], name_len(c, 0), &an);
	by_name = find_launcher(ab, an);
	c->interpreter = l || (!*exe && by_name);
	/* The file is python3.11, but the options are those of the name it was called by. */
	if (c->interpreter)
		c->script = find_script(c, by_name ?: l);
	c->tail = c->word[0] + c->word_len[0];
	c->head = !*exe || l || (en == an && !memcmp(eb, ab, an)) ? c->word[0] : c->tail;
	if (c->script >= 0)
		c->tail = c->word[c->script] + c->word_len[c->script];
}
