// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: paths, and the heads of files of which nothing is sure. Flows out: names, or nothing. A
 * name is what its package says of itself; who may write the package may say another. Texts longer
 * than PACKAGE_NAME_MAX are no names.
 */
#include "package.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

static bool set(char ret[static PACKAGE_NAME_MAX], const char *s, size_t n)
{
	if (!n || n >= PACKAGE_NAME_MAX || memchr(s, '\0', n))
		return false;
	memcpy(ret, s, n);
	ret[n] = '\0';
	return true;
}

void package_pypi_name(char *name)
{
	char *to = name;

	for (const char *s = name; *s; s++) {
		char c = strchr("-_.", *s) ? '-' : tolower((unsigned char)*s);

		if (c != '-' || to == name || to[-1] != '-')
			*to++ = c;
	}
	*to = '\0';
}

/* --- paths ---------------------------------------------------------------------------------- */

/* Of "name/rest" or "@scope/name/rest"; something must lie in it. */
static size_t npm_len(const char *s)
{
	size_t n = strcspn(s, "/");

	if (*s == '.' || !n || !s[n])
		return 0;
	if (*s != '@')
		return n;
	n += 1 + strcspn(s + n + 1, "/");
	return s[n] ? n : 0;
}

static size_t pypi_len(const char *s)
{
	size_t n = strcspn(s, "/");

	if (*s == '.' || *s == '_' || !s[n]) {
		const char *suffix = n > 3 ? s + n - 3 : NULL;

		/* A module of one file is its own package. */
		return suffix && *s != '.' && *s != '_' && !memcmp(suffix, ".py", 3) ? n - 3 : 0;
	}
	return n;
}

static const struct place {
	const char *folder;
	size_t (*len)(const char *s);
	bool pypi;
} places[] = {
	{"/node_modules/", npm_len, false},  {"/site-packages/", pypi_len, true},
	{"/dist-packages/", pypi_len, true}, {"/pipx/venvs/", pypi_len, true},
	{"/uv/tools/", pypi_len, true},
};

bool package_of_path(const char *path, char ret[static PACKAGE_NAME_MAX])
{
	const struct place *best = NULL;
	const char *at = NULL;

	for (const char *s = strchr(path, '/'); s; s = strchr(s + 1, '/'))
		for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
			size_t k = strlen(places[i].folder);

			if (strncmp(s, places[i].folder, k) || !places[i].len(s + k))
				continue;
			best = &places[i];
			at = s + k;
		}
	if (!best || !set(ret, at, best->len(at)))
		return false;
	if (best->pypi)
		package_pypi_name(ret);
	return true;
}

/* --- what packages say of themselves ---------------------------------------------------------- */

bool package_json_name(const char *text, size_t n, char ret[static PACKAGE_NAME_MAX])
{
	json_t *j = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
	const json_t *name = json_object_get(j, "name");
	bool found =
		json_is_string(name) && set(ret, json_string_value(name), json_string_length(name));

	json_decref(j);
	return found;
}

bool package_dist_name(const char *folder, char ret[static PACKAGE_NAME_MAX])
{
	static const char tail[] = ".dist-info";
	size_t n = strlen(folder), k = sizeof(tail) - 1;
	const char *dash;

	if (n <= k || strcmp(folder + n - k, tail))
		return false;
	dash = memchr(folder, '-', n - k);
	if (!set(ret, folder, dash ? (size_t)(dash - folder) : n - k))
		return false;
	package_pypi_name(ret);
	return true;
}

/* A line is "path,hash,size"; paths with a comma stand in quotes, and are of no program. */
bool package_record_has(const char *text, size_t n, const char *path)
{
	size_t k = strlen(path);
	bool below = k && path[k - 1] == '/';

	for (const char *end = text + n; k && text < end;) {
		const char *stop = memchr(text, '\n', end - text);
		size_t len = (stop ?: end) - text;

		if (len >= k && !memcmp(text, path, k) && (below || len == k || text[k] == ','))
			return true;
		text += len + 1;
	}
	return false;
}

static bool is_below(const char *module, const char *top)
{
	size_t k = strlen(top);

	return !strncmp(module, top, k) && (!module[k] || module[k] == '.');
}

/* "a/b/__init__.py" → "a.b", "a.py" → "a"; anything else brings no module of its own. */
static bool module_of(const char *path, size_t n, char ret[static PACKAGE_NAME_MAX])
{
	static const char *const files[] = {"/__init__.py", "/__main__.py"};
	size_t k = 0;

	for (size_t i = 0; i < ARRAY_SIZE(files) && !k; i++) {
		size_t f = strlen(files[i]);

		if (n > f && !memcmp(path + n - f, files[i], f))
			k = n - f;
	}
	if (!k && n > 3 && !memcmp(path + n - 3, ".py", 3) && !memchr(path, '/', n))
		k = n - 3;
	if (!set(ret, path, k))
		return false;
	for (char *s = ret; *s; s++) {
		if (!isalnum((unsigned char)*s) && *s != '_' && *s != '/')
			return false;
		*s = *s == '/' ? '.' : *s;
	}
	return ret[0] != '.';
}

static size_t add_module(char v[static PACKAGE_MODULES][PACKAGE_NAME_MAX], size_t n,
			 const char *module)
{
	size_t left = 0;

	for (size_t i = 0; i < n; i++)
		if (is_below(module, v[i]))
			return n;
	for (size_t i = 0; i < n; i++) {
		if (is_below(v[i], module))
			continue;
		if (left != i)
			memcpy(v[left], v[i], PACKAGE_NAME_MAX);
		left++;
	}
	if (left < PACKAGE_MODULES)
		strcpy(v[left++], module);
	return left;
}

size_t package_record_modules(const char *text, size_t n,
			      char ret[static PACKAGE_MODULES][PACKAGE_NAME_MAX])
{
	size_t modules = 0;

	for (const char *end = text + n; text < end;) {
		const char *stop = memchr(text, '\n', end - text) ?: end;
		const char *comma = memchr(text, ',', stop - text) ?: stop;
		char module[PACKAGE_NAME_MAX];

		if (module_of(text, comma - text, module))
			modules = add_module(ret, modules, module);
		text = stop + 1;
	}
	return modules;
}

bool package_spec_name(const char *spec, size_t n, char ret[static PACKAGE_NAME_MAX])
{
	size_t k;

	if (!n || strchr("./~-", *spec) || memmem(spec, n, "://", 3))
		return false;
	for (k = *spec == '@'; k < n && !strchr("@[=<>!~;, \t", spec[k]); k++)
		if (spec[k] == ':' || !isprint((unsigned char)spec[k]))
			return false;
	if (*spec != '@' && memchr(spec, '/', k))
		return false; /* a repository */
	return set(ret, spec, k);
}

/* --- scripts ----------------------------------------------------------------------------------- */

static const char *base_of(const char *s, size_t *n)
{
	const char *slash = memrchr(s, '/', *n);

	if (!slash)
		return s;
	*n -= slash + 1 - s;
	return slash + 1;
}

static size_t word(const char **at, const char *end)
{
	const char *s;

	while (*at < end && (**at == ' ' || **at == '\t'))
		++*at;
	for (s = *at; s < end && *s != ' ' && *s != '\t'; s++)
		;
	return s - *at;
}

bool script_interpreter(const char *head, size_t n, char *ret, size_t cap)
{
	const char *end = memchr(head, '\n', n), *at = head + 2;
	bool env = false;

	if (n < 3 || head[0] != '#' || head[1] != '!')
		return false;
	end = end ?: head + n;
	for (size_t len; (len = word(&at, end)) > 0; at += len) {
		size_t k = len;
		const char *base = base_of(at, &k);

		if (k == 3 && !env && !memcmp(base, "env", 3)) {
			env = true;
			continue;
		}
		if (env && (*at == '-' || memchr(at, '=', len)))
			continue; /* env -S NAME=value program */
		if (!k || k >= cap || memchr(base, '\0', k))
			return false;
		memcpy(ret, base, k);
		ret[k] = '\0';
		return true;
	}
	return false;
}

bool script_module(const char *head, size_t n, char *ret, size_t cap)
{
	for (const char *end = head + n; head < end;) {
		const char *stop = memchr(head, '\n', end - head) ?: end;
		size_t len = stop - head, k = 0;
		const char *at = NULL;

		if (len > 5 && !memcmp(head, "from ", 5))
			at = head + 5;
		else if (len > 7 && !memcmp(head, "import ", 7))
			at = head + 7;
		while (at && at + k < stop && (isalnum((unsigned char)at[k]) || at[k] == '_'))
			k++;
		/* What every such script imports besides. */
		if (k && k < cap && !(k == 3 && !memcmp(at, "sys", 3)) &&
		    !(k == 2 && !memcmp(at, "re", 2)) && !(k == 2 && !memcmp(at, "os", 2))) {
			memcpy(ret, at, k);
			ret[k] = '\0';
			return true;
		}
		head = stop + 1;
	}
	return false;
}

bool is_interpreter(const char *path)
{
	static const char *const names[] = {"node", "nodejs", "python", "pypy", "bun",
					    "deno", "ruby",   "perl",	"tsx"};
	size_t n = strlen(path);
	const char *base = base_of(path, &n);

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		size_t k = strlen(names[i]);

		if (!strncmp(base, names[i], k) && !base[k + strspn(base + k, "0123456789.")])
			return true;
	}
	return false;
}
