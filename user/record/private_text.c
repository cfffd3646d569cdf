// SPDX-License-Identifier: Apache-2.0
/*
 * Texts without what is private in them. In: one text of a record. Out: a new one, or none, when
 * nothing in it is to change. A name is replaced where it stands as a word, in any case: neither letter,
 * digit nor '_' beside it, unless that is the end of a byte in percent code. So "alice" goes from
 * /home/alice/x, %2Fhome%2Falice, Alice@host and ~alice, and stays in malice. The component behind /home/
 * and /Users/, wherever that stands, is a name whosever it is; the number in user-1000.slice,
 * user@1000.service and /run/user/1000 is one too.
 *
 * Limit: an account called like a program ("node") takes that word out of paths and arguments as well.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "private_int.h"

/* Grows as it is written; `failed` stays. */
struct out {
	char *p;
	size_t n, cap;
	bool failed, changed;
};

static void put(struct out *o, const char *p, size_t n)
{
	if (o->n + n + 1 > o->cap && !o->failed) {
		size_t cap = (o->n + n + 1) * 2;
		char *more = realloc(o->p, cap);

		o->failed = !more;
		o->p = more ?: o->p;
		o->cap = more ? cap : o->cap;
	}
	if (o->failed)
		return;
	memcpy(o->p + o->n, p, n);
	o->n += n;
	o->p[o->n] = '\0';
}

static void replace(struct out *o, const char *with)
{
	put(o, with, strlen(with));
	o->changed = true;
}

static char *out_done(struct out *o, bool *ret_error)
{
	*ret_error |= o->failed;
	if (o->failed || !o->changed) {
		free(o->p);
		return NULL;
	}
	if (!o->p)
		put(o, "", 0);
	return o->p;
}

static bool in_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

/* A word goes on here that began before. */
static bool within_word(const char *text, const char *at)
{
	if (at == text || !in_word(at[-1]))
		return false;
	return at - text < 3 || at[-3] != '%' || !isxdigit((unsigned char)at[-2]) ||
	       !isxdigit((unsigned char)at[-1]);
}

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

/* --- names ------------------------------------------------------------------------------------------ */

static const char *const homes[] = {"/home/", "/Users/", "%2Fhome%2F", "%2fhome%2f"};
static const char *const numbers[] = {"user-", "user@", "/run/user/"};

static size_t prefix(const char *const *list, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (begins(text, list[i]))
			return strlen(list[i]);
	return 0;
}

/* One of the record's accounts stands here as a word: how long it is. */
static size_t name_at(const struct private_names *names, const char *text, const char *at,
		      const char **ret_alias)
{
	if (within_word(text, at))
		return 0;
	for (size_t i = 0; i < names->n; i++) {
		size_t n = strlen(names->v[i].name);

		if (n && !strncasecmp(at, names->v[i].name, n) && !in_word(at[n])) {
			*ret_alias = names->v[i].alias;
			return n;
		}
	}
	return 0;
}

/* Behind a prefix that says what comes: 0, or how long the name or number is. */
static size_t told_at(const struct private *p, const struct private_names *names, const char *text,
		      const char *at, bool paths, char alias[static PSEUDONYM_SIZE],
		      size_t *ret_before)
{
	char name[PRIVATE_NAME_BYTES];
	size_t before = paths ? prefix(homes, ARRAY_SIZE(homes), at) : 0, n;

	n = before ? strcspn(at + before, "/ :'\"%") : 0;
	if (!before && !within_word(text, at)) {
		before = prefix(numbers, ARRAY_SIZE(numbers), at);
		n = before ? strspn(at + before, "0123456789") : 0;
		if (n > 9 || (n && !private_person(strtoul(at + before, NULL, 10))))
			n = 0;
	}
	if (!n || n >= sizeof(name))
		return 0;
	memcpy(name, at + before, n);
	name[n] = '\0';
	*ret_before = before;
	for (size_t i = 0; i < names->n; i++)
		if (!strcasecmp(names->v[i].name, name) || !strcmp(names->v[i].number, name)) {
			memcpy(alias, names->v[i].alias, PSEUDONYM_SIZE);
			return n;
		}
	pseudonym_of(p->key, PSEUDONYM_USER, name, alias);
	return n;
}

char *private_words(const struct private *p, const struct private_names *names, const char *text,
		    bool paths, bool *ret_error)
{
	char told[PSEUDONYM_SIZE];
	struct out o = {0};

	for (const char *at = text; *at;) {
		const char *alias = told;
		size_t before = 0, n = told_at(p, names, text, at, paths, told, &before);

		if (!n)
			n = name_at(names, text, at, &alias);
		if (!n) {
			put(&o, at++, 1);
			continue;
		}
		put(&o, at, before);
		replace(&o, alias);
		at += before + n;
	}
	return out_done(&o, ret_error);
}

char *private_without(const char *name, const char *alias, const char *text, bool *ret_error)
{
	struct private_names one = {.n = 1};
	struct out o = {0};

	snprintf(one.v[0].name, sizeof(one.v[0].name), "%s", name);
	snprintf(one.v[0].alias, sizeof(one.v[0].alias), "%s", alias);
	for (const char *at = text, *as; *at;) {
		size_t n = name_at(&one, text, at, &as);

		if (n)
			replace(&o, as);
		else
			put(&o, at, 1);
		at += n ?: 1;
	}
	return out_done(&o, ret_error);
}

/* A home begins here: how long it is, with its '/'. */
static size_t home_at(const char *text, const char *at)
{
	size_t n = prefix(homes, 2, at), name; /* as a path */

	if ((at == text || !in_word(at[-1])) && begins(at, "/root/"))
		return strlen("/root/");
	name = n ? strcspn(at + n, "/") : 0;
	return name && at[n + name] == '/' ? n + name + 1 : 0;
}

bool private_home(const char *text)
{
	for (const char *at = text; (at = strchr(at, '/')); at++)
		if (home_at(text, at))
			return true;
	return false;
}

/* --- what is left of a field -------------------------------------------------------------------------- */

/* "203.0.113.7", "2001:db8::1", either with a port behind it: "203.0.113.7:443", "[2001:db8::1]:443". */
static bool is_address(const char *text, uint8_t addr[static 16], int *ret_family,
		       const char **ret_port)
{
	char host[INET6_ADDRSTRLEN];
	const char *colon = strrchr(text, ':'), *from = text;
	size_t n = strlen(text);

	*ret_port = text + n;
	if (colon && (*text == '[' || strchr(text, ':') == colon)) {
		*ret_port = colon;
		n = colon - text;
	}
	if (n > 1 && *text == '[' && text[n - 1] == ']') {
		from++;
		n -= 2;
	}
	if (n >= sizeof(host))
		return false;
	memcpy(host, from, n);
	host[n] = '\0';
	*ret_family = strchr(host, ':') ? AF_INET6 : AF_INET;
	return inet_pton(*ret_family, host, addr) == 1;
}

/* 203.0.113.0/24, 2001:db8:1::/48; of a name its last two labels. */
static void mask_address(struct out *o, const char *text)
{
	const char *from = strrchr(text, '.'), *port;
	char shown[INET6_ADDRSTRLEN];
	uint8_t addr[16];
	int family;

	if (is_address(text, addr, &family, &port)) {
		memset(addr + (family == AF_INET ? 3 : 6), 0, family == AF_INET ? 1 : 10);
		replace(o, inet_ntop(family, addr, shown, sizeof(shown)));
		replace(o, family == AF_INET ? "/24" : "/48");
		replace(o, port);
		return;
	}
	while (from && from > text && from[-1] != '.')
		from--;
	if (!from || from == text) {
		put(o, text, strlen(text));
		return;
	}
	replace(o, "*");
	replace(o, from - 1);
}

/* The first n bytes, and that there was more. */
static void mask_rest(struct out *o, const char *text, size_t n)
{
	put(o, text, n);
	if (text[n])
		replace(o, "***");
}

static void mask(struct out *o, enum private_field f, const char *text)
{
	const char *slash;

	switch (f) {
	case PRIVATE_PEER_ADDRESS:
	case PRIVATE_SERVER_ADDRESS:
		mask_address(o, text);
		return;
	case PRIVATE_USER_AGENT: /* the product, no version */
		mask_rest(o, text, strcspn(text, "/ ("));
		return;
	case PRIVATE_HTTP_PATH: /* its first part */
		slash = *text == '/' ? strchr(text + 1, '/') : NULL;
		mask_rest(o, text, slash ? (size_t)(slash + 1 - text) : strlen(text));
		return;
	default: /* that there was something */
		replace(o, "***");
	}
}

/* From the home on: nothing of it, a pseudonym of it, or whose it is and no more. */
static const char *home_part(struct out *o, const char *text, enum private_how how)
{
	const char *at = text;

	while (!home_at(text, at))
		at++;
	put(o, text, at - text);
	if (how == PRIVATE_MASK) {
		put(o, at, home_at(text, at));
		replace(o, "***");
	}
	return at;
}

char *private_text(const struct private *p, enum private_field f, const char *text, bool *ret_error)
{
	char alias[PSEUDONYM_SIZE];
	struct out o = {0};

	if (!*text || p->how[f] == PRIVATE_KEEP)
		return NULL;
	if (f == PRIVATE_HOME_PATH && !private_home(text))
		return NULL;
	if (f == PRIVATE_HOME_PATH)
		text = home_part(&o, text, p->how[f]);
	if (p->how[f] == PRIVATE_DROP) {
		replace(&o, "");
	} else if (p->how[f] == PRIVATE_HASH) {
		pseudonym_of(p->key, PSEUDONYM_TEXT, text, alias);
		replace(&o, alias);
	} else if (f != PRIVATE_HOME_PATH) {
		mask(&o, f, text);
	}
	return out_done(&o, ret_error);
}
