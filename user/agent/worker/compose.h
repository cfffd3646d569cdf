/* SPDX-License-Identifier: Apache-2.0 */
/* Everything known of a call → the payload of its record (proto/record.proto AiCall). */
#ifndef PROBITY_AGENT_WORKER_COMPOSE_H
#define PROBITY_AGENT_WORKER_COMPOSE_H

#include "agent/worker/conns.h"
#include "proto/record.pb-c.h"

struct subject {
	const struct proc *proc; /* NULL: not known, the rest is what its events carried */
	struct catalog_tool tool;
	uint32_t uid, pid;
	uint64_t start_ns;
	/* Of uid: names as the keeper told them, else the number and no groups. */
	const char *user, *groups;
	uint32_t groups_len;
	char number[12];
};
/* What the Process message of a subject points into. */
#define ARGS_MAX 128
#define GROUPS_MAX 32
struct process_text {
	char argv[4096];
	char *args[ARGS_MAX], *groups[GROUPS_MAX], *ancestry[ANCESTORS_MAX];
};
void compose_process(const struct worker *w, const struct subject *s, struct process_text *t,
		     Probity__V1__Process *m);

struct verdict_text {
	const char *effect, *mechanism;
	bool before_effect;
};

/* What was decided, of something that is no call. Valid until the next is composed. */
Probity__V1__Decision *compose_decision(const struct worker *w, const struct decision *d,
					const struct verdict_text *v);

/* Bytes written to out, never more than cap: lists that would not fit are cut and counted. */
size_t compose_call(const struct worker *w, const struct conn *c, const struct watch *watch,
		    const struct interaction *it, const struct subject *s, const struct decision *d,
		    const struct verdict_text *v, uint8_t *out, size_t cap);

#endif
