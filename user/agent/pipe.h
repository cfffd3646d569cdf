/* SPDX-License-Identifier: Apache-2.0 */
/* The hooks of bpf/pipe.bpf.c, attached only while a marked process lives. */
#ifndef PROBITY_AGENT_PIPE_H
#define PROBITY_AGENT_PIPE_H

#include <stdbool.h>

struct bpf;
struct pipe_hooks;

/* NULL when out of memory. */
struct pipe_hooks *pipe_hooks_new(const struct bpf *b);
void pipe_hooks_free(struct pipe_hooks *p); /* NULL is fine */
/* A process was marked: attach now. */
void pipe_hooks_want(struct pipe_hooks *p);
/* Once a second: attaches when the marks name an AI tool's tree, detaches when that is over. */
void pipe_hooks_tick(struct pipe_hooks *p);
/* "off", the hooks' name, or why not: for `probity status`. */
/* An AI tool runs, or did a moment ago. */
bool pipe_hooks_wanted(const struct pipe_hooks *p);
const char *pipe_hooks_state(const struct pipe_hooks *p);

#endif
