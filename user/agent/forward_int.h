/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by forward*.c only. */
#ifndef PROBITY_AGENT_FORWARD_INT_H
#define PROBITY_AGENT_FORWARD_INT_H

#include <curl/curl.h>

#include "forward.h"
#include "proto/forward.pb-c.h"
#include "record/checkpoint.h"

#define ANSWER_MAX 16384
#define SEALS_BYTES_MAX (2900u << 10) /* with a batch of records below what a collector takes */

struct forward {
	struct forward_config c;
	struct forward_status st;
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers;
	bool busy, asked;  /* a request is under way; the collector has said where it is */
	bool confirmed;	   /* acked_seq is its word, not the hint's */
	uint64_t next;	   /* sequence number to send next */
	uint64_t sent_end; /* of the request under way */
	bool evidence;	   /* of two histories is owed to the collector, once */
	bool proof_sent;   /* it carried a LOSS record for a hole */
	uint64_t again_ms, sent_ms, hint_ms, hint_seq;
	uint64_t acked_end; /* records below were confirmed at some time, by the hint or its word */
	unsigned backoff_ms, fruitless; /* requests in a row that confirmed nothing new */
	char host_name[256], curl_error[CURL_ERROR_SIZE];
	uint8_t public[RECORD_PUBKEY_LEN];
	uint8_t answer[ANSWER_MAX];
	size_t answer_len;
	bool answer_long;
	uint8_t frames[FORWARD_BYTES_MAX]; /* as read from the spool */
	uint8_t loss[80 * 1024];	   /* frame of a LOSS record */
	uint8_t *body;
	size_t body_n;
	Probity__V1__SealedRecord rec[FORWARD_RECORDS_MAX], *recs[FORWARD_RECORDS_MAX];

	/* forward_witness.c */
	uint64_t said_end,
		said_witnessed;	 /* its last word: records held, records of the last tree */
	uint64_t told_ms;	 /* when a COLLECTOR record was sealed */
	struct note_key witness; /* where st.witness says so */
	struct {
		char *note; /* NULL: none waits */
		size_t n, text_n;
		uint64_t size, done; /* of this one; of the last one that was answered */
		uint64_t seen;	     /* spool_state's when it was looked for last */
		bool sent;	     /* the request under way has it */
		struct tree_hash path[TREE_PATH_MAX];
		ProtobufCBinaryData proof[TREE_PATH_MAX];
	} cp;
};

/* What goes with a batch that does not follow what the collector holds. */
struct forward_gap {
	bool has_loss;
	Probity__V1__SealedRecord loss, *seals, **seal_list;
	size_t seals_n;
	uint8_t *frames; /* of the SEALs */
	struct tree_edge edge;
	struct tree_hash path[TREE_PATH_MAX];
	ProtobufCBinaryData peaks[64], proof[TREE_PATH_MAX];
	size_t peaks_n, proof_n;
};

uint64_t forward_now_ms(void);
/* Away from now on: tried again after a pause. `why` is for people. */
void forward_back_off(struct forward *f, const char *why);
/* Begins the next request when there is something to send; f->busy tells. */
void forward_send(struct forward *f);
/* The newest records there are, whatever the collector holds in their place. */
void forward_evidence(struct forward *f);
bool forward_wanted(const struct forward *f);
void forward_body_free(struct forward *f);

/* The collector's words are for our log and status: printable ASCII only. */
void forward_words(const char *s, char *ret, size_t cap);

void forward_sealed(const struct frame *fr, Probity__V1__SealedRecord *ret); /* borrows */
/* forward_gap.c: of the records before `kept`, of which the collector holds `held`; with_loss: it holds
 * some. 0 or -errno with *ret_why. */
int forward_gap_of(struct forward *f, uint64_t held, uint64_t kept, bool with_loss,
		   struct forward_gap *ret, const char **ret_why);
void forward_gap_done(struct forward_gap *g);

/* forward_witness.c */
int forward_witness_open(struct forward *f, char *err, size_t err_len);
void forward_said(struct forward *f, const Probity__V1__Ack *a); /* of an answer about this chain */
void forward_finding(struct forward *f, const char *fmt, ...)
	__attribute__((format(printf, 2, 3))); /* loud, and in the status */
void forward_checkpoint_look(struct forward *f);
bool forward_checkpoint_due(const struct forward *f);
void forward_checkpoint_attach(struct forward *f, Probity__V1__Batch *b);
void forward_checkpoint_answer(struct forward *f, const Probity__V1__Ack *a);
void forward_checkpoint_drop(struct forward *f);

#endif
