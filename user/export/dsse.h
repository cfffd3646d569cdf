/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DSSE envelopes with Ed25519: signed is PAE = "DSSEv1" SP len(type) SP type SP len(body) SP body, over the
 * bytes as they are. PURE.
 */
#ifndef PROBITY_EXPORT_DSSE_H
#define PROBITY_EXPORT_DSSE_H

#include <stddef.h>
#include <stdint.h>

#include "record/keys.h"

#define DSSE_BUNDLE_TYPE "application/vnd.probity.bundle+json"
#define DSSE_SIGNATURES_MAX 16

/* The envelope as JSON, caller frees. 0, -ENOMEM, -EIO. */
int dsse_sign(const char *type, const void *body, size_t n, struct signer *s, char **ret);
/*
 * That the envelope is of this type and of exactly these bytes, and that one of its signatures is by the
 * key. The key id in it is not looked at. 0; -ENOKEY: none by that key; -EBADMSG with *ret_why.
 */
int dsse_verify(const char *envelope, size_t envelope_n, const char *type, const void *body,
		size_t n, const uint8_t key[static RECORD_PUBKEY_LEN], const char **ret_why);

#endif
