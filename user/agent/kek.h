/* SPDX-License-Identifier: Apache-2.0 */
/* The key that the recorder's key files are encrypted with, and these files' bytes. */
#ifndef PROBITY_AGENT_KEK_H
#define PROBITY_AGENT_KEK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEK_LEN 32
#define KEK_CREDENTIAL "probity-kek" /* taken without being named, where systemd gives it */
struct kek {
	bool is; /* false: files stay plain */
	uint8_t k[KEK_LEN];
};
/* name: a path (with a slash), or a credential in $CREDENTIALS_DIRECTORY; NULL: KEK_CREDENTIAL, if it is
 * there. The file is KEK_LEN bytes. err: one line that names it. 0 or -errno. */
int kek_open(const char *name, struct kek *ret, char *err, size_t err_len);

/*
 * What stands in a file of keys; all numbers big-endian:
 *   plain   magic[8] · epoch u32 · secret · crc32c u32 of all before
 *   sealed  magic[8] · epoch u32 · nonce[12] · AES-256-GCM of secret · tag[16] · crc32c u32 of all before
 * AAD of the sealed one: magic · epoch · name of the file.
 */
enum keyfile_kind { KEYFILE_EPOCH, KEYFILE_SEED };
#define KEYFILE_SECRET_MAX 64
#define KEYFILE_MAX (8 + 4 + 12 + KEYFILE_SECRET_MAX + 16 + 4)
struct keyfile {
	uint32_t epoch;
	bool sealed;
	uint8_t secret[KEYFILE_SECRET_MAX]; /* EPOCH: signing key[32], K_e[32]. SEED: K_0[32] */
};
/* Length, 0: no randomness. k: of struct keyfile `sealed` is not looked at, the KEK decides. */
size_t keyfile_pack(const struct kek *kek, enum keyfile_kind kind, const char *name,
		    const struct keyfile *k, uint8_t out[static KEYFILE_MAX]);
/* 0; -ENODATA: empty (zeros, or no bytes); -EILSEQ: its writing was cut off; -EINVAL: no such file;
 * -ENOKEY: sealed, and there is no KEK; -EKEYREJECTED: not with this one. */
int keyfile_parse(const struct kek *kek, enum keyfile_kind kind, const char *name, const uint8_t *p,
		  size_t n, struct keyfile *ret);

#endif
