/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One batch as received, and who sent it → what is stored and the answer. No network and no log:
 * the server carries bytes in and out and prints `alarm`.
 *
 * Trust. A chain's first record is a START at seq 0 that carries the key of its first epoch; the
 * chain then belongs to that key, to those its SEALs name one after the other, and to the certificate name
 * (CN) that brought it. A spool that no longer has seq 0 says so by Batch.public_key, the SEALs since and
 * the tree's edge: the chain is taken from where it begins, and a finding says what that means. A hole
 * inside a chain is taken with the host's signed word that those records are gone besides (hole.h). An
 * unknown chain that begins later without public_key is answered GAP + empty, "send from your first
 * record". K_0 of the MACs is taken once, and from then on every record must have a right one.
 *
 * Answers: `last_seq` and `last_leaf` always name what is committed, also beside a fault; records
 * before the faulty one are kept. With STORE, `empty` = nothing can be said about what is held.
 *
 *   fault        HTTP  when                                              finding
 *   NONE         200   all records are committed, or were before
 *   GAP          200   a record is missing before fault_seq              before_first (low)
 *   FORK         200   fault_seq signed twice with different content     fork, rollback, resealed (critical)
 *   BAD_RECORD   200   malformed, unsigned, out of its chain             bad_record, back_dated, epoch,
 *                                                                        many_chains (high), mac, tree,
 *                                                                        missing_seal,
 *                                                                        two_seals (critical)
 *   WRONG_KEY    200   another key, or another certificate name          wrong_key, old_key, foreign_cn (high)
 *   CHECKPOINT   200   records are committed; the checkpoint is not      rollback, fork (critical), bad_proof
 *                      cosigned (witness.h)                              (low), bad_checkpoint (medium)
 *   BAD_REQUEST  400   not a Batch                                       (413 when too large)
 *   STORE        503   the store could not commit; send again later
 *
 * Findings beside no fault: back_dated (high: a clock that was set back to before what is cosigned),
 * mac_seed (high: a second K_0), chain_begins_late, declared_hole, unreadable_payload, future_time, erased
 * (medium; the last: a record that came without its payload; one that is held is never replaced)
 * and after_loss (low: a record that was declared gone came after all; kept as evidence only).
 * seal_overdue (high) is silence.h's, and closed here when the chain goes on.
 */
#ifndef PROBITY_COLLECTOR_INGEST_H
#define PROBITY_COLLECTOR_INGEST_H

#include "proto/forward.pb-c.h"
#include "store/store.h"
#include "witness.h"

#define INGEST_BODY_MAX (4u << 20)
#define INGEST_ACK_MAX 8192
#define INGEST_CHAINS_MAX 1000 /* of one certificate name */
#define INGEST_CLOCK_NS \
	INT64_C(300000000000) /* how far clocks may be apart before it is a finding */

struct ingest_peer {
	const char *cn; /* of the certificate the CA has verified; pki_peer */
	uint8_t cert_sha256[32];
};

struct ingest_result {
	int http; /* status code of the answer */
	Probity__V1__Ack__Fault fault;
	uint64_t added, held; /* records committed now; records that were held before */
	char alarm[512];      /* one line for the log; "" when all is well */
	uint8_t ack[INGEST_ACK_MAX];
	size_t ack_len;
};

struct looks;

/* Always gives an answer. 0, or -errno of the store (then http is 503). looks: who checks signatures, NULL =
 * the calling thread. */
int ingest_batch(struct store *st, struct witness *w, struct looks *looks,
		 const struct ingest_peer *peer, const uint8_t *body, size_t n, int64_t now_ns,
		 struct ingest_result *ret);

#endif
