// SPDX-License-Identifier: Apache-2.0
/*
 * policies/tls-signatures.yaml → rows. Strict: an unknown key or word, a row without what its
 * method needs, a text that does not fit refuses the whole file with its line, because a signature
 * that silently means something else would attach probes to something else.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "arch.h"
#include "base/cleanup.h"
#include "policy/yaml_doc.h"
#include "proto/event.h"
#include "signatures.h"

#define ROWS_MAX 512
#define TEXT_MIN 5 /* of a text that is searched for */

struct load {
	char *err;
	size_t cap;
	const struct doc_node *at;
	/* TLS_COOKIE is put together at the end of a row. */
	unsigned site, handle, buf, len, out, aad, aadlen, skip, flags;
};

static int wrong(struct load *l, const char *what)
{
	char key[80], text[80];

	doc_clip(key, sizeof(key), l->at->key ? l->at->key : "row");
	doc_clip(text, sizeof(text), l->at->kind == DOC_TEXT ? l->at->text : "");
	snprintf(l->err, l->cap, "line %u: %s%s%s: %s", l->at->line, key, *text ? " " : "", text,
		 what);
	return -EINVAL;
}

/* --- words ----------------------------------------------------------------------------------- */

struct word {
	const char *text;
	unsigned value;
};

static int word(struct load *l, const struct word *w, unsigned *ret)
{
	if (l->at->kind != DOC_TEXT)
		return wrong(l, "wants one word");
	for (; w->text; w++)
		if (!strcmp(w->text, l->at->text)) {
			*ret = w->value;
			return 0;
		}
	return wrong(l, "is not a word of this key");
}

static const struct word sites[] = {
	{"write", TLS_WRITE},
	{"write-ex", TLS_WRITE_EX},
	{"write-ex2", TLS_WRITE_EX2},
	{"read", TLS_READ},
	{"read-ex", TLS_READ_EX},
	{"handshake", TLS_HANDSHAKE},
	{"accept", TLS_ACCEPT},
	{"client", TLS_CLIENT},
	{"server", TLS_SERVER},
	{"free", TLS_FREE},
	{"clear", TLS_CLEAR},
	{"ctrl", TLS_CTRL},
	{"seal", TLS_SEAL},
	{"open", TLS_OPEN},
	{"go-write", TLS_GO_WRITE},
	{"go-read", TLS_GO_READ},
	{"nss-import", TLS_NSS_IMPORT},
	{NULL, 0},
};

static const struct word locations[] = {
	{"arg1", LOC_ARG1},
	{"arg2", LOC_ARG2},
	{"arg3", LOC_ARG3},
	{"arg4", LOC_ARG4},
	{"arg5", LOC_ARG5},
	{"arg6", LOC_ARG6},
	{"ret", LOC_RET},
	{"g1", LOC_G1},
	{"g2", LOC_G2},
	{"g3", LOC_G3},
	{"g4", LOC_G4},
	{"g5", LOC_G5},
	{"none", LOC_NONE},
	{"goroutine", LOC_GOROUTINE},
	{"stack1", LOC_STACK + 1},
	{"stack2", LOC_STACK + 2},
	{"stack3", LOC_STACK + 3},
	{"stack4", LOC_STACK + 4},
	{"stack5", LOC_STACK + 5},
	{"stack6", LOC_STACK + 6},
	{"stack7", LOC_STACK + 7},
	{"stack8", LOC_STACK + 8},
	{NULL, 0},
};

static const struct word flags[] = {
	{"len64", TLS_L_LEN64}, {"one", TLS_L_ONE},	{"rust", TLS_L_RUST},
	{"nss", TLS_L_NSS},	{"blind", TLS_L_BLIND}, {NULL, 0},
};

static const struct word yes_no[] = {{"yes", 1}, {"no", 0}, {NULL, 0}};
static const struct word abis[] = {{"register", GO_ABI_REGISTER},
				   {"stack", GO_ABI_STACK},
				   {NULL, 0}};
static const struct word roles[] = {{"probe", SIG_ROLE_PROBE},
				    {"helper", SIG_ROLE_HELPER},
				    {NULL, 0}};

static int number(struct load *l, unsigned max, unsigned *ret)
{
	char *end = NULL;
	unsigned long v;

	if (l->at->kind != DOC_TEXT || !l->at->len)
		return wrong(l, "wants a number");
	v = strtoul(l->at->text, &end, 0);
	if (*end || v > max)
		return wrong(l, "is not a number of this key");
	*ret = v;
	return 0;
}

static int text(struct load *l, size_t min, char *dst, size_t cap)
{
	if (l->at->kind != DOC_TEXT || l->at->len < min)
		return wrong(l, "wants a longer text");
	if (l->at->len >= cap)
		return wrong(l, "is too long");
	memcpy(dst, l->at->text, l->at->len + 1);
	return 0;
}

/* --- lists ----------------------------------------------------------------------------------- */

static int each(struct load *l, size_t max, int (*one)(struct load *l, size_t i, void *arg),
		void *arg)
{
	const struct doc_node *list = l->at;
	size_t i = 0;
	int r = 0;

	if (list->kind == DOC_TEXT)
		return one(l, 0, arg);
	if (list->kind != DOC_LIST || list->children > max)
		return wrong(l, "wants a list that is not longer than its limit");
	for (l->at = list->first; l->at && !r; l->at = l->at->next)
		r = one(l, i++, arg);
	l->at = list;
	return r;
}

static int one_text(struct load *l, size_t i, void *arg)
{
	char(*texts)[SIG_TEXT_MAX] = arg;

	return text(l, TEXT_MIN, texts[i], SIG_TEXT_MAX);
}

static int one_code(struct load *l, size_t i, void *arg)
{
	unsigned v = 0;
	int r = number(l, UINT16_MAX, &v);

	if (r == 0)
		((uint16_t *)arg)[i] = v;
	return r == 0 && !v ? wrong(l, "is no code") : r;
}

static int one_flag(struct load *l, size_t i, void *arg)
{
	unsigned v = 0;
	int r = word(l, flags, &v);

	if (r == 0)
		l->flags |= v;
	return r;
}

static int pattern(struct load *l, struct pattern *p)
{
	unsigned fixed = 0;

	if (l->at->kind != DOC_TEXT)
		return wrong(l, "wants bytes");
	for (const char *s = l->at->text; *s;) {
		char hex[3] = {s[0], s[1], 0}, *end;

		if (*s == ' ') {
			s++;
			continue;
		}
		if (p->n == SIG_PATTERN_MAX || !s[1])
			return wrong(l, "is too long or cut");
		if (strcmp(hex, "??")) {
			p->byte[p->n] = strtoul(hex, &end, 16);
			p->mask[p->n] = 0xff;
			if (*end)
				return wrong(l, "wants two hexadecimal digits or ?? for each byte");
			fixed++;
		}
		p->n++;
		s += 2;
	}
	for (unsigned i = 0; i < 8; i++)
		if (p->n < 8 || !p->mask[i])
			return wrong(l, "wants 8 fixed bytes at its start");
	return fixed < 9 ? wrong(l, "is too short to be of one routine") : 0;
}

/* --- rows ------------------------------------------------------------------------------------ */

static int stack(struct load *l, uint8_t *ret)
{
	for (int i = 1; l->at->kind == DOC_TEXT && i < TLS_STACK__MAX; i++)
		if (!strcmp(tls_stack_name(i), l->at->text)) {
			*ret = i;
			return 0;
		}
	return wrong(l, "is not a stack");
}

static int one_stack(struct load *l, size_t i, void *arg)
{
	uint8_t v = 0;
	int r = stack(l, &v);

	if (r == 0)
		*(uint16_t *)arg |= 1 << v;
	return r;
}

static int index_of(struct load *l, const char *const *names, size_t n, uint8_t *ret)
{
	for (size_t i = 0; l->at->kind == DOC_TEXT && i < n; i++)
		if (!strcmp(names[i], l->at->text)) {
			*ret = i;
			return 0;
		}
	return wrong(l, "is not a word of this key");
}

static int key_text(struct load *l, struct signature *s)
{
	const struct {
		const char *key;
		char *dst;
		size_t cap;
	} keys[] = {
		{"name", s->name, sizeof(s->name)},
		{"calls", s->calls, sizeof(s->calls)},
		{"unless-called-by", s->unless_called_by, sizeof(s->unless_called_by)},
		{"unless-found", s->unless_found, sizeof(s->unless_found)},
		{"through", s->through, sizeof(s->through)},
		{"near", s->near, sizeof(s->near)},
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!strcmp(keys[i].key, l->at->key))
			return text(l, 1, keys[i].dst, keys[i].cap);
	return 1;
}

static int key_list(struct load *l, struct signature *s)
{
	const struct {
		const char *key;
		size_t max;
		int (*one)(struct load *l, size_t i, void *arg);
		void *dst;
	} keys[] = {
		{"text", SIG_TEXTS, one_text, s->texts},
		{"refs", SIG_TEXTS, one_text, s->refs},
		{"norefs", SIG_TEXTS, one_text, s->norefs},
		{"all", SIG_CODES, one_code, s->codes_all},
		{"any", SIG_CODES, one_code, s->codes_any},
		{"none", SIG_CODES, one_code, s->codes_none},
		{"flags", 4, one_flag, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!strcmp(keys[i].key, l->at->key))
			return each(l, keys[i].max, keys[i].one, keys[i].dst);
	return 1;
}

static int key_number(struct load *l, struct signature *s)
{
	const struct {
		const char *key;
		unsigned max;
		uint8_t *dst;
	} keys[] = {
		{"confidence", 100, &s->confidence},
		{"reads", 6, &s->reads},
		{"unused", 6, &s->unused},
		{"sites-min", 64, &s->sites_min},
		{"sites-max", 64, &s->sites_max},
		{"member", 255, &s->member},
		{"nth", 8, &s->nth},
		{"of", 8, &s->of},
	};
	unsigned v;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(keys[i].key, l->at->key))
			continue;
		r = number(l, keys[i].max, &v);
		if (r == 0)
			*keys[i].dst = v;
		return r;
	}
	return 1;
}

static int key_word(struct load *l, struct signature *s)
{
	unsigned abi = 0, role = 0, returns = 0, many = 0, longest = 0, after = 0;
	const struct {
		const char *key;
		const struct word *words;
		unsigned *dst;
	} keys[] = {
		{"site", sites, &l->site},
		{"handle", locations, &l->handle},
		{"buf", locations, &l->buf},
		{"len", locations, &l->len},
		{"out", locations, &l->out},
		{"aad", locations, &l->aad},
		{"aadlen", locations, &l->aadlen},
		{"skip", locations, &l->skip},
		{"returns", yes_no, &returns},
		{"many", yes_no, &many},
		{"longest", yes_no, &longest},
		{"endbr", yes_no, &after},
		{"abi", abis, &abi},
		{"role", roles, &role},
	};
	int r = 1;

	for (size_t i = 0; r == 1 && i < ARRAY_SIZE(keys); i++)
		if (!strcmp(keys[i].key, l->at->key))
			r = word(l, keys[i].words, keys[i].dst);
	if (abi)
		s->abi = abi;
	if (role)
		s->role = role;
	s->returns |= returns;
	s->many |= many;
	s->longest |= longest;
	s->after |= after;
	return r;
}

static int key(struct load *l, struct signature *s)
{
	int r;

	if (!strcmp(l->at->key, "method"))
		return index_of(l, sig_methods, SIG__METHODS, &s->method);
	if (!strcmp(l->at->key, "stack"))
		return stack(l, &s->stack);
	if (!strcmp(l->at->key, "unless-stack"))
		return each(l, TLS_STACK__MAX, one_stack, &s->unless_stacks);
	if (!strcmp(l->at->key, "machine")) {
		r = index_of(l, sig_machine_names, 2, &s->machine);
		s->machine++;
		return r;
	}
	if (!strcmp(l->at->key, "pattern"))
		return pattern(l, &s->pattern);
	if (!strcmp(l->at->key, "witness"))
		return pattern(l, &s->witness);
	r = key_text(l, s);
	if (r == 1)
		r = key_list(l, s);
	if (r == 1)
		r = key_number(l, s);
	if (r == 1)
		r = key_word(l, s);
	return r == 1 ? wrong(l, "is not a key") : r;
}

/* What a method cannot do without. */
static const char *missing(const struct load *l, const struct signature *s)
{
	bool probe = s->role == SIG_ROLE_PROBE && s->method != SIG_MARK && s->method != SIG_VERSION;

	if (!s->stack)
		return "has no stack";
	if (s->method != SIG_VERSION && !s->name[0])
		return "has no name";
	if (probe && !l->site)
		return "has no site";
	if ((s->method == SIG_ERROR_REASONS || s->method == SIG_AEAD_ERRORS) &&
	    (!s->texts[0][0] || !s->codes_all[0]))
		return "wants text and all";
	if (s->method == SIG_VERSION && !s->texts[0][0])
		return "wants text";
	if (s->method == SIG_FUNC_NAME && !s->refs[0][0])
		return "wants refs";
	if (s->method == SIG_ASM_CALLER && (!s->pattern.n || s->nth > s->of))
		return "wants pattern, and nth not over of";
	if (s->method == SIG_IO_METHODS && (!s->member || s->member % 8 || s->member > 144))
		return "wants member, 8 to 144";
	if (s->method == SIG_GOPCLNTAB && !s->abi)
		return "wants abi";
	return NULL;
}

static int row(struct load *l, const struct doc_node *map, struct signature *s)
{
	const char *what;
	int r = 0;

	*l = (struct load){.err = l->err, .cap = l->cap, .at = map};
	if (map->kind != DOC_MAP)
		return wrong(l, "wants keys");
	*s = (struct signature){.confidence = 100};
	for (l->at = map->first; l->at && !r; l->at = l->at->next)
		r = key(l, s);
	l->at = map;
	if (r < 0)
		return r;
	what = missing(l, s);
	if (what)
		return wrong(l, what);
	s->cookie = TLS_COOKIE(l->site, l->handle, l->buf, l->len, l->out, l->aad, l->aadlen,
			       l->skip, l->flags);
	return 0;
}

static int rows(struct load *l, const struct doc_node *doc, struct tls_signatures *s)
{
	const struct doc_node *version = doc_get(doc, "version"),
			      *list = doc_get(doc, "signatures");
	struct signature *v;
	unsigned n = 0;
	int r;

	l->at = doc;
	if (doc->kind != DOC_MAP || !version || !list || doc->children != 2)
		return wrong(l, "wants version and signatures, and nothing else");
	l->at = version;
	r = number(l, UINT16_MAX, &n);
	if (r < 0)
		return r;
	l->at = list;
	if (list->kind != DOC_LIST || !list->children || list->children > ROWS_MAX)
		return wrong(l, "wants a list of at most 512 rows");
	v = calloc(list->children, sizeof(*v));
	if (!v)
		return -ENOMEM;
	s->rows = v;
	s->owned = true;
	s->version = n;
	for (const struct doc_node *m = list->first; m && !r; m = m->next)
		r = row(l, m, &v[s->n++]);
	return r;
}

int tls_signatures_load(const char *yaml, size_t n, struct tls_signatures **ret, char *err,
			size_t cap)
{
	struct load l = {.err = err, .cap = cap};
	struct tls_signatures *s = calloc(1, sizeof(*s));
	struct arena a = {0};
	struct doc_error why;
	struct doc_node *doc;
	int r = 0;

	if (!s)
		return -ENOMEM;
	if (!yaml) {
		*s = tls_signatures_compiled;
	} else {
		r = yaml_doc_parse(&a, yaml, n, &doc, &why);
		if (r == 0)
			r = rows(&l, doc, s);
		else if (r != -ENOMEM)
			snprintf(err, cap, "line %u: %s", why.line, why.text);
	}
	arena_free(&a);
	if (r < 0) {
		tls_signatures_free(s);
		return r == -ENOMEM ? r : -EINVAL;
	}
	*ret = s;
	return 0;
}
