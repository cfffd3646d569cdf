// SPDX-License-Identifier: Apache-2.0
/* `stamp`: the collector's newest checkpoint, stamped by an outside authority. For a timer. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "commands.h"
#include "stamp.h"

int collector_stamp(const struct collector_config *c)
{
	char err[1024] = "out of memory", when[40];
	uint64_t size = 0;
	int r;

	if (!c->tsa || !c->tsa_ca) {
		log_err("stamp: needs --tsa URL and --tsa-ca FILE");
		return EXIT_USAGE;
	}
	r = stamp_make(c->state_dir, c->tsa, c->tsa_ca, &size, when, err, sizeof(err));
	if (r && r != -EALREADY) {
		log_err("%s", err);
		return EXIT_FAILED;
	}
	if (r)
		printf("checkpoint of %" PRIu64 " entries: stamped before\n", size);
	else
		printf("checkpoint of %" PRIu64 " entries: stamped %s\n", size, when);
	return EXIT_FINE;
}
