/* SPDX-License-Identifier: Apache-2.0 */
/* The subcommands: each in cmd_*.c, each gives the exit code. */
#ifndef PROBITY_COLLECTOR_COMMANDS_H
#define PROBITY_COLLECTOR_COMMANDS_H

#include "config.h"

enum collector_exit { EXIT_FINE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

int collector_run(const struct collector_config *c);
int collector_init(const struct collector_config *c);
int collector_agent_cert(const struct collector_config *c);
int collector_operator_cert(const struct collector_config *c);
int collector_vkey(const struct collector_config *c);
int collector_stamp(const struct collector_config *c);
int collector_status(const struct collector_config *c);
int collector_check(const struct collector_config *c);
int collector_list(const struct collector_config *c);

#endif
