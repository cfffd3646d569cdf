/* SPDX-License-Identifier: Apache-2.0 */
/* Each signature against images made from it: found where it is right, silent where it is not. */
#ifndef PROBITY_AGENT_DISCOVER_SELFTEST_H
#define PROBITY_AGENT_DISCOVER_SELFTEST_H

#include "signatures.h"

#define SELFTEST_WHAT_MAX 200

/* Called for each image; ok: as it should be. what: "error-reasons SSL_write, wrong, x86_64". */
typedef void selftest_each(void *arg, const char *what, bool ok, const char *why);
/* 0, or -ENOMEM. Machines this build cannot decode are left out. */
int selftest_run(const struct tls_signatures *s, selftest_each *each, void *arg);

#endif
