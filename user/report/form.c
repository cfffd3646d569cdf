// SPDX-License-Identifier: Apache-2.0
/*
 * A tree of texts in, checked fields out. The first fault is kept and later ones are not: the file is
 * refused whole, and its author reads one line that names file, line and field.
 */
#include "form.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int form_wrong(struct form *f, unsigned line, const char *field, const char *fmt, ...)
{
	char what[256];
	va_list ap;

	if (f->bad)
		return -EINVAL;
	f->bad = true;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	snprintf(f->err, f->err_len, "%s:%u: %s%s%s", f->file, line, field ? field : "",
		 field ? ": " : "", what);
	return -EINVAL;
}

int form_parse(struct form *f, struct arena *a, const char *yaml, size_t n, struct doc_node **ret)
{
	struct doc_error e = {0};
	struct doc_node *root;
	int r = yaml_doc_parse(a, yaml, n, &root, &e);

	if (r == -ENOMEM)
		return r;
	if (r)
		return form_wrong(f, e.line, NULL, "%s", e.text);
	if (root->kind != DOC_MAP)
		return form_wrong(f, root->line, NULL, "expected fields (\"key: value\")");
	*ret = root;
	return 0;
}

static bool known(const char *key, const char *const *keys)
{
	for (; *keys; keys++)
		if (!strcmp(key, *keys))
			return true;
	return false;
}

static void listed(const char *const *words, char *out, size_t cap)
{
	size_t at = 0;

	out[0] = '\0';
	for (; *words && at < cap; words++)
		at += snprintf(out + at, cap - at, "%s%s", at ? ", " : "", *words);
}

bool form_map(struct form *f, const struct doc_node *n, const char *field, const char *const *keys)
{
	char all[160], key[64];

	if (n->kind != DOC_MAP) {
		form_wrong(f, n->line, field, "expected fields (\"key: value\")");
		return false;
	}
	for (const struct doc_node *c = n->first; c; c = c->next)
		if (!known(c->key, keys)) {
			listed(keys, all, sizeof(all));
			form_wrong(f, c->key_line, doc_clip(key, sizeof(key), c->key),
				   "no such field here; expected one of %s", all);
			return false;
		}
	return true;
}

static const struct doc_node *field(struct form *f, const struct doc_node *map, const char *key,
				    bool need)
{
	const struct doc_node *n = doc_get(map, key);

	if (!n && need)
		form_wrong(f, map->line, key, "is missing");
	return n;
}

const char *form_text(struct form *f, const struct doc_node *map, const char *key, bool need)
{
	const struct doc_node *n = field(f, map, key, need);

	if (!n)
		return NULL;
	if (n->kind == DOC_TEXT && n->len)
		return n->text;
	form_wrong(f, n->kind == DOC_TEXT ? n->line : n->key_line, key, "expected a text");
	return NULL;
}

const struct doc_node *form_list(struct form *f, const struct doc_node *map, const char *key,
				 bool need)
{
	const struct doc_node *n = field(f, map, key, need);

	if (!n || n->kind == DOC_LIST)
		return n;
	form_wrong(f, n->key_line, key, "expected a list");
	return NULL;
}

bool form_texts(struct form *f, const struct doc_node *list, const char *name)
{
	for (const struct doc_node *n = list->first; n; n = n->next)
		if (n->kind != DOC_TEXT || !n->len) {
			form_wrong(f, n->line, name, "expected a list of texts");
			return false;
		}
	return true;
}

int64_t form_date(struct form *f, const struct doc_node *map, const char *key, bool need)
{
	const char *s = form_text(f, map, key, need);
	struct tm tm = {0}, back;
	char again[32];
	const char *end;
	time_t t;

	if (!s)
		return 0;
	end = strptime(s, "%Y-%m-%d", &tm);
	t = end && !*end && strlen(s) == 10 ? timegm(&tm) : 0;
	/* strptime takes the 31st of any month; only what reads back the same is a day. */
	if (t > 0 && gmtime_r(&t, &back) && strftime(again, sizeof(again), "%Y-%m-%d", &back) &&
	    !strcmp(s, again))
		return t;
	form_wrong(f, doc_get(map, key)->line, key, "expected a day like 2026-11-21");
	return 0;
}

int form_word(struct form *f, const struct doc_node *map, const char *key, bool need,
	      const char *const *words)
{
	const char *s = form_text(f, map, key, need);
	char all[160], got[48];

	if (!s)
		return -1;
	for (int i = 0; words[i]; i++)
		if (!strcmp(s, words[i]))
			return i;
	listed(words, all, sizeof(all));
	form_wrong(f, doc_get(map, key)->line, key, "\"%s\"; expected one of %s",
		   doc_clip(got, sizeof(got), s), all);
	return -1;
}
