/* SPDX-License-Identifier: Apache-2.0 */
/* probity verify --collector: what a collector holds, judged without trusting it. */
#ifndef PROBITY_CLI_VERIFY_COLLECTOR_H
#define PROBITY_CLI_VERIFY_COLLECTOR_H

#include <stdbool.h>

#include "record/verify.h"

struct verify_collector {
	const char *url, *ca, *cert, *key; /* of the connection: an operator's */
	const char *chain;		   /* only this one, in hex; NULL: all */
	const uint8_t *expect_public;	   /* of the chain's first epoch; NULL: its own word */
	const uint8_t *mac_seed;
	const struct note_key *witnesses;
	size_t witnesses_n;
	const struct verify_known *known; /* checkpoints from elsewhere */
	size_t known_n;
	unsigned threads;
	bool json;
};
/* Prints the verdict; the exit code of the verb (cli.h). */
int verify_collector(const struct verify_collector *a);

#endif
