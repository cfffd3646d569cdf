/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One ECDSA P-256 key in a TPM 2.0, through tpm2-tss, whose libraries are loaded when they are asked for.
 * Every call may take as long as the TPM likes: only for the helper (tpm.h).
 */
#ifndef PROBITY_AGENT_TPM_TSS_H
#define PROBITY_AGENT_TPM_TSS_H

#include "record/note_ecdsa.h"

#define TPM_BLOB_MAX 1024
/* The key as the TPM gave it, wrapped by its storage key: of use to no other TPM. */
struct tpm_blob {
	size_t n; /* 0: none yet */
	uint8_t b[TPM_BLOB_MAX];
};
struct tss;
/* tcti: "device:/dev/tpmrm0", "swtpm:host=…", as tss2-tctildr reads it. handle: of a persistent key, 0: the
 * blob's, which is made when there is none. ret_public: the key's. 0; -ENOPKG: no library; -ENODEV: no
 * TPM there; -EKEYREJECTED: the blob is not this TPM's; -EINVAL: no such key there; -EIO. why: one line. */
int tss_open(const char *tcti, uint32_t handle, struct tpm_blob *blob, struct tss **ret,
	     uint8_t ret_public[static ECDSA_PUBLIC_LEN], char *why, size_t why_len);
void tss_close(struct tss *t);
/* DER. 0; -EREMOTEIO: the TPM refuses; -EIO: it cannot be reached any more. */
int tss_sign(struct tss *t, const uint8_t digest[static 32], uint8_t ret[static NOTE_SIG_MAX],
	     size_t *ret_n, char *why, size_t why_len);

#endif
