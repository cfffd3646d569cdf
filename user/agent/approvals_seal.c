// SPDX-License-Identifier: Apache-2.0
/*
 * Changes of approvals on their way to a record. Flows in: an entry as it is now. Flows out: a packed
 * Control, offered in order until somebody takes it. At most UNSEALED_MAX wait; one more is counted
 * and logged. The store remembers how far it came, so that a restart goes on there.
 */
#include <stdlib.h>

#include "agent/approvals_int.h"
#include "base/log.h"

#define UNSEALED_MAX 4096

static void note_sealed(struct approvals *a)
{
	json_t *j = json_pack("{s:I, s:I}", "sealed", (json_int_t)a->sealed, "at",
			      (json_int_t)approvals_clock(a).unix_ns);

	if (a->store && !astore_broken(a->store))
		astore_append(a->store, j, true);
	json_decref(j);
}

void approvals_seal(struct approvals *a)
{
	bool any = false;

	while (a->first && a->ops.seal(a->ctx, a->first->control, a->first->size)) {
		struct unsealed *u = a->first;

		a->first = u->next;
		if (!a->first)
			a->last = &a->first;
		a->sealed = u->n;
		a->unsealed--;
		any = true;
		free(u->control);
		free(u);
	}
	if (any && !a->first)
		note_sealed(a);
}

void approvals_to_seal(struct approvals *a, const struct entry *e, uint64_t n)
{
	struct unsealed *u = a->unsealed < UNSEALED_MAX ? calloc(1, sizeof(*u)) : NULL;

	if (u)
		u->size = entry_control(e, &u->control);
	if (!u || !u->size) {
		free(u);
		a->lost_seals++;
		log_err("approvals: no record of call %s being %s: too many wait to be sealed",
			e->p.id, e->word);
		return;
	}
	u->n = n;
	*a->last = u;
	a->last = &u->next;
	a->unsealed++;
}

void approvals_drop_sealed(struct approvals *a)
{
	struct unsealed **at = &a->first;

	while (*at) {
		struct unsealed *u = *at;

		if (u->n > a->sealed) {
			at = &u->next;
			continue;
		}
		*at = u->next;
		a->unsealed--;
		free(u->control);
		free(u);
	}
	a->last = at;
}
