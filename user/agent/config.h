/* SPDX-License-Identifier: Apache-2.0 */
/* What probityd was told on its command line; the same for all roles. */
#ifndef PROBITY_AGENT_CONFIG_H
#define PROBITY_AGENT_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "record/private.h"

struct config {
	const char *state_dir, *run_dir, *policy, *user;
	const char *collector_host; /* "" = none */
	uint16_t collector_port;
	const char *tls_dir;
	const char *witness_vkey; /* NULL = the first key the collector names */
	const char *policy_key;	  /* packs must be signed by it; NULL = need not */
	bool allow_rollback;	  /* a pack may have a lower revision than one before */
	bool gate;		  /* writes wait until their content is judged */
	bool gate_stop_only; /* ... and where it would inside of its probe, its process is stopped */
	const char *host_id; /* of this machine: hex, the same for ever */
	uint32_t enforce;    /* 0 monitor, 1 enforce, 2 as the pack says */
	uint32_t ring_mib;
	bool attach_all;      /* probes for everybody, not by process */
	uint32_t probation_s; /* how long a process has to show that it is a client of AI */
	uint32_t hold_ms;     /* a first TLS flight waits so long for probes; 0 = never */
	uint64_t spool_max;
	uint32_t epoch_s;     /* 0 = the default */
	uint32_t retain_days; /* payloads older than this are erased; 0 = kept */
	struct private privacy; /* what records lose before they are sealed; its key is the recorder's */
	const char *pseudonym_key; /* its file */
	const char *kek; /* of the recorder's key files; NULL: the default credential, if any */
	const char *tpm; /* where a TPM is that signs checkpoints too; NULL: none */
	uint32_t tpm_handle;
	const char *pin_dir; /* "" = nothing outlives the keeper */
	bool keep_enforcing; /* an orderly stop leaves what is refused in force */
	enum { GUARD_OFF, GUARD_ON, GUARD_AUTO } guard; /* auto: on, but in monitor mode */
	int ready_fd;					/* or -1 */
	bool no_seccomp, debug;

	char **argv; /* to start the roles with */
	int argc;
};

/* The descriptors a role is started with, in the order of --fds. */
struct worker_fds {
	int keeper, recorder, events, verdicts, asleep, inflight;
	int gate_slots; /* -1: this kernel part has no gate */
};
struct recorder_fds {
	int keeper, worker;
};

int keeper_main(const struct config *c);
int worker_main(const struct config *c, const struct worker_fds *fds, uint32_t ring_bytes);

#endif
