// SPDX-License-Identifier: Apache-2.0
/*
 * A rule in, bits out: by its subject, its disposition and the words it asks for. Where the pack
 * leaves a choice (refuse: [error, kill]), a bit is set only if nothing that is always there would
 * do; a kill by signal always is, so a rule that may kill needs no milder way.
 */
#include "needs.h"

#include <string.h>

#include "base/cleanup.h"
#include "proto/gate.h"

static const struct {
	const char *name, *about;
} needs[NEED__MAX] = {
	[NEED_EXEC_DENY] = {"exec deny", "a program does not run"},
	[NEED_SCRIPT_DENY] = {"script deny", "an interpreter cannot run a script"},
	[NEED_CONNECT_ADDR] = {"connect deny by address",
			       "a connection to an address does not come about"},
	[NEED_CONNECT_NAME] = {"connect deny by name", "a connection to a name carries nothing"},
	[NEED_QUIC_DROP] = {"quic drop", "QUIC to a name does not begin"},
	[NEED_CALL_DENY] = {"call deny", "a call is refused by host, tool and user"},
	[NEED_CONTENT_WAIT] = {"content wait", "a write waits until its content is judged"},
	[NEED_REFUSE] = {"refuse", "a call is refused and its process goes on"},
	[NEED_MASK] = {"mask", "bytes of a waiting write are masked"},
	[NEED_KILL] = {"kill", "the process is ended before the bytes leave"},
	[NEED_KILL_AFTER] = {"kill after", "the process is ended when the answer showed it"},
	[NEED_TREE] = {"tree deny", "exec or connect is denied below one process"},
	[NEED_GUARD] = {"guard", "nobody else takes the agent's programs, maps or memory"},
	[NEED_CONTENT_STOP] =
		{"content wait or stop",
		 "a write waits, or its process is stopped, until its content is judged"},
	[NEED_BLOCK] = {"block", "a write waits until an operator has answered"},
};

const char *policy_need_name(enum policy_need n)
{
	return n < NEED__MAX ? needs[n].name : "";
}

const char *policy_need_about(enum policy_need n)
{
	return n < NEED__MAX ? needs[n].about : "";
}

struct asked {
	size_t rule;
	bool script, address, name;
};

static void asks(void *ctx, size_t rule, unsigned line, const char *key, const char *value)
{
	struct asked *a = ctx;

	if (rule != a->rule)
		return;
	a->script |= !strcmp(key, "script") || !strcmp(key, "package");
	a->address |= !strcmp(key, "address");
	a->name |= !strcmp(key, "host") || !strcmp(key, "service") || !strcmp(key, "vendor");
}

static uint32_t of_exec(const struct asked *a)
{
	return NEED_BIT(NEED_EXEC_DENY) | (a->script ? NEED_BIT(NEED_SCRIPT_DENY) : 0);
}

static uint32_t of_connect(const struct asked *a)
{
	uint32_t bits = a->address ? NEED_BIT(NEED_CONNECT_ADDR) : 0;

	return a->name || !bits ? bits | NEED_BIT(NEED_CONNECT_NAME) : bits;
}

/* How it is refused, once it waits. */
static uint32_t refusal(const struct pack_action *a)
{
	return a->refuse & REFUSE_KILL ? NEED_BIT(NEED_KILL) : NEED_BIT(NEED_REFUSE);
}

static uint32_t of_call(const struct pack *p, size_t i, const struct pack_action *a)
{
	enum disposition d = pack_rule_disposition(p, i);
	uint32_t wait = NEED_BIT(pack_gate(p).full == GATE_FULL_STOP ? NEED_CONTENT_STOP
								     : NEED_CONTENT_WAIT) |
			(a->block_ms ? NEED_BIT(NEED_BLOCK) : 0);

	if (d == DISPOSITION_REDACT)
		return wait | NEED_BIT(NEED_MASK);
	if (pack_rule_content(p, i))
		return wait | (d == DISPOSITION_KILL ? NEED_BIT(NEED_KILL) : refusal(a));
	if (!pack_krule_reason(p, i))
		return NEED_BIT(d == DISPOSITION_KILL ? NEED_KILL : NEED_CALL_DENY);
	return d == DISPOSITION_KILL ? NEED_BIT(NEED_KILL_AFTER) : refusal(a);
}

static uint32_t of_tool_call(const struct pack *p, size_t i, const struct pack_action *a)
{
	uint32_t bits = a->tree_exec.n || a->tree_connect.n ? NEED_BIT(NEED_TREE) : 0;

	if (a->tree_exec.n)
		bits |= NEED_BIT(NEED_EXEC_DENY);
	if (a->tree_connect.n)
		bits |= NEED_BIT(NEED_CONNECT_NAME);
	if (pack_rule_disposition(p, i) == DISPOSITION_KILL)
		bits |= NEED_BIT(NEED_KILL_AFTER);
	return bits;
}

uint32_t policy_needs_of(const struct pack *p, size_t i)
{
	const struct pack_action *a = pack_rule_action(p, i);
	struct asked asked = {.rule = i};
	uint32_t bits = a->drop_quic ? NEED_BIT(NEED_QUIC_DROP) : 0;

	if (a->on == FACTS_TOOL_CALL)
		return bits | of_tool_call(p, i, a);
	if (pack_rule_disposition(p, i) < DISPOSITION_HOLD)
		return bits;
	pack_values(p, asks, &asked);
	if (a->on == FACTS_EXEC)
		return bits | of_exec(&asked);
	if (a->on == FACTS_CONNECT)
		return bits | of_connect(&asked);
	return bits | of_call(p, i, a);
}

struct policy_place policy_place_of(const struct pack *p, size_t i)
{
	const char *why = pack_krule_reason(p, i);

	switch (pack_rule_action(p, i)->on) {
	case FACTS_EXEC:
		return (struct policy_place){"kernel", true, "before the program runs", ""};
	case FACTS_TOOL_CALL:
		return (struct policy_place){
			"agent", false, "as soon as the model's answer names the tool",
			"the model has been asked by then; what its agent does next has not"};
	case FACTS_CONNECT:
		if (!why)
			return (struct policy_place){"kernel", true,
						     "at connect, or at the ClientHello", ""};
		return (struct policy_place){"agent", true, "at the ClientHello, which waits", why};
	case FACTS_CALL:
		break;
	}
	if (pack_rule_content(p, i))
		return (struct policy_place){"agent", true, "at the write, which waits for it",
					     why ?: ""};
	if (!why)
		return (struct policy_place){"kernel", true,
					     "at connect, ClientHello or write, whichever is first "
					     "to know enough",
					     ""};
	return (struct policy_place){"agent", false, "after it has seen what was sent", why};
}
