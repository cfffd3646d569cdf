/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values whose length is not fixed. Vectorscan reports the end of a short anchor (the '@' of an
 * address, the '+' of a number); from there the value's own bounds are read left and right. The
 * result depends on the bytes near the value alone and never on where the window begins, so that
 * a text cut anywhere gives the same values. Longest reach: 64 bytes left and 102 right (email),
 * 177 left (JWT).
 *
 * The end of the window is taken for the end of the text; where it is not, the scan (dataclass.c)
 * does not yet count what lies so near to it.
 */
#include "dataclass_find.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

#define EMAIL_LOCAL_MAX 64
#define EMAIL_DOMAIN_MAX 100
#define JWT_HEAD_MAX 163
#define KEY_HEAD_MAX 160

static bool is_alnum(int c)
{
	return c >= 0 && c < 128 && isalnum(c);
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

bool window_escape_before(const struct window *w, size_t i)
{
	int c = window_at(w, i - 1);

	return (c == 'n' || c == 'r' || c == 't') && window_at(w, i - 2) == '\\';
}

bool window_word_at(const struct window *w, size_t i)
{
	int c = window_at(w, i);

	return (is_alnum(c) || c == '_') && !window_escape_before(w, i + 1);
}

/* --- email ---------------------------------------------------------------------------------- */

static size_t email_local(const struct window *w, size_t at)
{
	size_t s = at;

	while (s > 0 && at - s <= EMAIL_LOCAL_MAX &&
	       (is_alnum(w->p[s - 1]) || memchr("._%+'-", w->p[s - 1], 6)))
		s--;
	if (s < at && window_at(w, s - 1) == '\\' && memchr("nrt", w->p[s], 3))
		s++;
	while (s < at && !is_alnum(w->p[s]) && w->p[s] != '_')
		s++;
	return s;
}

/* Versions (pkg@2.0.0-rc.beta) and picture names (icon@2x.png) look like domains. */
static bool no_domain(const struct window *w, size_t from, size_t last, size_t end)
{
	static const char *const files[] = {"png",  "jpg", "jpeg", "gif",  "svg",   "webp",
					    "js",   "jsx", "ts",   "tsx",  "css",   "json",
					    "html", "yml", "yaml", "lock", "local", "service"};
	size_t i = from;

	for (size_t k = 0; k < ARRAY_SIZE(files); k++) {
		if (strlen(files[k]) == end - last &&
		    !strncasecmp((const char *)w->p + last, files[k], end - last))
			return true;
	}
	while (i < end && is_digit(w->p[i]))
		i++;
	return i > from && i < end && w->p[i] == '.' && is_digit(window_at(w, i + 1));
}

bool find_email(const struct window *w, size_t to, struct span *ret)
{
	size_t at = to - 2, i = at + 1, last = i, dots = 0;
	size_t s = email_local(w, at);

	while (i < w->n && i - at <= EMAIL_DOMAIN_MAX) {
		if (w->p[i] == '.') {
			if (!is_alnum(window_at(w, i + 1)))
				break;
			dots++;
			last = i + 1;
		} else if (!is_alnum(w->p[i]) && w->p[i] != '-') {
			break;
		}
		i++;
	}
	*ret = (struct span){s, i};
	if (s == at || at - s > EMAIL_LOCAL_MAX || i - at > EMAIL_DOMAIN_MAX || !dots ||
	    i - last < 2 || i - last > 24 || window_at(w, i) == '_')
		return false;
	for (size_t k = last; k < i; k++) {
		if (!isalpha(w->p[k]))
			return false;
	}
	/* git@host:path is an address of a repository. */
	if (at - s == 3 && !memcmp(w->p + s, "git", 3))
		return false;
	return !no_domain(w, at + 1, last, i);
}

/* --- iban ----------------------------------------------------------------------------------- */

bool find_iban(const struct window *w, size_t to, struct span *ret)
{
	bool spaced = w->p[to - 5] == ' ';
	size_t s = to - (spaced ? 9 : 8), n = 0, i = s;
	char text[34];
	size_t len = checkdigit_iban_length((const char *)w->p + s);

	if (!len || window_word_at(w, s - 1))
		return false;
	for (; n < len && i < w->n; i++) {
		if (spaced && n && n % 4 == 0 && w->p[i] == ' ' && w->p[i - 1] != ' ')
			continue;
		if (!isdigit(w->p[i]) && !isupper(w->p[i]))
			return false;
		/* Written in fours, or in one. */
		if (spaced && n && n % 4 == 0 && w->p[i - 1] != ' ')
			return false;
		text[n++] = w->p[i];
	}
	*ret = (struct span){s, i};
	return n == len && !is_alnum(window_at(w, i)) && checkdigit_iban(text, n);
}

/* --- phone ---------------------------------------------------------------------------------- */

struct phone {
	char digits[16];
	size_t count, end;
};

/* Digits with at most three separators between them, from s on. */
static void read_phone(const struct window *w, size_t s, struct phone *ret)
{
	size_t gap = 0;

	*ret = (struct phone){.end = s};
	for (size_t i = s; i < w->n && i - s < 32; i++) {
		if (is_digit(w->p[i])) {
			if (ret->count == sizeof(ret->digits))
				return;
			ret->digits[ret->count++] = w->p[i];
			ret->end = i + 1;
			gap = 0;
		} else if (!memchr(" ()./-", w->p[i], 6) || ++gap > 3) {
			break;
		}
	}
}

static bool phone_bounds(const struct window *w, size_t s, size_t e)
{
	int next = window_at(w, e);

	return !window_word_at(w, s - 1) && !is_alnum(next) && next != '_' &&
	       !((next == ':' || next == ',' || next == '.') && is_digit(window_at(w, e + 1)));
}

bool phone_nanp(const char *s, size_t n)
{
	if (n == 11 && s[0] == '1') {
		s++;
		n--;
	}
	return n == 10 && s[0] >= '2' && s[3] >= '2' && memcmp(s + 1, "11", 2) &&
	       memcmp(s + 4, "11", 2);
}

bool phone_fr(const char *s, size_t n)
{
	return n == 10 && s[0] == '0' && s[1] != '0';
}

/* Country codes in use: one digit, two, or any of three digits with these first two. */
static bool country_code(const char *d)
{
	static const char two[] =
		"20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 "
		"55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 "
		"98 ";
	static const char three[] =
		"21 22 23 24 25 26 29 35 37 38 42 50 59 67 68 69 80 85 87 88 96 "
		"97 99 ";
	char key[4] = {d[0], d[1], ' ', 0};

	return *d == '1' || *d == '7' || strstr(two, key) || strstr(three, key);
}

/* Anchor: '+', first digit, one more byte. */
bool find_e164(const struct window *w, size_t to, struct span *ret)
{
	size_t s = to - 3;
	struct phone p;

	read_phone(w, s + 1, &p);
	*ret = (struct span){s, p.end};
	if (p.count < 9 || p.count > 15 || !phone_bounds(w, s, p.end) || !country_code(p.digits))
		return false;
	return *p.digits != '1' || phone_nanp(p.digits, p.count);
}

/* Anchor: a keyword ("tel", "mobile"), up to six bytes, the first digit or parenthesis. */
bool find_called(const struct window *w, size_t to, struct span *ret)
{
	size_t s = to - 1;
	struct phone p;

	read_phone(w, s, &p);
	*ret = (struct span){s, p.end};
	if (!phone_bounds(w, s, p.end))
		return false;
	return phone_nanp(p.digits, p.count) ||
	       (p.digits[0] == '0' && p.count >= 9 && p.count <= 15) ||
	       (p.count == 11 && p.digits[0] == '1' && p.digits[1] >= '3');
}

/* --- credentials ---------------------------------------------------------------------------- */

static bool is_base64url(int c)
{
	return is_alnum(c) || c == '_' || c == '-';
}

/* Anchor: ".eyJ" and ten more; the header stands before it, up to a byte that is not base64. */
bool find_jwt(const struct window *w, size_t to, struct span *ret)
{
	size_t dot = to - 14, s = dot;

	while (s > 0 && dot - s <= JWT_HEAD_MAX && is_base64url(w->p[s - 1]))
		s--;
	if (s < dot && window_at(w, s - 1) == '\\' && memchr("nrt", w->p[s], 3))
		s++;
	*ret = (struct span){s, to};
	return dot - s <= JWT_HEAD_MAX && dot - s >= 13 && !memcmp(w->p + s, "eyJ", 3);
}

bool find_private_key(const struct window *w, size_t to, struct span *ret)
{
	static const char begin[] = "-----BEGIN ";
	size_t k = sizeof(begin) - 1;

	for (size_t s = to - k; to - s <= KEY_HEAD_MAX; s--) {
		if (!memcmp(w->p + s, begin, k)) {
			*ret = (struct span){s, to};
			return true;
		}
		if (s == 0)
			break;
	}
	return false;
}

/* Forty characters of base64 behind a name that says so; a path or a word has fewer kinds. */
bool find_aws_secret(const struct window *w, size_t to, struct span *ret)
{
	bool upper = false, lower = false, digit = false;
	int next = window_at(w, to);

	for (size_t i = to - 40; i < to; i++) {
		upper = upper || isupper(w->p[i]);
		lower = lower || islower(w->p[i]);
		digit = digit || isdigit(w->p[i]);
	}
	*ret = (struct span){to - 40, to};
	return upper && lower && digit && !is_alnum(next) && next != '/' && next != '+' &&
	       next != '=';
}
