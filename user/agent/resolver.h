/* SPDX-License-Identifier: Apache-2.0 */
/* The role that reads foreign files: where in them are the TLS functions? */
#ifndef PROBITY_AGENT_RESOLVER_H
#define PROBITY_AGENT_RESOLVER_H

#include "agent/config.h"

#define RESOLVER_USER "nobody" /* not the user of the other roles */
#define RESOLVER_CPU_S 20      /* of one file; a wait for a disk may be as long */
#define RESOLVER_FILE_MAX (3ull << 30)

/* keeper: the socket to it, until it is closed. Exit status. */
int resolver_main(const struct config *c, int keeper);

#endif
