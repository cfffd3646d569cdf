// SPDX-License-Identifier: Apache-2.0
/*
 * Shared memory of one page-aligned struct. Orders that matter (x86 and the atomics keep them):
 *   inflight_id: weight[id], slot.id = id, next = id + 1, slot.conn = 0. A death before `next`
 *   moved leaves slot.id == next: the slot still counts, the id does not. A death after it leaves
 *   a slot with an id < next: the id counts (if it is not durable), the slot does not.
 *   inflight_lost: the same with all lost slots at once; covers[id] says how far down the ids are
 *   in its weight, so that they are not counted beside it.
 *   inflight_open: offset and id first, conn last; conn != 0 makes the slot count.
 *   A socket: cookie last; inflight_sock_told: as a slot's id, so its record is there or it is.
 * Limits: with all slots taken a request is still captured, only its loss at a death would be
 * uncounted; such requests are counted in `refused`.
 */
#include "inflight.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

struct slot {
	uint64_t conn, offset, id;
	uint64_t inherited; /* left by a worker that died */
};
struct inflight {
	uint64_t next; /* id to give out */
	uint64_t refused;
	uint32_t hint;
	uint32_t weight[INFLIGHT_IDS]; /* by id: calls that are gone when it is */
	uint32_t covers
		[INFLIGHT_IDS]; /* by id: the weight holds all ids up to id - covers; 0: none */
	struct inflight_drops drops;
	uint64_t start_position;
	uint32_t starts;
	struct slot slot[INFLIGHT_SLOTS];
	uint32_t sock_hint;
	struct inflight_sock sock[INFLIGHT_SOCKS];
};

#define STORE(p, v) __atomic_store_n(&(p), (v), __ATOMIC_SEQ_CST)

int inflight_make(void)
{
	int fd = memfd_create("probity-inflight", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, sizeof(struct inflight)) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

int inflight_map(int fd, struct inflight **ret)
{
	void *p = mmap(NULL, sizeof(struct inflight), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	*ret = p;
	return 0;
}

int inflight_open(struct inflight *f, uint64_t conn, uint64_t offset)
{
	for (uint32_t n = 0; n < INFLIGHT_SLOTS; n++) {
		uint32_t i = (f->hint + n) % INFLIGHT_SLOTS;
		struct slot *s = &f->slot[i];

		if (s->conn)
			continue;
		STORE(s->offset, offset);
		STORE(s->id, 0);
		STORE(s->inherited, 0);
		STORE(s->conn, conn);
		f->hint = i + 1;
		return i;
	}
	f->refused++;
	return -1;
}

void inflight_drop(struct inflight *f, int slot)
{
	if (slot >= 0)
		STORE(f->slot[slot].conn, 0);
}

uint64_t inflight_id(struct inflight *f, int slot, bool is_call)
{
	uint64_t id = f->next;

	STORE(f->weight[id % INFLIGHT_IDS], is_call);
	STORE(f->covers[id % INFLIGHT_IDS], 0);
	if (slot >= 0)
		STORE(f->slot[slot].id, id);
	STORE(f->next, id + 1);
	inflight_drop(f, slot);
	return id;
}

uint64_t inflight_last_id(const struct inflight *f)
{
	return f->next ? f->next - 1 : 0;
}

void inflight_start_ids(struct inflight *f, uint64_t first)
{
	if (first > f->next)
		STORE(f->next, first);
}

unsigned inflight_inherit(struct inflight *f)
{
	unsigned n = 0;

	for (struct slot *s = f->slot; s < f->slot + INFLIGHT_SLOTS; s++) {
		if (!s->conn)
			continue;
		if (s->id && s->id < f->next) { /* its record has an id: counted there */
			STORE(s->conn, 0);
			continue;
		}
		STORE(s->id, 0);
		STORE(s->inherited, 1);
		n++;
	}
	return n;
}

void inflight_again(struct inflight *f, uint64_t conn, uint64_t offset, uint32_t size)
{
	for (struct slot *s = f->slot; s < f->slot + INFLIGHT_SLOTS; s++)
		if (s->conn == conn && s->offset >= offset && s->offset - offset < size &&
		    s->inherited)
			STORE(s->conn, 0);
}

/* Newest first: what a declaration covers is not looked at again. */
static unsigned lost_ids(const struct inflight *f, uint64_t durable, uint64_t up_to)
{
	uint64_t floor = durable;
	unsigned n = 0;

	if (f->next > floor + INFLIGHT_IDS)
		floor = f->next - INFLIGHT_IDS;
	for (uint64_t id = up_to; id > floor; id--) {
		uint32_t covers = f->covers[id % INFLIGHT_IDS];

		n += f->weight[id % INFLIGHT_IDS];
		if (covers && id - covers > floor)
			floor = id - covers;
	}
	return n;
}

unsigned inflight_lost(struct inflight *f, uint64_t durable, uint64_t up_to, uint64_t *ret_id)
{
	unsigned n = lost_ids(f, durable, up_to);
	uint64_t id = f->next;

	for (struct slot *s = f->slot; s < f->slot + INFLIGHT_SLOTS; s++)
		n += s->conn && s->inherited;
	if (!n)
		return 0;
	STORE(f->weight[id % INFLIGHT_IDS], n);
	STORE(f->covers[id % INFLIGHT_IDS], id - up_to);
	for (struct slot *s = f->slot; s < f->slot + INFLIGHT_SLOTS; s++)
		if (s->conn && s->inherited)
			STORE(s->id, id);
	STORE(f->next, id + 1);
	for (struct slot *s = f->slot; s < f->slot + INFLIGHT_SLOTS; s++)
		if (s->conn && s->inherited)
			STORE(s->conn, 0);
	*ret_id = id;
	return n;
}

/* --- sockets ------------------------------------------------------------------------------------- */

struct inflight_sock *inflight_sock_open(struct inflight *f, const struct inflight_sock *first)
{
	for (uint32_t n = 0; n < INFLIGHT_SOCKS; n++) {
		uint32_t i = (f->sock_hint + n) % INFLIGHT_SOCKS;
		struct inflight_sock *s = &f->sock[i], at = *first;

		if (s->cookie)
			continue;
		at.cookie = at.id = 0;
		*s = at;
		STORE(s->cookie, first->cookie);
		f->sock_hint = i + 1;
		return s;
	}
	f->refused++;
	return NULL;
}

void inflight_sock_drop(struct inflight_sock *s)
{
	if (s)
		STORE(s->cookie, 0);
}

void inflight_sock_told(struct inflight *f, struct inflight_sock *s)
{
	if (s)
		STORE(s->id, f->next);
}

struct inflight_sock *inflight_sock_next(struct inflight *f, unsigned *at)
{
	while (*at < INFLIGHT_SOCKS) {
		struct inflight_sock *s = &f->sock[(*at)++];

		if (s->cookie && s->id && s->id < f->next) /* its record has an id */
			inflight_sock_drop(s);
		if (!s->cookie)
			continue;
		STORE(s->id, 0);
		return s;
	}
	return NULL;
}

/* --- the kernel's counters ------------------------------------------------------------------------ */

struct inflight_drops *inflight_drops(struct inflight *f)
{
	return &f->drops;
}

uint64_t inflight_refused(const struct inflight *f)
{
	return f->refused;
}

unsigned inflight_starts_at(struct inflight *f, uint64_t position)
{
	f->starts = position == f->start_position ? f->starts + 1 : 1;
	f->start_position = position;
	return f->starts;
}
