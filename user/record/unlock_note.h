/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator signs to open the guard of one host for a while. PURE. */
#ifndef PROBITY_RECORD_UNLOCK_NOTE_H
#define PROBITY_RECORD_UNLOCK_NOTE_H

#include <stddef.h>
#include <stdint.h>

#define UNLOCK_NOTE "probity/unlock/v1"
/* The text of a signed note; nonce and host are the agent's words. Length, or 0: a text with a space
 * or control character in it, or none; or cap too small. */
size_t unlock_note_text(const char *nonce, const char *host, uint64_t for_s, char *out, size_t cap);

#endif
