// SPDX-License-Identifier: Apache-2.0
// covers: user/flow/flow.c user/flow/exchange.c user/flow/pair.c user/flow/body*.c user/flow/message.c user/flow/recover.c user/flow/hold.c
/* Records of a control byte (1 answer, 2 a gap before, 4 a repeat), a length byte, and bytes. */
#include "flow/flow.h"
#include "fuzz.h"

static enum flow_interest head(void *c, const struct interaction *i)
{
	return i->host[0] % 3;
}
static void text(void *c, const struct interaction *i, enum flow_dir d, const uint8_t *p, size_t n)
{
}
static void tell(void *c, const struct interaction *i) {}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct flow_ops ops = {
		.head = head, .text = text, .request = tell, .done = tell, .dropped = tell};
	struct flow *f = flow_new(&ops, NULL, n && p[0] & 8);
	uint64_t next[2] = {0, 0}, ns = 1;

	for (size_t at = 0, len, d; at + 2 < n; at += 2 + len) {
		len = p[at + 1] < n - at - 2 ? p[at + 1] : n - at - 2;
		d = p[at] & 1;
		next[d] += p[at] & 2 ? p[at] : p[at] & 4 && next[d] > 4 ? -4 : 0;
		flow_data(f, d, next[d], p + at + 2, len, ns++);
		next[d] += len;
	}
	flow_close(f, ns);
	flow_free(f);
	return 0;
}
