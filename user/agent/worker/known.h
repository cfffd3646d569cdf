/* SPDX-License-Identifier: Apache-2.0 */
/* Names of servers that were judged before, per program: bounded, and forgotten after a while. */
#ifndef PROBITY_AGENT_WORKER_KNOWN_H
#define PROBITY_AGENT_WORKER_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KNOWN_NOT_AI_NS 3600000000000ull
#define KNOWN_AI_NS (24 * 3600000000000ull)

struct known;
struct known *known_new(void);
void known_free(struct known *k);
enum known_as { KNOWN_NOTHING = 0, KNOWN_NOT_AI, KNOWN_AI };
/* program: n bytes that tell programs apart; AI is remembered for a name whoever spoke to it. */
void known_set(struct known *k, const void *program, size_t n, const char *name, enum known_as as,
	       uint64_t now_ns);
enum known_as known_get(const struct known *k, const void *program, size_t n, const char *name,
			uint64_t now_ns);

#endif
