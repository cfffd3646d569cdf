// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: programs that began (exec events), files the kernel asks about, files that were written.
 * Flows out: each file and script looked at (exec_files.c), what runs without having been judged
 * (exec_late.c), packages that a launcher names before they are there (exec_names.c). What cannot be
 * opened any more, because its process has ended, is looked for by its path alone.
 */
#include "exec_gate_int.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/procinfo.h"
#include "classify/command.h"
#include "classify/launch.h"
#include "classify/package.h"

/* Of a process that has ended by now nobody knows the root; an absolute path is taken as the host's, so
 * that what it ran is in the record. */
static int open_script(const struct role_proc *p, const char *path, bool ended)
{
	return exec_open_as(ended && path[0] == '/' ? (uint32_t)getpid() : p->pid, path);
}

static struct xfile *script_of(struct exec_gate *g, const struct role_proc *p,
			       const struct command *c, bool ended)
{
	char word[EXEC_PATH_MAX + 64], path[512];
	struct exec_path as;
	struct xfile *f;
	int fd;

	snprintf(word, sizeof(word), "%.*s", (int)c->word_len[c->script],
		 c->text + c->word[c->script]);
	if (c->module) {
		if (!exec_python_module(p->argv, word, path, sizeof(path)) &&
		    !exec_python_module(p->exe, word, path, sizeof(path)))
			return NULL;
		fd = open_script(p, path, ended);
	} else {
		fd = open_script(p, word, ended);
	}
	if (fd < 0)
		return NULL;
	f = xfile_seen(g, fd, NULL);
	close(fd);
	if (!f)
		return NULL;
	f->flags |= EXEC_SCRIPT;
	g->count.scripts++;
	late_suspect(g, p, f, true, !c->module && xpath_of(p->pid, word, &as) ? &as : NULL);
	return f;
}

struct naming {
	struct exec_gate *g;
	const struct role_proc *p;
	bool judged; /* by the kernel, as one that rules have */
};

static void on_name(void *ctx, uint32_t space, const char *word)
{
	struct naming *n = ctx;

	if (xname_known(n->g, space, word))
		n->judged = true;
	else if (space != EXEC_HOW_MODULE)
		exec_gate_ask_package(n->g, n->p->pid, n->p->start_ns, n->p->exe, word);
}

/* `npx codex`, `uvx aider`: the package is named before it is there. */
static bool names_of(struct exec_gate *g, const struct role_proc *p)
{
	struct naming n = {g, p, false};

	launch_read(launch_start(p->exe), p->argv, p->argv_len, on_name, &n);
	return n.judged;
}

/* Of a process that has ended: by its path. */
static struct xfile *file_of(struct exec_gate *g, const struct role_proc *p)
{
	int fd = g->rules.then_exec ? open_script(p, p->exe, true) : -1;
	struct xfile *f = fd < 0 ? NULL : xfile_seen(g, fd, NULL);

	if (fd >= 0)
		close(fd);
	return f;
}

void exec_gate_exec(struct exec_gate *g, const struct role_proc *p)
{
	static struct command c;
	struct xfile *f, *script = NULL;
	char exe[64];
	int fd;

	if (!g->rules.all || p->pid <= 1 || g->s.ours(g->s.ctx, p->pid))
		return;
	snprintf(exe, sizeof(exe), "/proc/%u/exe", p->pid);
	fd = open(exe, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	f = fd < 0 ? NULL : xfile_seen(g, fd, NULL);
	if (fd >= 0)
		close(fd);
	if (f && !xfile_is_judged(g, f))
		late_suspect(g, p, f, false, NULL);
	command_read(&c, p->exe, p->argv, p->argv_len);
	if (c.words && !names_of(g, p) && c.script >= 0 &&
	    (is_interpreter(p->exe) || c.script == 1))
		script = script_of(g, p, &c, fd < 0);
	recent_add(g, p, f ?: file_of(g, p), script);
}

void exec_gate_ask(struct exec_gate *g, const struct event_exec_ask *e)
{
	const struct exec_key key = {e->dev, e->ino};
	char path[EVENT_WHAT_MAX + 1] = "";
	struct stat st;
	struct xfile *f;
	int fd;

	memcpy(path, e->path, sizeof(e->path));
	if (!g->rules.all || !path[0])
		return;
	fd = exec_open_as(e->h.pid, path);
	if (fd < 0)
		return;
	/* The kernel's key counts, if it is the file that the kernel means. */
	if (!fstat(fd, &st) && st.st_ino == e->ino && (uint64_t)st.st_size == e->size &&
	    exec_ctime_ns(&st) == e->ctime_ns) {
		f = xfile_seen(g, fd, &key);
		if (f && f->looked && !xfile_is_judged(g, f))
			xfile_queue(g, f);
	}
	close(fd);
}

/* Installers make a file executable after the last write: then, or at the next tick. */
void exec_gate_written(struct exec_gate *g, int fd, const char *path)
{
	int *place = &g->written[g->writes % WRITTEN_MAX];
	struct stat st;
	char head[4];

	(void)path;
	if (!g->rules.all || fstat(fd, &st) || !S_ISREG(st.st_mode) || !st.st_nlink)
		return;
	if (st.st_mode & 0111) {
		xfile_seen(g, fd, NULL);
		return;
	}
	if (pread(fd, head, 4, 0) != 4 || (memcmp(head, "\177ELF", 4) && memcmp(head, "#!", 2)))
		return;
	if (*place) /* the oldest: looked at when it is run */
		close(*place);
	*place = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (*place < 0)
		*place = 0;
	else
		g->writes++;
}

void exec_gate_look_at_written(struct exec_gate *g)
{
	struct stat st;

	for (unsigned i = 0; i < WRITTEN_MAX; i++) {
		if (!g->written[i])
			continue;
		if (!fstat(g->written[i], &st) && st.st_nlink && st.st_mode & 0111)
			xfile_seen(g, g->written[i], NULL);
		close(g->written[i]);
		g->written[i] = 0;
	}
}
