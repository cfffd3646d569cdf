/* SPDX-License-Identifier: Apache-2.0 */
/* The whole store verified again from its stored bytes, trusting none of its columns. */
#ifndef PROBITY_COLLECTOR_AUDIT_H
#define PROBITY_COLLECTOR_AUDIT_H

#include "store/store.h"

struct audit_finding {
	uint8_t chain[16];
	bool has_chain;
	uint64_t seq;
	char kind
		[32]; /* chain_append's, or: file, column, row, count, gap, hole, chain row, orphan, key,
			witness, uncovered, erased, seal_overdue, ledger */
	char detail[STORE_LINE_LEN];
};
struct audit_result {
	uint64_t chains, records, findings;
	uint64_t
		declared; /* records not there that their host declared gone, or that were before */
	uint64_t macs, cosigned; /* checked; logs of which a tree is cosigned */
};
struct audit_options {
	const struct note_key *witness; /* our own; NULL: cosignatures are not checked */
	int64_t now_ns;			/* 0: silence is not looked at */
	void (*finding)(void *ctx, const struct audit_finding *f);
	void *ctx;
};
/* At most AUDIT_PER_CHAIN findings are called back per chain; all are counted. 0 when the store
 * could be read; -errno with store_error. */
#define AUDIT_PER_CHAIN 20
int audit_store(struct store *s, const struct audit_options *o, struct audit_result *ret);

#endif
