/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a record says who somebody is, replaced or left out before it is sealed. PURE.
 *
 * A pseudonym is "u:" (user), "g:" (group) or "h:" (any other text) and 16 characters of base32 in lower
 * case: 80 bits of HMAC-SHA256(key, letter ‖ 0x00 ‖ text), or of letter ‖ 0x01 ‖ SHA-256(text) where the
 * text is longer than 1022 bytes. Under one key the same text has the same
 * pseudonym; without the key it can neither be undone nor tried out.
 */
#ifndef PROBITY_RECORD_PRIVATE_H
#define PROBITY_RECORD_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PSEUDONYM_SIZE 19 /* with its NUL */
#define PSEUDONYM_KEY_LEN 32
#define PSEUDONYM_KEYS_MAX 16

/* A key file: a key a line, 64 hex digits; the first is used, the others still resolve. Empty lines and
 * lines that begin with '#' are left out. */
struct pseudonym_keys {
	size_t n;
	uint8_t key[PSEUDONYM_KEYS_MAX][PSEUDONYM_KEY_LEN];
};
/* 0; -EBADMSG with *ret_line, from 1: no key, or too many. */
int pseudonym_keys_parse(const char *text, size_t n, struct pseudonym_keys *ret,
			 unsigned *ret_line);

enum pseudonym_kind { PSEUDONYM_USER = 'u', PSEUDONYM_GROUP = 'g', PSEUDONYM_TEXT = 'h' };
/* Of nothing: "". */
void pseudonym_of(const uint8_t key[static PSEUDONYM_KEY_LEN], enum pseudonym_kind kind,
		  const char *text, char ret[static PSEUDONYM_SIZE]);
bool pseudonym_ok(const char *text, enum pseudonym_kind *ret_kind);

/* --- what a record loses -------------------------------------------------------------------------- */

enum private_how {
	PRIVATE_KEEP,
	PRIVATE_DROP, /* empty */
	PRIVATE_HASH, /* its "h:" pseudonym: equal ones can still be told */
	PRIVATE_MASK, /* the part that says what kind it is; see private_fields.c for each */
};
enum private_field {
	PRIVATE_ARGV,
	PRIVATE_HOME_PATH, /* every path below a home, in programs, files and arguments */
	PRIVATE_PEER_ADDRESS,
	PRIVATE_SERVER_ADDRESS, /* and SNI */
	PRIVATE_USER_AGENT,
	PRIVATE_HTTP_PATH,
	PRIVATE_GROUPS,
	PRIVATE_CGROUP, /* and container id */
	PRIVATE_FIELDS
};
struct private
{
	bool users; /* pseudonyms in place of users, login users and groups */
	enum private_how how[PRIVATE_FIELDS];
	uint8_t key[PSEUDONYM_KEY_LEN]; /* of users and PRIVATE_HASH */
};
/* "argv=drop,http_path=mask". 0; -EINVAL with *ret_bad at the word that is wrong, *ret_len bytes. */
int private_parse(const char *spec, struct private *p, const char **ret_bad, size_t *ret_len);
const char *private_field_name(enum private_field f);
bool private_any(const struct private *p);   /* something is to be done */
bool private_keyed(const struct private *p); /* ... and for that a key is needed */

/* A text with `alias` wherever `name` stands in it as a word: a new one, NULL when it does not or, with
 * *ret_error, when memory is out. */
char *private_without(const char *name, const char *alias, const char *text, bool *ret_error);

/* A user number that is not told. */
#define PRIVATE_UID UINT32_MAX
/* Accounts of the system have no pseudonym: they are nobody. */
bool private_person(uint32_t uid);

/*
 * The payload of a record as it is to be sealed. 0 with *ret_n; -EBADMSG: not a message of this schema,
 * or of none that is known; -EMSGSIZE: does not fit, also without its arguments; -ENOMEM. Nothing of the
 * input stands in `out` unless 0 is returned.
 */
int private_apply(const struct private *p, uint32_t schema, const uint8_t *payload, size_t n,
		  uint8_t *out, size_t cap, size_t *ret_n);

#endif
