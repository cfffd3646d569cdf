/* SPDX-License-Identifier: Apache-2.0 */
/* Which package a program or script belongs to, as texts of files and paths tell. PURE. */
#ifndef PROBITY_CLASSIFY_PACKAGE_H
#define PROBITY_CLASSIFY_PACKAGE_H

#include <stdbool.h>
#include <stddef.h>

#define PACKAGE_NAME_MAX 127 /* with its NUL */

/* By where it lies: node_modules/@scope/name/, site-packages/name/, uv/tools/name/,
 * pipx/venvs/name/; the innermost. A .bin folder names none: it holds links. */
bool package_of_path(const char *path, char ret[static PACKAGE_NAME_MAX]);
/* The "name" of a package.json of n bytes. False: none, or no JSON. */
bool package_json_name(const char *text, size_t n, char ret[static PACKAGE_NAME_MAX]);
/* "open_interpreter-0.4.3.dist-info" → "open-interpreter". */
bool package_dist_name(const char *folder, char ret[static PACKAGE_NAME_MAX]);
/* Whether a wheel's RECORD lists that path, or one below it when it ends in '/'. */
bool package_record_has(const char *text, size_t n, const char *path);
#define PACKAGE_MODULES 16
/* The modules that a wheel's RECORD brings, with dots; of those below one another the uppermost, so that
 * a folder several wheels share (google/) is none. Those beyond PACKAGE_MODULES are left out. */
size_t package_record_modules(const char *text, size_t n,
			      char ret[static PACKAGE_MODULES][PACKAGE_NAME_MAX]);
/* "codex@latest" → "codex", "@openai/codex@1" → "@openai/codex", "aider-chat[x]==1" →
 * "aider-chat". False: a path, a URL, or no name. */
bool package_spec_name(const char *spec, size_t n, char ret[static PACKAGE_NAME_MAX]);
/* PyPI takes case, '-', '_' and '.' for one: in lower case with '-'. In place. */
void package_pypi_name(char *name);

/* The interpreter of a #! line: its base name; of env, the word behind it. */
bool script_interpreter(const char *head, size_t n, char *ret, size_t cap);
/* The module a Python console script is a door to: "from aider.main import main" → "aider". */
bool script_module(const char *head, size_t n, char *ret, size_t cap);
/* A program that runs scripts in files: base name, with or without a version behind it. */
bool is_interpreter(const char *path);

#endif
