// SPDX-License-Identifier: Apache-2.0
/*
 * The maps of pins.c: taken from a former agent, or pinned for the next one. Flows in: the object between
 * open and load. Flows out: its maps reused, `meta` with the digest, files in bpffs.
 *
 * All or nothing: with one layout different no map is taken. A map of another size (a ring that was to be
 * larger) is left, and its place taken by ours.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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

static bool same_layouts(const struct pins *p)
{
	_cleanup_close_ int fd = -1;
	uint32_t zero = 0;
	struct meta m;
	char at[512];

	if (pins_path(at, sizeof(at), p, "current/meta"))
		return false;
	fd = bpf_obj_get(at);
	return fd >= 0 && !bpf_map_lookup_elem(fd, &zero, &m) && m.magic == META_MAGIC &&
	       !memcmp(m.digest, p->digest, sizeof(m.digest));
}

static int take_map(const struct pins *p, struct bpf_map *m)
{
	_cleanup_close_ int fd = -1;
	struct bpf_map_info info = {};
	uint32_t n = sizeof(info);
	char sub[128], at[512];

	snprintf(sub, sizeof(sub), "current/maps/%s", bpf_map__name(m));
	if (pins_path(at, sizeof(at), p, sub) || (fd = bpf_obj_get(at)) < 0)
		return -errno;
	if (bpf_obj_get_info_by_fd(fd, &info, &n))
		return -errno;
	if (info.max_entries != bpf_map__max_entries(m))
		return -ESTALE; /* another size was asked for: what is in it is not rules */
	return bpf_map__reuse_fd(m, fd);
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
	p->adopted = pins_there(p, "current") && same_layouts(p);
	p->beside = pins_there(p, "current") && !p->adopted;
	if (!p->adopted)
		return;
	bpf_object__for_each_map(m, obj)
	{
		if (pins_map_kept(m) && take_map(p, m))
			log_info("pinned map %s is not gone on with", bpf_map__name(m));
	}
}

static int make_meta(struct pins *p)
{
	struct meta m = {.magic = META_MAGIC};
	uint32_t zero = 0;

	memcpy(m.digest, p->digest, sizeof(m.digest));
	p->meta_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "probity_meta", sizeof(zero), sizeof(m), 1,
				    NULL);
	if (p->meta_fd < 0)
		return -errno;
	return bpf_map_update_elem(p->meta_fd, &zero, &m, BPF_ANY) ? -errno : 0;
}

void pins_put_maps(struct pins *p)
{
	for (unsigned i = 0; i < p->maps_n; i++) {
		int r = pins_put(p, p->maps[i].fd, "/maps", p->maps[i].name);

		if (r)
			log_warn("map %s cannot be pinned: %s", p->maps[i].name, strerror(-r));
	}
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
		snprintf(k->name, sizeof(k->name), "%s", bpf_map__name(m));
		k->fd = bpf_map__fd(m);
		p->maps_n++;
	}
	r = make_meta(p);
	if (r)
		return r;
	p->on = p->adopted;
	if (p->on)
		pins_put_maps(p); /* what was not taken over takes the place of what was there */
	if (p->adopted)
		log_info("rules of the agent before are in force: %u links taken over from %s",
			 p->former_n, p->dir);
	else if (p->beside)
		log_info("%s is of another version: it stays in force until the policy is", p->dir);
	return 0;
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
