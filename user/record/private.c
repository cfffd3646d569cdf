// SPDX-License-Identifier: Apache-2.0
/*
 * In: a payload as the worker made it, with names in it, because rules on users were judged with them.
 * Out: the same message with pseudonyms and without what the host's owner does not want kept; only that
 * is ever hashed, signed and stored. Every text of every message is walked by its descriptor, so a field
 * that is added later is covered without a line here, and what has no descriptor is not passed on.
 *
 * Operators (`operator`, `approved_by`) keep their names: an approval nobody stands for is no evidence.
 * Numbers of persons go; PRIVATE_UID says that one was left out. What does not unpack is not passed on.
 * Memory: the unpacked message, some 40 times its 64 KiB at worst.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "private_int.h"
#include "proto/record.pb-c.h"
#include "record.h"

#define UID_PERSON 1000 /* as login.defs has it */
#define UID_NOBODY 65534

typedef Probity__V1__Process process;

struct pass {
	const struct private *p;
	struct private_names names;
	bool error; /* out of memory */
};

bool private_person(uint32_t uid)
{
	return uid >= UID_PERSON && uid != UID_NOBODY && uid != PRIVATE_UID;
}

/* --- the message, field by field ------------------------------------------------------------------------ */

static void *member(const void *m, unsigned offset)
{
	return (char *)m + offset;
}

/* How many values a field has, and where they stand: an array of pointers. */
static char **values(const void *m, const ProtobufCFieldDescriptor *f, size_t *ret_n)
{
	if (f->label == PROTOBUF_C_LABEL_REPEATED) {
		*ret_n = *(const size_t *)member(m, f->quantifier_offset);
		return *(char ***)member(m, f->offset);
	}
	*ret_n = 1;
	return member(m, f->offset);
}

typedef void visit(struct pass *s, ProtobufCMessage *m);

static void each_message(struct pass *s, ProtobufCMessage *m, visit *fn)
{
	fn(s, m);
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		char **v;
		size_t n;

		if (f->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		v = values(m, f, &n);
		for (size_t k = 0; k < n; k++)
			if (v[k])
				each_message(s, (ProtobufCMessage *)v[k], fn);
	}
}

static void set_text(char **at, char *text)
{
	if (!text)
		return;
	if (*at != protobuf_c_empty_string)
		free(*at);
	*at = text;
}

/* --- who ------------------------------------------------------------------------------------------------- */

static void note_name(struct pass *s, const char *name, uint32_t uid)
{
	struct private_name *to = &s->names.v[s->names.n];

	if (!private_person(uid) || s->names.n == PRIVATE_NAMES_MAX)
		return;
	snprintf(to->number, sizeof(to->number), "%u", uid);
	snprintf(to->name, sizeof(to->name), "%s", strlen(name) < sizeof(to->name) ? name : "");
	pseudonym_of(s->p->key, PSEUDONYM_USER, *name ? name : to->number, to->alias);
	s->names.n++;
}

static void note_names(struct pass *s, ProtobufCMessage *m)
{
	if (m->descriptor == &probity__v1__process__descriptor) {
		const process *p = (const process *)m;

		note_name(s, p->user, p->uid);
		if (p->has_login_uid_case)
			note_name(s, p->login_user, p->login_uid);
	} else if (m->descriptor == &probity__v1__control__descriptor) {
		const Probity__V1__Control *c = (const Probity__V1__Control *)m;

		if (*c->user)
			note_name(s, c->user, c->user_uid);
	}
}

static void alias(struct pass *s, const char *name, char **at, enum pseudonym_kind kind,
		  uint32_t uid)
{
	char text[PSEUDONYM_SIZE], number[12];
	char *copy;

	snprintf(number, sizeof(number), "%u", uid);
	pseudonym_of(s->p->key, kind, *name ? name : number, text);
	copy = strdup(text);
	s->error |= !copy;
	set_text(at, copy);
}

static void hide_process(struct pass *s, process *p)
{
	if (private_person(p->uid)) {
		alias(s, p->user, &p->user, PSEUDONYM_USER, p->uid);
		p->uid = PRIVATE_UID;
		for (size_t i = 0; i < p->n_groups && s->p->how[PRIVATE_GROUPS] == PRIVATE_KEEP;
		     i++)
			alias(s, p->groups[i], &p->groups[i], PSEUDONYM_GROUP, 0);
	}
	if (p->has_login_uid_case && private_person(p->login_uid)) {
		alias(s, p->login_user, &p->login_user, PSEUDONYM_USER, p->login_uid);
		p->has_login_uid_case = PROBITY__V1__PROCESS__HAS_LOGIN_UID__NOT_SET;
		p->login_uid = 0;
	}
}

static void hide_users(struct pass *s, ProtobufCMessage *m)
{
	if (m->descriptor == &probity__v1__process__descriptor) {
		hide_process(s, (process *)m);
	} else if (m->descriptor == &probity__v1__control__descriptor) {
		Probity__V1__Control *c = (Probity__V1__Control *)m;

		if (!*c->user || !private_person(c->user_uid))
			return;
		alias(s, c->user, &c->user, PSEUDONYM_USER, c->user_uid);
		c->user_uid = PRIVATE_UID;
	}
}

/* Nobody can say what stands in a field that nobody knows. */
static void drop_unknown(struct pass *s, ProtobufCMessage *m)
{
	for (unsigned i = 0; i < m->n_unknown_fields; i++)
		free(m->unknown_fields[i].data);
	free(m->unknown_fields);
	m->unknown_fields = NULL;
	m->n_unknown_fields = 0;
}

/* --- what else -------------------------------------------------------------------------------------------- */

static enum private_field place_of(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	const Probity__V1__Effect *e = (const Probity__V1__Effect *)m;

	if (m->descriptor == &probity__v1__effect__descriptor && !strcmp(f->name, "what"))
		return strcmp(e->kind, "connect") ? PRIVATE_FIELDS : PRIVATE_PEER_ADDRESS;
	return private_field_of(m->descriptor, f->name);
}

static void one_text(struct pass *s, enum private_field is, char **at, bool words)
{
	bool paths = is != PRIVATE_HTTP_PATH && is != PRIVATE_USER_AGENT;

	if (is != PRIVATE_FIELDS)
		set_text(at, private_text(s->p, is, *at, &s->error));
	if (paths)
		set_text(at, private_text(s->p, PRIVATE_HOME_PATH, *at, &s->error));
	if (words)
		set_text(at, private_words(s->p, &s->names, *at, paths, &s->error));
}

static void drop_list(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, char **v,
		      size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(v[i]);
	free(v);
	*(size_t *)member(m, f->quantifier_offset) = 0;
	*(char ***)member(m, f->offset) = NULL;
}

static bool of_operator(const char *field)
{
	return !strcmp(field, "operator") || !strcmp(field, "approved_by");
}

/* Done already, where it is a person's. */
static bool is_name(const char *field)
{
	return !strcmp(field, "user") || !strcmp(field, "login_user") || !strcmp(field, "groups");
}

static void texts(struct pass *s, ProtobufCMessage *m)
{
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		bool words = s->p->users && !is_name(f->name);
		enum private_field is;
		size_t n, from = 0;
		char **v;

		if (f->type != PROTOBUF_C_TYPE_STRING || of_operator(f->name))
			continue;
		is = place_of(m, f);
		v = values(m, f, &n);
		if (is != PRIVATE_FIELDS && f->label == PROTOBUF_C_LABEL_REPEATED && n &&
		    s->p->how[is] == PRIVATE_DROP) {
			drop_list(m, f, v, n);
			continue;
		}
		if (is == PRIVATE_ARGV && n && s->p->how[is] == PRIVATE_MASK)
			one_text(s, PRIVATE_FIELDS, &v[from++], words);
		for (; from < n; from++)
			one_text(s, is, &v[from], words);
	}
}

/* --- the payload -------------------------------------------------------------------------------------------- */

static const ProtobufCMessageDescriptor *of_schema(uint32_t schema)
{
	switch (schema) {
	case RECORD_AI_CALL:
		return &probity__v1__ai_call__descriptor;
	case RECORD_CONTROL:
		return &probity__v1__control__descriptor;
	case RECORD_MCP_CALL:
		return &probity__v1__mcp_call__descriptor;
	case RECORD_DENIAL:
		return &probity__v1__denial__descriptor;
	}
	return NULL;
}

/* A pseudonym may be longer than the name: what makes a payload too long is its arguments. */
static void no_arguments(struct pass *s, ProtobufCMessage *m)
{
	process *p = (process *)m;

	if (m->descriptor != &probity__v1__process__descriptor)
		return;
	for (size_t i = 0; i < p->n_argv; i++)
		free(p->argv[i]);
	p->n_argv = 0;
}

static int pack(struct pass *s, ProtobufCMessage *m, uint8_t *out, size_t cap, size_t *ret_n)
{
	if (s->error)
		return -ENOMEM;
	if (protobuf_c_message_get_packed_size(m) > cap)
		each_message(s, m, no_arguments);
	if (protobuf_c_message_get_packed_size(m) > cap)
		return -EMSGSIZE;
	*ret_n = protobuf_c_message_pack(m, out);
	return 0;
}

int private_apply(const struct private *p, uint32_t schema, const uint8_t *payload, size_t n,
		  uint8_t *out, size_t cap, size_t *ret_n)
{
	const ProtobufCMessageDescriptor *d = of_schema(schema);
	ProtobufCMessage *m = d ? protobuf_c_message_unpack(d, NULL, n, payload) : NULL;
	struct pass s = {.p = p};
	int r;

	if (!m)
		return -EBADMSG;
	if (p->users) {
		each_message(&s, m, note_names);
		each_message(&s, m, hide_users);
	}
	each_message(&s, m, drop_unknown);
	each_message(&s, m, texts);
	r = pack(&s, m, out, cap, ret_n);
	protobuf_c_message_free_unpacked(m, NULL);
	return r;
}
