// SPDX-License-Identifier: Apache-2.0
/*
 * One parked call: as a line of the store, and as a Control record. Flows in: fields, or JSON that may
 * say anything. Flows out: the other. Invariant: what entry_read accepts is whole (every text ends in
 * its field, ids are ids, an answer has who gave it), and entry_json of it says the same. Pure.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/approvals_int.h"
#include "base/cleanup.h"
#include "proto/record.pb-c.h"

static const char *const states[] = {"pending", "granted", "denied", "gone"};
static const char *const scopes[] = {"call", "tool", "service", "session"};

#define TEXT(name, field)                                                               \
	{                                                                               \
		name, offsetof(struct entry, field), sizeof(((struct entry *)0)->field) \
	}
static const struct {
	const char *name;
	size_t at, cap;
} texts[] = {
	TEXT("id", p.id),
	TEXT("rule", p.rule),
	TEXT("user", p.user),
	TEXT("tool", p.tool),
	TEXT("service", p.service),
	TEXT("host", p.host),
	TEXT("model", p.model),
	TEXT("exe", p.exe),
	TEXT("why", p.why),
	TEXT("pack", p.pack),
	TEXT("pack_version", p.pack_version),
	TEXT("word", word),
	TEXT("by", by),
	TEXT("reason", reason),
	TEXT("boot_id", boot_id),
};

#define NUMBER(name, field)                                                             \
	{                                                                               \
		name, offsetof(struct entry, field), sizeof(((struct entry *)0)->field) \
	}
static const struct {
	const char *name;
	size_t at, size;
} numbers[] = {
	NUMBER("unix_ns", p.unix_ns),
	NUMBER("start_ns", p.start_ns),
	NUMBER("pid", p.pid),
	NUMBER("uid", p.uid),
	NUMBER("root_start_ns", p.root_start_ns),
	NUMBER("root_pid", p.root_pid),
	NUMBER("grant_s", p.grant_s),
	NUMBER("tries", tries),
	NUMBER("by_uid", by_uid),
	NUMBER("last_unix_ns", last_unix_ns),
	NUMBER("answered_unix_ns", answered_unix_ns),
	NUMBER("until_unix_ns", until_unix_ns),
	NUMBER("until_boot_ns", until_boot_ns),
};

const char *scope_name(unsigned scope)
{
	return scope < ARRAY_SIZE(scopes) ? scopes[scope] : "";
}

int scope_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(scopes); i++)
		if (!strcmp(scopes[i], name))
			return i;
	return -1;
}

bool id_valid(const char *id)
{
	size_t n = strnlen(id, sizeof(((struct role_pending *)0)->id));

	return n >= 4 && n < sizeof(((struct role_pending *)0)->id) &&
	       strspn(id, "abcdefghijklmnopqrstuvwxyz23456789") == n;
}

/* --- JSON ----------------------------------------------------------------------------------------- */

static void put_number(const struct entry *e, size_t i, json_t *j)
{
	const char *p = (const char *)e + numbers[i].at;
	json_int_t v = numbers[i].size == 8 ? (json_int_t) * (const uint64_t *)p
					    : (json_int_t) * (const uint32_t *)p;

	json_object_set_new(j, numbers[i].name, json_integer(v));
}

json_t *entry_json(const struct entry *e)
{
	json_t *j = json_object();
	char key[65];

	for (size_t i = 0; i < sizeof(e->p.key); i++)
		sprintf(key + 2 * i, "%02x", e->p.key[i]);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		json_object_set_new(j, texts[i].name, json_string((const char *)e + texts[i].at));
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		put_number(e, i, j);
	json_object_set_new(j, "key", json_string(key));
	json_object_set_new(j, "state", json_string(states[e->state]));
	json_object_set_new(j, "scope", json_string(scope_name(e->scope)));
	return j;
}

static bool get_text(const json_t *j, size_t i, struct entry *e)
{
	const json_t *v = json_object_get(j, texts[i].name);
	size_t n = json_string_length(v);

	if (!json_is_string(v) || n >= texts[i].cap)
		return false;
	memcpy((char *)e + texts[i].at, json_string_value(v), n); /* the rest is 0 */
	return true;
}

static bool get_number(const json_t *j, size_t i, struct entry *e)
{
	const json_t *v = json_object_get(j, numbers[i].name);
	json_int_t n = json_integer_value(v);
	char *p = (char *)e + numbers[i].at;

	if (!json_is_integer(v) || n < 0 || (numbers[i].size == 4 && n > UINT32_MAX))
		return false;
	if (numbers[i].size == 8)
		*(uint64_t *)p = n;
	else
		*(uint32_t *)p = n;
	return true;
}

static bool get_key(const json_t *j, uint8_t ret[static 32])
{
	const char *s = json_string_value(json_object_get(j, "key"));

	if (!s || strlen(s) != 64 || strspn(s, "0123456789abcdef") != 64)
		return false;
	for (size_t i = 0; i < 32; i++) {
		char two[] = {s[2 * i], s[2 * i + 1], '\0'};

		ret[i] = strtoul(two, NULL, 16);
	}
	return true;
}

static int index_of(const json_t *j, const char *key, const char *const *names, size_t n)
{
	const char *s = json_string_value(json_object_get(j, key));

	for (size_t i = 0; s && i < n; i++)
		if (!strcmp(names[i], s))
			return i;
	return -1;
}

bool entry_read(const json_t *j, struct entry *ret)
{
	int state = index_of(j, "state", states, ARRAY_SIZE(states));
	int scope = index_of(j, "scope", scopes, ARRAY_SIZE(scopes));
	struct entry e = {};
	bool answered = state == ENTRY_GRANTED || state == ENTRY_DENIED;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (!get_text(j, i, &e))
			return false;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (!get_number(j, i, &e))
			return false;
	if (state < 0 || scope < 0 || !get_key(j, e.p.key) || !id_valid(e.p.id) || !e.p.rule[0])
		return false;
	/* An answer that nobody gave, or without an end, is none. */
	if (answered && (!e.by[0] || !e.until_unix_ns || !e.until_boot_ns || !e.boot_id[0]))
		return false;
	e.state = state;
	e.scope = scope;
	*ret = e;
	return true;
}

/* --- the record ----------------------------------------------------------------------------------------- */

static void subject(const struct entry *e, char *ret, size_t cap)
{
	const struct role_pending *p = &e->p;

	snprintf(ret, cap, "%s%s%s to %s%s%s", p->user, p->tool[0] ? " by " : "", p->tool,
		 p->service[0] ? p->service : p->host, p->service[0] && p->host[0] ? " at " : "",
		 p->service[0] ? p->host : "");
}

static void why(const struct entry *e, char *ret, size_t cap)
{
	snprintf(ret, cap, "call %s: %s%s%s%s%s", e->p.id, e->word, e->by[0] ? " by " : "", e->by,
		 e->reason[0] ? ": " : "", e->reason);
}

size_t entry_control(const struct entry *e, uint8_t **ret)
{
	Probity__V1__Control c = PROBITY__V1__CONTROL__INIT;
	struct entry v = *e; /* the message holds no const */
	char about[512], line[512], who[96] = "", none[] = "";
	uint8_t *p;
	size_t n;

	subject(e, about, sizeof(about));
	why(e, line, sizeof(line));
	if (e->by[0])
		snprintf(who, sizeof(who), "%s (%u)", e->by, e->by_uid);
	c.kind = PROBITY__V1__CONTROL__KIND__APPROVAL;
	c.reason = line;
	c.approval_id = v.p.id;
	c.approval_state = v.word;
	c.operator_ = who;
	c.operator_uid = e->by_uid;
	c.scope = e->by[0] ? (char *)scope_name(e->scope) : none;
	c.until_unix_ns = e->until_unix_ns;
	c.rule = v.p.rule;
	c.subject = about;
	c.user = v.p.user;
	c.user_uid = v.p.uid;
	c.policy_set = v.p.pack;
	c.policy_version = v.p.pack_version;
	n = probity__v1__control__get_packed_size(&c);
	p = malloc(n);
	if (!p)
		return 0;
	probity__v1__control__pack(&c, p);
	*ret = p;
	return n;
}
