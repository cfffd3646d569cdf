/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Values of the maps `shared` and `tally` (bpf/maps.h), which bpf/ and the keeper both read and write. */
#ifndef PROBITY_SHARED_H
#define PROBITY_SHARED_H

#include "proto/event.h"

struct shared {
	__event_u32 self[8]; /* tgids of the agent: never captured */
	struct krule_any krule;
	__event_u32 hold_ms;	 /* a ClientHello is held no longer than this; 0 = never */
	__event_u32 hold_drops;	 /* and not through more retransmissions than this */
	__event_u32 wait_us;	 /* a call waits for room in the ring so long; 0 = never */
	__event_u32 waiters_max; /* at the same time: one CPU less than there are */
	__event_u32 mark; /* what SOCK_DENY does here: GATE_LSM_SENDMSG, GATE_EGRESS; 0 = nothing */
	__event_u32
		denied; /* not 0: sock_verdicts holds a SOCK_DENY, each packet is looked up in it */
	__event_u64
		changing_ns; /* krule is being changed since then, CLOCK_BOOTTIME; 0 = it is not */
	__event_u32 udp;     /* not 0: UDP sockets are marked, datagrams of all are looked at */
	__event_u32 pad;
};

/* Of the programs alone; the keeper only reads. */
struct tally {
	__event_u64 next_conn; /* last connection id given out */
	__event_u64 stuck;     /* where the reader stood when somebody waited in vain */
	__event_u64 waited;    /* calls that waited for room */
	__event_u64 waiters;
	__event_u64 next_gate; /* last number of a gated write given out */
	__event_u64 stops;     /* of processes, at a gate: tried */
};

#endif
