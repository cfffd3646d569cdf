// SPDX-License-Identifier: Apache-2.0
// covers: user/record/note.c
/* A note is what is written again: text, empty line, signatures. What verifies is what was signed. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "record/note.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct note note;
	struct note_key k;
	struct policy_note pn;
	const char *why;
	char out[256];

	if (!note_vkey_parse((const char *)p, n, &k) &&
	    (note_vkey(&k, out, sizeof(out)) || strncmp(out, (const char *)p, strlen(out))))
		abort();
	if (note_parse((const char *)p, n, &note, &why))
		return !why[0] ? abort(), 0 : 0;
	if (note.text_n + 1 >= n || note.text[note.text_n - 1] != '\n' || note.n > NOTE_SIGS_MAX)
		abort();
	memset(&k, 0, sizeof(k));
	note_verify(&note, &k, NULL);
	policy_note_parse(note.text, note.text_n, &pn);
	return 0;
}
