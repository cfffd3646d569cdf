// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: programs to be attached, whether rules are in force. Flows out: links, pinned while rules
 * are, so that SIGKILL of the whole agent takes no refusal away; and at the start, links and maps of
 * the agent before, taken over so that there is no moment without them.
 *
 * DIR/current/{maps,links}/NAME and DIR/current/meta. A former agent whose maps have our layouts
 * (meta holds the digest) is adopted: its maps are ours, rules included, and each of its links gets
 * our program, in one step where the kernel can (cgroup), else ours is attached and then the old one
 * goes. A former agent of other layouts stays in force beside us until pins_settle(): our rules are in
 * our maps by then. Meanwhile we pin in DIR/next, which becomes `current` by rename; a start that finds
 * the rename half done finishes it.
 *
 * Invariant: a link in DIR/current is one that refuses by rules in DIR/current/maps. Nothing is pinned
 * while no rules are in force: an agent that only watches leaves nothing, however it ends.
 *
 * Limits: LINKS_MAX programs. What this kernel cannot pin (links of perf events before 5.15) ends with
 * the keeper, and the status names it.
 */
#include "pins.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "pins_dir.h"
#include "proto/gate.h"
#include "proto/guard.h"

#define LINKS_MAX 64
#define MAPS_MAX 96
#define META_MAGIC 0x70726f62u

struct meta {
	uint32_t magic, pad;
	uint8_t digest[PINS_DIGEST];
};
struct held { /* a link, by the name of its program */
	char name[64];
	struct bpf_link *link;
	bool unpinnable;
};
struct kept {
	char name[64];
	int fd; /* libbpf's */
};
struct pins {
	pthread_mutex_t lock;
	char dir[256];
	int dir_fd, meta_fd;
	uint8_t digest[PINS_DIGEST];
	struct held ours[LINKS_MAX], former[LINKS_MAX];
	struct kept maps[MAPS_MAX];
	unsigned ours_n, former_n, maps_n;
	bool adopted; /* the maps are the former agent's, and `current` is ours */
	bool beside;  /* a former agent of other layouts is in force beside us */
	bool on;      /* pinned */
	bool leaving; /* nothing is unpinned any more */
};

/* --- paths ------------------------------------------------------------------------------------- */

static int path(char *to, size_t n, const struct pins *p, const char *sub)
{
	return snprintf(to, n, "%s/%s", p->dir, sub) < (int)n ? 0 : -ENAMETOOLONG;
}

static const char *ours_in(const struct pins *p)
{
	return p->beside ? "next" : "current";
}

static bool there(const struct pins *p, const char *sub)
{
	char at[512];

	return !path(at, sizeof(at), p, sub) && !access(at, F_OK);
}

static int forget(const struct pins *p, const char *sub)
{
	char at[512];

	return path(at, sizeof(at), p, sub) ?: pins_dir_remove(at);
}

static int move(const struct pins *p, const char *from, const char *to)
{
	char a[512], b[512];

	if (path(a, sizeof(a), p, from) || path(b, sizeof(b), p, to))
		return -ENAMETOOLONG;
	return rename(a, b) < 0 ? -errno : 0;
}

static int put(struct pins *p, int fd, const char *sub, const char *name)
{
	char at[512], folder[64];

	snprintf(folder, sizeof(folder), "%s%s", ours_in(p), sub);
	return path(at, sizeof(at), p, folder) ?: pins_dir_put(fd, at, name);
}

/* --- the agent before ---------------------------------------------------------------------------- */

static void read_former(struct pins *p)
{
	char at[512], one[800];
	struct dirent *e;
	DIR *d;

	if (path(at, sizeof(at), p, "current/links") || !(d = opendir(at)))
		return;
	while ((e = readdir(d)) && p->former_n < LINKS_MAX) {
		struct held *h = &p->former[p->former_n];

		if (e->d_name[0] == '.' || strlen(e->d_name) >= sizeof(h->name))
			continue;
		snprintf(one, sizeof(one), "%s/%s", at, e->d_name);
		h->link = bpf_link__open(one);
		if (libbpf_get_error(h->link)) {
			log_warn("%s cannot be taken over: %s", one, strerror(errno));
			h->link = NULL;
			continue;
		}
		snprintf(h->name, sizeof(h->name), "%s", e->d_name);
		p->former_n++;
	}
	closedir(d);
}

/* A start that ended in the middle of pins_settle(). */
static void finish_move(struct pins *p)
{
	if (!there(p, "current")) {
		if (there(p, "next"))
			move(p, "next", "current");
		else if (there(p, "old"))
			move(p, "old", "current");
	}
	forget(p, "next");
	forget(p, "old");
}

int pins_open(const char *dir, struct pins **ret)
{
	_cleanup_free_ struct pins *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->meta_fd = -1;
	if (snprintf(p->dir, sizeof(p->dir), "%s", dir) >= (int)sizeof(p->dir))
		return -ENAMETOOLONG;
	r = pins_dir_open(dir, &p->dir_fd);
	if (r)
		return r;
	pthread_mutex_init(&p->lock, NULL);
	finish_move(p);
	read_former(p);
	p->beside = there(p, "current");
	*ret = TAKE_PTR(p);
	return 0;
}

/* --- maps -------------------------------------------------------------------------------------- */

static bool same_layouts(const struct pins *p)
{
	_cleanup_close_ int fd = -1;
	uint32_t zero = 0;
	struct meta m;
	char at[512];

	if (path(at, sizeof(at), p, "current/meta"))
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
	if (path(at, sizeof(at), p, sub) || (fd = bpf_obj_get(at)) < 0)
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
	p->adopted = there(p, "current") && same_layouts(p);
	p->beside = there(p, "current") && !p->adopted;
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

static void pin_maps(struct pins *p)
{
	for (unsigned i = 0; i < p->maps_n; i++) {
		int r = put(p, p->maps[i].fd, "/maps", p->maps[i].name);

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
		pin_maps(p); /* what was not taken over takes the place of what was there */
	if (p->adopted)
		log_info("rules of the agent before are in force: %u links taken over from %s",
			 p->former_n, p->dir);
	else if (p->beside)
		log_info("%s is of another version: it stays in force until the policy is", p->dir);
	return 0;
}

bool pins_adopted(const struct pins *p)
{
	return p && p->adopted;
}

/* --- links ------------------------------------------------------------------------------------- */

static void pin_link(struct pins *p, struct held *h)
{
	int r = p->on ? put(p, bpf_link__fd(h->link), "/links", h->name) : 0;

	if (r && !h->unpinnable)
		log_info("%s cannot be pinned here (%s): it ends with the agent", h->name,
			 strerror(-r));
	h->unpinnable = r;
}

static struct held *find(struct held *list, unsigned n, const char *name)
{
	for (unsigned i = 0; i < n; i++)
		if (!strcmp(list[i].name, name))
			return &list[i];
	return NULL;
}

static bool same_cgroup(const struct bpf_link *l, int cgroup)
{
	struct bpf_link_info info = {};
	uint32_t n = sizeof(info);
	struct stat st;

	return !bpf_obj_get_info_by_fd(bpf_link__fd(l), &info, &n) && !fstat(cgroup, &st) &&
	       info.type == BPF_LINK_TYPE_CGROUP && info.cgroup.cgroup_id == st.st_ino;
}

/* Our program in a link that is there: no packet between the two. */
static struct bpf_link *take_link(struct pins *p, struct held *f, struct bpf_program *prog,
				  int cgroup)
{
	if (!f || !p->adopted || cgroup < 0 || !same_cgroup(f->link, cgroup) ||
	    bpf_link_update(bpf_link__fd(f->link), bpf_program__fd(prog), NULL))
		return NULL;
	return TAKE_PTR(f->link);
}

static void drop_former(struct pins *p, struct held *f)
{
	bpf_link__destroy(f->link);
	*f = p->former[--p->former_n];
}

static struct bpf_link *plain(struct bpf_program *prog, int cgroup)
{
	struct bpf_link *l =
		cgroup < 0 ? bpf_program__attach(prog) : bpf_program__attach_cgroup(prog, cgroup);

	return libbpf_get_error(l) ? NULL : l;
}

static struct bpf_link *attach(struct pins *p, struct bpf_program *prog, int cgroup)
{
	const char *name = bpf_program__name(prog);
	struct held *f = find(p->former, p->former_n, name), *h = &p->ours[p->ours_n];
	struct bpf_link *l = take_link(p, f, prog, cgroup) ?: plain(prog, cgroup);

	if (!l)
		return NULL;
	if (p->ours_n == LINKS_MAX) {
		log_err("more than %d programs: %s is not pinned", LINKS_MAX, name);
		return l;
	}
	p->ours_n++;
	*h = (struct held){.link = l};
	snprintf(h->name, sizeof(h->name), "%s", name);
	pin_link(p, h);
	if (f && p->adopted)
		drop_former(p, f);
	return l;
}

struct bpf_link *pins_attach(struct pins *p, struct bpf_program *prog, int cgroup)
{
	struct bpf_link *l;
	int err;

	if (!p)
		return plain(prog, cgroup);
	pthread_mutex_lock(&p->lock);
	l = attach(p, prog, cgroup);
	err = errno;
	pthread_mutex_unlock(&p->lock);
	errno = err;
	return l;
}

void pins_detach(struct pins *p, struct bpf_link *l)
{
	char sub[128];

	if (!l)
		return;
	if (p)
		pthread_mutex_lock(&p->lock);
	for (unsigned i = 0; p && i < p->ours_n; i++) {
		if (p->ours[i].link != l)
			continue;
		snprintf(sub, sizeof(sub), "%s/links/%s", ours_in(p), p->ours[i].name);
		if (p->on && !p->leaving)
			forget(p, sub);
		p->ours[i] = p->ours[--p->ours_n];
		break;
	}
	if (p)
		pthread_mutex_unlock(&p->lock);
	bpf_link__destroy(l);
}

/* --- in force or not ------------------------------------------------------------------------------- */

static int make_folders(const struct pins *p)
{
	static const char *const subs[] = {"", "/maps", "/links"};
	char at[512], sub[64];

	for (size_t i = 0; i < ARRAY_SIZE(subs); i++) {
		snprintf(sub, sizeof(sub), "%s%s", ours_in(p), subs[i]);
		if (path(at, sizeof(at), p, sub) || (mkdir(at, 0700) < 0 && errno != EEXIST))
			return -errno;
	}
	return 0;
}

static void keep(struct pins *p)
{
	int r = make_folders(p);

	p->on = true;
	if (!r)
		pin_maps(p);
	for (unsigned i = 0; !r && i < p->ours_n; i++)
		pin_link(p, &p->ours[i]);
	/* Last: without it nobody goes on with what is there. */
	if (!r)
		r = put(p, p->meta_fd, "", "meta");
	if (r)
		log_err("%s: %s: what is refused ends with the agent", p->dir, strerror(-r));
}

void pins_keep(struct pins *p, bool on)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	if (on && !p->on)
		keep(p);
	else if (!on && p->on)
		forget(p, ours_in(p));
	p->on = on;
	pthread_mutex_unlock(&p->lock);
}

bool pins_kept(const struct pins *p)
{
	return p && p->on;
}

/* Keys and values of the two maps are the same numbers, or nothing is taken. */
static unsigned take_denied(const struct pins *p, int verdicts)
{
	_cleanup_close_ int fd = -1;
	struct bpf_map_info info = {};
	uint32_t n = sizeof(info), verdict;
	uint64_t at, next;
	unsigned taken = 0;
	char old[512];

	if (path(old, sizeof(old), p, "current/maps/sock_verdicts") ||
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

static unsigned settle(struct pins *p, int verdicts)
{
	unsigned denied = 0;
	char sub[128];

	if (p->adopted) {
		for (unsigned i = 0; p->on && i < p->former_n; i++) {
			snprintf(sub, sizeof(sub), "current/links/%s", p->former[i].name);
			forget(p, sub);
		}
	} else if (p->beside) {
		denied = take_denied(p, verdicts);
		move(p, "current", "old");
		if (p->on)
			move(p, "next", "current");
		p->beside = false;
		forget(p, "old");
		log_info("the agent before has let go");
	}
	while (p->former_n)
		drop_former(p, &p->former[0]);
	return denied;
}

unsigned pins_settle(struct pins *p, int verdicts)
{
	unsigned n;

	if (!p)
		return 0;
	pthread_mutex_lock(&p->lock);
	n = settle(p, verdicts);
	pthread_mutex_unlock(&p->lock);
	return n;
}

void pins_leave(struct pins *p)
{
	if (p)
		p->leaving = true;
}

void pins_close(struct pins *p)
{
	if (!p)
		return;
	while (p->former_n)
		drop_former(p, &p->former[0]);
	if (!p->leaving) {
		forget(p, "current");
		forget(p, "next");
		rmdir(p->dir);
	}
	close(p->dir_fd);
	if (p->meta_fd >= 0)
		close(p->meta_fd);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void pins_each_link(struct pins *p, void (*each)(void *ctx, const struct bpf_link *l), void *ctx)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	for (unsigned i = 0; i < p->ours_n; i++)
		each(ctx, p->ours[i].link);
	for (unsigned i = 0; i < p->former_n; i++)
		each(ctx, p->former[i].link);
	pthread_mutex_unlock(&p->lock);
}

/* Whether a guard is in force that only an operator's signature opens. */
static bool guarded(const struct pins *p)
{
	_cleanup_close_ int fd = -1;
	struct guard_now now = {};
	struct timespec t;
	uint32_t zero = 0;
	char at[512];

	if (!there(p, "current/links/guard_kill") ||
	    path(at, sizeof(at), p, "current/maps/guard_now"))
		return false;
	fd = bpf_obj_get(at);
	clock_gettime(CLOCK_BOOTTIME, &t);
	return fd < 0 || bpf_map_lookup_elem(fd, &zero, &now) ||
	       (now.signed_ && now.until_ns <= t.tv_sec * 1000000000ull + t.tv_nsec);
}

/* The guard takes this program for the agent, so it keeps to what the agent would allow. */
int pins_unload(const char *dir)
{
	struct pins *p;
	int r;

	if (access(dir, F_OK) < 0)
		return -errno;
	r = pins_open(dir, &p);
	if (r)
		return r;
	if (guarded(p)) {
		pins_leave(p);
		pins_close(p);
		return -EPERM;
	}
	r = forget(p, "current");
	pins_close(p);
	return r;
}

/* --- status ------------------------------------------------------------------------------------ */

json_t *pins_status(const struct pins *p)
{
	json_t *names = json_array(), *cannot = json_array();

	for (unsigned i = 0; p && i < p->ours_n; i++)
		json_array_append_new(p->ours[i].unpinnable ? cannot : names,
				      json_string(p->ours[i].name));
	return json_pack("{s:s, s:b, s:b, s:b, s:o, s:o}", "dir", p ? p->dir : "", "pinned",
			 p && p->on, "adopted", p && p->adopted, "beside", p && p->beside, "links",
			 names, "unpinnable", cannot);
}
