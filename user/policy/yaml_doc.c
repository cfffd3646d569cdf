// SPDX-License-Identifier: Apache-2.0
/*
 * libyaml's events in, a tree of texts, lists and mappings out. libyaml decides what is YAML and
 * what is UTF-8; this file takes only the part of YAML that reads the same to everybody.
 *
 * Refused: a second document, an empty stream, anchors and aliases (so no input grows when it is
 * read), tags, keys that are no text, a key given twice, a NUL inside a text. Limits: nodes, depth
 * and keys per mapping as in the header; beyond them the whole document is refused, never cut.
 */
#include "yaml_doc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

struct builder {
	struct arena *arena;
	struct doc_error *err;
	struct doc_node *root, *open[DOC_DEPTH_MAX];
	size_t depth, nodes, documents;
	const char *key; /* read, its value not yet */
	unsigned key_line;
};

static int __attribute__((format(printf, 4, 5)))
refuse(struct doc_error *e, unsigned line, int r, const char *fmt, ...)
{
	char text[sizeof(e->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	e->line = line;
	doc_clip(e->text, sizeof(e->text), text);
	return r;
}

/* Length of the character at s; 1 also for a byte that starts none. */
static size_t char_len(const char *s)
{
	unsigned char c = *s;
	size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 1;

	for (size_t i = 1; i < n; i++)
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return 1;
	return n;
}

char *doc_clip(char *dst, size_t cap, const char *s)
{
	size_t o = 0;

	while (*s) {
		size_t n = char_len(s);
		unsigned char c = *s;
		bool c1 = n == 2 && c == 0xc2 && (unsigned char)s[1] < 0xa0; /* U+0080…9F */

		if (o + n >= cap)
			break;
		if (c < 0x20 || c == 0x7f || c1 || (n == 1 && c >= 0x80))
			dst[o++] = '?';
		else
			for (size_t i = 0; i < n; i++)
				dst[o++] = s[i];
		s += n;
	}
	dst[o] = '\0';
	return dst;
}

struct doc_node *doc_get(const struct doc_node *map, const char *key)
{
	for (struct doc_node *n = map->first; n; n = n->next)
		if (n->key && !strcmp(n->key, key))
			return n;
	return NULL;
}

static struct doc_node *parent(const struct builder *b)
{
	return b->depth ? b->open[b->depth - 1] : NULL;
}

static bool wants_key(const struct builder *b)
{
	return parent(b) && parent(b)->kind == DOC_MAP && !b->key;
}

static int add(struct builder *b, unsigned line, enum doc_kind kind, struct doc_node **ret)
{
	struct doc_node *up = parent(b), *n;

	if (++b->nodes > DOC_NODES_MAX)
		return refuse(b->err, line, -E2BIG, "more than %d values in one file",
			      DOC_NODES_MAX);
	n = arena_zalloc(b->arena, 1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->kind = kind;
	n->line = n->key_line = line;
	if (!up) {
		b->root = n;
	} else {
		if (b->key) {
			n->key = b->key;
			n->key_line = b->key_line;
			b->key = NULL;
		}
		if (up->last)
			up->last->next = n;
		else
			up->first = n;
		up->last = n;
		up->children++;
	}
	*ret = n;
	return 0;
}

static int take_key(struct builder *b, unsigned line, const char *text)
{
	char clip[80];
	struct doc_node *before = doc_get(parent(b), text);

	doc_clip(clip, sizeof(clip), text);
	if (before)
		return refuse(b->err, line, -EINVAL,
			      "key \"%s\" is given twice (first on line %u); expected once", clip,
			      before->key_line);
	if (parent(b)->children >= DOC_KEYS_MAX)
		return refuse(b->err, line, -E2BIG, "more than %d keys in one mapping",
			      DOC_KEYS_MAX);
	b->key = text;
	b->key_line = line;
	return 0;
}

static int on_text(struct builder *b, unsigned line, const yaml_event_t *ev)
{
	const char *value = (const char *)ev->data.scalar.value;
	size_t len = ev->data.scalar.length;
	struct doc_node *n;
	char *text;
	int r;

	if (ev->data.scalar.tag)
		return refuse(b->err, line, -EINVAL,
			      "tags (\"!\") are not taken here; expected a plain value");
	if (memchr(value, '\0', len))
		return refuse(b->err, line, -EINVAL, "a NUL inside a text; expected none");
	text = arena_text(b->arena, value, len);
	if (!text)
		return -ENOMEM;
	if (wants_key(b))
		return take_key(b, line, text);
	r = add(b, line, DOC_TEXT, &n);
	if (r)
		return r;
	n->text = text;
	n->len = len;
	n->plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	return 0;
}

static int on_open(struct builder *b, unsigned line, enum doc_kind kind, const void *tag)
{
	struct doc_node *n;
	int r;

	if (tag)
		return refuse(b->err, line, -EINVAL,
			      "tags (\"!\") are not taken here; expected a plain value");
	if (wants_key(b))
		return refuse(b->err, line, -EINVAL, "a list or mapping as a key; expected a text");
	if (b->depth == DOC_DEPTH_MAX)
		return refuse(b->err, line, -E2BIG, "nested deeper than %d levels", DOC_DEPTH_MAX);
	r = add(b, line, kind, &n);
	if (r)
		return r;
	b->open[b->depth++] = n;
	return 0;
}

static bool has_anchor(const yaml_event_t *ev)
{
	switch (ev->type) {
	case YAML_SCALAR_EVENT:
		return ev->data.scalar.anchor;
	case YAML_SEQUENCE_START_EVENT:
		return ev->data.sequence_start.anchor;
	case YAML_MAPPING_START_EVENT:
		return ev->data.mapping_start.anchor;
	default:
		return ev->type == YAML_ALIAS_EVENT;
	}
}

static int on_event(struct builder *b, const yaml_event_t *ev)
{
	unsigned line = ev->start_mark.line + 1;

	if (has_anchor(ev))
		return refuse(b->err, line, -EINVAL,
			      "anchors and aliases are not taken here; quote a text that "
			      "begins with \"*\" or \"&\"");
	switch (ev->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (b->documents++)
			return refuse(b->err, line, -EINVAL,
				      "a second document; expected one in one file");
		return 0;
	case YAML_SCALAR_EVENT:
		return on_text(b, line, ev);
	case YAML_SEQUENCE_START_EVENT:
		return on_open(b, line, DOC_LIST, ev->data.sequence_start.tag);
	case YAML_MAPPING_START_EVENT:
		return on_open(b, line, DOC_MAP, ev->data.mapping_start.tag);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		b->depth--;
		return 0;
	default:
		return 0;
	}
}

/* The reader knows only an offset: it fails before there are lines. */
static unsigned line_of(const char *yaml, size_t n, size_t offset)
{
	unsigned line = 1;

	for (size_t i = 0; i < n && i < offset; i++)
		line += yaml[i] == '\n';
	return line;
}

static int syntax_error(const yaml_parser_t *y, const char *yaml, size_t n, struct doc_error *e)
{
	switch (y->error) {
	case YAML_MEMORY_ERROR:
		return -ENOMEM;
	case YAML_READER_ERROR:
		return refuse(e, line_of(yaml, n, y->problem_offset), -EINVAL,
			      "%s; expected UTF-8 text", y->problem);
	default:
		return refuse(e, y->problem_mark.line + 1, -EINVAL, "%s%s%s; expected YAML",
			      y->context ? y->context : "", y->context ? ": " : "",
			      y->problem ? y->problem : "cannot be read");
	}
}

int yaml_doc_parse(struct arena *a, const char *yaml, size_t n, struct doc_node **ret,
		   struct doc_error *ret_err)
{
	struct builder b = {.arena = a, .err = ret_err};
	yaml_parser_t y;
	bool end = false;
	int r = 0;

	if (n >= 3 && !memcmp(yaml, "\xef\xbb\xbf", 3)) { /* a byte order mark is no text */
		yaml += 3;
		n -= 3;
	}
	if (!yaml_parser_initialize(&y))
		return -ENOMEM;
	yaml_parser_set_encoding(&y, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&y, (const unsigned char *)(n ? yaml : ""), n);
	while (!r && !end) {
		yaml_event_t ev;

		if (!yaml_parser_parse(&y, &ev)) {
			r = syntax_error(&y, yaml, n, ret_err);
			break;
		}
		end = ev.type == YAML_STREAM_END_EVENT;
		r = on_event(&b, &ev);
		yaml_event_delete(&ev);
	}
	yaml_parser_delete(&y);
	if (r)
		return r;
	if (!b.root)
		return refuse(ret_err, 1, -EINVAL,
			      "the file is empty; expected fields (\"key: value\")");
	*ret = b.root;
	return 0;
}
