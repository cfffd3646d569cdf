/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key in a TPM 2.0 that signs checkpoints beside the epoch's key. A process of its own talks to the TPM;
 * here nothing waits for it but the start, for TPM_START_MS.
 */
#ifndef PROBITY_AGENT_TPM_H
#define PROBITY_AGENT_TPM_H

#include <sys/types.h>

#include "record/note_ecdsa.h"

#define TPM_START_MS 5000
#define TPM_ANSWER_MS 2000 /* behind that a checkpoint goes without the TPM's line */

struct tpm_config {
	const char *tcti;
	uint32_t handle;     /* of a persistent key; 0: one of our own */
	const char *key_dir; /* tpm.key: the wrapped key; tpm.pub */
	const char *user;    /* whom the helper runs as, as confine_user takes it */
	bool no_seccomp;
};
enum tpm_cause { TPM_OPEN, TPM_OTHER, TPM_TIMEOUT, TPM_GONE, TPM_REFUSED, TPM_WRONG, TPM_CAUSES };
extern const char *const tpm_causes[TPM_CAUSES];

struct tpm;
/* While root, and before keys are in memory: the helper is a fork. Without a TPM that can be used it is made
 * all the same, and tpm_trouble says why. err: one line. 0; -errno: not even that. */
int tpm_open(const struct tpm_config *c, struct tpm **ret, char *err, size_t err_len);
void tpm_free(struct tpm *t);
int tpm_fd(const struct tpm *t); /* to poll for reading; -1: nothing will come */
/* The key that is to sign, or NULL while none was ever known. */
const uint8_t *tpm_public(const struct tpm *t);
/* Why the newest checkpoint has no line; NULL: it has one, or none was asked for yet. */
const char *tpm_trouble(const struct tpm *t, enum tpm_cause *ret_cause);

/* Asks for a signature of a note's text. False: not now; counted. */
bool tpm_ask(struct tpm *t, const char *text, size_t n, uint64_t now_ms);
/* What became of it. 0 with the line; -EAGAIN: nothing yet; -EIO: no line, counted by cause. */
int tpm_answer(struct tpm *t, const char *name, uint64_t now_ms, char *line, size_t cap,
	       size_t *ret_n);

struct tpm_counts {
	uint64_t lines, missing[TPM_CAUSES];
};
const struct tpm_counts *tpm_counts(const struct tpm *t);

#endif
