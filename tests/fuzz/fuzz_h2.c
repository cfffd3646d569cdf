// SPDX-License-Identifier: Apache-2.0
// covers: user/flow/h2*.c user/flow/hpack.c
/*
 * A first byte (1 late, 2 the preface is given), then records of a control byte (1 answer, 2 a gap
 * before, 4 a repeat), a length of two bytes, and bytes: as fuzz_flow, in HTTP/2 from the start.
 */
#include "flow/flow.h"
#include "fuzz.h"

static enum flow_interest head(void *c, const struct interaction *i)
{
	return i->host[0] == 'n' ? FLOW_NO : i->host[0] == 'm' ? FLOW_MAYBE : FLOW_YES;
}
static void text(void *c, const struct interaction *i, enum flow_dir d, const uint8_t *p, size_t n)
{
}
static void tell(void *c, const struct interaction *i) {}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct flow_ops ops = {
		.head = head, .text = text, .request = tell, .done = tell, .dropped = tell};
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
	struct flow *f = flow_new(&ops, NULL, n && p[0] & 1);
	uint64_t next[2] = {0, 0}, ns = 1;

	if (n && p[0] & 2) {
		flow_data(f, FLOW_REQUEST, 0, (const uint8_t *)preface, 24, ns);
		next[0] = 24;
	}
	for (size_t at = 1, len, d; at + 3 < n; at += 3 + len) {
		len = (size_t)p[at + 1] << 8 | p[at + 2];
		len = len < n - at - 3 ? len : n - at - 3;
		d = p[at] & 1;
		next[d] += p[at] & 2 ? p[at] : p[at] & 4 && next[d] > 4 ? -4 : 0;
		flow_data(f, d, next[d], p + at + 3, len, ns++);
		next[d] += len;
	}
	flow_close(f, ns);
	flow_free(f);
	return 0;
}
