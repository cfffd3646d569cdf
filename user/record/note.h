/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed notes (C2SP signed-note): a text for people, an empty line, and lines of signatures. Used for
 * policy packs and checkpoints. PURE.
 *
 *   note  = text "\n" 1*signature        text: UTF-8, no control characters but "\n", ends with one
 *   signature = "— " name " " base64(key id [4] ‖ Ed25519(text) [64]) "\n"
 *   vkey  = name "+" hex(key id) "+" base64(0x01 ‖ public key)
 *   key id = SHA-256(name ‖ "\n" ‖ 0x01 ‖ public key)[0..4]
 */
#ifndef PROBITY_RECORD_NOTE_H
#define PROBITY_RECORD_NOTE_H

#include "keys.h"

#define NOTE_MAX (64 * 1024)
#define NOTE_NAME_MAX 192 /* with its NUL */
#define NOTE_SIGS_MAX 16

struct note_key {
	char name[NOTE_NAME_MAX]; /* "": whatever name the signature has (a PEM file has none) */
	uint8_t public[RECORD_PUBKEY_LEN];
};
/* Not empty, no space, no "+", UTF-8, fits. */
bool note_name_ok(const char *name);
uint32_t note_key_id(const char *name, const uint8_t pub[static RECORD_PUBKEY_LEN]);
/* Text without newline. 0 or -EINVAL. */
int note_vkey(const struct note_key *k, char *out, size_t cap);
int note_vkey_parse(const char *p, size_t n, struct note_key *ret); /* one newline may follow */

#define NOTE_SIG_MAX 72 /* Ed25519: 64; a cosignature: its time before it; ECDSA: DER of up to 72 */
struct note_sig {
	char name[NOTE_NAME_MAX];
	uint32_t id;
	size_t n;
	uint8_t sig[NOTE_SIG_MAX];
};
struct note {
	const char *text; /* points into what was parsed; ends with a newline */
	size_t text_n;
	size_t n; /* signatures of 64 to 72 bytes; others are other algorithms and left out */
	struct note_sig sigs[NOTE_SIGS_MAX];
};
/* What a key id and a vkey are of: Ed25519 over the text, or a C2SP cosignature (checkpoint.h). */
enum note_type { NOTE_ED25519 = 1, NOTE_COSIGNATURE = 4 };
uint32_t note_key_id_of(const char *name, const uint8_t pub[static RECORD_PUBKEY_LEN],
			enum note_type type);
int note_vkey_of(const struct note_key *k, enum note_type type, char *out, size_t cap);
int note_vkey_parse_of(const char *p, size_t n, enum note_type type, struct note_key *ret);
/* "— name base64(id ‖ sig)\n". Length, 0: does not fit. */
size_t note_line(const char *name, uint32_t id, const uint8_t *sig, size_t n, char *out,
		 size_t cap);
/* 0; -EBADMSG with *ret_why (static): not a note, whole. */
int note_parse(const char *p, size_t n, struct note *ret, const char **ret_why);
/* 0 with the signature's name in *ret_by (may be NULL); -ENOKEY: none by that key; -EBADMSG: one
 * says it is by that key and is not. */
int note_verify(const struct note *n, const struct note_key *k, const char **ret_by);
/* text ends with a newline. Length of the note, 0 when it is no text for a note or cap is too
 * small. */
size_t note_sign(const char *text, size_t n, const char *name, struct signer *s, char *out,
		 size_t cap);

/* --- what is signed of a policy pack --------------------------------------------------------- */

#define POLICY_NOTE "probity/policy/v1"
struct policy_note {
	char pack[64], version[64];
	uint64_t revision; /* from 1 */
	uint8_t sha256[RECORD_HASH_LEN];
};
/* Length, or 0: a text with a newline or space in it, or cap too small. */
size_t policy_note_text(const struct policy_note *p, char *out, size_t cap);
int policy_note_parse(const char *text, size_t n, struct policy_note *ret); /* 0, -EBADMSG */

#endif
