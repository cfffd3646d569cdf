// SPDX-License-Identifier: Apache-2.0
/*
 * A use belongs to a system when every list the system gives has a pattern for it; a list that is not
 * given takes anything, and one that cannot apply (the model of a tool request) is passed over. The
 * first system in the file takes the use, so each is counted once. What belongs to none is undeclared;
 * a system whose tools it matches by name is told as the nearest, with the list it differs in.
 */
#include "systems.h"

#include <errno.h>
#include <string.h>

#include "policy/pack.h"

#define PARTS_MAX 512

static const char *const lists[LISTS] = {"tools", "services", "models", "hosts", "mcp_servers"};

const char *system_list_name(enum system_list l)
{
	return lists[l];
}

/* --- reading ------------------------------------------------------------------------------------- */

static void patterns(struct form *f, struct arena *a, const struct doc_node *map,
		     enum system_list l, struct system_entry *s)
{
	const struct doc_node *list = form_list(f, map, lists[l], false);
	size_t i = 0;

	if (!list || !form_texts(f, list, lists[l]))
		return;
	if (!list->children || list->children > SYSTEM_PATTERNS_MAX) {
		form_wrong(f, list->key_line, lists[l],
			   "expected 1 to %d patterns, or no such list", SYSTEM_PATTERNS_MAX);
		return;
	}
	s->pattern[l] = arena_zalloc(a, list->children, sizeof(*s->pattern[l]));
	if (!s->pattern[l]) {
		form_wrong(f, list->line, lists[l], "out of memory");
		return;
	}
	for (const struct doc_node *n = list->first; n; n = n->next)
		s->pattern[l][i++].glob = n->text;
	s->n[l] = i;
}

static void assessments(struct form *f, const struct doc_node *map, struct system_entry *s)
{
	static const char *const keys[] = {"version", "date", NULL};
	const struct doc_node *list = form_list(f, map, "assessments", false);

	for (const struct doc_node *n = list ? list->first : NULL; n && !f->bad; n = n->next) {
		const char *version;
		int64_t day;

		if (!form_map(f, n, "assessments", keys))
			return;
		version = form_text(f, n, "version", true);
		day = form_date(f, n, "date", true);
		if (day && day >= s->assessed_s) {
			s->assessed_s = day;
			s->assessment = version;
			s->assessment_date = doc_get(n, "date")->text;
		}
	}
}

static void entry(struct form *f, const struct doc_node *map, struct systems *all)
{
	static const char *const keys[] = {"name",	  "purpose",	 "owner",    "risk",
					   "assessments", "tools",	 "services", "models",
					   "hosts",	  "mcp_servers", NULL};
	static const char *const risks[] = {"minimal", "limited", "high", "prohibited", NULL};
	struct system_entry *s = &all->entries[all->n];
	char name[80];
	int k;

	if (!form_map(f, map, "systems", keys))
		return;
	s->name = form_text(f, map, "name", true);
	s->purpose = form_text(f, map, "purpose", true);
	s->owner = form_text(f, map, "owner", true);
	k = form_word(f, map, "risk", true, risks);
	s->risk = k < 0 ? "" : risks[k];
	if (s->name && systems_find(all, s->name))
		form_wrong(f, doc_get(map, "name")->line, "name", "\"%s\" is given twice",
			   doc_clip(name, sizeof(name), s->name));
	assessments(f, map, s);
	for (int l = 0; l < LISTS && !f->bad; l++)
		patterns(f, &all->arena, map, l, s);
	if (!f->bad && !s->n[LIST_TOOLS] && !s->n[LIST_SERVICES] && !s->n[LIST_MODELS] &&
	    !s->n[LIST_SERVERS])
		form_wrong(f, map->line, "systems",
			   "\"%s\" names no tools, services, models or mcp_servers",
			   doc_clip(name, sizeof(name), s->name));
	if (!f->bad && roll_new(PARTS_MAX, &s->parts))
		form_wrong(f, map->line, "systems", "out of memory");
	all->n++;
}

static int read_all(struct form *f, const char *yaml, size_t n, struct systems *s)
{
	static const char *const keys[] = {"register", "version", "suppliers", "systems", NULL};
	const struct doc_node *list;
	struct doc_node *root;
	int r = form_parse(f, &s->arena, yaml, n, &root);

	if (r)
		return r;
	if (!form_map(f, root, NULL, keys))
		return -EINVAL;
	s->title = form_text(f, root, "register", true);
	s->version = form_text(f, root, "version", true);
	s->suppliers = form_list(f, root, "suppliers", false);
	if (s->suppliers)
		form_texts(f, s->suppliers, "suppliers");
	list = form_list(f, root, "systems", true);
	if (list && (!list->children || list->children > SYSTEMS_MAX))
		form_wrong(f, list->key_line, "systems", "expected 1 to %d", SYSTEMS_MAX);
	if (f->bad)
		return -EINVAL;
	s->entries = arena_zalloc(&s->arena, list->children, sizeof(*s->entries));
	if (!s->entries)
		return -ENOMEM;
	for (const struct doc_node *c = list->first; c && !f->bad; c = c->next)
		entry(f, c, s);
	return f->bad ? -EINVAL : 0;
}

int systems_parse(const char *file, const char *yaml, size_t n, struct systems **ret, char *err,
		  size_t err_len)
{
	_cleanup_(systems_freep) struct systems *s = calloc(1, sizeof(*s));
	struct form f = {.file = file, .err = err, .err_len = err_len};
	int r = s ? read_all(&f, yaml, n, s) : -ENOMEM;

	if (!r)
		*ret = TAKE_PTR(s);
	return r;
}

void systems_free(struct systems *s)
{
	if (!s)
		return;
	for (size_t i = 0; s->entries && i < s->n; i++)
		roll_free(s->entries[i].parts);
	arena_free(&s->arena);
	free(s);
}

const struct system_entry *systems_find(const struct systems *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->entries[i].name && !strcmp(s->entries[i].name, name))
			return &s->entries[i];
	return NULL;
}

/* --- joining ------------------------------------------------------------------------------------- */

/* The pattern for a text; NULL: none. */
static struct system_pattern *match(struct system_entry *s, enum system_list l, const char *text)
{
	for (size_t i = 0; text && i < s->n[l]; i++)
		if (glob_match(s->pattern[l][i].glob, text))
			return &s->pattern[l][i];
	return NULL;
}

static void texts_of(const struct item *it, const char *host, const char *ret[LISTS])
{
	ret[LIST_TOOLS] = it->tool;
	ret[LIST_SERVICES] = it->service[0] ? it->service : NULL;
	ret[LIST_MODELS] = it->model;
	ret[LIST_HOSTS] = host;
	ret[LIST_SERVERS] = it->server;
}

/* LISTS: it belongs; else the first list that has no pattern for it. A system given by its tool
 * servers alone takes no calls to models, and one given by services or models alone no tool requests. */
static enum system_list differs(struct system_entry *s, const char *const text[LISTS])
{
	for (int l = 0; l < LISTS; l++)
		if (s->n[l] && text[l] && !match(s, l, text[l]))
			return l;
	if (text[LIST_SERVERS] && !s->n[LIST_TOOLS] && !s->n[LIST_SERVERS])
		return LIST_TOOLS;
	if (!text[LIST_SERVERS] && !s->n[LIST_TOOLS] && !s->n[LIST_SERVICES] && !s->n[LIST_MODELS])
		return LIST_TOOLS;
	return LISTS;
}

struct system_entry *systems_of(struct systems *all, const struct item *it, const char *host,
				bool count, const struct system_entry **ret_near,
				enum system_list *ret_differs)
{
	const char *text[LISTS];

	texts_of(it, host, text);
	*ret_near = NULL;
	for (size_t i = 0; i < all->n; i++) {
		struct system_entry *s = &all->entries[i];
		enum system_list d = differs(s, text);

		if (d == LISTS) {
			for (int l = 0; l < LISTS && count; l++) {
				struct system_pattern *p = match(s, l, text[l]);

				if (p)
					p->used++;
			}
			return s;
		}
		if (!*ret_near && match(s, LIST_TOOLS, text[LIST_TOOLS])) {
			*ret_near = s;
			*ret_differs = d;
		}
	}
	return NULL;
}
