// SPDX-License-Identifier: Apache-2.0
// covers: user/flow/decode.c
/* First byte: which coding, and the size of the pieces. At most 1 MiB is taken out. */
#include "flow/decode.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char *const names[] = {"gzip",    "deflate",      "br",	  "zstd",
					    "gzip,br", "zstd,deflate", "br,zstd", "gzip,gzip"};
	struct decode *d;
	uint8_t out[4096];
	size_t total = 0, got;

	if (!n || decode_new(names[p[0] % 8], &d))
		return 0;
	for (size_t at = 1, piece = 1 + p[0] / 8, left; at < n && total < 1 << 20; at += piece) {
		const uint8_t *in = p + at;

		left = piece < n - at ? piece : n - at;
		while (!decode_next(d, &in, &left, out, sizeof(out), &got) &&
		       (left || got == sizeof(out)) && total < 1 << 20)
			total += got;
	}
	decode_free(d);
	return 0;
}
