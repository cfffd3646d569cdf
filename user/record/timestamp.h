/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 3161: an outside authority's word that some bytes were there at a time. */
#ifndef PROBITY_RECORD_TIMESTAMP_H
#define PROBITY_RECORD_TIMESTAMP_H

#include <stddef.h>
#include <stdint.h>

#define TIMESTAMP_MAX (256u * 1024)

/* The request to stamp these bytes (SHA-256); a certificate is asked for. DER, caller frees. 0, -ENOMEM. */
int timestamp_request(const void *data, size_t n, uint64_t nonce, uint8_t **ret, size_t *ret_n);
/* An answer, DER. nonce, ca (PEM, one or more certificates): NULL: not checked. 0 with the time in Unix
 * seconds; -EBADMSG, -EINVAL: the CA is none; err: one line without a place. */
int timestamp_check(const uint8_t *token, size_t token_n, const void *data, size_t n,
		    const uint64_t *nonce, const char *ca, int64_t *ret_unix_s, char *err,
		    size_t err_len);

#endif
