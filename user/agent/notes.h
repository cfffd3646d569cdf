/* SPDX-License-Identifier: Apache-2.0 */
/* Payloads of the control records that the recorder makes itself: START, STOP, LOSS, REPAIR. */
#ifndef PROBITY_AGENT_NOTES_H
#define PROBITY_AGENT_NOTES_H

#include "recorder.h"
#include "spool.h"

#define NOTE_BYTES_MAX 8192
/* Each gives the length of the payload in out[NOTE_BYTES_MAX], 0 when it does not fit. */
size_t note_start(const struct recorder_config *c, const uint8_t *public, const uint8_t *nonce,
		  size_t nonce_len, uint64_t epoch_ns, int64_t clock_step_ns, uint8_t *out);
/* SEAL: struct of what stands in it. */
struct note_seal {
	uint32_t epoch;
	uint64_t first_seq, tree_size, epoch_ns;
	struct tree_hash root;
	uint8_t next_public[RECORD_PUBKEY_LEN];
	const char *reason;
	bool late;
	const uint8_t *tpm_public; /* NULL: none */
};
size_t note_seal(const struct note_seal *n, uint8_t *out);
size_t note_clock_step(int64_t step_ns, uint8_t *out);
/* public may be NULL: none is known. cause "": it signs; count: checkpoints that went without. */
size_t note_tpm(const uint8_t *public, const char *cause, const char *reason, uint64_t count,
		uint8_t *out);
size_t note_stop(const char *reason, uint8_t *out);
/* `count` records lost for `cause`; first to last is the hole in the chain, where there is one. */
size_t note_loss(const char *reason, const char *cause, uint64_t count, uint64_t first,
		 uint64_t last, uint8_t *out);
/* cause: holds_less, cosigned_less; records first to last are not there any more, it says */
size_t note_collector(const char *reason, const char *cause, uint64_t first, uint64_t last,
		      uint8_t *out);
struct note_erase {
	uint64_t first, last;
	const char *reason, *operator; /* "": the agent itself, by its configuration */
	uint32_t uid;
};
size_t note_erase(const struct note_erase *n, uint8_t *out);
size_t note_repair(const struct spool_repair *r, uint8_t *out);

#endif
