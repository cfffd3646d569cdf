/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 and HMAC-SHA256 of short texts, many a second: nothing is fetched, allocated or can fail. */
#ifndef PROBITY_BASE_SHA256_H
#define PROBITY_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_LEN 32

void sha256(const void *p, size_t n, uint8_t ret[static SHA256_LEN]);
/* Of a byte, then n more. */
void sha256_tagged(uint8_t tag, const void *p, size_t n, uint8_t ret[static SHA256_LEN]);
void hmac_sha256(const uint8_t key[static SHA256_LEN], const void *p, size_t n,
		 uint8_t ret[static SHA256_LEN]);

#endif
