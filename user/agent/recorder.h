/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recorder: finished records in from the worker, sealed records out to disk and, when there
 * is a collector, to it. The only role that holds the signing key.
 */
#ifndef PROBITY_AGENT_RECORDER_H
#define PROBITY_AGENT_RECORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "record/private.h"

#define SPOOL_MAX_LEAST (4ull << 20) /* a smaller bound is raised to this */
#define RECORDER_SPOOL_MAX (1ull << 30)
#define RECORDER_SEGMENT (8u << 20)
#define RECORDER_SYNC_MS 50
#define RECORDER_SYNC_RECORDS 256

/* Texts never NULL; a number of 0 takes the default above. */
struct recorder_config {
	const char *state_dir;	    /* has spool/ and keys/; both are made when absent */
	const char *collector_host; /* "" = do not forward */
	uint16_t collector_port;
	const char *ca_file, *cert_file, *key_file; /* of the mTLS client, PEM */
	const char *witness_vkey; /* of the collector as a witness; NULL: the first it names */
	uint64_t spool_max_bytes;
	uint32_t segment_bytes, sync_ms, sync_records, epoch_s;
	uint32_t retain_days;  /* payloads older than this are erased; 0 = kept */
	bool sign_checkpoints; /* only control records and checkpoints are signed, the rest by MAC */
	const char *org;       /* of checkpoint origins; "": probity */
	const struct private *privacy; /* NULL: payloads are sealed as they come */
	const char *pseudonym_key;     /* its file, when privacy needs one */
	const char *kek;     /* of the files in keys/, as kek_open takes it; NULL: the default */
	const char *tpm;     /* where a TPM is that signs checkpoints too; NULL: none */
	uint32_t tpm_handle; /* of a key in it; 0: one of our own */
	const char *user;    /* to drop to; "" = probity if it exists, else nobody */
	const char *host, *agent_version, *kernel, *config_sha256; /* for START */
	bool no_seccomp;					   /* only for sanitizer builds */
};

/*
 * Entered in a fresh process, still root. Returns the exit status: 0 after ROLE_STOP, SIGTERM or
 * the keeper's end, with everything received before sealed and durable; 1 when it could not start
 * (one line says why). worker_fd and keeper_fd are ends of role_pair; worker_fd should be the same
 * socket over restarts of the recorder, so that nothing queued in it is lost.
 */
int recorder_main(const struct recorder_config *cfg, int worker_fd, int keeper_fd);

#endif
