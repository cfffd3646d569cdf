/* SPDX-License-Identifier: Apache-2.0 */
/* Everything known of a call → the payload of its record (proto/record.proto AiCall). */
#ifndef PROBITY_AGENT_WORKER_COMPOSE_H
#define PROBITY_AGENT_WORKER_COMPOSE_H

#include "agent/worker/conns.h"

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
struct verdict_text {
	const char *effect, *mechanism;
	bool before_effect;
};

/* Bytes written to out, never more than cap: lists that would not fit are cut and counted. */
size_t compose_call(const struct worker *w, const struct conn *c, const struct watch *watch,
		    const struct interaction *it, const struct subject *s, const struct decision *d,
		    const struct verdict_text *v, uint8_t *out, size_t cap);

#endif
