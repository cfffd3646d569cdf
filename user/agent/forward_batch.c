// SPDX-License-Identifier: Apache-2.0
/*
 * In: the place where the collector is. Out: the next request to it: the question where that is, or
 * the records from there on, read from the spool as they lie there. When the spool no longer has
 * what the collector asks for, the first request behind the hole carries a signed LOSS record that
 * covers it. At most FORWARD_RECORDS_MAX records and FORWARD_BYTES_MAX bytes of them.
 */
#include "forward_int.h"

#include <errno.h>
#include <stdlib.h>

static size_t sealed_records(struct forward *f, size_t n)
{
	const uint8_t *p = f->frames, *end = p + n;
	const char *why;
	size_t k = 0;

	while (p < end && k < FORWARD_RECORDS_MAX) {
		struct frame fr;
		long used = frame_parse(p, end - p, &fr, &why);

		if (used <= 0)
			break;
		probity__v1__sealed_record__init(&f->rec[k]);
		f->rec[k].record = (ProtobufCBinaryData){fr.record_len, (uint8_t *)fr.record};
		f->rec[k].signature =
			(ProtobufCBinaryData){fr.sig ? RECORD_SIG_LEN : 0, (uint8_t *)fr.sig};
		f->rec[k].mac = (ProtobufCBinaryData){MAC_LEN, (uint8_t *)fr.mac};
		f->recs[k] = &f->rec[k];
		k++;
		p += used;
	}
	return k;
}

static void request(struct forward *f, size_t records, Probity__V1__SealedRecord *loss)
{
	Probity__V1__Batch b = PROBITY__V1__BATCH__INIT;
	size_t n;

	b.version = 1;
	b.chain = (ProtobufCBinaryData){16, (uint8_t *)spool_state(f->c.spool)->chain};
	b.public_key = (ProtobufCBinaryData){RECORD_PUBKEY_LEN, f->public};
	b.host = f->host_name;
	b.records = f->recs;
	b.n_records = records;
	b.loss = loss;
	n = probity__v1__batch__get_packed_size(&b);
	free(f->body);
	f->body = malloc(n ? n : 1);
	if (!f->body) {
		forward_back_off(f, "no memory for a batch");
		return;
	}
	probity__v1__batch__pack(&b, f->body);
	f->answer_len = 0;
	f->answer_long = false;
	f->curl_error[0] = '\0';
	f->sent_ms = forward_now_ms();
	f->proof_sent = loss;
	f->sent_end = records ? f->next + records : 0;
	if (curl_easy_setopt(f->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)n) != CURLE_OK ||
	    curl_easy_setopt(f->easy, CURLOPT_POSTFIELDS, f->body) != CURLE_OK ||
	    curl_multi_add_handle(f->multi, f->easy) != CURLM_OK)
		forward_back_off(f, "libcurl takes no request");
	else
		f->busy = true;
}

/*
 * The hole between what the collector holds and the first record kept: the LOSS record that covers
 * it, made now if there is none. False: not to be had, or (records moved) not needed any more.
 */
static bool proof(struct forward *f, uint64_t kept, Probity__V1__SealedRecord *ret)
{
	const struct spool_state *s = spool_state(f->c.spool);
	uint64_t first = f->next, confirmed = 0;
	const char *why;
	struct frame fr;
	ssize_t n;
	size_t one;

	if (!s->hole.valid || s->hole.first > first || s->hole.last + 1 < kept ||
	    s->hole.seq < s->first_seq) {
		if (f->acked_end > first)
			confirmed = (f->acked_end < kept ? f->acked_end : kept) - first;
		if (f->c.declare(f->c.ctx, first, kept - 1, confirmed))
			return false;
	}
	n = spool_read(f->c.spool, s->hole.seq, f->loss, sizeof(f->loss), 1, &one);
	if (n <= 0 || frame_parse(f->loss, n, &fr, &why) <= 0)
		return false;
	probity__v1__sealed_record__init(ret);
	ret->record = (ProtobufCBinaryData){fr.record_len, (uint8_t *)fr.record};
	ret->signature = (ProtobufCBinaryData){fr.sig ? RECORD_SIG_LEN : 0, (uint8_t *)fr.sig};
	ret->mac = (ProtobufCBinaryData){MAC_LEN, (uint8_t *)fr.mac};
	return true;
}

void forward_send(struct forward *f)
{
	Probity__V1__SealedRecord loss, *with = NULL;
	uint64_t kept;
	size_t records;
	ssize_t n;

	if (!f->asked) {
		request(f, 0, NULL);
		return;
	}
	kept = spool_next_kept(f->c.spool, f->next);
	if (kept >= spool_state(f->c.spool)->durable_seq)
		return;
	/* A collector that holds nothing of the chain takes it from wherever it begins. */
	if (kept > f->next && f->confirmed) {
		if (!proof(f, kept, &loss)) {
			forward_back_off(f, "the loss record it needs cannot be sealed now");
			return;
		}
		with = &loss;
	}
	f->next = kept;
	n = spool_read(f->c.spool, kept, f->frames, sizeof(f->frames), FORWARD_RECORDS_MAX,
		       &records);
	if (n == -ENOENT)
		return; /* gone meanwhile, or damaged: the next step sees what is kept */
	if (n < 0)
		forward_back_off(f, "the spool cannot be read");
	else if (n > 0)
		request(f, sealed_records(f, n), with);
}

bool forward_wanted(const struct forward *f)
{
	return !f->asked ||
	       spool_next_kept(f->c.spool, f->next) < spool_state(f->c.spool)->durable_seq;
}
