/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 of the programs that speak TLS, each file hashed once per (device, inode, size, mtime). */
#ifndef PROBITY_AGENT_EXEHASH_H
#define PROBITY_AGENT_EXEHASH_H

#include <event2/event.h>
#include <stdint.h>

struct exehash;
/* done(ctx, pid): the program of that process is hashed now. NULL when out of memory. */
struct exehash *exehash_new(struct event_base *base, void (*done)(void *ctx, uint32_t pid),
			    void *ctx);
void exehash_free(struct exehash *h);

/* 64 hex digits and NUL when known; else an empty text. */
void exehash_known(const struct exehash *h, uint32_t pid, char ret[static 65]);
/* Hashes the program of that process in the background, unless it is known or under way. */
void exehash_want(struct exehash *h, uint32_t pid);

#endif
