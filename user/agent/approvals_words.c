// SPDX-License-Identifier: Apache-2.0
/*
 * What operators say of parked calls, and what they are shown. Flows in: an object of the control
 * socket, and who sent it as the kernel says. Flows out: an answer that is stored before it is in
 * force, or a refusal that says what was wrong. Nothing is guessed: an id's beginning must be the
 * beginning of one alone, a scope must be one that the call has.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/approvals_int.h"
#include "agent/procinfo.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "record/printable.h"

#define GRANT_S 3600 /* unless rule or operator say otherwise */
#define GRANT_MAX_S (90ull * 24 * 3600)

static json_t *no(const char *fmt, const char *what)
{
	char text[256];

	snprintf(text, sizeof(text), fmt, what);
	return json_pack("{s:s}", "error", text);
}

/* The whole id, or the beginning of one alone. */
static struct entry *named(const struct approvals *a, const char *id, json_t **ret_no)
{
	struct entry *found = approvals_by_id(a, id);
	char shown[32];

	printable_copy(shown, sizeof(shown), id);
	for (size_t i = 0; i < a->n && !found && strlen(id) >= 4; i++)
		if (!strncmp(a->v[i]->p.id, id, strlen(id)))
			found = a->v[i];
	for (size_t i = 0; i < a->n && found; i++)
		if (a->v[i] != found && strcmp(found->p.id, id) &&
		    !strncmp(a->v[i]->p.id, id, strlen(id))) {
			*ret_no = no("%s is the beginning of several ids", shown);
			return NULL;
		}
	if (!found)
		*ret_no = no("no call %s waits, and none was answered", shown);
	return found;
}

static json_t *answer(struct approvals *a, struct entry *e, const struct entry *as,
		      const char *word)
{
	struct entry was = *e;
	int r;

	*e = *as;
	r = approvals_changed(a, e, word, false);
	if (r) { /* not in the store, so not in force */
		*e = was;
		return no("not done: the store of approvals: %s", strerror(-r));
	}
	approvals_tell(a);
	approvals_seal(a);
	log_info("call %s: %s by %s (%u), %s, %s", e->p.id, word, e->by, e->by_uid,
		 scope_name(e->scope), e->p.rule);
	return json_pack("{s:b, s:s, s:s, s:s, s:I}", "ok", 1, "id", e->p.id, "state", word,
			 "scope", scope_name(e->scope), "until_unix_ns",
			 (json_int_t)e->until_unix_ns);
}

static void by_whom(struct entry *e, const json_t *words, uint32_t uid, const char *user)
{
	printable_copy(e->by, sizeof(e->by), user);
	printable_copy(e->reason, sizeof(e->reason),
		       json_string_value(json_object_get(words, "reason")) ?: "");
	e->by_uid = uid;
}

static json_t *give(struct approvals *a, struct entry *e, const json_t *words, uint32_t uid,
		    const char *user, enum entry_state state)
{
	const json_t *f = json_object_get(words, "for_s"), *s = json_object_get(words, "scope");
	uint64_t for_s = f ? (uint64_t)json_integer_value(f) : e->p.grant_s ?: GRANT_S;
	int scope = s ? scope_of(json_string_value(s) ?: "") : GRANT_CALL;
	struct approvals_now t = approvals_clock(a);
	struct entry as = *e;

	if ((f && !json_is_integer(f)) || !for_s || for_s > GRANT_MAX_S)
		return no("%s: from 1 second to 90 days", "for_s");
	if (scope < 0)
		return no("%s is call, tool, service or session", "scope");
	if (e->state == ENTRY_PENDING && approvals_count(a, true) >= APPROVALS_GRANTS_MAX)
		return no("%s answers are in force: revoke one first", "too many");
	if (state == ENTRY_GRANTED && scope == GRANT_SESSION &&
	    !procinfo_is(e->p.root_pid, e->p.root_start_ns))
		return no("%s: the program that asked has ended", "session");
	if ((scope == GRANT_TOOL && !e->p.tool[0]) || (scope == GRANT_SERVICE && !e->p.service[0]))
		return no("the call has no known %s", scope_name(scope));
	by_whom(&as, words, uid, user);
	as.state = state;
	as.scope = scope;
	as.answered_unix_ns = t.unix_ns;
	as.until_unix_ns = t.unix_ns + for_s * SECOND;
	as.until_boot_ns = t.boot_ns + for_s * SECOND;
	memcpy(as.boot_id, t.boot_id, sizeof(as.boot_id));
	return answer(a, e, &as, state == ENTRY_GRANTED ? "granted" : "denied");
}

/* In force at once, also where the store does not take it: then the operator is told. */
static json_t *take_back(struct approvals *a, struct entry *e, const json_t *words, uint32_t uid,
			 const char *user)
{
	char id[sizeof(e->p.id)];

	if (e->state == ENTRY_PENDING)
		return no("call %s was not answered yet: there is nothing to revoke", e->p.id);
	memcpy(id, e->p.id, sizeof(id));
	by_whom(e, words, uid, user);
	log_info("call %s: revoked by %s (%u)", id, e->by, e->by_uid);
	if (!approvals_gone(a, e, "revoked"))
		return no("%s is revoked, but not in the store: a restart may bring it back", id);
	approvals_seal(a);
	return json_pack("{s:b, s:s, s:s}", "ok", 1, "id", id, "state", "revoked");
}

json_t *approvals_answer(struct approvals *a, const json_t *words, uint32_t uid, const char *user)
{
	const char *verb = json_string_value(json_object_get(words, "do")) ?: "";
	const char *id = json_string_value(json_object_get(words, "id"));
	json_t *refusal = NULL;
	struct entry *e;

	if (!id)
		return no("%s is missing", "id");
	e = named(a, id, &refusal);
	if (!e)
		return refusal;
	if (!strcmp(verb, "approve"))
		return give(a, e, words, uid, user, ENTRY_GRANTED);
	if (!strcmp(verb, "deny"))
		return give(a, e, words, uid, user, ENTRY_DENIED);
	if (!strcmp(verb, "revoke"))
		return take_back(a, e, words, uid, user);
	return no("%s is no answer", "do");
}

/* --- what is shown --------------------------------------------------------------------------------- */

static json_t *shown(const struct entry *e)
{
	static const char *const inner[] = {"boot_id", "until_boot_ns", "word", "root_start_ns"};
	json_t *j = entry_json(e);

	for (size_t i = 0; i < ARRAY_SIZE(inner); i++)
		json_object_del(j, inner[i]);
	if (e->state == ENTRY_PENDING) {
		json_object_del(j, "scope");
		json_object_set_new(j, "until_unix_ns",
				    json_integer(e->last_unix_ns + PENDING_S * SECOND));
	}
	return j;
}

json_t *approvals_list(const struct approvals *a)
{
	json_t *pending = json_array(), *grants = json_array();

	for (size_t i = 0; i < a->n; i++)
		json_array_append_new(a->v[i]->state == ENTRY_PENDING ? pending : grants,
				      shown(a->v[i]));
	return json_pack("{s:o, s:o}", "pending", pending, "grants", grants);
}

json_t *approvals_status(const struct approvals *a)
{
	return json_pack("{s:i, s:i, s:i, s:I, s:I, s:I, s:i, s:b}", "pending",
			 (int)approvals_count(a, false), "answers", (int)approvals_count(a, true),
			 "to_be_sealed", (int)a->unsealed, "refused", (json_int_t)a->refused,
			 "not_sealed", (json_int_t)a->lost_seals, "same_id", (json_int_t)a->bad,
			 "damaged_lines", a->store ? (int)astore_damaged(a->store) : 0,
			 "store_works", a->store && !astore_broken(a->store));
}
