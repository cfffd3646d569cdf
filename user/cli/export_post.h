/* SPDX-License-Identifier: Apache-2.0 */
/* OTLP over HTTP: JSON bodies to a receiver's /v1/logs and /v1/traces. */
#ifndef PROBITY_CLI_EXPORT_POST_H
#define PROBITY_CLI_EXPORT_POST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct export_post;
/* endpoint: http:// or https://, without /v1/…; header: "Name: value" or NULL. 0 or -errno. */
int export_post_open(const char *endpoint, const char *header, struct export_post **ret, char *err,
		     size_t err_len);
void export_post_free(struct export_post *p);
DEFINE_CLEANUP(struct export_post, export_post_free)
/*
 * path: "/v1/logs". What may pass (no answer, 429, 502, 503, 504) is tried again, EXPORT_POST_TRIES times
 * in all, as OTLP says; nothing else is. What the receiver says it rejected is added to
 * *rejected. 0 or -errno with err.
 */
#define EXPORT_POST_TRIES 5
int export_post_send(struct export_post *p, const char *path, const char *body, uint64_t *rejected,
		     char *err, size_t err_len);

#endif
