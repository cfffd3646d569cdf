/* SPDX-License-Identifier: Apache-2.0 */
/* Rules on what a model asks its agent to do, and what they forbid below that agent. */
#ifndef PROBITY_AGENT_WORKER_TREES_H
#define PROBITY_AGENT_WORKER_TREES_H

#include "agent/worker/links.h"
#include "agent/worker/worker.h"
#include "flow/interaction.h"

/* NULL: out of memory. */
struct trees *trees_new(struct worker *w);
void trees_free(struct trees *t);

/* A model asked for its client's tools: the calls from number `from` on (as links_model_call). */
void trees_model_call(struct trees *t, const struct who *client, const struct event_addr *peer,
		      const struct interaction *it, uint32_t from, uint64_t ns);
/* A client called a tool of a server by itself or for its model. use_id: "" = not linked. */
void trees_mcp_call(struct trees *t, const struct who *client, const char *server, const char *tool,
		    const char *use_id, uint64_t ns);

/* For the record of a denial whose evidence is a tree: the tool call that forbade it, for a process
 * at or below the agent. NULL: not known any more. */
struct tree_cause {
	char use_id[64], use_name[128], model[128];
	struct who agent;
	size_t rule; /* of the pack, on: tool_call */
	uint64_t exec_rules, connect_rules, ns;
};
const struct tree_cause *trees_cause(const struct trees *t, uint32_t pid, uint64_t start_ns,
				     uint64_t exec_rules, uint64_t connect_rules);
json_t *trees_status(const struct trees *t);

#endif
