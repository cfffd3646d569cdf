// SPDX-License-Identifier: Apache-2.0
/*
 * The maps of pins.c: taken from a former agent, or pinned for the next one. Flows in: the object between
 * open and load. Flows out: its maps reused, `meta` with the digest, files in bpffs.
 *
 * All or nothing: programs that are adopted go on with the maps they have, so ours must be the same ones.
 * What they say of connections is true as long as probes watch them: where some could not be pinned
 * (5.10), it is thrown away.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/ring.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "pins_int.h"
#include "proto/gate.h"
#include "proto/guard.h"

/* --- paths ------------------------------------------------------------------------------------- */

int pins_path(char *to, size_t n, const struct pins *p, const char *sub)
{
	return snprintf(to, n, "%s/%s", p->dir, sub) < (int)n ? 0 : -ENAMETOOLONG;
}

const char *pins_ours_in(const struct pins *p)
{
	return p->beside ? "next" : "current";
}

bool pins_there(const struct pins *p, const char *sub)
{
	char at[512];

	return !pins_path(at, sizeof(at), p, sub) && !access(at, F_OK);
}

int pins_put(struct pins *p, int fd, const char *sub, const char *name)
{
	char at[512], folder[64];

	snprintf(folder, sizeof(folder), "%s%s", pins_ours_in(p), sub);
	return pins_path(at, sizeof(at), p, folder) ?: pins_dir_put(fd, at, name);
}

/* --- maps -------------------------------------------------------------------------------------- */

static bool same_build(struct pins *p)
{
	_cleanup_close_ int fd = -1;
	uint32_t zero = 0;
	struct meta m;
	char at[512];

	if (pins_path(at, sizeof(at), p, "current/meta"))
		return false;
	fd = bpf_obj_get(at);
	if (fd < 0 || bpf_map_lookup_elem(fd, &zero, &m) || m.magic != META_MAGIC ||
	    memcmp(m.digest, p->digest, sizeof(m.digest)))
		return false;
	p->old_loose = m.loose;
	memcpy(p->declared, m.declared, sizeof(p->declared));
	return true;
}

/* bpffs has no dots. */
static void name_of(char to[static 64], const struct bpf_map *m)
{
	snprintf(to, 64, "%s", bpf_map__name(m));
	for (char *dot = to; (dot = strchr(dot, '.'));)
		*dot = '_';
}

static int former_map(const struct pins *p, const struct bpf_map *m)
{
	char sub[128], at[512], name[64];
	int fd;

	name_of(name, m);
	snprintf(sub, sizeof(sub), "current/maps/%s", name);
	if (pins_path(at, sizeof(at), p, sub))
		return -ENAMETOOLONG;
	fd = bpf_obj_get(at);
	return fd < 0 ? -errno : fd;
}

static bool wanted(const struct bpf_map *m)
{
	return pins_map_kept(m) && bpf_map__autocreate(m);
}

static bool has_all(const struct pins *p, const struct bpf_object *obj)
{
	struct bpf_map *m;

	bpf_object__for_each_map(m, obj)
	{
		_cleanup_close_ int fd = wanted(m) ? former_map(p, m) : -1;

		if (wanted(m) && fd < 0) {
			log_warn("pinned map %s: %s", bpf_map__name(m), strerror(-fd));
			return false;
		}
	}
	return true;
}

static int take_map(const struct pins *p, struct bpf_map *m)
{
	_cleanup_close_ int fd = former_map(p, m);

	return fd < 0 ? fd : bpf_map__reuse_fd(m, fd);
}

void pins_maps(struct pins *p, struct bpf_object *obj)
{
	struct bpf_map *m;

	if (!p)
		return;
	if (pins_digest(obj, p->digest)) {
		log_warn("cannot tell whether the pinned maps are of this version");
		return;
	}
	p->adopted = pins_there(p, "current") && same_build(p) && has_all(p, obj);
	p->beside = pins_there(p, "current") && !p->adopted;
	if (!p->adopted)
		return;
	bpf_object__for_each_map(m, obj)
	{
		if (wanted(m) && take_map(p, m))
			log_err("pinned map %s is not gone on with: what is in it is lost",
				bpf_map__name(m));
	}
}

static int make_meta(struct pins *p)
{
	p->meta_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "probity_meta", sizeof(uint32_t),
				    sizeof(struct meta), 1, NULL);
	if (p->meta_fd < 0)
		return -errno;
	pins_write_meta(p);
	return 0;
}

void pins_write_meta(struct pins *p)
{
	struct meta m = {.magic = META_MAGIC, .loose = p->loose};
	uint32_t zero = 0;

	memcpy(m.digest, p->digest, sizeof(m.digest));
	memcpy(m.declared, p->declared, sizeof(m.declared));
	if (p->meta_fd >= 0 && bpf_map_update_elem(p->meta_fd, &zero, &m, BPF_ANY))
		log_err("%s/meta cannot be written: %s", p->dir, strerror(errno));
}

void pins_put_maps(struct pins *p)
{
	for (unsigned i = 0; i < p->maps_n; i++) {
		int r = pins_put(p, p->maps[i].fd, "/maps", p->maps[i].name);

		if (r)
			log_warn("map %s cannot be pinned: %s", p->maps[i].name, strerror(-r));
	}
}

static void empty(const struct bpf_object *obj, const char *name)
{
	const struct bpf_map *m = bpf_object__find_map_by_name(obj, name);
	int fd = m ? bpf_map__fd(m) : -1;
	uint8_t key[64];

	while (fd >= 0 && bpf_map__key_size(m) <= sizeof(key) &&
	       !bpf_map_get_next_key(fd, NULL, key) && !bpf_map_delete_elem(fd, key))
		;
}

/* Connections went on that nobody watched. */
static void forget_connections(const struct bpf_object *obj)
{
	static const char *const of[] = {"conns",      "calls",	     "go_calls",
					 "gate_waits", "proc_marks", "aead_procs"};

	for (size_t i = 0; i < ARRAY_SIZE(of); i++)
		empty(obj, of[i]);
}

int pins_loaded(struct pins *p, struct bpf_object *obj)
{
	struct bpf_map *m;
	int r;

	if (!p)
		return 0;
	bpf_object__for_each_map(m, obj)
	{
		struct kept *k = &p->maps[p->maps_n];

		if (!pins_map_kept(m) || bpf_map__fd(m) < 0 || p->maps_n == MAPS_MAX)
			continue;
		name_of(k->name, m);
		k->fd = bpf_map__fd(m);
		p->maps_n++;
	}
	r = make_meta(p);
	if (r)
		return r;
	p->on = p->adopted;
	if (p->adopted && p->old_loose)
		forget_connections(obj);
	if (p->on)
		pins_put(p, p->meta_fd, "", "meta");
	if (p->adopted)
		log_info("rules of the agent before are in force: %u links and %zu probes in %s",
			 p->former_n, p->old.n, p->dir);
	else if (p->beside)
		log_info("%s is of another build: it stays in force until the policy is", p->dir);
	return 0;
}

const uint64_t *pins_declared(const struct pins *p)
{
	return p && p->adopted ? p->declared : NULL;
}

void pins_declare(struct pins *p, const uint64_t *count)
{
	if (!p || !memcmp(p->declared, count, sizeof(p->declared)))
		return;
	pthread_mutex_lock(&p->lock);
	memcpy(p->declared, count, sizeof(p->declared));
	pins_write_meta(p);
	pthread_mutex_unlock(&p->lock);
}

/* Records nobody read, by the head of each (Documentation/bpf/ringbuf.rst): whatever build wrote them. */
static void count_one(void *ctx, const void *record, size_t n)
{
	++*(unsigned *)ctx;
}

unsigned pins_unread(const struct pins *p)
{
	_cleanup_close_ int fd = -1;
	struct bpf_map_info info = {};
	uint32_t size = sizeof(info);
	struct ring *ring;
	unsigned n = 0;
	char old[512];

	if (!p || !p->beside || pins_path(old, sizeof(old), p, "current/maps/events") ||
	    (fd = bpf_obj_get(old)) < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) ||
	    info.type != BPF_MAP_TYPE_RINGBUF || ring_open(fd, info.max_entries, &ring))
		return 0;
	ring_consume(ring, count_one, &n, UINT_MAX);
	ring_free(ring);
	return n;
}

/* Keys and values of the two maps are the same numbers, or nothing is taken. */
unsigned pins_take_denied(const struct pins *p, int verdicts)
{
	_cleanup_close_ int fd = -1;
	struct bpf_map_info info = {};
	uint32_t n = sizeof(info), verdict;
	uint64_t at, next;
	unsigned taken = 0;
	char old[512];

	if (pins_path(old, sizeof(old), p, "current/maps/sock_verdicts") ||
	    (fd = bpf_obj_get(old)) < 0 || bpf_obj_get_info_by_fd(fd, &info, &n) ||
	    info.key_size != sizeof(at) || info.value_size != sizeof(verdict))
		return 0;
	for (bool more = !bpf_map_get_next_key(fd, NULL, &next); more && taken < info.max_entries;
	     more = !bpf_map_get_next_key(fd, &at, &next)) {
		at = next;
		if (!bpf_map_lookup_elem(fd, &at, &verdict) && verdict == SOCK_DENY)
			taken += !bpf_map_update_elem(verdicts, &at, &verdict, BPF_ANY);
	}
	return taken;
}

/* Whether a guard is in force that only an operator's signature opens. */
bool pins_guarded(const struct pins *p)
{
	_cleanup_close_ int fd = -1;
	struct guard_now now = {};
	struct timespec t;
	uint32_t zero = 0;
	char at[512];

	if (!pins_there(p, "current/links/guard_kill") ||
	    pins_path(at, sizeof(at), p, "current/maps/guard_now"))
		return false;
	fd = bpf_obj_get(at);
	clock_gettime(CLOCK_BOOTTIME, &t);
	return fd < 0 || bpf_map_lookup_elem(fd, &zero, &now) ||
	       (now.signed_ && now.until_ns <= t.tv_sec * 1000000000ull + t.tv_nsec);
}
