// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: open files, what a child saw in them, what the worker says of them. Flows out: entries of
 * the kernel's map of files.
 *
 * Invariant: an entry of the kernel's map speaks of the generation of the file that was looked at, and
 * of at most two generations of rules; the slot of the rules in force is not written while they are.
 * A file is looked at once per generation, for its digest only when a rule asks for one or names the
 * file (the record of a denial has it). XFILES_MAX files; those beyond are counted and stay unknown.
 */
#include "exec_gate_int.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/bpf.h"
#include "base/cleanup.h"
#include "classify/launch.h"
#include "classify/package.h"
#include "policy/builtin.h"

#define BUCKETS 16384

int xfiles_open(struct exec_gate *g)
{
	g->table = calloc(BUCKETS, sizeof(*g->table));
	g->todo = calloc(XFILES_MAX, sizeof(*g->todo));
	return g->table && g->todo ? 0 : -ENOMEM;
}

static void forget(struct xfile *f)
{
	for (unsigned i = 0; i < XFILE_ALIASES; i++)
		free(TAKE_PTR(f->alias[i]));
	for (unsigned i = 0; i < XFILE_LINKS; i++)
		free(TAKE_PTR(f->link[i]));
	free(TAKE_PTR(f->path));
	free(TAKE_PTR(f->package));
}

void xfiles_close(struct exec_gate *g)
{
	for (unsigned b = 0; g->table && b < BUCKETS; b++)
		while (g->table[b]) {
			struct xfile *f = g->table[b];

			g->table[b] = f->next;
			forget(f);
			free(f);
		}
	free(g->table);
	free(g->todo);
}

static struct xfile **place(struct exec_gate *g, const struct exec_key *k)
{
	struct xfile **at = &g->table[((k->ino * 0x9e3779b97f4a7c15ull >> 32) ^ k->dev) % BUCKETS];

	while (*at && ((*at)->key.ino != k->ino || (*at)->key.dev != k->dev))
		at = &(*at)->next;
	return at;
}

/* --- looking ------------------------------------------------------------------------------------- */

static bool library(const char *path)
{
	const char *base = strrchr(path, '/');
	size_t n = strlen(path);

	return strstr(base ?: path, ".so.") || (n > 3 && !strcmp(path + n - 3, ".so")) ||
	       (n > 5 && !strcmp(path + n - 5, ".node"));
}

static bool script_path(const char *path)
{
	const char *dot = strrchr(path, '.'), *slash = strrchr(path, '/');

	return dot && dot > slash &&
	       (!strcmp(dot, ".js") || !strcmp(dot, ".mjs") || !strcmp(dot, ".cjs") ||
		!strcmp(dot, ".ts") || !strcmp(dot, ".py") || !strcmp(dot, ".pyz"));
}

bool xfile_lacks_digest(const struct exec_gate *g, const struct xfile *f)
{
	return !f->has_digest && !f->tried && (g->rules.wants & EXEC_WANTS_DIGEST || f->rules);
}

static void begin_look(struct exec_gate *g, struct xfile *f, int fd)
{
	bool digest = g->rules.wants & EXEC_WANTS_DIGEST || f->rules;
	int json = -1, copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	char name[PACKAGE_NAME_MAX];

	if (copy < 0)
		return;
	if (script_path(f->path) && !package_of_path(f->path, name))
		json = exec_package_json(f->path);
	f->tried = digest;
	f->looking = !exec_look_add(g->look, copy, json, (uint64_t)(uintptr_t)f, digest);
}

/* A rule on one of its names is a rule on the file: who links it elsewhere changes nothing. */
static bool add_alias(struct xfile *f, const char *path, const struct stat *st)
{
	if (!path || !strcmp(path, f->path) || !exec_path_is(path, st))
		return false;
	for (unsigned i = 0; i < XFILE_ALIASES; i++)
		if (f->alias[i] && !strcmp(f->alias[i], path))
			return false;
	for (unsigned i = 0; i < XFILE_ALIASES; i++) {
		if (f->alias[i] && exec_path_is(f->alias[i], st))
			continue;
		free(f->alias[i]);
		f->alias[i] = strdup(path);
		return true;
	}
	return false;
}

static void renew(struct exec_gate *g, struct xfile *f, const struct stat *st, const char *path)
{
	struct xfile old = *f;

	*f = (struct xfile){.next = old.next,
			    .key = old.key,
			    .queued = old.queued,
			    .looking = old.looking,
			    .stale = old.judged == g->now.generation ? old.rules : old.stale,
			    .ctime_ns = exec_ctime_ns(st),
			    .size = st->st_size,
			    .uid = st->st_uid,
			    .mode = st->st_mode,
			    .has_paths = old.has_paths,
			    .path = strdup(path)};
	for (unsigned i = 0; i < XFILE_LINKS; i++) {
		f->link[i] = old.link[i];
		old.link[i] = NULL;
	}
	if (f->path) {
		add_alias(f, old.path, st);
		for (unsigned i = 0; i < XFILE_ALIASES; i++)
			add_alias(f, old.alias[i], st);
	}
	forget(&old);
	if (!f->path)
		return;
	f->builtin = builtin_file(path, st->st_uid, st->st_mode) && exec_path_is(path, st);
	f->flags = library(path) ? EXEC_LIBRARY : 0;
}

struct xfile *xfile_seen(struct exec_gate *g, int fd, const struct exec_key *key)
{
	struct xfile **at, *f;
	char path[PATH_MAX];
	struct exec_key k;
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || !exec_path_of(fd, path, sizeof(path)))
		return NULL;
	k = key ? *key : exec_key_of(fd, &st);
	at = place(g, &k);
	f = *at;
	if (!f) {
		f = g->files < XFILES_MAX ? calloc(1, sizeof(*f)) : NULL;
		if (!f) {
			g->count.files_refused++;
			return NULL;
		}
		f->key = k;
		*at = f;
		g->files++;
	} else if (f->path && f->ctime_ns == exec_ctime_ns(&st) &&
		   f->size == (uint64_t)st.st_size) {
		if (!f->looking && (!f->looked || xfile_lacks_digest(g, f)))
			begin_look(g, f, fd);
		if (st.st_nlink > 1 && add_alias(f, path, &st) && f->looked)
			xfile_queue(g, f);
		return f;
	}
	renew(g, f, &st, path);
	if (!f->path)
		return NULL;
	if (!f->looking)
		begin_look(g, f, fd);
	return f;
}

static void set_package(struct exec_gate *g, struct xfile *f, const struct exec_seen *s)
{
	char name[PACKAGE_NAME_MAX] = "";

	bool wanted = g->rules.wants & EXEC_WANTS_PACKAGE;
	/* A wheel's name may be another than that of the module it brings. */
	bool found =
		wanted && strstr(f->path, "-packages/") && exec_python_package(f->path, "", name);

	if (!found && !package_of_path(f->path, name)) {
		if (s->package[0])
			memcpy(name, s->package, sizeof(name));
		else if (wanted && !(s->script && !strncmp(s->interpreter, "py", 2) &&
				     exec_python_package(f->path, s->module, name)))
			snprintf(name, sizeof(name), "%s", exec_debian_package(f->path));
	}
	free(f->package);
	f->package = strdup(name);
}

void xfile_looked(void *gate, uint64_t tag, const struct exec_seen *s)
{
	struct xfile *f = (struct xfile *)(uintptr_t)tag;
	struct exec_gate *g = gate;

	f->looking = false;
	if (!s || !f->path) {
		g->count.unreadable += !s;
		return;
	}
	/* Written meanwhile: a later generation is looked at when it is seen. */
	g->looked += !f->looked;
	f->looked = true;
	if (s->script || script_path(f->path))
		f->flags |= EXEC_SCRIPT;
	snprintf(f->interpreter, sizeof(f->interpreter), "%.31s", s->interpreter);
	set_package(g, f, s);
	if (s->has_digest) {
		memcpy(f->sha256, s->sha256, sizeof(f->sha256));
		f->has_digest = true;
	}
	xfile_queue(g, f);
}

/* --- asking --------------------------------------------------------------------------------------- */

void xfile_queue(struct exec_gate *g, struct xfile *f)
{
	struct timeval now = {};

	if (f->queued || g->todo_n == XFILES_MAX)
		return;
	f->queued = true;
	g->todo[(g->todo_first + g->todo_n++) % XFILES_MAX] = f;
	if (!event_pending(g->answer, EV_TIMEOUT, NULL))
		event_add(g->answer, &now);
}

bool xfile_digest(struct exec_gate *g, struct xfile *f)
{
	_cleanup_close_ int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd >= 0)
		xfile_seen(g, fd, &f->key);
	f->tried |= !f->looking && exec_look_waiting(g->look) < EXEC_LOOK_QUEUE;
	return f->looking;
}

void xfiles_queue_all(struct exec_gate *g)
{
	for (unsigned b = 0; b < BUCKETS; b++)
		for (struct xfile *f = g->table[b]; f; f = f->next)
			if (f->looked)
				xfile_queue(g, f);
}

void xfile_describe(const struct xfile *f, struct role_file *ret)
{
	const char *base;

	*ret = (struct role_file){.dev = f->key.dev,
				  .ino = f->key.ino,
				  .size = f->size,
				  .ctime_ns = f->ctime_ns,
				  .uid = f->uid,
				  .mode = f->mode,
				  .script = !!(f->flags & EXEC_SCRIPT),
				  .flags = f->flags & EXEC_LIBRARY};
	snprintf(ret->path, sizeof(ret->path), "%s", f->path);
	snprintf(ret->package, sizeof(ret->package), "%s", f->package ?: "");
	base = f->interpreter[0]	   ? f->interpreter
	       : !(f->flags & EXEC_SCRIPT) ? ""
	       : strstr(f->path, ".py")	   ? "python3"
					   : "node";
	snprintf(ret->interpreter, sizeof(ret->interpreter), "%s", base);
	for (int i = 0; f->has_digest && i < 32; i++)
		snprintf(ret->sha256 + 2 * i, 3, "%02x", f->sha256[i]);
}

/* --- the kernel ------------------------------------------------------------------------------------ */

static void into_kernel(struct exec_gate *g, struct xfile *f)
{
	struct exec_value v, was;

	/* The first word of this agent on it: a former one's holds until its rules do not. */
	if (!f->of[0].generation && !bpf_map_lookup_elem(g->files_fd, &f->key, &was))
		memcpy(f->of, was.of, sizeof(f->of));
	*exec_slot(g, f->of, f->judged) = (struct exec_rules_of){f->rules, f->judged};
	v = (struct exec_value){.ctime_ns = f->ctime_ns,
				.size = f->size,
				.flags = f->flags,
				.starts = launch_start(f->path)};
	memcpy(v.of, f->of, sizeof(v.of));
	if (bpf_map_update_elem(g->files_fd, &f->key, &v, BPF_ANY))
		g->count.files_refused++;
}

bool xfile_is_judged(const struct exec_gate *g, const struct xfile *f)
{
	return f->judged && f->judged == g->rules.generation;
}

void xfile_judged(struct exec_gate *g, struct xfile *f, const struct role_file_rules *r, bool alias)
{
	uint64_t before = alias && f->judged == r->generation ? f->rules : 0;

	if (!f->path || !f->looked)
		return;
	f->judged = r->generation;
	f->stale = 0;
	f->rules = f->builtin ? 0 : r->rules | before;
	f->flags = (f->flags & (EXEC_LIBRARY | EXEC_SCRIPT)) |
		   (r->flags & (EXEC_INTERPRETER | EXEC_SCRIPT)) | EXEC_KNOWN |
		   (f->builtin ? EXEC_ALWAYS : 0) |
		   (f->rules & g->rules.allowlist ? 0 : EXEC_ALLOWED);
	into_kernel(g, f);
	if (f->flags & EXEC_SCRIPT && !exec_hooks_opens(g->hooks))
		xpaths_put(g, f);
	if (xfile_lacks_digest(g, f))
		xfile_digest(g, f);
	if (f->rules & ~g->rules.allowlist && f->package && f->package[0])
		xname_seen(g, f->package, f->path, &f->key);
	late_judged(g, f);
}
