// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: the usual places of programs, and the paths of exec rules. Flows out: open files that can
 * be executed, or, in a place that a rule names, read as a script. Links to files are followed, since
 * the file counts and not the path; links to folders are not, they have no end.
 *
 * In idle steps of STEP entries, only while ready() says so; WALK_MAX entries in all, the places of
 * rules first. A rule's path is in lower case: each part of it is looked for as it stands and then in
 * any case; behind the first part with * or ? the folder is walked RULE_DEPTH deep.
 */
#include "exec_walk.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define STEP 256
#define STEP_MS 5
#define WALK_MAX 300000
#define FOLDERS_MAX 32768
#define RULE_DEPTH 4

static const struct place {
	const char *path;
	int depth;
} places[] =
	{
		{"/usr/bin", 0},       {"/usr/sbin", 0},
		{"/usr/local/bin", 0}, {"/usr/local/sbin", 0},
		{"/usr/games", 0},     {"/usr/lib/node_modules", 6},
		{"/snap/bin", 0},      {"/usr/local/lib/node_modules", 6},
		{"/opt", 4},	       {"/usr/libexec", 1},
},
  home_places[] = {
	  {"bin", 0},
	  {".local/bin", 0},
	  {".local/share/uv/tools", 3},
	  {".local/share/pipx/venvs", 3},
	  {".local/pipx/venvs", 3},
	  {".local/share/claude", 3},
	  {".npm-global", 6},
	  {".nvm/versions", 8},
	  {".npm/_npx", 6},
	  {".bun/bin", 0},
	  {".bun/install/global", 6},
	  {".deno/bin", 0},
	  {".cargo/bin", 0},
	  {".opencode/bin", 0},
	  {".claude", 3},
	  {".codex", 3},
	  {".cursor", 4},
	  {"go/bin", 0},
};

struct folder {
	struct folder *next;
	int depth;
	bool scripts; /* files that only an interpreter would run, too */
	char path[];
};
struct exec_walk {
	struct exec_walk_ops ops;
	void *ctx;
	struct event *step;
	struct folder *first, **last, *now;
	DIR *dir;
	unsigned folders;
	uint64_t entries;
	bool under_way;
};

static void push(struct exec_walk *w, const char *path, int depth, bool scripts)
{
	size_t n = strlen(path) + 1;
	struct folder *f = w->folders < FOLDERS_MAX ? malloc(sizeof(*f) + n) : NULL;

	if (!f)
		return;
	*f = (struct folder){.depth = depth, .scripts = scripts};
	memcpy(f->path, path, n);
	*w->last = f;
	w->last = &f->next;
	w->folders++;
}

static void go_on(struct exec_walk *w)
{
	struct timeval soon = {.tv_usec = STEP_MS * 1000};

	event_add(w->step, &soon);
}

static bool next_folder(struct exec_walk *w)
{
	if (w->dir)
		closedir(w->dir);
	free(w->now);
	w->dir = NULL;
	w->now = w->first;
	if (!w->now)
		return false;
	w->first = w->now->next;
	if (!w->first)
		w->last = &w->first;
	w->folders--;
	w->dir = opendir(w->now->path);
	return true;
}

static bool script_name(const char *name)
{
	static const char *const tails[] = {".js", ".mjs", ".cjs", ".ts", ".py", ".pyz"};
	size_t n = strlen(name);

	for (size_t i = 0; i < ARRAY_SIZE(tails); i++) {
		size_t k = strlen(tails[i]);

		if (n > k && !strcmp(name + n - k, tails[i]))
			return true;
	}
	return false;
}

/* Not a device or a pipe, whose opening may wait or act: looked at before it is opened, and after. */
static void file(struct exec_walk *w, int dir, const char *name, const char *link, bool scripts)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (fstatat(dir, name, &st, 0) || !S_ISREG(st.st_mode) || !st.st_size ||
	    (!(st.st_mode & 0111) && !(scripts && script_name(name))))
		return;
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd >= 0)
		w->ops.found(w->ctx, fd, link);
}

static void entry(struct exec_walk *w, const struct dirent *e)
{
	char path[PATH_MAX];
	struct stat st;
	bool whole;

	if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
	    fstatat(dirfd(w->dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW))
		return;
	whole = snprintf(path, sizeof(path), "%s/%s", w->now->path, e->d_name) < (int)sizeof(path);
	if (!S_ISDIR(st.st_mode)) {
		file(w, dirfd(w->dir), e->d_name, whole && S_ISLNK(st.st_mode) ? path : NULL,
		     w->now->scripts);
		return;
	}
	if (w->now->depth > 0 && whole)
		push(w, path, w->now->depth - 1, w->now->scripts);
}

static void on_step(evutil_socket_t fd, short what, void *ctx)
{
	struct exec_walk *w = ctx;

	for (unsigned i = 0; i < STEP; i++) {
		const struct dirent *e;

		if (!w->ops.ready(w->ctx)) {
			go_on(w);
			return;
		}
		e = w->dir ? readdir(w->dir) : NULL;
		if (e && ++w->entries <= WALK_MAX) {
			entry(w, e);
		} else if (e || !next_folder(w)) {
			while (next_folder(w))
				;
			w->under_way = false;
			w->ops.done(w->ctx);
			return;
		}
	}
	go_on(w);
}

/* --- where --------------------------------------------------------------------------------------- */

static void arrive(struct exec_walk *w, const char *path)
{
	char folder[PATH_MAX];
	struct stat st;

	if (stat(path, &st))
		return;
	if (S_ISDIR(st.st_mode))
		push(w, path, RULE_DEPTH, true);
	else if (w->ops.ready(w->ctx))
		file(w, AT_FDCWD, path, path, true);
	else
		push(w, dirname(strcpy(folder, path)), 0, true);
}

/* rest: what of the pattern is still to be found below `at`. */
static void descend(struct exec_walk *w, const char *at, const char *rest)
{
	size_t n = strcspn(rest, "/");
	char path[PATH_MAX];
	struct dirent *e;
	struct stat st;
	DIR *d;

	if (!n) {
		arrive(w, at);
		return;
	}
	if (memchr(rest, '*', n) || memchr(rest, '?', n)) {
		push(w, *at ? at : "/", RULE_DEPTH, true);
		return;
	}
	if (snprintf(path, sizeof(path), "%s/%.*s", at, (int)n, rest) >= (int)sizeof(path))
		return;
	if (!stat(path, &st))
		descend(w, path, rest + n + (rest[n] == '/'));
	d = opendir(*at ? at : "/");
	while (d && (e = readdir(d)))
		if (strlen(e->d_name) == n && !strncasecmp(e->d_name, rest, n) &&
		    strncmp(e->d_name, rest, n)) {
			snprintf(path, sizeof(path), "%s/%s", at, e->d_name);
			descend(w, path, rest + n + (rest[n] == '/'));
		}
	if (d)
		closedir(d);
}

void exec_walk_place(struct exec_walk *w, const char *pattern)
{
	if (pattern[0] == '/' && pattern[1] != '*')
		descend(w, "", pattern + 1);
}

static void push_homes(struct exec_walk *w)
{
	struct passwd *pw;
	char path[PATH_MAX];

	setpwent();
	while ((pw = getpwent())) {
		if (strncmp(pw->pw_dir, "/home/", 6) && strcmp(pw->pw_dir, "/root"))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(home_places); i++) {
			snprintf(path, sizeof(path), "%s/%s", pw->pw_dir, home_places[i].path);
			push(w, path, home_places[i].depth, false);
		}
	}
	endpwent();
}

void exec_walk_begin(struct exec_walk *w)
{
	w->entries = 0;
	w->under_way = true;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		push(w, places[i].path, places[i].depth, false);
	push_homes(w);
	go_on(w);
}

bool exec_walk_done(const struct exec_walk *w)
{
	return !w->under_way;
}

uint64_t exec_walk_entries(const struct exec_walk *w)
{
	return w->entries;
}

struct exec_walk *exec_walk_new(struct event_base *base, const struct exec_walk_ops *ops, void *ctx)
{
	struct exec_walk *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->ops = *ops;
	w->ctx = ctx;
	w->last = &w->first;
	w->step = event_new(base, -1, 0, on_step, w);
	if (!w->step) {
		exec_walk_free(w);
		return NULL;
	}
	return w;
}

void exec_walk_free(struct exec_walk *w)
{
	if (!w)
		return;
	while (next_folder(w))
		;
	if (w->step)
		event_free(w->step);
	free(w);
}
