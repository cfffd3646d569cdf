/* SPDX-License-Identifier: Apache-2.0 */
/* Clear text of a TCP socket, put in order. */
#ifndef PROBITY_AGENT_WORKER_PLAIN_H
#define PROBITY_AGENT_WORKER_PLAIN_H

#include "agent/worker/conns.h"

#define PLAIN_WAIT_MAX (256u << 10) /* bytes behind a hole, per connection */

/* As follow_chunk: false: nothing more is to be read here. */
bool plain_chunk(struct conn *c, const struct chunk *k);
/* Holes older than that are given up: what waits behind them is read. */
bool plain_sweep(struct conn *c, uint64_t before_ns);
void plain_free(struct conn *c);

#endif
