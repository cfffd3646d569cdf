// SPDX-License-Identifier: Apache-2.0
/*
 * Expressions in, one Vectorscan database per condition out. Vectorscan has no back references and
 * no look-around, so a match costs one pass over the text whatever the expression.
 *
 * An expression stands for the whole value, as a glob does: it is compiled as \A(?:…)\z. It is
 * parsed alone first, because "a)|(b" is balanced only inside those brackets. One that matches the
 * empty text is refused: it is nearly always a mistake ("x*" for "x+"), and matches everybody who
 * has no such fact.
 *
 * Limits: REGEX_PACK_MAX expressions in one space; counts up to REGEX_REPEAT_MAX, and their product
 * with those around them too, because a repetition is laid out as states and takes memory and time
 * when it is compiled. UTF-8 is matched as bytes: Vectorscan's own UTF-8 mode asks for valid text,
 * and a fact is what a program said.
 */
#include "regex.h"

#include <ctype.h>
#include <errno.h>
#include <hs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define FLAGS (HS_FLAG_DOTALL | HS_FLAG_SINGLEMATCH)
#define GROUPS_MAX 16

struct regex_set {
	struct regex_set *next;
	struct regex_space *space;
	hs_database_t *hs;
};
struct regex_space {
	struct regex_set *sets;
	hs_scratch_t *scratch;
	size_t patterns;
};

struct regex_space *regex_space_new(void)
{
	return calloc(1, sizeof(struct regex_space));
}

void regex_space_free(struct regex_space *sp)
{
	if (!sp)
		return;
	while (sp->sets) {
		struct regex_set *s = sp->sets;

		sp->sets = s->next;
		hs_free_database(s->hs);
		free(s);
	}
	hs_free_scratch(sp->scratch);
	free(sp);
}

/* --- what is refused before Vectorscan sees it ---------------------------------------------------- */

/* The largest number of a "{m,n}" at s, 1 when it is none; *ret_len: its bytes. */
static unsigned long count_at(const char *s, size_t *ret_len)
{
	unsigned long most = 1, v;
	const char *c = s + 1;
	char *end;

	*ret_len = 1;
	if (s[0] != '{' || !isdigit((unsigned char)*c))
		return 1;
	for (;;) {
		v = strtoul(c, &end, 10);
		most = v > most ? v : most;
		c = end;
		if (*c == ',' && isdigit((unsigned char)c[1]))
			c++;
		else
			break;
	}
	if (*c == ',')
		c++;
	if (*c != '}')
		return 1;
	*ret_len = c + 1 - s;
	return most;
}

/* Bytes of the class "[…]" at s. */
static size_t class_len(const char *s)
{
	size_t i = 1;

	i += s[i] == '^';
	i += s[i] == ']';
	while (s[i] && s[i] != ']')
		i += s[i] == '\\' && s[i + 1] ? 2 : 1;
	return i + (s[i] == ']');
}

/* What was repeated inside of each open group, and the most in the group itself. */
struct repeats {
	unsigned long most[GROUPS_MAX + 1];
	size_t depth;
};

static bool repeat(struct repeats *r, unsigned long n, unsigned long inner)
{
	if (n > REGEX_REPEAT_MAX || n * inner > REGEX_REPEAT_MAX)
		return false;
	if (n * inner > r->most[r->depth])
		r->most[r->depth] = n * inner;
	return true;
}

static const char *why_not(const char *s)
{
	struct repeats r = {.most = {1}};
	unsigned long inner = 1; /* of the group that has just ended */

	while (*s) {
		size_t len = 1;
		unsigned long n;

		switch (*s) {
		case '\\':
			if (s[1] == 'Q' || s[1] == 'E')
				return "\\Q and \\E are not part of it";
			len = s[1] ? 2 : 1;
			inner = 1;
			break;
		case '[':
			len = class_len(s);
			inner = 1;
			break;
		case '(':
			if (s[1] == '?' && s[2] == '#')
				return "comments are not part of it";
			if (++r.depth > GROUPS_MAX)
				return "more than 16 groups in one another";
			r.most[r.depth] = 1;
			inner = 1;
			break;
		case ')':
			if (!r.depth)
				return "a \")\" without its \"(\"";
			inner = r.most[r.depth--];
			if (inner > r.most[r.depth])
				r.most[r.depth] = inner;
			break;
		case '{':
			n = count_at(s, &len);
			if (!repeat(&r, n, inner))
				return "it repeats more than 128 times";
			inner = n * inner;
			break;
		default:
			inner = strchr("*+?", *s) ? inner : 1;
		}
		s += len;
	}
	return r.depth ? "a \"(\" without its \")\"" : NULL;
}

static int check(const char *pattern, char *err, size_t err_len)
{
	hs_expr_info_t *info = NULL;
	hs_compile_error_t *e = NULL;
	const char *why = why_not(pattern);
	bool empty = false;

	if (!why && hs_expression_info(pattern, FLAGS, &info, &e) != HS_SUCCESS) {
		snprintf(err, err_len, "%s", e ? e->message : "it cannot be read");
		hs_free_compile_error(e);
		return -EINVAL;
	}
	if (!why)
		empty = info->min_width == 0;
	free(info); /* hs_set_misc_allocator() is not used, so malloc made it */
	if (empty)
		why = "it matches the empty text";
	if (!why)
		return 0;
	snprintf(err, err_len, "%s", why);
	return -EINVAL;
}

/* --- sets ------------------------------------------------------------------------------------------ */

static int compile(struct regex_set *s, const char *const *patterns, size_t n, size_t *ret_bad,
		   char *err, size_t err_len)
{
	_cleanup_free_ char *text = calloc(n, 512);
	unsigned flags[REGEX_PACK_MAX];
	const char *list[REGEX_PACK_MAX];
	hs_compile_error_t *e = NULL;

	if (!text)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		int k = snprintf(text + i * 512, 512, "\\A(?:%s)\\z", patterns[i]);

		if (k < 0 || k >= 512) {
			*ret_bad = i;
			snprintf(err, err_len, "it is longer than 500 bytes");
			return -EINVAL;
		}
		list[i] = text + i * 512;
		flags[i] = FLAGS;
	}
	if (hs_compile_multi(list, flags, NULL, n, HS_MODE_BLOCK, NULL, &s->hs, &e) == HS_SUCCESS)
		return 0;
	*ret_bad = e && e->expression >= 0 ? (size_t)e->expression : 0;
	snprintf(err, err_len, "%s", e ? e->message : "it cannot be compiled");
	hs_free_compile_error(e);
	return -EINVAL;
}

int regex_set_new(struct regex_space *sp, const char *const *patterns, size_t n,
		  struct regex_set **ret, size_t *ret_bad, char *ret_err, size_t err_len)
{
	_cleanup_free_ struct regex_set *s = calloc(1, sizeof(*s));
	int r = s ? 0 : -ENOMEM;

	*ret_bad = 0;
	if (n > REGEX_PACK_MAX - sp->patterns) {
		snprintf(ret_err, err_len, "more than %d expressions in one pack", REGEX_PACK_MAX);
		return -E2BIG;
	}
	for (size_t i = 0; !r && i < n; i++) {
		*ret_bad = i;
		r = check(patterns[i], ret_err, err_len);
	}
	if (!r)
		r = compile(s, patterns, n, ret_bad, ret_err, err_len);
	if (!r && hs_alloc_scratch(s->hs, &sp->scratch) != HS_SUCCESS) {
		hs_free_database(s->hs);
		r = -ENOMEM;
	}
	if (r)
		return r;
	s->space = sp;
	s->next = sp->sets;
	sp->patterns += n;
	sp->sets = s;
	*ret = TAKE_PTR(s);
	return 0;
}

static int found(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
		 void *ctx)
{
	*(int *)ctx = 1;
	return 1;
}

int regex_set_hit(const struct regex_set *s, const char *text, size_t n)
{
	hs_error_t e;
	int hit = 0;

	if (n > UINT32_MAX)
		return -E2BIG;
	e = hs_scan(s->hs, text, n, 0, s->space->scratch, found, &hit);
	return e == HS_SUCCESS || e == HS_SCAN_TERMINATED ? hit : -EIO;
}
