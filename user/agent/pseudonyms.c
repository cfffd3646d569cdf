// SPDX-License-Identifier: Apache-2.0
/*
 * In: the key file's path; later a pseudonym, and the names it may be of. Out: keys; the name. The file
 * is made once, with a random key, and then only read: to change the key, its owner writes a new line
 * above the others. Nothing is kept of who was looked for. A file that others may read is refused, for
 * who has the key can try out all names.
 */
#include "pseudonyms.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"

#define FILE_MAX_BYTES 8192
#define NUMBERS 65536

static int make(const char *path)
{
	uint8_t key[PSEUDONYM_KEY_LEN];
	char line[2 * PSEUDONYM_KEY_LEN + 2];
	int r;

	if (RAND_bytes(key, sizeof(key)) != 1)
		return -EIO;
	for (size_t i = 0; i < sizeof(key); i++)
		snprintf(line + 2 * i, 3, "%02x", key[i]);
	line[sizeof(line) - 2] = '\n';
	r = fs_write_atomic(path, line, sizeof(line) - 1, 0600);
	OPENSSL_cleanse(key, sizeof(key));
	OPENSSL_cleanse(line, sizeof(line));
	return r;
}

static int owned(const char *path, const struct stat *st, char *err, size_t err_len)
{
	if (!S_ISREG(st->st_mode) || st->st_uid != geteuid() || st->st_mode & 077) {
		snprintf(err, err_len, "%s: must be a file of mode 0600 that belongs to root",
			 path);
		return -EPERM;
	}
	return 0;
}

int pseudonyms_open(const char *path, struct pseudonym_keys *ret, char *err, size_t err_len)
{
	char *text;
	unsigned line;
	struct stat st;
	size_t n;
	int r = 0;

	if (lstat(path, &st) < 0)
		r = errno == ENOENT ? make(path) : -errno;
	if (!r && lstat(path, &st) < 0)
		r = -errno;
	if (!r) {
		r = owned(path, &st, err, err_len);
		if (r)
			return r;
		r = fs_read(path, FILE_MAX_BYTES, &text, &n);
	}
	if (r) {
		snprintf(err, err_len, "%s: %s", path, strerror(-r));
		return r;
	}
	r = pseudonym_keys_parse(text, n, ret, &line);
	if (r)
		snprintf(err, err_len, "%s: line %u: expected a key of 64 hex digits, at most %d",
			 path, line, PSEUDONYM_KEYS_MAX);
	OPENSSL_cleanse(text, n);
	free(text);
	return r;
}

static bool is(const struct pseudonym_keys *k, enum pseudonym_kind kind, const char *pseudonym,
	       const char *name)
{
	char of[PSEUDONYM_SIZE];

	for (size_t i = 0; i < k->n; i++) {
		pseudonym_of(k->key[i], kind, name, of);
		if (!strcmp(of, pseudonym))
			return true;
	}
	return false;
}

char *pseudonyms_resolve(const struct pseudonym_keys *k, const char *pseudonym, const char *names,
			 size_t n)
{
	enum pseudonym_kind kind;
	char number[12];

	if (!pseudonym_ok(pseudonym, &kind) || (n && names[n - 1]))
		return NULL;
	for (size_t at = 0; at < n; at += strlen(names + at) + 1)
		if (is(k, kind, pseudonym, names + at))
			return strdup(names + at);
	for (uint32_t uid = 0; uid < NUMBERS && kind == PSEUDONYM_USER; uid++) {
		snprintf(number, sizeof(number), "%u", uid);
		if (private_person(uid) && is(k, kind, pseudonym, number))
			return strdup(number);
	}
	return NULL;
}
