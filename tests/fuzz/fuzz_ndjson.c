// SPDX-License-Identifier: Apache-2.0
// covers: user/flow/ndjson.c
/* First byte: size of the pieces. A 0xFE in the stream is a gap. Documents must open and close, and
 * none holds the newline that ends it. */
#include <assert.h>
#include <string.h>

#include "flow/ndjson.h"
#include "fuzz.h"

static int open_docs;
static void begin(void *ctx, const char *event)
{
	assert(!open_docs++);
}
static void data(void *ctx, const uint8_t *p, size_t n)
{
	assert(open_docs == 1 && n && !memchr(p, '\n', n));
}
static void end(void *ctx, bool cut)
{
	assert(!--open_docs);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct doc_sink sink = {begin, data, end, NULL};
	struct ndjson s;

	ndjson_init(&s, &sink);
	for (size_t at = 1, piece = n ? 1 + p[0] % 32 : 1; at < n; at += piece)
		if (p[at] == 0xfe)
			ndjson_gap(&s);
		else
			ndjson_data(&s, p + at, piece < n - at ? piece : n - at);
	ndjson_end(&s, n & 1);
	assert(!open_docs);
	return 0;
}
