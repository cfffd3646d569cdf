// SPDX-License-Identifier: Apache-2.0
// covers: user/flow/sse.c
/* First byte: size of the pieces. A 0xFE in the stream is a gap. Documents must open and close. */
#include <assert.h>

#include "flow/sse.h"
#include "fuzz.h"

static int open_docs;
static void begin(void *ctx, const char *event)
{
	assert(!open_docs++);
}
static void data(void *ctx, const uint8_t *p, size_t n)
{
	assert(open_docs == 1 && n);
}
static void end(void *ctx, bool cut)
{
	assert(!--open_docs);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct doc_sink sink = {begin, data, end, NULL};
	struct sse s;

	sse_init(&s, &sink);
	for (size_t at = 1, piece = n ? 1 + p[0] % 32 : 1; at < n; at += piece)
		p[at] == 0xfe ? sse_gap(&s) : sse_data(&s, p + at, piece < n - at ? piece : n - at);
	sse_end(&s, true);
	assert(!open_docs);
	return 0;
}
