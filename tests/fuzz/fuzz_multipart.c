// SPDX-License-Identifier: Apache-2.0
// covers: user/flow/multipart.c user/flow/formdata.c
/* First byte: size of the pieces. First line: the content type. A 0xFE at a piece is a gap. */
#include <assert.h>
#include <string.h>

#include "flow/multipart.h"
#include "fuzz.h"

static int open_parts;
static void begin(void *ctx, const struct multipart_part *p)
{
	assert(!open_parts++ && strlen(p->filename) < sizeof(p->filename));
}
static void data(void *ctx, const uint8_t *p, size_t n)
{
	assert(open_parts == 1 && n);
}
static void end(void *ctx, bool cut)
{
	assert(!--open_parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct multipart_sink sink = {begin, data, end, NULL};
	const uint8_t *line = n > 1 ? memchr(p + 1, '\n', n - 1) : NULL;
	size_t piece = n ? 1 + p[0] % 64 : 1;
	struct multipart m;

	open_parts = 0;
	if (!line || !multipart_init(&m, &sink, (const char *)p + 1, (size_t)(line - p) - 1))
		return 0;
	for (size_t at = (size_t)(line + 1 - p); at < n; at += piece) {
		if (p[at] == 0xfe)
			multipart_gap(&m);
		else
			multipart_data(&m, p + at, piece < n - at ? piece : n - at);
	}
	multipart_end(&m);
	assert(!open_parts);
	return 0;
}
