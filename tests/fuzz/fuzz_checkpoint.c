// SPDX-License-Identifier: Apache-2.0
// covers: user/record/checkpoint.c
/* What is taken is what is written again; nothing else is a checkpoint, a request or a proof. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "record/checkpoint.h"

static void notes(const char *p, size_t n)
{
	struct note_key k = {.name = "w"};
	struct checkpoint c;
	struct note note;
	const char *why;
	uint64_t t;

	if (note_parse(p, n, &note, &why))
		return;
	cosignature_verify(&note, &k, &t);
	checkpoint_parse(note.text, note.text_n, &c, &why);
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
	static char out[1 << 18];
	static uint8_t extra[1 << 16];
	const char *p = (const char *)in, *why = NULL;
	struct witness_request r;
	struct tlog_proof proof;
	struct checkpoint c;
	size_t k;

	if (n > sizeof(extra))
		return 0;
	if (!checkpoint_parse(p, n, &c, &why)) {
		k = checkpoint_text(&c, out, sizeof(out));
		if (!k || k > n || memcmp(out, p, k) || c.size > INT64_MAX)
			abort();
	} else if (!why) {
		abort();
	}
	if (!witness_request_parse(p, n, &r, &why)) {
		if (witness_request_text(&r, out, sizeof(out)) != n || memcmp(out, p, n))
			abort();
		notes(r.note, r.note_n);
	}
	if (!tlog_proof_parse(p, n, &proof, extra, sizeof(extra), &why)) {
		if (tlog_proof_text(&proof, out, sizeof(out)) != n || memcmp(out, p, n))
			abort();
		notes(proof.note, proof.note_n);
	}
	notes(p, n);
	return 0;
}
