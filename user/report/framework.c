// SPDX-License-Identifier: Apache-2.0
/*
 * The YAML of one framework in, its controls out. Whole or not at all: a control that claims evidence
 * must say which records it rests on, what they show and what they do not; one without evidence must
 * say who else has to show it. So no report can claim a control by leaving something out.
 */
#include "framework.h"

#include <errno.h>
#include <string.h>

static const char *const evidence_words[] = {"direct", "partial", "none", NULL};

const char *framework_evidence_name(enum framework_evidence e)
{
	return evidence_words[e];
}

static void records(struct form *f, const struct doc_node *map, struct framework_control *c)
{
	const struct doc_node *list = form_list(f, map, "records", c->evidence != EVIDENCE_NONE);

	if (!list || !form_texts(f, list, "records"))
		return;
	for (const struct doc_node *n = list->first; n; n = n->next) {
		enum item_sort s = item_sort_of(n->text);

		if (s == SORTS)
			form_wrong(f, n->line, "records", "\"%s\" is no sort of record", n->text);
		else
			c->sorts |= 1u << s;
	}
	if (!c->sorts || c->evidence == EVIDENCE_NONE)
		form_wrong(f, list->key_line, "records",
			   "expected at least one with evidence, and none without");
}

static void control(struct form *f, const struct doc_node *map, struct framework *fw)
{
	static const char *const keys[] = {"id",     "title",	"evidence", "shows",
					   "limits", "records", NULL};
	struct framework_control *c = &fw->controls[fw->n];
	int e;

	if (!form_map(f, map, "controls", keys))
		return;
	c->id = form_text(f, map, "id", true);
	c->title = form_text(f, map, "title", true);
	e = form_word(f, map, "evidence", true, evidence_words);
	if (f->bad)
		return;
	c->evidence = e;
	if (framework_find(fw, c->id) >= 0) {
		form_wrong(f, map->line, "id", "%s is given twice", c->id);
		return;
	}
	c->shows = form_text(f, map, "shows", e != EVIDENCE_NONE);
	c->limits = form_text(f, map, "limits", true);
	records(f, map, c);
	fw->counts[e]++;
	fw->n++;
}

static int read_all(struct form *f, const char *yaml, size_t n, struct framework *fw)
{
	static const char *const keys[] = {"framework", "title", "about", "soa", "controls", NULL};
	static const char *const yes_no[] = {"no", "yes", NULL};
	const struct doc_node *list;
	struct doc_node *root;
	int r = form_parse(f, &fw->arena, yaml, n, &root);

	if (r)
		return r;
	if (!form_map(f, root, NULL, keys))
		return -EINVAL;
	fw->id = form_text(f, root, "framework", true);
	fw->title = form_text(f, root, "title", true);
	fw->about = form_text(f, root, "about", true);
	fw->soa = form_word(f, root, "soa", false, yes_no) == 1;
	list = form_list(f, root, "controls", true);
	if (list && list->children > FRAMEWORK_CONTROLS_MAX)
		form_wrong(f, list->key_line, "controls", "more than %d", FRAMEWORK_CONTROLS_MAX);
	for (const struct doc_node *c = list ? list->first : NULL; c && !f->bad; c = c->next)
		control(f, c, fw);
	return f->bad ? -EINVAL : 0;
}

int framework_parse(const char *file, const char *yaml, size_t n, struct framework **ret, char *err,
		    size_t err_len)
{
	_cleanup_(framework_freep) struct framework *fw = calloc(1, sizeof(*fw));
	struct form f = {.file = file, .err = err, .err_len = err_len};
	int r = fw ? read_all(&f, yaml, n, fw) : -ENOMEM;

	if (!r)
		*ret = TAKE_PTR(fw);
	return r;
}

int framework_builtin(const char *id, struct framework **ret, char *err, size_t err_len)
{
	char name[64];

	snprintf(name, sizeof(name), "%s.yaml", id);
	for (const struct reports_file *f = reports_files; f->name; f++)
		if (!strcmp(f->name, name))
			return framework_parse(name, f->data, f->n, ret, err, err_len);
	return -ENOENT;
}

void framework_free(struct framework *f)
{
	if (!f)
		return;
	arena_free(&f->arena);
	free(f);
}

int framework_find(const struct framework *f, const char *control)
{
	for (size_t i = 0; i < f->n; i++)
		if (!strcmp(f->controls[i].id, control))
			return i;
	return -1;
}
