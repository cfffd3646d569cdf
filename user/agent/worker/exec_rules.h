/* SPDX-License-Identifier: Apache-2.0 */
/* Which exec rules of the pack in force name a file; and what was said of files that one names. */
#ifndef PROBITY_AGENT_WORKER_EXEC_RULES_H
#define PROBITY_AGENT_WORKER_EXEC_RULES_H

#include "agent/worker/worker.h"

/* NULL: out of memory. */
struct exec_rules *exec_rules_new(struct worker *w);
void exec_rules_free(struct exec_rules *x);

/* A pack came into force: ROLE_EXEC_RULES. Files are asked about anew after it. */
void exec_rules_send(struct exec_rules *x);
/* ROLE_FILE. Answered at once. */
void exec_rules_file(struct exec_rules *x, const struct role_file *f);

/* For the record of a denial: files that a rule named, as last told. NULL: not known. */
struct exec_file {
	uint64_t dev, ino, rules;
	const char *path, *sha256, *package, *tool;
};
const struct exec_file *exec_rules_find(const struct exec_rules *x, uint64_t dev, uint64_t ino);
/* Of an exec bit: index of its rule in the pack, -1 = none. */
int exec_rules_index(const struct exec_rules *x, unsigned bit);
/* The bits of exec rules with these ids. */
uint64_t exec_rules_bits(const struct exec_rules *x, const struct facts_list *ids);
json_t *exec_rules_status(const struct exec_rules *x);

#endif
