// SPDX-License-Identifier: Apache-2.0
/*
 * Whose turn it is to be looked at. Flows in: targets, in a hurry (a flight of theirs is held, or they
 * are AI) or not. Flows out: one list, first to last; attach.c takes one at a time, with the keeper's
 * loop in between. Invariant: a target is in the list at most once. Bounded by the table of targets.
 */
#include "agent/attach/attach_int.h"

void process_unqueue(struct attach *a, struct target *t)
{
	struct target **at = &a->todo;

	if (!t->todo)
		return;
	while (*at && *at != t)
		at = &(*at)->next_todo;
	if (*at) {
		*at = t->next_todo;
		if (!*at)
			a->todo_last = at;
		a->todo_n--;
	}
	t->todo = false;
}

void process_queue(struct attach *a, struct target *t, bool hurry)
{
	struct timeval now = {};

	if (t->todo && !hurry)
		return;
	process_unqueue(a, t);
	t->todo = true;
	t->due_ms = 0;
	if (hurry) {
		t->next_todo = a->todo;
		a->todo = t;
		if (!t->next_todo)
			a->todo_last = &t->next_todo;
	} else {
		t->next_todo = NULL;
		*a->todo_last = t;
		a->todo_last = &t->next_todo;
	}
	a->todo_n++;
	if (!event_pending(a->pump, EV_TIMEOUT, NULL))
		event_add(a->pump, &now);
}
