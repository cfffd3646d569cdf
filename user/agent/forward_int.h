/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by forward.c and forward_batch.c only. */
#ifndef PROBITY_AGENT_FORWARD_INT_H
#define PROBITY_AGENT_FORWARD_INT_H

#include <curl/curl.h>

#include "forward.h"
#include "proto/forward.pb-c.h"

#define ANSWER_MAX 16384

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
	Probity__V1__SealedRecord rec[FORWARD_RECORDS_MAX], *recs[FORWARD_RECORDS_MAX];
};

uint64_t forward_now_ms(void);
/* Away from now on: tried again after a pause. `why` is for people. */
void forward_back_off(struct forward *f, const char *why);
/* Begins the next request when there is something to send; f->busy tells. */
void forward_send(struct forward *f);
bool forward_wanted(const struct forward *f);

#endif
