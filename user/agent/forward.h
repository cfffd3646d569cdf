/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Durable records from the spool to the collector: POST /v1/records over mutual TLS 1.3, one
 * request at a time, read back from disk so that an outage costs no memory. Runs on the caller's
 * loop: forward_wait instead of poll, then forward_step.
 */
#ifndef PROBITY_AGENT_FORWARD_H
#define PROBITY_AGENT_FORWARD_H

#include <poll.h>

#include "epochs.h"
#include "spool.h"

#define FORWARD_RECORDS_MAX 512
#define FORWARD_BYTES_MAX (1u << 20)
#define FORWARD_BACKOFF_MIN_MS 500
#define FORWARD_BACKOFF_MAX_MS 30000
#define FORWARD_BACKOFF_CUT_MS 2000

struct forward_pem {
	const char *text;
	size_t n;
};
struct forward_config {
	const char *host; /* of the collector: checked against its certificate */
	uint16_t port;
	struct forward_pem ca, cert, key; /* only this CA is trusted; copied */
	const char *host_name;		  /* of this host */
	struct epochs *epochs;		  /* the chain's first key, and the MAC's seed */
	struct spool *spool;
	const char *witness_vkey; /* whose cosignatures count; NULL or "": the first key it names */
	/* Records first to last are asked for and gone: seal a LOSS record that covers them, make it
	 * durable, spool_note_hole. confirmed: how many of them the collector had confirmed before
	 * (so nobody has declared them yet). 0 or -errno. */
	int (*declare)(void *ctx, uint64_t first, uint64_t last, uint64_t confirmed);
	/* Records first to last were confirmed before (holds_less), or were in a tree it had cosigned
	 * (cosigned_less), and are not any more: seal a COLLECTOR record. May be NULL. 0 or -errno. */
	int (*set_back)(void *ctx, const char *cause, const char *reason, uint64_t first,
			uint64_t last);
	void *ctx;
};

enum forward_witness { WITNESS_UNKNOWN, WITNESS_FIRST_USE, WITNESS_CONFIGURED };
enum forward_state { FORWARD_OFF, FORWARD_OK, FORWARD_AWAY, FORWARD_REFUSED };
struct forward_status {
	enum forward_state state;
	bool acked; /* acked_seq is known, from the collector or from the hint of an earlier run */
	uint64_t acked_seq;
	char target[280], last_error[256];
	uint64_t requests, failures,
		sent_bytes;		 /* failures: without an answer that could be read */
	bool seed_held;			 /* the collector has the seed of the MACs */
	enum forward_witness witness;	 /* whose key it is */
	uint64_t witnessed, witnessed_s; /* the newest tree it cosigned, and when; 0 = none */
	uint64_t checkpoints_refused, set_back, findings;
	char finding[256]; /* the last one; "": none since the start */
};

struct forward;
/* err: one line. 0 or -errno. */
int forward_new(const struct forward_config *c, struct forward **ret, char *err, size_t err_len);
void forward_free(struct forward *f);
/* poll() over fds and the connection. f may be NULL. Like poll: ready count or -errno. */
int forward_wait(struct forward *f, struct pollfd *fds, unsigned n, int timeout_ms);
/* Moves on; returns the ms until it wants to be called again without an event, -1 = never. */
int forward_step(struct forward *f, uint64_t now_ms);
/* Whether everything durable is confirmed, or cannot be for now. */
bool forward_idle(const struct forward *f);
const struct forward_status *forward_status(const struct forward *f);

#endif
