/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of a signed note by an ECDSA key on P-256 (C2SP signed-note, type 0x02): what a key in a TPM can
 * sign, as few of these know Ed25519. PURE but for reading a key's file.
 *
 *   signature = ECDSA over SHA-256(text), ASN.1 DER
 *   key id    = SHA-256(SubjectPublicKeyInfo, DER)[0..4]
 */
#ifndef PROBITY_RECORD_NOTE_ECDSA_H
#define PROBITY_RECORD_NOTE_ECDSA_H

#include "note.h"

#define ECDSA_PUBLIC_LEN 91 /* SubjectPublicKeyInfo of a P-256 key, its point not compressed */
#define ECDSA_POINT_LEN 64  /* x, y */

/* 0, -EINVAL: not a point of the curve. */
int ecdsa_public_of(const uint8_t point[static ECDSA_POINT_LEN],
		    uint8_t ret[static ECDSA_PUBLIC_LEN]);
bool ecdsa_public_ok(const uint8_t *p, size_t n);
/* DER of r and s, big-endian of n bytes each. Length, 0: does not fit. */
size_t ecdsa_signature(const uint8_t *r, size_t r_n, const uint8_t *s, size_t s_n,
		       uint8_t out[static NOTE_SIG_MAX]);
bool ecdsa_ok(const uint8_t public[static ECDSA_PUBLIC_LEN], const uint8_t *text, size_t n,
	      const uint8_t *sig, size_t sig_n);
/* PEM. err: one line naming the file. */
int ecdsa_public_read(const char *path, uint8_t ret[static ECDSA_PUBLIC_LEN], char *err,
		      size_t err_len);
/* Length with its NUL, 0: does not fit. */
size_t ecdsa_public_pem(const uint8_t public[static ECDSA_PUBLIC_LEN], char *out, size_t cap);

uint32_t note_ecdsa_id(const uint8_t public[static ECDSA_PUBLIC_LEN]);
/* The line under this name and key. 0; -ENOKEY: none; -EBADMSG: one is wrong. */
int note_ecdsa_verify(const struct note *n, const char *name,
		      const uint8_t public[static ECDSA_PUBLIC_LEN]);

#endif
