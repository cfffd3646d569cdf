/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What belongs together: a model's tool_use, the request to a tool server that follows it, and what
 * the server's processes do while that request is open.
 */
#ifndef PROBITY_AGENT_WORKER_LINKS_H
#define PROBITY_AGENT_WORKER_LINKS_H

#include "agent/worker/procs.h"
#include "flow/interaction.h"
#include "flow/mcp.h"

#define LINKS_USES_MAX 512	/* tool_uses kept, of all processes */
#define LINKS_EFFECTS_MAX 64	/* of one request */
#define LINKS_EFFECTS_SUM 16384 /* of all open ones */

struct links;
struct links *links_new(const struct procs *p);
void links_free(struct links *l);

/* One process instance. */
struct who {
	uint32_t pid; /* 0: not known */
	uint64_t start_ns;
};

/* A model asked for its client's tools: the calls from number `from` on. */
void links_model_call(struct links *l, const struct who *client, uint64_t conn,
		      const struct interaction *it, uint32_t from, uint64_t ns);

struct tool_use {
	struct who client;
	uint64_t conn, request_offset, ns;
	char name[128], id[64], model[128];
	bool used;
};
/* The tool_use that asked for this request, with how it was found ("meta_id", "name_order"), or
 * NULL. It is used up. server_name: serverInfo's, "" if not known. */
const struct tool_use *links_find(struct links *l, const struct who *client,
				  const struct who *server, const char *server_name,
				  const struct mcp_call *call, const char **ret_how);

struct effect {
	const char *kind; /* exec, connect, file_read, file_write: static */
	uint32_t pid;
	uint64_t at_ns;
	char *what;
};
struct effects { /* of one open request */
	struct effects *next;
	struct who server;
	unsigned n;
	uint32_t refused;
	struct effect list[LINKS_EFFECTS_MAX];
};
/* From now on, what `server` and its descendants do. NULL when out of memory. */
struct effects *links_watch(struct links *l, const struct who *server);
void links_unwatch(struct links *l, struct effects *e); /* frees; NULL is fine */

void links_exec(struct links *l, const struct event_exec *e);
void links_connect(struct links *l, const struct event_conn *e);
void links_file(struct links *l, const struct event_file *e);

#endif
