/* SPDX-License-Identifier: Apache-2.0 */
/* What a rule may ask about, gathered by the caller. Texts never NULL ("" = unknown). */
#ifndef PROBITY_POLICY_FACTS_H
#define PROBITY_POLICY_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FACTS_LIST_MAX 64

struct facts_list {
	const char *v[FACTS_LIST_MAX];
	size_t n;
};

/* Which facts are known yet: rules on others cannot fire and are not "false" either. */
enum facts_stage {
	FACTS_PROCESS = 1, /* uid, user, groups, exe, tool, cgroup, container */
	FACTS_HOST = 2,	   /* + host, service (before any byte was written) */
	FACTS_REQUEST = 3, /* + operation, model, tools offered, data classes of the request */
	FACTS_DONE = 4,	   /* + tool calls, data classes of the answer, status, completeness */
};

/* What the facts are of. A rule is about one of these (its `on:`). */
enum facts_subject {
	FACTS_CALL = 0,	 /* a call to a model */
	FACTS_EXEC,	 /* a program about to run */
	FACTS_CONNECT,	 /* a connection about to be made */
	FACTS_TOOL_CALL, /* what a model asked its agent to do */
};

struct facts {
	enum facts_subject subject;
	enum facts_stage stage;
	bool partial; /* FACTS_REQUEST of a request that still comes: a hit counts, a miss is unknown */
	bool unread; /* it is over, and not all of it could be read: what was found counts, what was
		       * not is unknown for ever */
	uint32_t uid;
	const char *user, *exe, *tool, *cgroup, *container;
	struct facts_list groups;
	const char *host, *service, *vendor, *evidence;
	bool service_known;
	const char *operation, *dialect;
	const char *model; /* answering model if known, else requested */
	struct facts_list tools_offered, tool_calls;
	struct facts_list data_classes; /* ids, of request and answer */
	const char *completeness;

	/* FACTS_EXEC: exe is the file to be run. Also known of a call's process. NULL: not known. */
	const char *exe_sha256; /* hex */
	const char *script;	/* path of an interpreter's script */
	const char *package;	/* "@openai/codex", "claude-code" */
	bool in_tree;		/* below an AI tool */
	/* FACTS_CONNECT */
	const char *address; /* of the peer, as text */
	uint16_t port;
	/* FACTS_TOOL_CALL (besides tool_calls) */
	const char *mcp_server; /* the server it is addressed to */

	/* For schedules, exceptions, rollout; 0 and NULL: those conditions do not hold. */
	int64_t now_unix_s;
	const char *host_id; /* of this machine: a stable text */
};

#endif
