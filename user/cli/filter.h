/* SPDX-License-Identifier: Apache-2.0 */
/* Which records `ls` wants. Texts are globs, case-insensitive; NULL asks nothing. */
#ifndef PROBITY_CLI_FILTER_H
#define PROBITY_CLI_FILTER_H

#include "record/render.h"

struct filter {
	uint64_t since_ns, until_ns; /* of the seal's wall clock; until 0: no end */
	const char *tool, *service, *model, *user, *disposition;
	bool incomplete;
	bool control, all; /* control records only; both kinds */
};
bool filter_match(const struct filter *f, const struct sealed *s);

#endif
