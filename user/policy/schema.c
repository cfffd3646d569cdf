// SPDX-License-Identifier: Apache-2.0
/*
 * Document nodes in, checked values out. Nothing is guessed: what looks like a wrong type is one,
 * an unquoted empty value or null is refused (it is nearly always a forgotten value), and a text
 * holds no control characters, so that it can be printed. The first refusal ends the reading.
 */
#include "schema.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int vrefuse(struct reading *rd, unsigned line, int r, const char *fmt, va_list ap)
{
	char text[900], all[1200];

	vsnprintf(text, sizeof(text), fmt, ap);
	snprintf(all, sizeof(all), "%.256s:%u: %s", rd->file, line, text);
	if (rd->err_len)
		doc_clip(rd->err, rd->err_len, all);
	return r;
}

int schema_refuse(struct reading *rd, unsigned line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vrefuse(rd, line, -EINVAL, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

int schema_refuse_r(struct reading *rd, unsigned line, int r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vrefuse(rd, line, r, fmt, ap);
	va_end(ap);
	return r;
}

static const char *kind_name(const struct doc_node *n)
{
	static const char *const name[] = {"a text", "a list", "a mapping"};

	return n->kind == DOC_TEXT && n->plain && !n->len ? "nothing" : name[n->kind];
}

/* Words of a NULL-terminated list, "a, b, c". */
static const char *join(char *dst, size_t cap, const char *const *words)
{
	size_t o = 0;

	dst[0] = '\0';
	for (size_t i = 0; words[i] && o < cap; i++)
		o += snprintf(dst + o, cap - o, "%s%s", i ? ", " : "", words[i]);
	return dst;
}

static bool in_words(const char *const *words, const char *s, size_t *ret)
{
	for (size_t i = 0; words[i]; i++) {
		if (!strcmp(words[i], s)) {
			*ret = i;
			return true;
		}
	}
	return false;
}

int schema_map(struct reading *rd, const struct doc_node *n, const char *what,
	       const char *const *keys)
{
	char list[320], clip[64];
	size_t at;

	if (n->kind != DOC_MAP)
		return schema_refuse(rd, n->line, "%s is %s; expected a mapping", what,
				     kind_name(n));
	for (const struct doc_node *c = n->first; keys && c; c = c->next)
		if (!in_words(keys, c->key, &at))
			return schema_refuse(rd, c->key_line,
					     "unknown key \"%s\" in %s; expected one of: %s",
					     doc_clip(clip, sizeof(clip), c->key), what,
					     join(list, sizeof(list), keys));
	return 0;
}

int schema_list(struct reading *rd, const struct doc_node *n, const char *what)
{
	return n->kind == DOC_LIST ? 0
				   : schema_refuse(rd, n->line, "%s is %s; expected a list", what,
						   kind_name(n));
}

static bool is_null(const struct doc_node *n)
{
	static const char *const words[] = {"", "~", "null", "Null", "NULL", NULL};
	size_t at;

	return n->plain && in_words(words, n->text, &at);
}

static bool has_control(const char *s)
{
	for (const unsigned char *c = (const unsigned char *)s; *c; c++)
		if (*c < 0x20 || *c == 0x7f || (c[0] == 0xc2 && c[1] < 0xa0))
			return true;
	return false;
}

int schema_text(struct reading *rd, const struct doc_node *n, const char *what)
{
	if (n->kind != DOC_TEXT)
		return schema_refuse(rd, n->line, "%s is %s; expected a text", what, kind_name(n));
	if (is_null(n))
		return schema_refuse(rd, n->line,
				     "%s has no value; expected a text (\"\" for the empty one)",
				     what);
	if (n->len > SCHEMA_TEXT_MAX)
		return schema_refuse(rd, n->line, "%s is %zu bytes long; expected at most %d", what,
				     n->len, SCHEMA_TEXT_MAX);
	if (has_control(n->text))
		return schema_refuse(rd, n->line,
				     "%s holds a control character; expected one line of text",
				     what);
	return 0;
}

int schema_id(struct reading *rd, const struct doc_node *n, const char *what)
{
	static const char set[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
	char clip[64];
	int r = schema_text(rd, n, what);

	if (r)
		return r;
	if (!n->len || n->len > 64 || n->text[strspn(n->text, set)] || strchr("._-", n->text[0]))
		return schema_refuse(rd, n->line,
				     "%s \"%s\" is no id; expected up to 64 of a-z 0-9 . _ -, "
				     "beginning with a letter or digit",
				     what, doc_clip(clip, sizeof(clip), n->text));
	return 0;
}

int schema_bool(struct reading *rd, const struct doc_node *n, const char *what, bool *ret)
{
	bool yes = n->kind == DOC_TEXT && n->plain && !strcmp(n->text, "true");
	bool no = n->kind == DOC_TEXT && n->plain && !strcmp(n->text, "false");

	if (!yes && !no)
		return schema_refuse(rd, n->line, "%s is not true or false; expected one of these",
				     what);
	*ret = yes;
	return 0;
}

int schema_risk(struct reading *rd, const struct doc_node *n, const char *what, unsigned *ret)
{
	unsigned v = 0, unit = RISK_ONE;
	const char *s = n->kind == DOC_TEXT && n->plain ? n->text : "";
	bool ok = s[0] == '0' || s[0] == '1';

	if (ok) {
		v = (*s++ - '0') * RISK_ONE;
		if (s[0] == '.' && s[1])
			for (s++; *s >= '0' && *s <= '9' && unit > 1; s++)
				v += (*s - '0') * (unit /= 10);
		ok = !*s && v <= RISK_ONE;
	}
	if (!ok)
		return schema_refuse(
			rd, n->line,
			"%s is out of range or no number; expected 0 to 1 with at most "
			"four decimals, like 0.25",
			what);
	*ret = v;
	return 0;
}

int schema_word(struct reading *rd, const struct doc_node *n, const char *what,
		const char *const *words, size_t *ret)
{
	char list[200], clip[64];

	if (n->kind != DOC_TEXT || !in_words(words, n->text, ret))
		return schema_refuse(rd, n->line, "%s is %s%s%s; expected one of: %s", what,
				     n->kind == DOC_TEXT ? "\"" : "",
				     n->kind == DOC_TEXT ? doc_clip(clip, sizeof(clip), n->text)
							 : kind_name(n),
				     n->kind == DOC_TEXT ? "\"" : "",
				     join(list, sizeof(list), words));
	return 0;
}

int schema_words(struct reading *rd, const struct doc_node *n, const char *what,
		 const char *const *words, unsigned *ret)
{
	const struct doc_node *v;
	unsigned bits = 0;
	size_t count, at = 0;
	int r = schema_values(rd, n, what, 1, &v, &count);

	for (; !r && count; count--, v = v->next) {
		r = schema_word(rd, v, what, words, &at);
		if (!r && bits >> at & 1)
			return schema_refuse(rd, v->line, "%s has \"%s\" twice; expected it once",
					     what, words[at]);
		if (!r)
			bits |= 1u << at;
	}
	if (!r)
		*ret = bits;
	return r;
}

/* At most 15 digits at s; how many there were. */
static size_t digits(const char *s, uint64_t *ret)
{
	size_t n = 0;

	*ret = 0;
	for (; s[n] >= '0' && s[n] <= '9' && n < 15; n++)
		*ret = *ret * 10 + (s[n] - '0');
	return n;
}

int schema_number(struct reading *rd, const struct doc_node *n, const char *what, uint64_t min,
		  uint64_t max, uint64_t *ret)
{
	const char *s = n->kind == DOC_TEXT && n->plain ? n->text : "";
	uint64_t v;
	size_t len = digits(s, &v);

	if (!len || s[len] || v < min || v > max)
		return schema_refuse(rd, n->line,
				     "%s is out of range or no number; expected %llu to %llu", what,
				     (unsigned long long)min, (unsigned long long)max);
	*ret = v;
	return 0;
}

static void duration_text(char dst[32], uint64_t ms)
{
	static const struct {
		uint64_t ms;
		const char *unit;
	} units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
	size_t i = 0;

	while (ms % units[i].ms)
		i++;
	snprintf(dst, 32, "%llu%s", (unsigned long long)(ms / units[i].ms), units[i].unit);
}

static bool duration(const char *s, uint64_t *ret)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
	uint64_t v;
	size_t len = digits(s, &v);

	for (size_t i = 0; len && len < 10 && i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(s + len, units[i].unit))
			continue;
		*ret = v * units[i].ms;
		return true;
	}
	return false;
}

int schema_duration(struct reading *rd, const struct doc_node *n, const char *what, uint64_t min_ms,
		    uint64_t max_ms, uint64_t *ret_ms)
{
	char from[32], to[32];
	uint64_t v = 0;

	if (n->kind == DOC_TEXT && duration(n->text, &v) && v >= min_ms && v <= max_ms) {
		*ret_ms = v;
		return 0;
	}
	duration_text(from, min_ms);
	duration_text(to, max_ms);
	return schema_refuse(
		rd, n->line,
		"%s is out of range or no duration; expected %s to %s, like 20ms, 30s, "
		"5m, 1h or 7d",
		what, from, to);
}

int schema_need(struct reading *rd, const struct doc_node *map, const char *what, const char *key,
		const struct doc_node **ret)
{
	const struct doc_node *n = doc_get(map, key);

	if (!n)
		return schema_refuse(rd, map->line, "%s has no key \"%s\"; expected one", what,
				     key);
	*ret = n;
	return 0;
}

int schema_values(struct reading *rd, const struct doc_node *n, const char *what, size_t min,
		  const struct doc_node **ret, size_t *ret_n)
{
	bool list = n->kind == DOC_LIST;
	size_t count = list ? n->children : 1;

	if (count < min)
		return schema_refuse(rd, n->line,
				     "%s is an empty list; expected at least one value", what);
	if (count > SCHEMA_VALUES_MAX)
		return schema_refuse_r(rd, n->line, -E2BIG,
				       "%s has %zu values; expected at most %d", what, count,
				       SCHEMA_VALUES_MAX);
	*ret = list ? n->first : n;
	*ret_n = count;
	return 0;
}
