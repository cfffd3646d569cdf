// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: the map `folds`, whose counts only grow, and `folds_told`, which only we write. Flows out:
 * one event_deny for each kind of which more came. Invariant: told = count as of the last tick, so
 * that nothing has to be reset while kernel programs add to it. A kind that was still for STILL_NS is
 * forgotten; its next refusal is told by the kernel at once, as the first of a new kind.
 *
 * When `folds` is full the kernel tells each refusal by itself. FOLDS_MAX bounds one tick.
 */
#include "folds.h"

#include <bpf/bpf.h>
#include <time.h>

#define FOLDS_MAX 1024 /* entries of the map */
#define STILL_NS 10000000000ull

/* As in bpf/maps_gate.h. */
struct fold_key {
	uint64_t subject, rules;
	uint32_t tgid;
	uint16_t hook, mechanism;
};
struct fold {
	uint64_t count, seen_ns;
	struct event_deny last;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static bool look(int folds, int told, const struct fold_key *k,
		 void (*tell)(void *ctx, const struct event_deny *d), void *ctx)
{
	uint64_t before = 0, now = now_ns();
	struct fold f;

	if (bpf_map_lookup_elem(folds, k, &f) || !f.last.h.version)
		return false;
	bpf_map_lookup_elem(told, k, &before);
	if (f.count > before) {
		if (bpf_map_update_elem(told, k, &f.count, BPF_ANY))
			return false; /* no memory: the next tick tells it */
		f.last.count = f.count - before;
		f.last.h.boot_ns = f.seen_ns;
		tell(ctx, &f.last);
		return true;
	}
	if (now > f.seen_ns + STILL_NS) {
		bpf_map_delete_elem(folds, k);
		bpf_map_delete_elem(told, k);
	}
	return false;
}

unsigned folds_tick(int folds, int told, void (*tell)(void *ctx, const struct event_deny *d),
		    void *ctx)
{
	struct fold_key k, next;
	bool more = !bpf_map_get_next_key(folds, NULL, &k);
	unsigned n = 0;

	for (unsigned i = 0; more && i < FOLDS_MAX; i++, k = next) {
		more = !bpf_map_get_next_key(folds, &k, &next); /* before k may go */
		n += look(folds, told, &k, tell, ctx);
	}
	return n;
}
