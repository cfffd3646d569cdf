// SPDX-License-Identifier: Apache-2.0
/*
 * In: the clock, and when each chain is due. Out: a finding for each chain that is silent although its
 * agent did not end in order. An agent seals an epoch also when nothing happens, so silence is either an
 * outage or a log that was stopped, and both want to be looked at. Ingest closes the finding when the
 * chain goes on. At most SILENT_AT_ONCE a turn; the rest is found in the next.
 */
#include "silence.h"

#include <stdio.h>
#include <string.h>

#define SILENT_AT_ONCE 16
#define EPOCH_DEFAULT_NS UINT64_C(900000000000)
#define EPOCH_MOST_NS UINT64_C(86400000000000) /* a host that claims longer ones is not believed */

int64_t silence_due(uint64_t epoch_ns, int64_t now_ns)
{
	uint64_t e = epoch_ns ? epoch_ns : EPOCH_DEFAULT_NS;

	return now_ns + (int64_t)(e < EPOCH_MOST_NS ? e : EPOCH_MOST_NS) + (int64_t)EPOCH_GRACE_NS;
}

static int tell(struct store *s, const struct store_chain *c, int64_t now_ns,
		void (*said)(const char *line))
{
	struct store_finding f = {.at_ns = now_ns,
				  .severity = STORE_HIGH,
				  .kind = SILENCE_KIND,
				  .seq = c->last_seq + 1};
	char line[2 * STORE_LINE_LEN + 256];
	int r;

	memcpy(f.chain, c->id, sizeof(f.chain));
	snprintf(f.cn, sizeof(f.cn), "%s", c->cn);
	snprintf(f.detail, sizeof(f.detail),
		 "no seal is come and nothing else for %lld s; the agent did not say that it ends",
		 (long long)(now_ns - c->updated_ns) / 1000000000);
	r = store_finding_add(s, &f);
	if (r)
		return r;
	snprintf(line, sizeof(line), "high finding %s: certificate %s, host %s, record %llu: %s",
		 f.kind, c->cn, c->host, (unsigned long long)f.seq, f.detail);
	said(line);
	return 0;
}

int silence_check(struct store *s, int64_t now_ns, void (*said)(const char *line))
{
	static struct store_chain silent[SILENT_AT_ONCE];
	size_t n = 0;
	int r = store_overdue(s, now_ns, silent, SILENT_AT_ONCE, &n);

	if (r || !n)
		return r;
	r = store_begin(s);
	for (size_t i = 0; i < n && !r; i++)
		r = tell(s, &silent[i], now_ns, said);
	if (!r)
		return store_commit(s);
	store_rollback(s);
	return r;
}
