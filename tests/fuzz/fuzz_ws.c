// SPDX-License-Identifier: Apache-2.0
// covers: user/flow/ws*.c
/*
 * First byte: 1 deflate, 2 and 4 no context, 8 late, 16 a known path, 32 maybe. Then records of a
 * control byte (1 from the server, 2 a gap before), a length byte, and bytes. Each head must have
 * its one end.
 */
#include <assert.h>
#include <string.h>

#include "flow/ws.h"
#include "fuzz.h"

static int open_turns, interest;
static enum flow_interest head(void *c, const struct interaction *i)
{
	open_turns++;
	return (enum flow_interest)interest;
}
static void text(void *c, const struct interaction *i, enum flow_dir d, const uint8_t *p, size_t n)
{
	assert(n && open_turns);
}
static void request(void *c, const struct interaction *i) {}
static void over(void *c, const struct interaction *i)
{
	assert(open_turns-- > 0);
	assert((i->completeness == COMPLETE) == !*i->incomplete_reason);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct flow_ops ops = {
		.head = head, .text = text, .request = request, .done = over, .dropped = over};
	uint8_t how = n ? p[0] : 0;
	struct ws_start start = {.deflate = {how & 1, {how & 2, how & 4}}};
	struct interaction base;
	uint64_t next[2] = {0, 0}, ns = 1;
	struct ws *w;

	interaction_init(&base);
	if (how & 16)
		base.dialect = DIALECT_OPENAI_RESPONSES_WS;
	base.dialect_by_path = how & 16;
	start.base = how & 8 ? NULL : &base;
	interest = how & 32 ? FLOW_MAYBE : FLOW_YES;
	open_turns = 0;
	w = ws_new(&ops, NULL, &start);
	for (size_t at = 1, len, d; at + 2 < n; at += 2 + len) {
		len = p[at + 1] < n - at - 2 ? p[at + 1] : n - at - 2;
		d = p[at] & 1;
		if (p[at] & 2)
			ws_gap(w, (enum flow_dir)d, p[at], ns++);
		next[d] += p[at] & 2 ? p[at] : 0;
		if (how & 8)
			ws_recognise((enum flow_dir)d, p + at + 2, len);
		ws_data(w, (enum flow_dir)d, next[d], p + at + 2, len, ns++);
		next[d] += len;
	}
	ws_close(w, ns);
	assert(!open_turns && !ws_busy(w));
	ws_free(w);
	return 0;
}
