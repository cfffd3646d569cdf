// SPDX-License-Identifier: Apache-2.0
/*
 * Pseudonyms and their keys. In: a key and a text. Out: 18 characters that say nothing without the
 * key. Invariant: kinds never collide, because the letter is part of what is hashed. 80 bits: among a
 * million users two share a pseudonym with a probability of 4 in 10^13.
 */
#include "private.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <string.h>

#define TAIL_BYTES 10
#define TAIL_CHARS 16
_Static_assert(2 + TAIL_CHARS + 1 == PSEUDONYM_SIZE, "letter, colon, tail, NUL");

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

void pseudonym_of(const uint8_t key[static PSEUDONYM_KEY_LEN], enum pseudonym_kind kind,
		  const char *text, char ret[static PSEUDONYM_SIZE])
{
	uint8_t in[1024] = {kind}, sum[32];
	size_t n = strlen(text);
	unsigned bits = 0, have = 0;
	char *to = ret;

	*ret = '\0';
	if (!n)
		return;
	if (n > sizeof(in) - 2) { /* a long one by its digest, which a 1 sets apart */
		in[1] = 1;
		SHA256((const uint8_t *)text, n, in + 2);
		n = SHA256_DIGEST_LENGTH;
	} else {
		memcpy(in + 2, text, n);
	}
	if (!HMAC(EVP_sha256(), key, PSEUDONYM_KEY_LEN, in, n + 2, sum, NULL))
		return; /* out of memory: nothing said is the safe side */
	*to++ = kind;
	*to++ = ':';
	for (size_t i = 0; i < TAIL_BYTES; i++) {
		bits = bits << 8 | sum[i];
		for (have += 8; have >= 5; have -= 5)
			*to++ = alphabet[bits >> (have - 5) & 31];
	}
	*to = '\0';
}

bool pseudonym_ok(const char *text, enum pseudonym_kind *ret_kind)
{
	if (strlen(text) != PSEUDONYM_SIZE - 1 || text[1] != ':' ||
	    strspn(text + 2, alphabet) != TAIL_CHARS)
		return false;
	if (text[0] != PSEUDONYM_USER && text[0] != PSEUDONYM_GROUP && text[0] != PSEUDONYM_TEXT)
		return false;
	*ret_kind = text[0];
	return true;
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool key_line(const char *p, size_t n, uint8_t ret[static PSEUDONYM_KEY_LEN])
{
	if (n != 2 * PSEUDONYM_KEY_LEN)
		return false;
	for (size_t i = 0; i < n; i += 2) {
		int high = digit(tolower((unsigned char)p[i])),
		    low = digit(tolower((unsigned char)p[i + 1]));

		if (high < 0 || low < 0)
			return false;
		ret[i / 2] = high << 4 | low;
	}
	return true;
}

int pseudonym_keys_parse(const char *text, size_t n, struct pseudonym_keys *ret, unsigned *ret_line)
{
	struct pseudonym_keys k = {0};
	unsigned line = 0;

	for (size_t at = 0; at < n;) {
		const char *p = text + at, *end = memchr(p, '\n', n - at);
		size_t len = end ? (size_t)(end - p) : n - at;

		line++;
		at += len + 1;
		if (!len || *p == '#')
			continue;
		if (k.n == PSEUDONYM_KEYS_MAX || !key_line(p, len, k.key[k.n])) {
			*ret_line = line;
			return -EBADMSG;
		}
		k.n++;
	}
	if (!k.n) {
		*ret_line = line + 1;
		return -EBADMSG;
	}
	*ret = k;
	return 0;
}
