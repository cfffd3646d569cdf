// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: the marks the keeper put on processes (proc_marks), looked at once a second. Flows out:
 * two raw tracepoints, attached or not. The one at the return of system calls costs every process
 * of the host a look-up per call, so it is there only while a process of an AI tool's tree is, and
 * IDLE_S longer: tools come in rows.
 *
 * A kernel that refuses a hook is told of once in the log, and in `probity status`; tool servers on
 * pipes are then not seen.
 */
#include "pipe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/bpf.h"
#include "base/log.h"

#define IDLE_S 10

struct pipe_hooks {
	struct bpf_program *exec, *sys_exit;
	struct bpf_link *on_exec, *on_sys_exit;
	int marks;
	unsigned idle;
	bool refused, marked; /* marked: an AI tool runs */
};

struct pipe_hooks *pipe_hooks_new(const struct bpf *b)
{
	struct pipe_hooks *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	bpf_pipe_programs(b, &p->exec, &p->sys_exit);
	p->marks = bpf_marks_fd(b);
	return p;
}

static void detach(struct pipe_hooks *p)
{
	bpf_link__destroy(p->on_exec);
	bpf_link__destroy(p->on_sys_exit);
	p->on_exec = p->on_sys_exit = NULL;
}

void pipe_hooks_free(struct pipe_hooks *p)
{
	if (p)
		detach(p);
	free(p);
}

void pipe_hooks_want(struct pipe_hooks *p)
{
	p->idle = 0;
	p->marked = true;
	if (p->on_sys_exit || p->refused)
		return;
	/* exec first: an end that is seen without its exec is taken for an old one. */
	p->on_exec = bpf_program__attach(p->exec);
	p->on_sys_exit = p->on_exec ? bpf_program__attach(p->sys_exit) : NULL;
	if (p->on_sys_exit)
		return;
	p->refused = true;
	log_warn("kernel refuses the tracepoint sys_exit (%s): tool servers on pipes are not seen",
		 strerror(errno));
	detach(p);
}

static bool any_marked(const struct pipe_hooks *p)
{
	uint32_t key, next, *from = NULL;
	struct proc_mark m;

	for (; !bpf_map_get_next_key(p->marks, from, &next); from = &key) {
		key = next;
		if (bpf_map_lookup_elem(p->marks, &key, &m) || !(m.marks & MARK_AI_TREE))
			continue;
		if (!kill(key, 0) || errno != ESRCH)
			return true;
		bpf_map_delete_elem(p->marks, &key); /* it ended before it was marked */
	}
	return false;
}

void pipe_hooks_tick(struct pipe_hooks *p)
{
	if (any_marked(p)) {
		pipe_hooks_want(p);
	} else if (p->marked && ++p->idle > IDLE_S) {
		p->marked = false;
		detach(p);
	}
}

bool pipe_hooks_wanted(const struct pipe_hooks *p)
{
	return p->marked;
}

const char *pipe_hooks_state(const struct pipe_hooks *p)
{
	return p->on_sys_exit ? "raw_tp/sys_exit" : p->refused ? "refused" : "off";
}
