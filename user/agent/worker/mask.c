// SPDX-License-Identifier: Apache-2.0
/*
 * An argument is masked when the one before it is an option whose name says secret, after its "="
 * or ":" when its own name says so, wholly when the data-class scan finds a credential in it, and
 * between "//" and "@" and after "?" in a URL. Wrongly masking costs a reader a little; wrongly showing cannot be
 * undone, because records are for ever.
 */
#include "mask.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

#define MASK "[masked]"
#define TEXT_MAX 256 /* bytes of an argument that can be a path, a host, an option */
#define WORDS_MAX 3  /* spaces in one */

static bool names_secret(const char *s, size_t n)
{
	static const char *const words[] = {"key",  "token",	  "secret", "passw",  "passwd",
					    "auth", "credential", "cookie", "bearer", "session"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		size_t w = strlen(words[i]);

		for (size_t k = 0; k + w <= n; k++)
			if (!strncasecmp(s + k, words[i], w))
				return true;
	}
	return false;
}

/* Options whose value is a password, or has one, by convention of curl, mysql, sshpass and others. */
static bool takes_secret(const char *s, size_t n)
{
	static const char *const options[] = {"-u", "-U", "-p", "--user", "--proxy-user"};

	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (strlen(options[i]) == n && !memcmp(s, options[i], n))
			return true;
	return n > 1 && s[0] == '-' && names_secret(s, n);
}

static bool has_credential(const struct dataclass_db *db, const char *s, size_t n)
{
	struct dataclass_scan scan;

	dataclass_begin(&scan);
	dataclass_feed(db, &scan, (const uint8_t *)s, n);
	dataclass_end(db, &scan);
	for (size_t i = 0; i < dataclass_count(); i++)
		if (scan.count[i] && dataclass_kind(i) == DATACLASS_CREDENTIAL)
			return true;
	return false;
}

/* Prompts and bodies given on the command line are content, and content is not recorded. */
static bool is_text(const char *s, size_t n)
{
	if (n > TEXT_MAX || (n && (s[0] == '{' || s[0] == '[')))
		return true;
	for (size_t i = 0, spaces = 0; i < n; i++)
		if (s[i] == '\n' || (s[i] == ' ' && ++spaces > WORDS_MAX))
			return true;
	return false;
}

struct out {
	char *p;
	size_t n, cap;
};

static void put(struct out *o, const char *s, size_t n)
{
	if (n > o->cap - o->n)
		n = o->cap - o->n;
	memcpy(o->p + o->n, s, n);
	o->n += n;
}

/* One argument. True when the next one is the value of a secret option. */
static bool mask_one(const struct dataclass_db *db, struct out *o, const char *s, size_t n,
		     bool value_of_secret)
{
	const char *eq = memchr(s, '=', n), *colon = memchr(s, ':', n), *at, *url, *query, *cut;

	if (value_of_secret && n && !(n > 2 && s[0] == '-' && s[1] == '-')) {
		put(o, MASK, strlen(MASK));
		return false;
	}
	cut = eq && (!colon || eq < colon) ? eq : colon;
	if (cut && names_secret(s, cut - s)) { /* --token=X, KEY=X, Authorization: X */
		put(o, s, cut + 1 - s);
		put(o, MASK, strlen(MASK));
		return false;
	}
	if (n && has_credential(db, s, n)) {
		put(o, MASK, strlen(MASK));
		return false;
	}
	url = memmem(s, n, "://", 3);
	query = url ? memchr(url, '?', n - (url - s)) : NULL;
	if (query) {
		put(o, s, query + 1 - s);
		put(o, MASK, strlen(MASK));
		return false;
	}
	at = url ? memchr(url, '@', n - (url - s)) : NULL;
	if (at) {
		put(o, s, url + 3 - s);
		put(o, MASK, strlen(MASK));
		put(o, at, n - (at - s));
		return false;
	}
	if (is_text(s, n)) {
		char note[48];

		put(o, note, snprintf(note, sizeof(note), "[text, %zu bytes]", n));
		return false;
	}
	put(o, s, n);
	return !cut && takes_secret(s, n);
}

size_t mask_argv(const struct dataclass_db *db, const char *argv, size_t n, char *out, size_t cap)
{
	struct out o = {.p = out, .cap = cap};
	bool secret = false;
	size_t at = 0;

	while (at < n) {
		size_t len = strnlen(argv + at, n - at);

		secret = mask_one(db, &o, argv + at, len, secret);
		put(&o, "", 1);
		at += len + 1;
	}
	return o.n;
}
