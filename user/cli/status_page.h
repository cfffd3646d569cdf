/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's status object as a page. PURE. Only --json shows keys it does not know. */
#ifndef PROBITY_CLI_STATUS_PAGE_H
#define PROBITY_CLI_STATUS_PAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

void status_page(const json_t *status, uint64_t now_ns, bool colour, FILE *f);

/* Look-ups that tolerate any missing or mistyped part of the way: "recorder.spool.bytes". */
const json_t *status_get(const json_t *o, const char *path);
const char *status_text(const json_t *o, const char *path); /* "" */
int64_t status_number(const json_t *o, const char *path, int64_t otherwise);
/* Sum of all whole numbers in an object: drops, losses. */
uint64_t status_sum(const json_t *o);

#endif
