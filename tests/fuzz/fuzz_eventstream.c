// SPDX-License-Identifier: Apache-2.0
// covers: user/flow/eventstream.c
/* First byte: size of the pieces; its top bit: a gap after half of them. Documents open and close. */
#include <assert.h>

#include "flow/eventstream.h"
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
static void told(void *ctx, const char *what)
{
	assert(*what);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct eventstream_sink sink = {{begin, data, end, NULL}, told, told};
	size_t piece = n ? 1 + (p[0] & 0x7f) : 1, half = n / 2;
	struct eventstream s;

	open_docs = 0;
	eventstream_init(&s, &sink);
	for (size_t at = 1; at < n; at += piece) {
		if (p[0] & 0x80 && at >= half) {
			eventstream_gap(&s);
			half = n;
		}
		eventstream_data(&s, p + at, piece < n - at ? piece : n - at);
	}
	eventstream_end(&s, false);
	assert(!open_docs);
	return 0;
}
