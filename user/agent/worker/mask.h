/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines without their secrets. */
#ifndef PROBITY_AGENT_WORKER_MASK_H
#define PROBITY_AGENT_WORKER_MASK_H

#include <stddef.h>

#include "classify/dataclass.h"

/*
 * NUL-separated argv in, the same without content and secrets out. "[text, N bytes]" stands for
 * free text, JSON and anything long; "[masked]" for values of options
 * that name one (--api-key X, --token=X, -H "Authorization: X", KEY=X), whatever the data classes
 * know as a credential, and the user part of URLs. Returns the length; cut at cap.
 */
size_t mask_argv(const struct dataclass_db *db, const char *argv, size_t n, char *out, size_t cap);

#endif
