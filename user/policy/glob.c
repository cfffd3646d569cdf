// SPDX-License-Identifier: Apache-2.0
/*
 * `*` is any run of characters, also none and also '/' and '.'; `?` is one character (of UTF-8);
 * everything else is itself, ASCII letters in either case. There is no escape. Never fails, never
 * allocates; the general form goes back only to the last `*`, so it costs at most
 * length(pattern) × length(text).
 */
#include "glob.h"

#include <string.h>

#include "pack.h"

static inline char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

/* p is lower case already. */
static bool same(const char *p, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != lower(s[i]))
			return false;
	return true;
}

static const char *next_char(const char *s)
{
	s++;
	while (((unsigned char)*s & 0xc0) == 0x80)
		s++;
	return s;
}

bool glob_match(const char *p, const char *s)
{
	const char *star = NULL, *retry = NULL;

	while (*s) {
		if (*p == '*') {
			star = ++p;
			retry = s;
		} else if (*p == '?') {
			p++;
			s = next_char(s);
		} else if (*p && lower(*p) == lower(*s)) {
			p++;
			s++;
		} else if (star) {
			p = star;
			s = retry = next_char(retry);
		} else {
			return false;
		}
	}
	while (*p == '*')
		p++;
	return !*p;
}

void glob_compile(char *pattern, struct glob *ret)
{
	size_t n = strlen(pattern), plain = strcspn(pattern, "*?");

	for (char *c = pattern; *c; c++)
		*c = lower(*c);
	*ret = (struct glob){.pattern = pattern, .part = pattern, .len = n};
	if (plain == n) {
		ret->kind = GLOB_LITERAL;
	} else if (!strcmp(pattern, "*")) {
		ret->kind = GLOB_ANY;
	} else if (plain == n - 1 && pattern[plain] == '*') {
		ret->kind = GLOB_PREFIX;
		ret->len = n - 1;
	} else if (pattern[0] == '*' && !strpbrk(pattern + 1, "*?")) {
		ret->kind = GLOB_SUFFIX;
		ret->part = pattern + 1;
		ret->len = n - 1;
	} else {
		ret->kind = GLOB_GENERAL;
	}
}

bool glob_hit(const struct glob *g, const char *s, size_t n)
{
	switch (g->kind) {
	case GLOB_LITERAL:
		return n == g->len && same(g->part, s, n);
	case GLOB_ANY:
		return true;
	case GLOB_PREFIX:
		return n >= g->len && same(g->part, s, g->len);
	case GLOB_SUFFIX:
		return n >= g->len && same(g->part, s + n - g->len, g->len);
	case GLOB_GENERAL:
		break;
	}
	return glob_match(g->pattern, s);
}
