// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: files and names that no rules were asked for yet (exec_files.c, exec_names.c). Flows out:
 * questions to the worker, ASKED_MAX at a time; what finds no place waits in the gate's ring of files. A
 * worker that comes after another is asked everything again that the dead one had not answered.
 */
#include "exec_gate_int.h"

#include <stdlib.h>
#include <string.h>

static struct asked *free_question(struct exec_gate *g)
{
	struct asked *a = NULL;

	for (unsigned i = 0; i < ASKED_MAX && !a; i++)
		if (!g->asked[i].id)
			a = &g->asked[i];
	if (!a)
		return NULL;
	g->next_id += 1 + (g->next_id >> 59);
	*a = (struct asked){.id = g->next_id};
	g->asked_n++;
	g->count.asks++;
	return a;
}

static void ask(struct exec_gate *g, struct asked *a, struct role_file *r)
{
	r->id = a->id;
	g->s.tell(g->s.ctx, ROLE_FILE, r, sizeof(*r));
}

/* Under each of its names; answers come in this order. */
static void ask_about(struct exec_gate *g, struct xfile *f)
{
	struct asked *a = free_question(g);
	struct role_file r;

	a->file = f;
	xfile_describe(f, &r);
	ask(g, a, &r);
	for (unsigned i = 0; i < XFILE_ALIASES; i++) {
		a = f->alias[i] ? free_question(g) : NULL;
		if (!a)
			continue;
		a->file = f;
		a->alias = true;
		snprintf(r.path, sizeof(r.path), "%s", f->alias[i]);
		ask(g, a, &r);
	}
}

static void ask_about_names(struct exec_gate *g)
{
	struct role_file r = {.flags = FILE_NAME, .script = 1};
	const char *package;
	struct xname *x;

	while (g->rules.all && g->asked_n < ASKED_MAX / 2 && (x = xnames_next(g, &package))) {
		struct asked *a = free_question(g);

		a->name = x;
		snprintf(r.package, sizeof(r.package), "%s", package);
		ask(g, a, &r);
	}
}

void exec_gate_ask_worker(struct exec_gate *g)
{
	ask_about_names(g);
	for (unsigned n = g->todo_n; n && g->asked_n + XFILE_ALIASES < ASKED_MAX; n--) {
		struct xfile *f = g->todo[g->todo_first];

		g->todo_first = (g->todo_first + 1) % XFILES_MAX;
		g->todo_n--;
		f->queued = false;
		if (!g->rules.all || !f->path)
			continue;
		if (xfile_lacks_digest(g, f)) {
			if (exec_look_waiting(g->look) >= EXEC_LOOK_QUEUE / 2)
				xfile_queue(g, f); /* a later round */
			else if (!xfile_digest(g, f))
				xfile_queue(g, f);
			continue;
		}
		ask_about(g, f);
	}
}

void exec_gate_ask_package(struct exec_gate *g, uint32_t pid, uint64_t start_ns, const char *path,
			   const char *package)
{
	struct role_file r = {.flags = FILE_NAME, .script = 1};
	struct asked *a = free_question(g);

	if (!a)
		return;
	a->pid = pid;
	a->start_ns = start_ns;
	snprintf(a->package, sizeof(a->package), "%s", package);
	snprintf(r.path, sizeof(r.path), "%s", path);
	snprintf(r.package, sizeof(r.package), "%s", package);
	ask(g, a, &r);
}

void exec_gate_worker(struct exec_gate *g)
{
	for (unsigned i = 0; i < ASKED_MAX; i++) {
		struct asked *a = &g->asked[i];

		if (a->id && a->file)
			xfile_queue(g, a->file);
		*a = (struct asked){};
	}
	g->asked_n = 0;
	xnames_again(g);
}
