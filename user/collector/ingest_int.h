/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by ingest.c and ingest_record.c; nobody else includes this. */
#ifndef PROBITY_COLLECTOR_INGEST_INT_H
#define PROBITY_COLLECTOR_INGEST_INT_H

#include "ingest.h"
#include "record/segment.h"

typedef Probity__V1__Ack__Fault fault_t;
#define F(x) PROBITY__V1__ACK__FAULT__##x

struct ingest {
	struct store *st;
	const struct ingest_peer *peer;
	const Probity__V1__Batch *batch;
	int64_t now_ns;
	struct store_chain chain, committed; /* with this batch; before it */
	bool known, was_known;
	bool dirty; /* the transaction holds something */
	struct chain_state state;
	fault_t fault;
	uint64_t fault_seq;
	char error[200];
	struct ingest_result *ret;
};

/* Steps answer 0 to go on, INGEST_STOP when a fault ends the batch, -errno when the store failed. */
#define INGEST_STOP 1

int ingest_fault(struct ingest *in, fault_t f, uint64_t seq, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Keeps a refusal and what was refused; rec may be NULL. The text is in->error. */
int ingest_finding(struct ingest *in, enum store_severity severity, const char *kind, uint64_t seq,
		   const Probity__V1__SealedRecord *rec);
/* Both: a fault and its finding. */
int ingest_refuse(struct ingest *in, fault_t f, enum store_severity severity, const char *kind,
		  uint64_t seq, const Probity__V1__SealedRecord *rec, const char *text);
/* The chain's state as in->chain has it. */
void ingest_resume(struct ingest *in);
int ingest_record(struct ingest *in, const Probity__V1__SealedRecord *rec);

#endif
