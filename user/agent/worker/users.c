// SPDX-License-Identifier: Apache-2.0
/*
 * A direct-mapped cache: SLOTS numbers, the newer one stays. The question goes out with the first
 * event of a connection, so the answer is normally there when the call is judged; when a whole call
 * came in one look at the ring, WAIT_MS are waited for it, once per question. Names may change while
 * the worker runs; FRESH_NS bounds how long an old one is used.
 */
#include "users.h"

#include <string.h>

#define SLOTS 64
#define WAIT_MS 20
#define FRESH_NS 60000000000ull

static struct slot {
	struct role_user user;
	uint64_t asked_ns; /* 0: never */
	bool told, waited;
} slots[SLOTS];

static struct slot *slot_of(uint32_t uid)
{
	struct slot *s = &slots[uid % SLOTS];

	return s->asked_ns && s->user.uid == uid && boot_now() - s->asked_ns < FRESH_NS ? s : NULL;
}

void users_want(struct worker *w, uint32_t uid)
{
	struct role_ask ask = {.uid = uid};

	if (slot_of(uid))
		return;
	slots[uid % SLOTS] = (struct slot){.user.uid = uid, .asked_ns = boot_now()};
	tell_keeper(w, ROLE_ASK, &ask, sizeof(ask));
}

void users_told(struct worker *w, const struct role_user *u)
{
	struct slot *s = slot_of(u->uid);

	if (!s)
		return;
	s->user = *u;
	s->told = true;
	for (char *c = s->user.groups; *c; c++)
		if (*c == ',')
			*c = '\0';
}

const struct role_user *users_find(struct worker *w, uint32_t uid)
{
	struct slot *s;

	users_want(w, uid);
	s = slot_of(uid);
	if (!s->told && !s->waited) {
		uint64_t end = boot_now() + WAIT_MS * 1000000ull;

		s->waited = true;
		while (!s->told && boot_now() < end)
			worker_listen(w, 1);
	}
	return s->told ? &s->user : NULL;
}
