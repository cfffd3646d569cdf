// SPDX-License-Identifier: Apache-2.0
/*
 * Where the kernel sees no script opened, it knows one by what it is called. Flows in: scripts that
 * rules name, symbolic links to them, words of command lines. Flows out: entries of the kernel's map of
 * paths: each path of the script as it stands, and relative to each of the LEVELS folders above it, with
 * and without "./". A relative path belongs to one folder, by device and inode, so that the same word
 * elsewhere is another one.
 *
 * Limits: ways over .. or over links between folders, and links made since the walk, are known when they
 * were used once; a path longer than EXEC_PATH_MAX is not. What an allowlist alone refuses is told by
 * its absolute paths. What does not fit into the map is counted.
 */
#include "exec_gate_int.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define LEVELS 8

static bool folder_key(const char *path, struct exec_key *ret)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return false;
	*ret = exec_key_of(fd, &st);
	return true;
}

bool xpath_of(uint32_t pid, const char *word, struct exec_path *ret)
{
	char cwd[64];

	memset(ret, 0, sizeof(*ret));
	if (!word[0] || strlen(word) >= sizeof(ret->path))
		return false;
	strcpy(ret->path, word);
	snprintf(cwd, sizeof(cwd), "/proc/%u/cwd", pid);
	return word[0] == '/' || folder_key(cwd, &ret->dir);
}

bool xpath_known(const struct exec_gate *g, const struct exec_path *p)
{
	struct exec_path_value at;
	const struct exec_rules_of *of = at.v.of;

	return !bpf_map_lookup_elem(g->paths_fd, p, &at) &&
	       (of[0].generation == g->now.generation || of[1].generation == g->now.generation);
}

static void put(struct exec_gate *g, const struct xfile *f, const struct exec_path *p)
{
	struct exec_path_value v = {
		.v = {.ctime_ns = f->ctime_ns, .size = f->size, .flags = f->flags},
		.file = f->key,
	};

	memcpy(v.v.of, f->of, sizeof(v.v.of));
	if (!f->rules)
		bpf_map_delete_elem(g->paths_fd, p);
	else if (bpf_map_update_elem(g->paths_fd, p, &v, BPF_ANY))
		g->count.paths_refused++;
}

void xpath_seen(struct exec_gate *g, struct xfile *f, const struct exec_path *p)
{
	if (f->rules && f->flags & EXEC_SCRIPT && !xpath_known(g, p))
		put(g, f, p);
}

static void put_relative(struct exec_gate *g, const struct xfile *f, const char *path)
{
	char folder[PATH_MAX];
	struct exec_path p;
	char *slash;

	if (strlen(path) >= sizeof(folder))
		return;
	strcpy(folder, path);
	for (int i = 0; i < LEVELS && (slash = strrchr(folder, '/')) && slash > folder; i++) {
		const char *rest = path + (slash - folder) + 1;

		*slash = '\0';
		memset(&p, 0, sizeof(p));
		if (strlen(rest) + 2 >= sizeof(p.path) || !folder_key(folder, &p.dir))
			return;
		strcpy(p.path, rest);
		put(g, f, &p);
		memset(p.path, 0, sizeof(p.path));
		sprintf(p.path, "./%s", rest);
		put(g, f, &p);
	}
}

static void put_name(struct exec_gate *g, const struct xfile *f, const char *path)
{
	struct exec_path p = {};

	if (strlen(path) < sizeof(p.path)) {
		strcpy(p.path, path);
		put(g, f, &p);
	}
	if (f->rules & ~g->rules.allowlist || !f->rules)
		put_relative(g, f, path);
}

void xpaths_put(struct exec_gate *g, struct xfile *f)
{
	if (!f->rules && !f->has_paths)
		return;
	put_name(g, f, f->path);
	for (unsigned i = 0; i < XFILE_ALIASES; i++)
		if (f->alias[i])
			put_name(g, f, f->alias[i]);
	for (unsigned i = 0; i < XFILE_LINKS; i++)
		if (f->link[i])
			put_name(g, f, f->link[i]);
	f->has_paths = f->rules;
}

void xpath_link(struct exec_gate *g, struct xfile *f, const char *link)
{
	unsigned i = 0;

	if (exec_hooks_opens(g->hooks) || link[0] != '/' || !strcmp(link, f->path))
		return;
	for (; i < XFILE_LINKS && f->link[i]; i++)
		if (!strcmp(f->link[i], link))
			return;
	if (i == XFILE_LINKS)
		return;
	f->link[i] = strdup(link);
	if (f->link[i] && f->flags & EXEC_SCRIPT && xfile_is_judged(g, f))
		xpaths_put(g, f);
}
