/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by recorder.c, recorder_start.c, recorder_seal.c and recorder_status.c only. */
#ifndef PROBITY_AGENT_RECORDER_INT_H
#define PROBITY_AGENT_RECORDER_INT_H

#include "epochs.h"
#include "forward.h"
#include "notes.h"
#include "pending.h"
#include "pseudonyms.h"
#include "record/checkpoint.h"
#include "recorder.h"
#include "role.h"
#include "spool.h"
#include "tpm.h"

struct json_t;
struct recorder {
	const struct recorder_config *cfg;
	uint64_t spool_max;
	uint32_t sync_ms, sync_records;
	struct epochs *epochs;
	char origin[ORIGIN_MAX]; /* "<org>/<host>" */
	struct spool *spool;
	struct forward *forward;
	int worker, keeper, signals; /* worker: -1 when its socket has ended */

	/* From start until the worker's hello, and then until it has resent: see recorder.c. */
	bool hello_wait, hello_owed;
	uint64_t resend_last;
	struct pending held;

	/* Received in order and not sealable now: the disk does not take more. */
	struct pending queue;
	bool stalled;
	uint64_t retry_ms, lost_unsealed; /* dropped from queue, not yet in a LOSS record */
	bool reserve;			  /* its file is there */

	uint64_t last_id;  /* newest id sealed or queued */
	uint64_t acked_id; /* last told to the worker */
	bool ack_owed, sync_owed;
	struct role_sync sync; /* the answer that is owed */
	uint64_t first_pending_ms, status_ms, checkpoint_ms, epoch_ns;

	/* recorder_tpm.c */
	struct {
		struct tpm *t;	 /* NULL: none was asked for */
		char note[1280]; /* a checkpoint that is not written yet */
		size_t n;	 /* 0: none */
		uint64_t size;
		bool failing; /* as sealed last */
		uint64_t told, told_ms;
	} tpm;

	/* recorder_erase.c */
	uint64_t erase_seq, erase_ms;	 /* the ERASE record; when to go on */
	uint64_t retained_to, retain_ms; /* nothing older has a payload; when to look again */

	uint64_t records, duplicates, refused, lost_spool, lost_memory;
	bool stop, keeper_gone;
	_Alignas(8) uint8_t buf[ROLE_BODY_MAX];

	/* recorder_private.c; `private`: there is something to leave out or to replace */
	bool private;
	struct private privacy;
	struct pseudonym_keys pseudonyms;
	uint64_t unreadable; /* payloads left empty, not yet in a LOSS record */
	uint8_t clean[SPOOL_PAYLOAD_MAX];
};

uint64_t recorder_now_ms(void);

/* recorder_start.c: everything that needs root, then its loss. One log line on failure. */
int recorder_open(struct recorder *r);
void recorder_close(struct recorder *r);

/* recorder_seal.c */
int recorder_note(struct recorder *r, const uint8_t *payload, size_t n); /* seal a control record */
int recorder_end_epoch(struct recorder *r, const char *reason, bool late); /* SEAL */
int recorder_step(struct recorder *r);			/* SEAL and CLOCK_STEP, when they are due */
int64_t recorder_clock_moved(const struct recorder *r); /* since the last record of this boot, ns */
void recorder_accept(struct recorder *r, const struct role_record *head, const uint8_t *payload);
void recorder_commit(struct recorder *r); /* and tell the worker; on failure the stall begins */
void recorder_retry(struct recorder *r, uint64_t now_ms); /* while stalled */
void recorder_tell(struct recorder *r);			  /* owed hello and acks */
int recorder_set_back(void *ctx, const char *cause, const char *reason, uint64_t first,
		      uint64_t last);
int recorder_declare(void *ctx, uint64_t first, uint64_t last, uint64_t confirmed);

/* recorder_private.c */
int recorder_private_open(struct recorder *r, char *err, size_t err_len);
void recorder_private_close(struct recorder *r);
int recorder_private_seal(struct recorder *r, const struct role_record *head,
			  const uint8_t *payload);
void recorder_reveal(struct recorder *r, const uint8_t *body); /* a ROLE_REVEAL, checked */

/* recorder_erase.c */
int recorder_erase_begin(struct recorder *r);		      /* of what a run before did not end */
void recorder_erase(struct recorder *r, const uint8_t *body); /* a ROLE_ERASE, checked */
void recorder_ages_unsure(struct recorder *r);		      /* the clock was set */
void recorder_erase_step(struct recorder *r, uint64_t now_ms);

/* recorder_tpm.c */
int recorder_tpm_open(struct recorder *r, char *err, size_t err_len);
int recorder_tpm_begin(struct recorder *r); /* seals which key it is */
void recorder_checkpoint(struct recorder *r);
void recorder_tpm_step(struct recorder *r); /* what the TPM answered, if it did */
void recorder_tpm_end(struct recorder *r);  /* waits for it, bounded */
struct json_t *recorder_keys_json(const struct recorder *r);

/* recorder_status.c */
void recorder_status(struct recorder *r);

#endif
