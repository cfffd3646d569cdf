// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: finished model calls with the tools they ask for; requests to tool servers; execs,
 * connects and opened files of marked processes. Flows out: which of them belong together.
 *
 * A request names its tool_use in `_meta` (meta_id), or it is the first one of the same tool that
 * is not used up in the newest answer of a model to the same process, or to one above or below it
 * in the process tree (name_order). Clients prefix the tool's name with the server's, so a name may
 * also end with it. Order is a guess where one process runs several agents: the record says which
 * way it was found.
 *
 * An effect belongs to every request its server has open: with two at once nobody can tell.
 * Bounds: LINKS_USES_MAX tool_uses, the oldest make room; effects per request and in sum, what does
 * not fit is counted. Libraries, locales and devices a program opens by itself are left out.
 */
#include "links.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define USE_LIFE_NS 3600000000000ull
#define TICK_NS KRULE_TICK_NS

struct links {
	const struct procs *procs;
	struct tool_use use[LINKS_USES_MAX];
	unsigned next; /* place of the next one */
	struct effects *open;
	unsigned effects; /* in sum */
};

struct links *links_new(const struct procs *p)
{
	struct links *l = calloc(1, sizeof(*l));

	if (l)
		l->procs = p;
	return l;
}

void links_free(struct links *l)
{
	while (l && l->open)
		links_unwatch(l, l->open);
	free(l);
}

/* --- whose process ---------------------------------------------------------------------------- */

static bool same(const struct who *a, uint32_t pid, uint64_t start_ns)
{
	if (!a->pid || a->pid != pid)
		return false;
	return !a->start_ns || !start_ns || a->start_ns / TICK_NS == start_ns / TICK_NS;
}

/* Whether a is b or one of those above it. */
static bool above(const struct links *l, const struct who *a, const struct who *b)
{
	const struct proc *line[ANCESTORS_MAX];
	size_t n = procs_ancestry(l->procs, procs_find(l->procs, b->pid, b->start_ns), line);

	if (same(a, b->pid, b->start_ns))
		return true;
	for (size_t i = 0; i < n; i++)
		if (same(a, line[i]->pid, line[i]->start_ns))
			return true;
	return false;
}

static bool related(const struct links *l, const struct who *a, const struct who *b)
{
	return b->pid && (above(l, a, b) || above(l, b, a));
}

/* --- tool_uses --------------------------------------------------------------------------------- */

void links_model_call(struct links *l, const struct who *client, uint64_t conn,
		      const struct interaction *it, uint32_t from, uint64_t ns)
{
	const char *model = it->response_model[0] ? it->response_model : it->request_model;

	for (uint32_t i = from; i < it->tool_calls_count && i < TOOL_CALLS_MAX; i++) {
		struct tool_use *u = &l->use[l->next++ % LINKS_USES_MAX];

		*u = (struct tool_use){.client = *client,
				       .conn = conn,
				       .request_offset = it->request_offset,
				       .ns = ns};
		TEXT_SET(u->name, it->tool_calls[i].name, strlen(it->tool_calls[i].name));
		TEXT_SET(u->id, it->tool_calls[i].id, strlen(it->tool_calls[i].id));
		TEXT_SET(u->model, model, strlen(model));
	}
}

static bool is_plain(char c)
{
	return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c >= '0' && c <= '9');
}

/* Letters and digits of a name: "My Server" is my_server or my-server to clients. */
static bool begins_name(const char *s, size_t n, const char *name)
{
	size_t i = 0;

	for (; *name; name++) {
		if (!is_plain(*name))
			continue;
		while (i < n && !is_plain(s[i]))
			i++;
		if (i == n || (s[i] | 0x20) != (*name | 0x20))
			return false;
		i++;
	}
	return i > 0;
}

static bool has_name(const char *s, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if ((!i || !is_plain(s[i - 1])) && begins_name(s + i, n - i, name))
			return true;
	return false;
}

/* Where services allow fewer characters than servers use, clients put a _ in place of the others. */
static bool same_name(const char *a, const char *b)
{
	while (*a && (*a == *b || (!is_plain(*a) && !is_plain(*b) && *b)))
		a++, b++;
	return !*a && !*b;
}

/* How well a tool_use's name fits the request's; 0 = not at all. */
static unsigned fit(const char *use, const char *tool, const char *server)
{
	size_t n = strlen(use), m = strlen(tool);

	if (!m || n < m || !same_name(use + n - m, tool))
		return 0;
	if (n == m)
		return 2;
	if (!strchr("_-./:", use[n - m - 1]))
		return 0;
	return *server && has_name(use, n - m, server) ? 3 : 1;
}

static bool by_meta(const struct mcp_call *call, const struct tool_use *u)
{
	for (unsigned i = 0; u->id[0] && i < call->metas; i++)
		if (!strcmp(call->meta[i], u->id))
			return true;
	return false;
}

/* Newest answer first; in one answer in the order of its tool_uses. */
static bool better(const struct tool_use *a, unsigned fit_a, const struct tool_use *b,
		   unsigned fit_b)
{
	if (!b || a->ns != b->ns)
		return !b || a->ns > b->ns;
	return fit_a > fit_b;
}

const struct tool_use *links_find(struct links *l, const struct who *client,
				  const struct who *server, const char *server_name,
				  const struct mcp_call *call, const char **ret_how)
{
	struct tool_use *best = NULL;
	unsigned best_fit = 0;

	for (unsigned i = 0; i < LINKS_USES_MAX; i++) {
		struct tool_use *u = &l->use[(l->next + i) % LINKS_USES_MAX]; /* oldest first */
		unsigned f;

		if (!u->client.pid || u->ns + USE_LIFE_NS < call->start_ns)
			continue;
		if (by_meta(call, u)) {
			u->used = true;
			*ret_how = "meta_id";
			return u;
		}
		f = u->used ? 0 : fit(u->name, call->tool, server_name);
		if (!f || !better(u, f, best, best_fit))
			continue;
		if (!related(l, &u->client, client) && !related(l, &u->client, server))
			continue;
		best = u;
		best_fit = f;
	}
	if (best) {
		best->used = true;
		*ret_how = "name_order";
	}
	return best;
}

/* --- effects ----------------------------------------------------------------------------------- */

struct effects *links_watch(struct links *l, const struct who *server)
{
	struct effects *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->server = *server;
	e->next = l->open;
	l->open = e;
	return e;
}

void links_unwatch(struct links *l, struct effects *e)
{
	struct effects **at = &l->open;

	while (e && *at && *at != e)
		at = &(*at)->next;
	if (!e || !*at)
		return;
	*at = e->next;
	l->effects -= e->n;
	for (unsigned i = 0; i < e->n; i++)
		free(e->list[i].what);
	free(e);
}

static bool known(const struct effects *e, const struct effect *f)
{
	for (unsigned i = 0; i < e->n; i++)
		if (e->list[i].kind == f->kind && e->list[i].pid == f->pid &&
		    !strcmp(e->list[i].what, f->what))
			return true;
	return false;
}

static void add(struct links *l, struct effects *e, const struct effect *f)
{
	char *what;

	if (known(e, f))
		return;
	what = e->n < LINKS_EFFECTS_MAX && l->effects < LINKS_EFFECTS_SUM ? strdup(f->what) : NULL;
	if (!what) {
		e->refused++;
		return;
	}
	e->list[e->n] = *f;
	e->list[e->n++].what = what;
	l->effects++;
}

static void effect(struct links *l, const char *kind, const struct event *h, char *what)
{
	struct effect f = {.kind = kind, .pid = h->pid, .at_ns = h->boot_ns, .what = what};
	struct who by = {h->pid, h->start_ns};

	for (struct effects *e = l->open; e; e = e->next)
		if (above(l, &e->server, &by))
			add(l, e, &f);
}

void links_exec(struct links *l, const struct event_exec *e)
{
	char path[sizeof(e->filename) + 1] = "";

	memcpy(path, e->filename, sizeof(e->filename));
	if (l->open)
		effect(l, "exec", &e->h, path);
}

void links_connect(struct links *l, const struct event_conn *e)
{
	char addr[INET6_ADDRSTRLEN] = "?", what[INET6_ADDRSTRLEN + 16];

	if (!l->open)
		return;
	inet_ntop(e->peer.family, e->peer.addr, addr, sizeof(addr));
	snprintf(what, sizeof(what), e->peer.family == AF_INET6 ? "[%s]:%u" : "%s:%u", addr,
		 e->peer.port);
	effect(l, "connect", &e->h, what);
}

static bool noise(const char *path, uint32_t flags)
{
	static const char *const below[] = {"/dev/", "/usr/lib/locale/", "/usr/share/locale/",
					    "/usr/share/zoneinfo/"};
	const char *name = strrchr(path, '/');
	const char *so = strstr(name ?: path, ".so");

	if (flags & O_PATH || (so && (!so[3] || so[3] == '.')) ||
	    !strcmp(path, "/etc/ld.so.cache") || !strcmp(path, "/etc/localtime"))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(below); i++)
		if (!strncmp(path, below[i], strlen(below[i])))
			return true;
	return false;
}

void links_file(struct links *l, const struct event_file *e)
{
	bool write = (e->flags & O_ACCMODE) != O_RDONLY || e->flags & (O_CREAT | O_TRUNC);
	char path[sizeof(e->path) + 1] = "";

	memcpy(path, e->path, sizeof(e->path));
	if (l->open && !noise(path, e->flags))
		effect(l, write ? "file_write" : "file_read", &e->h, path);
}
