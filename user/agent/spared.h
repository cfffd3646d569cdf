/* SPDX-License-Identifier: Apache-2.0 */
/* What the built-in list allows, of processes that run. */
#ifndef PROBITY_AGENT_SPARED_H
#define PROBITY_AGENT_SPARED_H

#include <stdbool.h>
#include <stdint.h>

bool spared_builtin(uint32_t pid);

#endif
