// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: root's word over the control socket that payloads are to be erased, with a reason. Flows out:
 * to the recorder, which records and why; to root, what the recorder answers once its ERASE record is on
 * disk. ERASURES_MAX wait at a time, each ANSWER_S.
 */
#include "keeper.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "agent/control.h"
#include "record/printable.h"

#define ERASURES_MAX 4
#define ANSWER_S 30

static struct erasure {
	struct control_call *call; /* NULL: free */
	uint64_t id;
	unsigned seconds;
} waiting[ERASURES_MAX];

static struct erasure *place(uint64_t id)
{
	for (size_t i = 0; i < ERASURES_MAX; i++)
		if (id ? waiting[i].call && waiting[i].id == id : !waiting[i].call)
			return &waiting[i];
	return NULL;
}

/* A number that is not negative; false: there is another thing under that name. */
static bool number(const json_t *r, const char *name, bool *ret_is, uint64_t *ret)
{
	const json_t *v = json_object_get(r, name);

	*ret_is = v;
	if (v && (!json_is_integer(v) || json_integer_value(v) < 0))
		return false;
	*ret = v ? json_integer_value(v) : 0;
	return true;
}

static const char *wrong(const struct control_call *call, struct role_erase *q)
{
	const json_t *r = control_request(call);
	bool first, last, before;

	if (control_uid(call))
		return "only root may erase";
	if (!number(r, "first_seq", &first, &q->first_seq) ||
	    !number(r, "last_seq", &last, &q->last_seq) ||
	    !number(r, "before_unix_ns", &before, &q->before_unix_ns))
		return "first_seq, last_seq and before_unix_ns are numbers";
	if (first != last || first == before || (before && !q->before_unix_ns) ||
	    q->first_seq > q->last_seq || q->last_seq == UINT64_MAX)
		return "either first_seq and last_seq, or before_unix_ns";
	q->force = json_is_true(json_object_get(r, "force"));
	printable_copy(q->reason, sizeof(q->reason),
		       json_string_value(json_object_get(r, "reason")) ?: "");
	snprintf(q->operator, sizeof(q->operator), "%s", control_user(call));
	return q->reason[0] ? NULL : "a reason is needed: it stands in the record";
}

void on_erase(void *ctx, struct control_call *call)
{
	static uint64_t last;
	struct keeper *k = ctx;
	struct role_erase q = {.id = ++last, .uid = control_uid(call)};
	const char *no = wrong(call, &q);
	struct erasure *w = no ? NULL : place(0);
	int e;

	if (!w) {
		control_fail(call, "%s", no ?: "too many erasures at once");
		return;
	}
	e = k->recorder.fd < 0 ? -ENOTCONN
			       : outq_send(&k->recorder.out, k->recorder.fd, ROLE_ERASE, &q,
					   sizeof(q), NULL, 0);
	if (e)
		control_fail(call, "not erased: %s", strerror(-e));
	else
		*w = (struct erasure){.call = call, .id = q.id};
}

const char *erase_answered(struct keeper *k, const void *p, size_t n)
{
	const struct role_erased *a = p;
	struct erasure *w = place(a->id);
	struct control_call *call = w ? w->call : NULL;

	if (!w)
		return NULL; /* too late: it was told so */
	w->call = NULL;
	if (a->result)
		control_fail(call, "not erased: %s", a->why);
	else
		control_reply(call,
			      json_pack("{s:b, s:I, s:I, s:I}", "ok", 1, "seq", (json_int_t)a->seq,
					"first_seq", (json_int_t)a->first_seq, "last_seq",
					(json_int_t)a->last_seq));
	return NULL;
}

void erase_tick(struct keeper *k)
{
	for (size_t i = 0; i < ERASURES_MAX; i++) {
		struct erasure *w = &waiting[i];
		struct control_call *call = w->call;

		if (!call || (++w->seconds < ANSWER_S && k->recorder.fd >= 0))
			continue;
		w->call = NULL;
		control_fail(call,
			     "the recorder does not answer; whether it erases is in the records");
	}
}
