/* SPDX-License-Identifier: Apache-2.0 */
/* probity verify --collector: what a collector holds, judged without trusting it. */
#ifndef PROBITY_CLI_VERIFY_COLLECTOR_H
#define PROBITY_CLI_VERIFY_COLLECTOR_H

#include <stdbool.h>

#include "record/verify.h"

struct verify_collector {
	const char *url, *ca, *cert, *key; /* of the connection: an operator's */
	const char *tsa_ca; /* file of who vouches for time stamps; NULL: they are not looked at */
	const char *chain;  /* only this one, in hex; NULL: all */
	const struct verify_options
		*trust; /* keys, seed, witnesses, checkpoints; nothing else of it */
	bool json;
};
/* Prints the verdict; the exit code of the verb (cli.h). */
int verify_collector(const struct verify_collector *a);

#endif
