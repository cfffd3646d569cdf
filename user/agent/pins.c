// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: programs to be attached, whether rules are in force. Flows out: links, pinned while rules
 * are, so that SIGKILL of the whole agent takes no refusal away; and at the start, links and maps of
 * the agent before, taken over so that there is no moment without them.
 *
 * DIR/current/{maps,links,probes}/NAME and DIR/current/meta. A former agent of this very build (meta
 * holds the digest) is adopted: its maps are ours, rules included, and so are its links and probes
 * with the programs in them, which are the same as ours: nothing is attached a second time, and nothing
 * has an end. A former agent of another build stays in force beside us, whole, until pins_settle(): our
 * rules are in our maps by then, and our probes in place. Meanwhile we pin in DIR/next, which becomes
 * `current` by rename; a start that finds the rename half done finishes it.
 *
 * Invariant: a link in DIR/current is one that refuses by rules in DIR/current/maps. Nothing is pinned
 * while no rules are in force: an agent that only watches leaves nothing, however it ends.
 *
 * Limits: LINKS_MAX programs. What this kernel cannot pin (links of perf events before 5.15) ends with
 * the keeper, and the status names it. Uprobes are in pins_probes.c, maps in pins_maps.c.
 */
#include "pins.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "pins_int.h"

/* --- paths ------------------------------------------------------------------------------------- */

static int forget(const struct pins *p, const char *sub)
{
	char at[512];

	return pins_path(at, sizeof(at), p, sub) ?: pins_dir_remove(at);
}

static int move(const struct pins *p, const char *from, const char *to)
{
	char a[512], b[512];

	if (pins_path(a, sizeof(a), p, from) || pins_path(b, sizeof(b), p, to))
		return -ENAMETOOLONG;
	return rename(a, b) < 0 ? -errno : 0;
}

/* --- the agent before ---------------------------------------------------------------------------- */

static void read_former(struct pins *p)
{
	char at[512], one[800];
	struct dirent *e;
	DIR *d;

	if (pins_path(at, sizeof(at), p, "current/links") || !(d = opendir(at)))
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
		snprintf(h->name, sizeof(h->name), "%.63s", e->d_name);
		p->former_n++;
	}
	closedir(d);
}

/* A start that ended in the middle of pins_settle(). */
static void finish_move(struct pins *p)
{
	if (!pins_there(p, "current")) {
		if (pins_there(p, "next"))
			move(p, "next", "current");
		else if (pins_there(p, "old"))
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
	pins_probes_read(p);
	p->beside = pins_there(p, "current");
	*ret = TAKE_PTR(p);
	return 0;
}

bool pins_adopted(const struct pins *p)
{
	return p && p->adopted;
}

/* --- links ------------------------------------------------------------------------------------- */

static void pin_link(struct pins *p, struct held *h)
{
	int r = p->on ? pins_put(p, bpf_link__fd(h->link), "/links", h->name) : 0;

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

/* As it is: its program is what ours would be, over the same maps. */
static struct bpf_link *take_link(struct pins *p, struct held *f, int cgroup)
{
	if (!f || !p->adopted || (cgroup >= 0 && !same_cgroup(f->link, cgroup)))
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
	struct bpf_link *l = take_link(p, f, cgroup) ?: plain(prog, cgroup);

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
		snprintf(sub, sizeof(sub), "%s/links/%s", pins_ours_in(p), p->ours[i].name);
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
	static const char *const subs[] = {"", "/maps", "/links", "/probes"};
	char at[512], sub[64];

	for (size_t i = 0; i < ARRAY_SIZE(subs); i++) {
		snprintf(sub, sizeof(sub), "%s%s", pins_ours_in(p), subs[i]);
		if (pins_path(at, sizeof(at), p, sub) || (mkdir(at, 0700) < 0 && errno != EEXIST))
			return -errno;
	}
	return 0;
}

static void keep(struct pins *p)
{
	int r = make_folders(p);

	p->on = true;
	if (!r)
		pins_put_maps(p);
	for (unsigned i = 0; !r && i < p->ours_n; i++)
		pin_link(p, &p->ours[i]);
	if (!r)
		pins_put_probes(p);
	/* Last: without it nobody goes on with what is there. */
	if (!r)
		r = pins_put(p, p->meta_fd, "", "meta");
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
		forget(p, pins_ours_in(p));
	p->on = on;
	pthread_mutex_unlock(&p->lock);
}

bool pins_kept(const struct pins *p)
{
	return p && p->on;
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
		pins_probes_done(p);
	} else if (p->beside) {
		denied = pins_take_denied(p, verdicts);
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
	pins_probes_free(p);
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
	if (pins_guarded(p)) {
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
	return json_pack("{s:s, s:b, s:b, s:b, s:o, s:o, s:o}", "dir", p ? p->dir : "", "pinned",
			 p && p->on, "adopted", p && p->adopted, "beside", p && p->beside, "links",
			 names, "unpinnable", cannot, "probes", pins_probes_status(p));
}
