// SPDX-License-Identifier: Apache-2.0
// covers: user/flow/mcp*.c
/* First byte: late, and the size of the pieces. Then pieces, each behind a byte that says which
 * direction, and whether bytes are missing before it. Each request that is opened must end. */
#include <assert.h>

#include "flow/mcp_pipe.h"
#include "fuzz.h"

static int open_calls;
static void opened(void *ctx, struct mcp_call *c)
{
	open_calls++;
	c->user = ctx;
}
static void done(void *ctx, struct mcp_call *c, const struct names *tools)
{
	assert(c->user == ctx && c->end_ns >= c->start_ns && c->reason && tools);
	assert(--open_calls >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct mcp_ops ops = {opened, done};
	uint64_t at[2] = {0};
	struct mcp_pipe *m;
	size_t piece = n ? 1 + p[0] / 2 : 1;

	open_calls = 0;
	m = mcp_pipe_new(&ops, &open_calls, n && p[0] & 1);
	if (!m)
		return 0;
	for (size_t i = 1; i + 1 < n; i += piece + 1) {
		size_t k = piece < n - i - 1 ? piece : n - i - 1;
		enum flow_dir dir = p[i] & 1;

		if (p[i] >= 0xf0)
			at[dir] += p[i];
		if (mcp_pipe_data(m, dir, at[dir], p + i + 1, k, i) == FLOW_IGNORE)
			break;
		at[dir] += k;
	}
	mcp_pipe_close(m, n);
	assert(!open_calls);
	mcp_pipe_free(m);
	return 0;
}
