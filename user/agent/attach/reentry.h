/* SPDX-License-Identifier: Apache-2.0 */
/* From where a probed function can be entered again. */
#ifndef PROBITY_AGENT_ATTACH_REENTRY_H
#define PROBITY_AGENT_ATTACH_REENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the instruction that ends at `at` and does nothing, of the n bytes before it; 0 = none. */
unsigned reentry_before(const uint8_t *at, size_t n);
/* Whether the function at `at`, of n bytes, begins with a mark for indirect jumps (endbr64). */
bool reentry_marked(const uint8_t *at, size_t n);

/* Of sites that write, in a file: says in their cookies (TLS_COOKIE_SKIP) how far in front of the probe
 * a call can be made again. A probe moves behind the mark of its function where nothing else will do. */
void reentry_fit(int fd, uint64_t *offset, uint64_t *cookie, size_t n);

#endif
