/* SPDX-License-Identifier: Apache-2.0 */
/* The host's signing key: Ed25519, PKCS#8 PEM, mode 0600; its public half beside it
 * as PATH.pub. */
#ifndef PROBITY_RECORD_KEYS_H
#define PROBITY_RECORD_KEYS_H

#include "record.h"

struct signer;
struct verifier;

/* Creates (temp, fsync, rename, fsync dir) when absent. err: one clear line naming the file:
 * not a PEM key, not Ed25519, readable by others. 0 or -errno. */
int signer_open(const char *path, bool create, struct signer **ret, char *err, size_t err_len);
/* Of the 32 bytes of an Ed25519 private key. 0, -EINVAL, -ENOMEM. */
int signer_of(const uint8_t private[static 32], struct signer **ret);
void signer_free(struct signer *s);
const uint8_t *signer_public(const struct signer *s); /* RECORD_PUBKEY_LEN bytes */
int signer_sign(struct signer *s, const uint8_t *p, size_t n,
		uint8_t ret_sig[static RECORD_SIG_LEN]);

int verifier_new(const uint8_t pub[static RECORD_PUBKEY_LEN], struct verifier **ret);
void verifier_free(struct verifier *v);
bool verifier_ok(struct verifier *v, const uint8_t *p, size_t n,
		 const uint8_t sig[static RECORD_SIG_LEN]);
void key_id(const uint8_t pub[static RECORD_PUBKEY_LEN], uint8_t ret[static 8]);
/* PEM SubjectPublicKeyInfo or 64 hex digits. */
int public_read(const char *path, uint8_t ret[static RECORD_PUBKEY_LEN], char *err, size_t err_len);

#endif
