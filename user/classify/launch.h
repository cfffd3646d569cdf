/* SPDX-License-Identifier: Apache-2.0 */
/* Packages and modules that a command line names. PURE; the kernel reads it alike (bpf/lib/names.h). */
#ifndef PROBITY_CLASSIFY_LAUNCH_H
#define PROBITY_CLASSIFY_LAUNCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/gate.h"

/* The state in which the command line of this program is read; 0: it starts nothing by name. */
uint32_t launch_start(const char *path);

/* space: EXEC_HOW_NPM, EXEC_HOW_PYPI, EXEC_HOW_MODULE; word: in the form of exec_names. Of a module
 * also each part of its name that ends before a '.'. */
typedef void launch_fn(void *ctx, uint32_t space, const char *word);
void launch_read(uint32_t state, const char *argv, size_t n, launch_fn *each, void *ctx);

/* The grammar, entry by entry, as exec_names has it. */
void launch_grammar(void (*each)(void *ctx, const struct exec_name *key, uint32_t next,
				 uint16_t how, uint16_t flags),
		    void *ctx);

/* A package's name as `space` has it. False: none. */
bool launch_name(uint32_t space, const char *name, struct exec_name *ret);

#endif
