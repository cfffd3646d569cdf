/* SPDX-License-Identifier: Apache-2.0 */
/* What `probity export` was asked for; its two halves: views of records, and the bundle. */
#ifndef PROBITY_CLI_EXPORT_CMD_H
#define PROBITY_CLI_EXPORT_CMD_H

#include <stdbool.h>
#include <stdint.h>

struct export_ask {
	const char *format; /* NULL: a bundle when out ends with .tar.zst, else json */
	const char *dir, *db, *chain, *out;
	uint64_t from_ns, to_ns; /* of sealing; to 0: no end */
	const char *from, *to;	 /* as given */
	bool follow;
	const char *endpoint, *header;
	/* bundle */
	const char *key, *soa, *registry, *reports, *policy, *sign_key, *witness;
};
/* Exit codes. */
int export_views(const struct export_ask *a);
int export_bundle(const struct export_ask *a);
bool export_view_known(const char *format);

#endif
