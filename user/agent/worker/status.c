// SPDX-License-Identifier: Apache-2.0
/* Counters as one JSON object, sent to the keeper; each stands where it is counted. */
#include "status.h"

#include <stdlib.h>
#include <string.h>

#include "agent/worker/conns.h"
#include "agent/worker/denials.h"
#include "agent/worker/gate.h"
#include "agent/worker/exec_rules.h"
#include "agent/worker/halves.h"
#include "agent/worker/judge.h"
#include "agent/worker/mcp.h"
#include "agent/worker/policy.h"
#include "agent/worker/socks.h"
#include "agent/worker/trees.h"
#include "base/cleanup.h"

static json_t *counts(const struct worker *w, const struct ring *ring)
{
	const struct worker_counts *c = &w->count;
	const struct {
		const char *name;
		uint64_t n;
	} all[] = {
		{"events", c->events},
		{"calls", c->calls},
		{"control_records", c->control_records},
		{"connections", conns_count(w->conns)},
		{"sockets", socks_count(w->socks)},
		{"keys", halves_count(w->halves)},
		{"processes", procs_count(w->procs)},
		{"ignored", c->ignored},
		{"served", c->served},
		{"not_ai", c->exchanges_not_ai},
		{"killed", c->killed},
		{"late_kills", c->late_kills},
		{"evicted", c->evicted},
		{"bad_events", c->bad_events},
		{"tcp_connects", c->connects},
		{"hellos", c->hellos},
		{"hellos_held", c->held},
		{"evidence", c->evidence},
		{"evidence_refused", c->evidence_refused},
		{"late_connections", c->late},
		{"unseen_calls", c->unseen},
		{"unseen_shadow", c->unseen_shadow},
		{"quiet_sockets", c->quiet},
		{"keys_unjoined", c->unjoined},
		{"key_chunks_not_kept", c->not_waited},
		{"keys_below_handles", c->twice},
		{"clear_text_holes", c->holes},
		{"mcp_calls", mcps_counts(w->mcps)->calls},
		{"mcp_unlinked", mcps_counts(w->mcps)->unlinked},
		{"mcp_evicted", mcps_counts(w->mcps)->evicted},
		{"pipes_ignored", mcps_counts(w->mcps)->ignored},
		{"ring_used", ring_used(ring)},
		{"records_waiting_bytes", handover_bytes(w->handover)},
		{"records_dropped", handover_dropped(w->handover)},
	};
	json_t *j = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		json_object_set_new(j, all[i].name, json_integer(all[i].n));
	return j;
}

void status_send(struct worker *w, const struct ring *ring)
{
	json_t *j = counts(w, ring);
	char *text;

	json_object_set_new(j, "role", json_string("worker"));
	json_object_set_new(j, "policy", policy_status(w));
	json_object_set_new(j, "exec", exec_rules_status(w->exec_rules));
	json_object_set_new(j, "trees", trees_status(w->trees));
	json_object_set_new(j, "gate", gate_status(w->gate));
	json_object_set_new(j, "denials", denials_status(w->denials));
	text = json_dumps(j, JSON_COMPACT);
	if (text)
		tell_keeper(w, ROLE_STATUS, text, strlen(text));
	free(text);
	json_decref(j);
}
