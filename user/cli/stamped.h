/* SPDX-License-Identifier: Apache-2.0 */
/* The time stamp a collector has for a chain, judged. */
#ifndef PROBITY_CLI_STAMPED_H
#define PROBITY_CLI_STAMPED_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

struct stamped {
	int64_t unix_s;
	const char *entry; /* a checkpoint that existed then: into what was judged */
	uint64_t size;	   /* of it */
};
/* ca: PEM text of who vouches for the authority. 0; -EBADMSG with one line: the entry was not stamped, or it is
 * no checkpoint. That the chain covers it is the caller's to see. */
int stamped(const json_t *o, const char *ca, struct stamped *ret, char *err, size_t err_len);

#endif
