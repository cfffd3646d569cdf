// SPDX-License-Identifier: Apache-2.0
/*
 * In: the place where the collector is. Out: the next request to it: the question where that is, or
 * the records from there on, read from the spool as they lie there. When the spool no longer has
 * what the collector asks for, the first request behind the hole carries what forward_gap.c gathers. The
 * seed of the MACs goes with every request until the collector holds it, a checkpoint with the first
 * request after its records were confirmed. At most FORWARD_RECORDS_MAX records and FORWARD_BYTES_MAX bytes of them.
 */
#include "forward_int.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>

#include "base/cleanup.h"

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
		forward_sealed(&fr, &f->rec[k]);
		f->recs[k] = &f->rec[k];
		k++;
		p += used;
	}
	return k;
}

void forward_body_free(struct forward *f)
{
	if (f->body)
		OPENSSL_cleanse(f->body, f->body_n); /* it may hold the seed */
	free(f->body);
	f->body = NULL;
}

static bool pack(struct forward *f, const Probity__V1__Batch *b)
{
	size_t n = probity__v1__batch__get_packed_size(b);

	forward_body_free(f);
	f->body = malloc(n ? n : 1);
	if (!f->body)
		return false;
	f->body_n = n;
	probity__v1__batch__pack(b, f->body);
	return true;
}

static void send_body(struct forward *f, size_t records, bool proof)
{
	f->answer_len = 0;
	f->answer_long = false;
	f->curl_error[0] = '\0';
	f->sent_ms = forward_now_ms();
	f->proof_sent = proof;
	f->sent_end = records ? f->next + records : 0;
	if (curl_easy_setopt(f->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)f->body_n) !=
		    CURLE_OK ||
	    curl_easy_setopt(f->easy, CURLOPT_POSTFIELDS, f->body) != CURLE_OK ||
	    curl_multi_add_handle(f->multi, f->easy) != CURLM_OK) {
		forward_back_off(f, "libcurl takes no request");
		return;
	}
	f->busy = true;
	f->st.requests++;
	f->st.sent_bytes += f->body_n;
}

static void request(struct forward *f, size_t records, struct forward_gap *gap)
{
	Probity__V1__Batch b = PROBITY__V1__BATCH__INIT;
	uint8_t seed[MAC_LEN];
	bool packed;

	b.version = 1;
	b.chain = (ProtobufCBinaryData){16, (uint8_t *)spool_state(f->c.spool)->chain};
	b.public_key = (ProtobufCBinaryData){RECORD_PUBKEY_LEN, f->public};
	b.host = f->host_name;
	b.records = f->recs;
	b.n_records = records;
	if (!f->st.seed_held && epochs_seed(f->c.epochs, seed))
		b.mac_seed = (ProtobufCBinaryData){MAC_LEN, seed};
	if (gap) {
		b.loss = gap->has_loss ? &gap->loss : NULL;
		b.seals = gap->seal_list;
		b.n_seals = gap->seals_n;
		b.edge = gap->peaks;
		b.n_edge = gap->peaks_n;
		b.edge_consistency = gap->proof;
		b.n_edge_consistency = gap->proof_n;
	}
	forward_checkpoint_attach(f, &b);
	packed = pack(f, &b);
	OPENSSL_cleanse(seed, sizeof(seed));
	if (packed)
		send_body(f, records, gap && gap->has_loss);
	else
		forward_back_off(f, "no memory for a batch");
}

/* Records from `kept` on, behind a gap when the collector does not hold all before. */
static void send_records(struct forward *f, uint64_t kept)
{
	_cleanup_(forward_gap_done) struct forward_gap gap = {0};
	uint64_t held = f->confirmed ? f->st.acked_seq + 1 : 0;
	const char *why;
	size_t records;
	ssize_t n;

	if (kept > held && forward_gap_of(f, held, kept, f->confirmed, &gap, &why)) {
		forward_back_off(f, why);
		return;
	}
	f->next = kept;
	n = spool_read(f->c.spool, kept, f->frames, sizeof(f->frames), FORWARD_RECORDS_MAX,
		       &records);
	if (n == -ENOENT)
		return; /* gone meanwhile, or damaged: the next step sees what is kept */
	if (n < 0)
		forward_back_off(f, "the spool cannot be read");
	else if (n > 0)
		request(f, sealed_records(f, n), kept > held ? &gap : NULL);
}

static bool records_wait(const struct forward *f)
{
	return spool_next_kept(f->c.spool, f->next) < spool_state(f->c.spool)->durable_seq;
}

void forward_send(struct forward *f)
{
	if (f->asked && records_wait(f))
		send_records(f, spool_next_kept(f->c.spool, f->next));
	else if (!f->asked || forward_checkpoint_due(f))
		request(f, 0, NULL);
}

/* The last of them that lie in one segment, so that what this run sealed is among them. */
void forward_evidence(struct forward *f)
{
	uint64_t end = spool_state(f->c.spool)->durable_seq, from = end;
	size_t records = 0;
	ssize_t n = 0;

	f->evidence = false;
	from = spool_next_kept(f->c.spool,
			       end > FORWARD_RECORDS_MAX ? end - FORWARD_RECORDS_MAX : 0);
	for (; from < end; from += records) {
		n = spool_read(f->c.spool, from, f->frames, sizeof(f->frames), FORWARD_RECORDS_MAX,
			       &records);
		if (n <= 0 || !records || from + records >= end)
			break;
	}
	if (n <= 0 || !records)
		return;
	f->next = from;
	request(f, sealed_records(f, n), NULL);
}

bool forward_wanted(const struct forward *f)
{
	return !f->asked || records_wait(f) || forward_checkpoint_due(f);
}
