/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper's gate as its two files see it: gate.c has rules, masks and names, gate_refuse.c refusals. */
#ifndef PROBITY_AGENT_GATE_INT_H
#define PROBITY_AGENT_GATE_INT_H

#include "agent/gate.h"
#include "agent/gate_stop.h"

struct keeper_gate {
	struct bpf *b;
	int todo, waits, marks, names, upto;
	struct gate_settings *set; /* mapped */
	struct role_gate next;	   /* told, its kernel rules still to come */
	uint64_t in_force;	   /* generation of the kernel rules */
	bool monitor;
	struct kgate_ops ops;
	void *ctx;
	struct gate_stop *stops;
	bool stop_only;	  /* --gate=stop */
	uint64_t look_at; /* in sock_verdicts: looked through up to here */
	uint32_t look_of; /* bpf_denied() when that began; 0 = it has not */
	struct {
		uint64_t masks, masked_bytes, mask_failed, late, nonsense;
		uint64_t refused[GATE_MECHANISM__MAX], refuse_failed;
		uint64_t destroyed, shut, end_failed;
	} n;
};

/* gate.c */
int kgate_nonsense(struct keeper_gate *g, int r);				/* counts it; r */
int kgate_waiter(struct keeper_gate *g, uint64_t seq, struct gate_waiter *ret); /* 0, -ESRCH */

/* gate_refuse.c */
int kgate_mark_cookie(struct keeper_gate *g, uint64_t cookie, uint32_t verdict);
int kgate_mark_socket(struct keeper_gate *g, int sock, uint64_t cookie, uint32_t verdict);
int kgate_end_socket(struct keeper_gate *g, int sock, uint64_t cookie);
int kgate_process(uint32_t pid, uint64_t start_ns); /* a pidfd, if it is the one that was judged */
int kgate_refuse_waiter(void *gate, const struct gate_waiter *w);

#endif
