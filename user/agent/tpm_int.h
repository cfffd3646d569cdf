/* SPDX-License-Identifier: Apache-2.0 */
/* Between tpm.c (the recorder) and tpm_helper.c, over a socket pair of packets. */
#ifndef PROBITY_AGENT_TPM_INT_H
#define PROBITY_AGENT_TPM_INT_H

#include "tpm.h"
#include "tpm_tss.h"

#define TPM_WHY_MAX 160
#define TPM_TEXT_MAX 512 /* of a checkpoint */

struct tpm_hello { /* once, when it has the key or will not have it */
	int32_t r;
	uint8_t public[ECDSA_PUBLIC_LEN];
	struct tpm_blob blob;
	char why[TPM_WHY_MAX];
};
struct tpm_question {
	uint64_t nr;
	uint8_t digest[32];
};
struct tpm_reply {
	uint64_t nr;
	int32_t r;
	uint32_t n;
	uint8_t sig[NOTE_SIG_MAX];
	char why[TPM_WHY_MAX];
};
union tpm_message {
	struct tpm_hello hello;
	struct tpm_reply reply;
};

/* ret_fd: our end. 0, -errno. */
int tpm_helper_start(const struct tpm_config *c, const struct tpm_blob *blob, int *ret_fd);

#endif
