/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by ingest.c and ingest_record.c; nobody else includes this. */
#ifndef PROBITY_COLLECTOR_INGEST_INT_H
#define PROBITY_COLLECTOR_INGEST_INT_H

#include "ingest.h"
#include "record/look.h"
#include "record/note_ecdsa.h"
#include "record/segment.h"

typedef Probity__V1__Ack__Fault fault_t;
#define F(x) PROBITY__V1__ACK__FAULT__##x

struct ingest {
	struct store *st;
	struct witness *witness;
	const struct ingest_peer *peer;
	const Probity__V1__Batch *batch;
	int64_t now_ns;
	struct store_chain chain, committed; /* with this batch; before it */
	bool known, was_known;
	bool dirty;	     /* the transaction holds something */
	struct looks *looks; /* NULL: each signature in its turn */
	bool ahead;	     /* looks' items are records ahead_from to below ahead_to */
	size_t ahead_from, ahead_to;
	const struct chain_checked *checked; /* of the record that is taken, or NULL */
	struct chain_state state;
	struct mac_key mac;		   /* state's, when the chain is seeded */
	uint64_t floor_ns;		   /* wall time below which a record is back-dated */
	bool told_time, told_erased;	   /* once a batch */
	uint64_t witnessed, was_witnessed; /* size cosigned last; before this batch */
	struct store_key *keys;		   /* of epochs that began in the hole of this batch */
	size_t keys_n;
	bool crossed;
	char cosigned[STORE_NOTE_MAX], vkey[WITNESS_VKEY_MAX];
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
/* The chain's state as in->chain has it. 0, -EUCLEAN. */
int ingest_resume(struct ingest *in);
int ingest_record(struct ingest *in, const Probity__V1__SealedRecord *rec);
/* What is known of record i of the batch before its turn; NULL: nothing. In order of i. */
const struct chain_checked *ingest_ahead(struct ingest *in, size_t i);
/* Takes K_0, or says that another one came. */
int ingest_seed(struct ingest *in);
/* The record `head` does not follow what is held: over the hole, or a gap. */
int ingest_cross(struct ingest *in, const struct record *head);
/* It was crossed and the record behind it is stored: keeps what proves it, and says so. */
int ingest_crossed(struct ingest *in, uint64_t first, const struct record *head);
/* A record that does not fit; why: chain_append's. */
int ingest_misfit(struct ingest *in, uint64_t seq, const Probity__V1__SealedRecord *rec,
		  const char *why);
/* Two records of one place: whether the host made both. */
int ingest_fork(struct ingest *in, uint64_t seq, const Probity__V1__SealedRecord *rec,
		const char *why);
/* Time of a record that was taken. */
int ingest_time(struct ingest *in, const struct record *head, const Probity__V1__SealedRecord *rec);
int ingest_checkpoint(struct ingest *in);
/* Keeps the tree's edge, once in EDGE_EVERY records: what a checkpoint of an older size costs is bounded. */
#define EDGE_EVERY 4096
int ingest_edge(struct ingest *in);
/* The TPM's line; held: what was cosigned before, or NULL. ret: its key, where *ret_is. */
int ingest_tpm(struct ingest *in, const struct note *n, const struct checkpoint *c,
	       const struct store_witness *held, uint8_t ret[static ECDSA_PUBLIC_LEN],
	       bool *ret_is);
/* What was cosigned of this chain before. */
int ingest_witnessed(struct ingest *in);
void ingest_chain_hex(const uint8_t *chain, char out[static 33]);

#endif
