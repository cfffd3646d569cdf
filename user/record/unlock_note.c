// SPDX-License-Identifier: Apache-2.0
/*
 * Both sides make the text from the same three values, so it is never parsed: what differs in one byte
 * was signed for something else.
 */
#include "unlock_note.h"

#include <stdbool.h>
#include <stdio.h>

static bool word(const char *s)
{
	if (!s || !*s)
		return false;
	for (; *s; s++)
		if (*s <= ' ' || *s == 127)
			return false;
	return true;
}

size_t unlock_note_text(const char *nonce, const char *host, uint64_t for_s, char *out, size_t cap)
{
	int n;

	if (!word(nonce) || !word(host) || !for_s)
		return 0;
	n = snprintf(out, cap, UNLOCK_NOTE "\nhost %s\nnonce %s\nfor %llu s\n", host, nonce,
		     (unsigned long long)for_s);
	return n > 0 && (size_t)n < cap ? n : 0;
}
