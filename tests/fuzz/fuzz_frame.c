// SPDX-License-Identifier: Apache-2.0
// covers: user/record/segment.c
/* A segment or head file of any content: frames lie inside it, and only bytes that make the same
 * frame head again are taken for one. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "record/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	uint8_t head[SEGMENT_FRAME_LEN];
	const char *why;
	struct frame f;
	struct head h;
	long k;

	head_decode(p, n, &h, &why);
	for (; (k = frame_parse(p, n, &f, &why)) > 0; p += k, n -= k) {
		size_t sealed = MAC_LEN + (f.sig ? RECORD_SIG_LEN : 0);

		frame_head(f.record, f.record_len, sealed, head);
		if ((size_t)k > n || memcmp(head, p, sizeof(head)) || f.mac + sealed != p + k)
			abort();
	}
	return 0;
}
