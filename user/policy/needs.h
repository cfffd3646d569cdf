/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a rule needs of a host to be enforced, apart from being decided. PURE; whether a host has it
 * is said by agent/backends.h.
 */
#ifndef PROBITY_POLICY_NEEDS_H
#define PROBITY_POLICY_NEEDS_H

#include <stddef.h>
#include <stdint.h>

#include "policy/pack.h"

enum policy_need {
	NEED_EXEC_DENY,	   /* a program does not run: refused, or killed before it executes */
	NEED_SCRIPT_DENY,  /* an interpreter cannot read that script */
	NEED_CONNECT_ADDR, /* a connection to an address does not come about */
	NEED_CONNECT_NAME, /* the same by name: DNS evidence, or the name in the ClientHello */
	NEED_QUIC_DROP,	   /* Initial packets to a name do not leave */
	NEED_CALL_DENY,	   /* a call is refused by host, tool and user, without its content */
	NEED_CONTENT_WAIT, /* a write waits for a decision on its content */
	NEED_REFUSE,	   /* a waiting write is refused without a kill: error or shutdown */
	NEED_MASK,	   /* bytes of a waiting write are masked */
	NEED_KILL,	   /* the process is ended before the write goes on */
	NEED_KILL_AFTER,   /* the process is ended when the answer showed it: nothing is held */
	NEED_TREE,	   /* exec or connect is denied below one process */
	NEED_GUARD,	   /* nobody else takes the agent's programs, maps or memory */
	NEED_CONTENT_STOP, /* a write waits, or its process is stopped, until its content is judged */
	NEED_BLOCK,	   /* a write waits until an operator has answered */
	NEED__MAX
};
const char *policy_need_name(enum policy_need n);  /* "exec deny", … */
const char *policy_need_about(enum policy_need n); /* one line for people */

/* As a message from the worker (ROLE_POLICY), hence of fixed size. */
struct policy_needs {
	char rule[64];
	uint32_t needs; /* bits, 1 << enum policy_need; all of them. 0: nothing is enforced */
	uint32_t disposition;
};
#define NEED_BIT(n) (1u << (n))

/* Bits of rule i, as if its pack were in enforce mode. */
uint32_t policy_needs_of(const struct pack *p, size_t i);

/* Who decides rule i, and where at the earliest: half a sentence. */
struct policy_place {
	const char *by; /* "kernel", "agent" */
	bool before;	/* before the effect: the bytes have not left, the program does not run */
	const char *where;
	const char *reason; /* why not the kernel, or not before; "" */
};
struct policy_place policy_place_of(const struct pack *p, size_t i);

#endif
