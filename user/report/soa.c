// SPDX-License-Identifier: Apache-2.0
/*
 * The organisation's own word on each control in, joined later with what was observed. A number that
 * the framework does not have, one that stands twice, one that is missing: each is named by line and
 * refuses the file, for an auditor reads this list as complete.
 */
#include "soa.h"

#include <errno.h>
#include <string.h>

#define SUPPLIERS "A.10.3"

static const char *const statuses[] = {"implemented", "partial", "planned", "not_implemented",
				       NULL};
static const char *const yes_no[] = {"no", "yes", NULL};

const char *soa_status_name(enum soa_status s)
{
	return statuses[s];
}

/* The framework's control of an entry, not yet given; -1 with the fault told. */
static int number(struct form *f, const struct doc_node *map, const struct framework *fw,
		  const struct soa *s)
{
	const char *id = form_text(f, map, "control", true);
	char got[48];
	int i;

	if (!id)
		return -1;
	i = framework_find(fw, id);
	doc_clip(got, sizeof(got), id);
	if (i < 0)
		form_wrong(f, doc_get(map, "control")->line, "control",
			   "%s is no control of %s; expected one of its %zu numbers, %s to %s", got,
			   fw->title, fw->n, fw->controls[0].id, fw->controls[fw->n - 1].id);
	else if (s->entries[i].line)
		form_wrong(f, doc_get(map, "control")->line, "control",
			   "%s is given twice, first on line %u", got, s->entries[i].line);
	return f->bad ? -1 : i;
}

static void entry(struct form *f, const struct doc_node *map, const struct framework *fw,
		  struct soa *s)
{
	static const char *const keys[] = {"control", "applicable", "justification",
					   "how",     "status",	    "suppliers",
					   NULL};
	struct soa_entry *e;
	int i, k;

	if (!form_map(f, map, "controls", keys))
		return;
	i = number(f, map, fw, s);
	if (i < 0)
		return;
	e = &s->entries[i];
	e->line = doc_get(map, "control")->line;
	k = form_word(f, map, "applicable", true, yes_no);
	e->applicable = k == 1;
	e->justification = form_text(f, map, "justification", true);
	e->how = form_text(f, map, "how", e->applicable);
	k = form_word(f, map, "status", e->applicable, statuses);
	e->status = k < 0 ? SOA_NOT : k;
	if (!doc_get(map, "suppliers") || f->bad)
		return;
	if (strcmp(fw->controls[i].id, SUPPLIERS) != 0)
		form_wrong(f, doc_get(map, "suppliers")->key_line, "suppliers",
			   "belongs to %s only", SUPPLIERS);
	s->suppliers = form_list(f, map, "suppliers", true);
	if (s->suppliers)
		form_texts(f, s->suppliers, "suppliers");
}

static int read_all(struct form *f, const char *yaml, size_t n, const struct framework *fw,
		    struct soa *s)
{
	static const char *const keys[] = {"soa", "version", "date", "controls", NULL};
	const struct doc_node *list;
	struct doc_node *root;
	int r = form_parse(f, &s->arena, yaml, n, &root);

	if (r)
		return r;
	if (!form_map(f, root, NULL, keys))
		return -EINVAL;
	s->title = form_text(f, root, "soa", true);
	s->version = form_text(f, root, "version", true);
	form_date(f, root, "date", true);
	list = form_list(f, root, "controls", true);
	if (f->bad)
		return -EINVAL;
	s->date = doc_get(root, "date")->text;
	for (const struct doc_node *c = list->first; c && !f->bad; c = c->next)
		entry(f, c, fw, s);
	for (size_t i = 0; i < fw->n && !f->bad; i++)
		if (!s->entries[i].line)
			form_wrong(f, list->key_line, "controls",
				   "%s is missing; expected all %zu controls of %s",
				   fw->controls[i].id, fw->n, fw->title);
	return f->bad ? -EINVAL : 0;
}

int soa_parse(const char *file, const char *yaml, size_t n, const struct framework *fw,
	      struct soa **ret, char *err, size_t err_len)
{
	_cleanup_(soa_freep) struct soa *s = calloc(1, sizeof(*s));
	struct form f = {.file = file, .err = err, .err_len = err_len};
	int r = s ? read_all(&f, yaml, n, fw, s) : -ENOMEM;

	if (!r)
		*ret = TAKE_PTR(s);
	return r;
}

void soa_free(struct soa *s)
{
	if (!s)
		return;
	arena_free(&s->arena);
	free(s);
}
