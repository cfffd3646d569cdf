/* SPDX-License-Identifier: Apache-2.0 */
/* What guard.c and guard_unlock.c share. */
#ifndef PROBITY_AGENT_GUARD_INT_H
#define PROBITY_AGENT_GUARD_INT_H

#include <stdint.h>

#include "agent/guard.h"
#include "proto/guard.h"
#include "proto/record.pb-c.h"

#define GUARD_PROGRAMS 24
#define NONCE_BYTES 32
#define GUARD_WAITING 8 /* records that no worker has taken yet */

struct bpf_link;

struct guard {
	struct bpf *bpf;
	const struct config *cfg;
	struct guard_now *now; /* mapped */
	bool locked;	       /* the programs are attached */
	bool open;	       /* a window is open, as far as we have told */
	char why[160];	       /* not locked */
	struct bpf_link *links[GUARD_PROGRAMS], *exit;
	uint8_t nonce[NONCE_BYTES];
	uint64_t nonce_ns; /* until when it is good, CLOCK_BOOTTIME; 0 = none */
	bool (*tell)(void *ctx, enum role_kind kind, const void *head, size_t n, const void *tail,
		     size_t m);
	void *ctx;
	struct {
		void *p;
		size_t n;
	} waiting[GUARD_WAITING];
	unsigned waiting_n, lost;
};

uint64_t guard_boot_ns(void);
/* Seals, as soon as there is a worker. */
void guard_seal(struct guard *g, const Probity__V1__Control *c);

#endif
