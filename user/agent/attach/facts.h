/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of a resolved file: a checked copy of struct tls_found, as small as it can be. */
#ifndef PROBITY_AGENT_ATTACH_FACTS_H
#define PROBITY_AGENT_ATTACH_FACTS_H

#include <stdint.h>

#include "agent/discover/resolve.h"

struct facts {
	uint32_t signatures; /* version of the table they were found by */
	uint16_t functions_n, sites_n, notes_n;
	char arch[12];
	char version[TLS_STACK__MAX][24];
	struct tls_function *functions;
	uint64_t *vaddr, *offset, *cookie; /* of each site */
	char (*notes)[TLS_WHY_MAX];
};

/*
 * The answer comes from a process that has read a hostile file, so nothing of it is believed: counts,
 * texts, kinds of site, offsets inside the file (file_size), no offset twice. 0; -EBADMSG with one
 * line in why; -ENOMEM. Free with facts_free.
 */
int facts_of(const struct tls_found *t, uint64_t file_size, struct facts **ret, char *why,
	     size_t cap);
void facts_found(const struct facts *f, const char *build_id, struct tls_found *ret);
void facts_free(struct facts *f);
/* "boringssl, rustls-aws-lc": each stack once. */
void facts_stacks(const struct facts *f, char *ret, size_t cap);

#endif
