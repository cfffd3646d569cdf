/* SPDX-License-Identifier: Apache-2.0 */
/* What a START record says of the configuration: docs/RECORD-FORMAT.md, "The configuration's hash". */
#ifndef PROBITY_AGENT_CONFIG_SUM_H
#define PROBITY_AGENT_CONFIG_SUM_H

#include "agent/config.h"

#define CONFIG_SUM_SIZE 65 /* SHA-256 in hex, with its NUL */
/* The canonical text; the caller frees it. NULL: no memory. */
char *config_text(const struct config *c);
/* 0, -ENOMEM. */
int config_sum(const struct config *c, char ret[static CONFIG_SUM_SIZE]);

#endif
