/* SPDX-License-Identifier: Apache-2.0 */
/* The descriptions, one file each. Only arch.c names them. */
#ifndef PROBITY_AGENT_DISCOVER_ARCH_LIST_H
#define PROBITY_AGENT_DISCOVER_ARCH_LIST_H

#include "arch.h"

extern const struct arch arch_x86_64, arch_aarch64;

#endif
