// SPDX-License-Identifier: Apache-2.0
/*
 * A fixed table of SETS × WAYS entries, found by the first bytes of SHA-256 over program and name,
 * so nobody can make a name that is taken for another. A full set gives up what is forgotten next,
 * an AI name last. Forgetting only costs another look at that server.
 */
#include "known.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define SETS 4096
#define WAYS 4
#define NAME_MAX_ 256

struct entry {
	uint8_t key[16];
	uint64_t until_ns; /* 0 = free */
	enum known_as as;
};
struct known {
	struct entry set[SETS][WAYS];
};

struct known *known_new(void)
{
	return calloc(1, sizeof(struct known));
}

void known_free(struct known *k)
{
	free(k);
}

static bool key_of(const void *program, size_t n, const char *name, uint8_t ret[static 16])
{
	uint8_t text[1024 + NAME_MAX_], digest[EVP_MAX_MD_SIZE];
	size_t m = strnlen(name, NAME_MAX_ - 1);

	if (n > 1024 - 1)
		n = 1024 - 1;
	if (n)
		memcpy(text, program, n);
	text[n] = '\0';
	memcpy(text + n + 1, name, m);
	if (!EVP_Digest(text, n + 1 + m, digest, NULL, EVP_sha256(), NULL))
		return false;
	memcpy(ret, digest, 16);
	return true;
}

static unsigned set_of(const uint8_t key[static 16])
{
	return (key[14] << 8 | key[15]) % SETS;
}

static const struct entry *find(const struct known *k, const uint8_t key[static 16],
				uint64_t now_ns)
{
	const struct entry *set = k->set[set_of(key)];

	for (unsigned i = 0; i < WAYS; i++)
		if (set[i].until_ns > now_ns && !memcmp(set[i].key, key, 16))
			return &set[i];
	return NULL;
}

static struct entry *place(struct known *k, const uint8_t key[static 16])
{
	struct entry *set = k->set[set_of(key)], *worst = set;

	for (unsigned i = 0; i < WAYS; i++)
		if (!memcmp(set[i].key, key, 16))
			return &set[i];
	for (unsigned i = 1; i < WAYS; i++)
		if (set[i].until_ns < worst->until_ns)
			worst = &set[i];
	return worst;
}

static void set(struct known *k, const void *program, size_t n, const char *name, enum known_as as,
		uint64_t until_ns)
{
	uint8_t key[16];
	struct entry *e;

	if (!key_of(program, n, name, key))
		return;
	e = place(k, key);
	memcpy(e->key, key, sizeof(key));
	e->until_ns = until_ns;
	e->as = as;
}

void known_set(struct known *k, const void *program, size_t n, const char *name, enum known_as as,
	       uint64_t now_ns)
{
	if (!name[0])
		return;
	if (as == KNOWN_AI)
		set(k, "", 0, name, as, now_ns + KNOWN_AI_NS);
	else if (n)
		set(k, program, n, name, as, now_ns + KNOWN_NOT_AI_NS);
}

enum known_as known_get(const struct known *k, const void *program, size_t n, const char *name,
			uint64_t now_ns)
{
	uint8_t key[16];
	const struct entry *e;

	if (!name[0])
		return KNOWN_NOTHING;
	if (key_of("", 0, name, key) && find(k, key, now_ns))
		return KNOWN_AI;
	if (!n || !key_of(program, n, name, key))
		return KNOWN_NOTHING;
	e = find(k, key, now_ns);
	return e ? e->as : KNOWN_NOTHING;
}
