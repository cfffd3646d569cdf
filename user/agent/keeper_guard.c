// SPDX-License-Identifier: Apache-2.0
/*
 * Staying in force, in one place for the keeper's loop: pins.c and guard.c begin, tick, end, status and
 * verbs. Flows in: what the rule maps say. Flows out: whether anything is pinned.
 *
 * Whether rules refuse anything is read from the kernel's maps once a second, and not from what was
 * sent there: what is pinned must be what is in force, also when it is a former agent's.
 */
#include "keeper.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/control.h"
#include "agent/guard.h"
#include "agent/inflight.h"
#include "agent/pins.h"
#include "base/log.h"

/* Layout of the map value `shared` in bpf/maps.h, as far as it is read here. */
struct shared_head {
	uint32_t self[8];
	struct krule_any krule;
};

int protect_open_pins(struct keeper *k)
{
	int r;

	if (!k->cfg->pin_dir[0])
		return 0;
	r = pins_open(k->cfg->pin_dir, &k->pins);
	if (r == -EBUSY)
		log_err("%s: another agent is running", k->cfg->pin_dir);
	else if (r == -EPERM)
		log_err("%s: protected by the guard of an agent that this program is not",
			k->cfg->pin_dir);
	else if (r)
		log_warn("%s: %s: what is refused ends with the agent", k->cfg->pin_dir,
			 strerror(-r));
	return r == -EBUSY || r == -EPERM ? r : 0;
}

/* Of its own accord only where something may be refused: who only watches changes nothing. */
bool protect_wanted(const struct keeper *k)
{
	return k->cfg->guard == GUARD_ON || (k->cfg->guard == GUARD_AUTO && k->cfg->enforce);
}

static bool tell(void *ctx, enum role_kind kind, const void *head, size_t n, const void *tail,
		 size_t m)
{
	struct keeper *k = ctx;

	if (k->worker.fd < 0 || k->phase != RUNNING)
		return false;
	tell_worker(k, kind, head, n, tail, m);
	return true;
}

int protect_open(struct keeper *k)
{
	return guard_open(k->bpf, k->cfg, protect_wanted(k), tell, k, &k->guard);
}

/* --- what is in force ---------------------------------------------------------------------------- */

static bool lookup(const struct keeper *k, const char *map, void *to, size_t n)
{
	struct bpf_map *m = bpf_object__find_map_by_name(bpf_object_of(k->bpf), map);
	uint32_t zero = 0;

	memset(to, 0, n);
	return m && bpf_map__value_size(m) == n && !bpf_map_lookup_elem(bpf_map__fd(m), &zero, to);
}

static bool krules_refuse(const struct keeper *k)
{
	struct bpf_map *m = bpf_object__find_map_by_name(bpf_object_of(k->bpf), "shared");
	const struct shared_head *s =
		mmap(NULL, getpagesize(), PROT_READ, MAP_SHARED, m ? bpf_map__fd(m) : -1, 0);
	struct krule_do todo;
	uint64_t all;

	if (s == MAP_FAILED)
		return false;
	all = s->krule.all;
	munmap((void *)s, getpagesize());
	return lookup(k, "krule_todo", &todo, sizeof(todo)) ? all & ~todo.watch : all;
}

static bool anything_refused(const struct keeper *k)
{
	struct exec_settings e;
	struct gate_settings g;

	if (krules_refuse(k))
		return true;
	if (lookup(k, "exec_settings", &e, sizeof(e)) && (e.deny | e.kill | e.allowlist))
		return true;
	return lookup(k, "gate", &g, sizeof(g)) && g.on;
}

/* Before the first worker: what was declared is not declared again, and what came after that is. */
void protect_losses(struct keeper *k)
{
	const uint64_t *said = pins_declared(k->pins);
	struct inflight_drops *d;

	if (inflight_map(k->inflight, &k->calls))
		return;
	d = inflight_drops(k->calls);
	if (said)
		memcpy(d->count, said, sizeof(d->count));
	memcpy(d->before, d->count, sizeof(d->before));
}

void protect_tick(struct keeper *k)
{
	guard_tick(k->guard);
	if (!k->pins)
		return;
	if (k->calls) /* not yet durable, perhaps: rather said twice than never */
		pins_declare(k->pins, inflight_drops(k->calls)->before);
	pins_keep(k->pins, anything_refused(k));
	if (k->ready && !k->settled) {
		k->settled = true; /* the worker has put its rules in force before it said so */
		guard_unread(k->guard, pins_unread(k->pins));
		if (pins_settle(k->pins, bpf_map_named(k->bpf, "sock_verdicts")))
			bpf_set_denied(k->bpf);
	}
}

/* --- end ------------------------------------------------------------------------------------------ */

/* Before the first program is detached. */
void protect_stop(struct keeper *k)
{
	if (k->cfg->keep_enforcing && pins_kept(k->pins)) {
		log_info("what is refused stays in force (%s)", k->cfg->pin_dir);
		pins_leave(k->pins);
	}
}

void protect_close(struct keeper *k)
{
	guard_close(k->guard);
}

void protect_close_pins(struct keeper *k)
{
	pins_close(k->pins);
}

/* --- status and verbs ------------------------------------------------------------------------------- */

void protect_status(const struct keeper *k, json_t *status)
{
	json_object_set_new(status, "pins", pins_status(k->pins));
	json_object_set_new(status, "guard", guard_status(k->guard));
	guard_backends(k->guard, json_object_get(status, "backends"));
	json_array_append_new(json_object_get(status, "backends"),
			      json_pack("{s:s, s:s, s:s}", "for", "staying in force", "backend",
					k->pins ? "bpffs pins" : "none", "note",
					!k->pins	     ? "ends with the agent"
					: pins_kept(k->pins) ? "pinned"
							     : "no rules that refuse"));
}

void on_guard_challenge(void *ctx, struct control_call *call)
{
	guard_challenge(((struct keeper *)ctx)->guard, call);
}
void on_unlock(void *ctx, struct control_call *call)
{
	guard_unlock(((struct keeper *)ctx)->guard, call);
}
void on_lock(void *ctx, struct control_call *call)
{
	guard_lock(((struct keeper *)ctx)->guard, call);
}
