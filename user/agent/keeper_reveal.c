// SPDX-License-Identifier: Apache-2.0
/*
 * Whose pseudonym is this? Flows in: root's question over the control socket, with a reason. Flows out:
 * to the recorder, the pseudonym, this host's accounts as candidates, and the REVEAL record to be sealed;
 * to root, what the recorder answers after that record is on disk. The keeper holds no key, and nobody
 * is told a name of whom no record says that it was asked for.
 *
 * REVEALS_MAX wait at a time, each ANSWER_S; a recorder that ends has answered none of them.
 */
#include "keeper.h"

#include <errno.h>
#include <grp.h>
#include <jansson.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/control.h"
#include "agent/pseudonyms.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "proto/record.pb-c.h"
#include "record/printable.h"

#define REVEALS_MAX 8
#define ANSWER_S 5
#define NAMES_BYTES (128 * 1024)
#define REASON_BYTES 400

static struct reveal {
	struct control_call *call; /* NULL: free */
	uint64_t id;
	unsigned seconds;
	char pseudonym[PSEUDONYM_SIZE];
} waiting[REVEALS_MAX];

struct names {
	char *p;
	size_t n;
};

static void add(struct names *to, const char *name)
{
	size_t n = strlen(name) + 1;

	if (n > 1 && to->n + n <= NAMES_BYTES) {
		memcpy(to->p + to->n, name, n);
		to->n += n;
	}
}

/* The one that was named first; then all that the host can list. */
static void candidates(struct names *to, enum pseudonym_kind kind, const char *named)
{
	struct passwd *p;
	struct group *g;

	add(to, named);
	if (kind == PSEUDONYM_GROUP) {
		setgrent();
		while ((g = getgrent()))
			add(to, g->gr_name);
		endgrent();
		return;
	}
	setpwent();
	while ((p = getpwent()))
		add(to, p->pw_name);
	endpwent();
}

/* The record: who asked, of whom, why. */
static uint8_t *record_of(const struct control_call *call, const char *pseudonym,
			  const char *reason, size_t *ret_n)
{
	Probity__V1__Control c = PROBITY__V1__CONTROL__INIT;
	char who[128];
	uint8_t *p;

	snprintf(who, sizeof(who), "%s (%u)", control_user(call), (unsigned)control_uid(call));
	c.kind = PROBITY__V1__CONTROL__KIND__REVEAL;
	c.reason = (char *)reason;
	c.operator_ = who;
	c.operator_uid = control_uid(call);
	c.subject = (char *)pseudonym;
	p = malloc(probity__v1__control__get_packed_size(&c));
	if (p)
		*ret_n = probity__v1__control__pack(&c, p);
	return p;
}

static int ask(struct keeper *k, struct reveal *w, enum pseudonym_kind kind, const char *named,
	       const char *reason)
{
	static uint64_t last;
	struct names names = {malloc(NAMES_BYTES), 0};
	_cleanup_free_ char *list = names.p;
	_cleanup_free_ uint8_t *record = NULL, *tail = NULL;
	struct role_reveal q = {.id = ++last};
	size_t n = 0;

	record = record_of(w->call, w->pseudonym, reason, &n);
	if (!list || !record)
		return -ENOMEM;
	candidates(&names, kind, named);
	tail = malloc(n + names.n + 1);
	if (!tail)
		return -ENOMEM;
	memcpy(tail, record, n);
	memcpy(tail + n, names.p, names.n);
	q.control_len = n;
	q.names_len = names.n;
	memcpy(q.pseudonym, w->pseudonym, sizeof(w->pseudonym));
	w->id = q.id;
	return outq_send(&k->recorder.out, k->recorder.fd, ROLE_REVEAL, &q, sizeof(q), tail,
			 n + names.n);
}

static struct reveal *place(uint64_t id)
{
	for (size_t i = 0; i < REVEALS_MAX; i++)
		if (id ? waiting[i].call && waiting[i].id == id : !waiting[i].call)
			return &waiting[i];
	return NULL;
}

static const char *wrong(const struct keeper *k, const struct control_call *call,
			 const char *pseudonym, const char *reason, enum pseudonym_kind *ret_kind)
{
	if (control_uid(call))
		return "only root may ask who somebody is";
	if (!private_keyed(&k->cfg->privacy))
		return "this agent makes no pseudonyms (--users pseudonym)";
	if (!pseudonym_ok(pseudonym, ret_kind) || *ret_kind == PSEUDONYM_TEXT)
		return "not the pseudonym of a user or group";
	if (!reason[0] || strlen(reason) > REASON_BYTES)
		return "a reason is needed, of at most 400 bytes: it stands in the record";
	return NULL;
}

void on_reveal(void *ctx, struct control_call *call)
{
	struct keeper *k = ctx;
	const json_t *r = control_request(call);
	const char *pseudonym = json_string_value(json_object_get(r, "pseudonym")) ?: "";
	const char *named = json_string_value(json_object_get(r, "user")) ?: "", *no;
	char reason[REASON_BYTES + 2];
	enum pseudonym_kind kind;
	struct reveal *w;
	int e;

	printable_copy(reason, sizeof(reason),
		       json_string_value(json_object_get(r, "reason")) ?: "");
	no = wrong(k, call, pseudonym, reason, &kind);
	w = no ? NULL : place(0);
	if (!w) {
		control_fail(call, "%s", no ?: "too many such questions at once");
		return;
	}
	*w = (struct reveal){.call = call};
	memcpy(w->pseudonym, pseudonym, sizeof(w->pseudonym));
	e = k->recorder.fd < 0 ? -ENOTCONN : ask(k, w, kind, named, reason);
	if (!e)
		return;
	w->call = NULL;
	control_fail(call, "not revealed: no record could be made: %s", strerror(-e));
}

const char *reveal_answered(struct keeper *k, const void *p, size_t n)
{
	const struct role_revealed *a = p;
	struct reveal *w = place(a->id);
	struct control_call *call = w ? w->call : NULL;

	if (!w)
		return NULL; /* too late: it was told so */
	w->call = NULL;
	if (a->result)
		control_fail(call, "not revealed: no record could be made: %s",
			     strerror(-a->result));
	else if (!a->name[0])
		control_fail(
			call,
			"%s: no account that this host lists has it (record %llu); name one by "
			"--user to try it",
			w->pseudonym, (unsigned long long)a->seq);
	else
		control_reply(call,
			      json_pack("{s:b, s:s, s:s, s:I}", "ok", 1, "pseudonym", w->pseudonym,
					"name", a->name, "seq", (json_int_t)a->seq));
	return NULL;
}

void reveal_tick(struct keeper *k)
{
	for (size_t i = 0; i < REVEALS_MAX; i++) {
		struct reveal *w = &waiting[i];
		struct control_call *call = w->call;

		if (!call || (++w->seconds < ANSWER_S && k->recorder.fd >= 0))
			continue;
		w->call = NULL;
		control_fail(call, "not revealed: the recorder does not answer");
	}
}
