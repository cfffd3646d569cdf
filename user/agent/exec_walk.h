/* SPDX-License-Identifier: Apache-2.0 */
/* Where programs lie: a walk over the usual places and those that rules name. */
#ifndef PROBITY_AGENT_EXEC_WALK_H
#define PROBITY_AGENT_EXEC_WALK_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct exec_walk;
/* found(): an open regular file, and the symbolic link that led there or NULL. ready(): whether it may go on now. done(): all was seen. */
struct exec_walk_ops {
	void (*found)(void *ctx, int fd, const char *link);
	bool (*ready)(void *ctx);
	void (*done)(void *ctx);
};
struct exec_walk *exec_walk_new(struct event_base *base, const struct exec_walk_ops *ops,
				void *ctx);
void exec_walk_free(struct exec_walk *w);
/* A path of a rule, perhaps with * and ?, in any case. */
void exec_walk_place(struct exec_walk *w, const char *pattern);
/* The usual places, besides. Begins anew when it is under way. */
void exec_walk_begin(struct exec_walk *w);
bool exec_walk_done(const struct exec_walk *w);
uint64_t exec_walk_entries(const struct exec_walk *w);

#endif
