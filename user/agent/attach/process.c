// SPDX-License-Identifier: Apache-2.0
/*
 * One process: what it maps, what of it is probed, and what the kernel and the worker are told of
 * that. Flows in: its maps. Flows out: links, its mark, ROLE_PROBES.
 *
 * Invariant: after process_sync the links of a process are exactly those of the images it maps now
 * and is to be probed in (an exec, a dlclose, an unmapped file take theirs away). A site is attached
 * only where the process has that very offset mapped executable: the kernel's word, not the file's.
 *
 * Attaching takes 5 to 15 ms and is done here, in the keeper's loop, one process at a time with the
 * loop in between; letting go takes longer and is the closer's. When more than BACKLOG links wait
 * to be closed (thousands of processes that live for moments), new ones are not probed at their
 * first mapping but at their first ClientHello, which is held for it.
 *
 * Long because what is linked, marked and told of a process changes in one look, or in none.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/attach/attach_int.h"
#include "agent/attach/maps.h"
#include "agent/attach/pinned.h"
#include "agent/net.h"
#include "agent/pins.h"
#include "base/cleanup.h"
#include "base/log.h"

#define BACKLOG 512
#define NONE_MS 10000
#define USES_MAX 16

uint64_t boot_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

/* --- what is told ------------------------------------------------------------------------------- */

/*
 * A process without TLS functions may map some at any moment, as every program does while it
 * starts. So that is said only when it was looked at for a flight, and for a while.
 */
void process_mark(struct attach *a, struct target *t)
{
	uint64_t until_ms = t->free_ms ?: t->hellos ? boot_ms() + NONE_MS : 0;
	struct proc_mark m = {.ticks = t->start_ns / KRULE_TICK_NS,
			      .exec = t->exec,
			      .until = until_ms * 1000000,
			      .probes = t->free_ms ? PROBES_NONE : t->state,
			      .marks = t->marks};
	uint32_t pid = t->pid;

	bpf_map_update_elem(a->s.marks, &pid, &m, BPF_ANY);
	if (t->held && (m.probes == PROBES_IN_PLACE || m.probes == PROBES_NONE)) {
		t->held = false;
		net_release(t->pid);
	}
}

static void stacks_of(const struct target *t, char *ret, size_t cap)
{
	size_t at = 0;

	ret[0] = '\0';
	for (unsigned i = 0; i < t->n; i++) {
		char one[64];

		if (!t->uses[i].im->facts)
			continue;
		facts_stacks(t->uses[i].im->facts, one, sizeof(one));
		if (!strstr(ret, one) && at + strlen(one) + 3 < cap)
			at += snprintf(ret + at, cap - at, "%s%s", at ? ", " : "", one);
	}
}

void process_tell(struct attach *a, const struct target *t)
{
	struct role_probes p = {.start_ns = t->start_ns,
				.since_ns = t->since_ns,
				.pid = t->pid,
				.state = t->state};

	stacks_of(t, p.stacks, sizeof(p.stacks));
	snprintf(p.reason, sizeof(p.reason), "%s", t->reason);
	a->s.tell(a->s.ctx, &p);
}

static void count_wait(struct attach *a, struct target *t)
{
	uint64_t us = t->began_ns ? (t->since_ns - t->began_ns) / 1000 : 0;

	if (!us)
		return;
	t->began_ns = 0;
	a->placed++;
	a->wait_us += us;
	if (us > a->longest_wait_us)
		a->longest_wait_us = us;
}

void process_state(struct attach *a, struct target *t, uint32_t state)
{
	if (t->state == state && t->looked)
		return;
	t->state = state;
	t->looked = true;
	if (state == PROBES_IN_PLACE && t->since_ns) {
		t->began_ns = 0; /* a former keeper's: nobody waited */
	} else if (state == PROBES_IN_PLACE) {
		struct timespec now;

		clock_gettime(CLOCK_BOOTTIME, &now);
		t->since_ns = now.tv_sec * 1000000000ull + now.tv_nsec;
		count_wait(a, t);
	} else {
		t->since_ns = 0;
	}
	process_mark(a, t);
	process_tell(a, t);
}

struct target *process_get(struct attach *a, pid_t pid)
{
	struct target *t = targets_get(a->targets, pid);
	struct proc_mark m;
	uint32_t key = pid;

	if (!t || t->until_ms)
		return t;
	t->until_ms = boot_ms() + 1000ull * a->s.probation_s;
	t->early = a->scanning;
	/* Marks come down from the parent in the kernel. */
	if (!bpf_map_lookup_elem(a->s.marks, &key, &m) && m.ticks == t->start_ns / KRULE_TICK_NS)
		t->marks = m.marks;
	return t;
}

/* --- links -------------------------------------------------------------------------------------- */

static void use_end(struct attach *a, struct use *u)
{
	if (u->links) {
		closer_give(a->closer, u->links);
		a->links--;
	}
	if (u->on && !--u->im->users && !a->s.all) {
		a->linked_images--;
		a->linked_sites -= u->im->facts->sites_n;
	}
	u->links = NULL;
	u->on = false;
}

static void use_on(struct attach *a, struct use *u)
{
	u->on = true;
	if (!u->im->users++ && !a->s.all) {
		a->linked_images++;
		a->linked_sites += u->im->facts->sites_n;
	}
}

static struct use *use_of(struct target *t, struct image *im)
{
	struct use *more;

	for (unsigned i = 0; i < t->n; i++)
		if (t->uses[i].im == im)
			return &t->uses[i];
	if (t->n == USES_MAX)
		return NULL;
	more = realloc(t->uses, (t->n + 1) * sizeof(*more));
	if (!more)
		return NULL;
	t->uses = more;
	t->uses[t->n] = (struct use){.im = im};
	im->refs++;
	return &t->uses[t->n++];
}

_Static_assert(TLS_STACK__MAX <= 16, "a cookie has four bits for it");

static const uint64_t *cookies_of(struct attach *a, struct image *im, uint64_t *room)
{
	images_number(a->images, im); /* without a number it is probed and not counted */
	for (unsigned i = 0; i < im->facts->sites_n; i++)
		room[i] = im->facts->cookie[i] | (uint64_t)im->index << 48;
	for (unsigned i = 0; i < im->facts->functions_n; i++) {
		const struct tls_function *f = &im->facts->functions[i];

		for (unsigned k = f->first; k < f->first + f->n; k++)
			room[k] |= (uint64_t)f->stack << 60;
	}
	return room;
}

static struct pinned_id pinned_id_of(const struct attach *a, const struct image *im,
				     const struct target *t)
{
	const struct facts *f = im->facts;
	uint64_t changed = im->mtime.tv_sec * 1000000000ull + im->mtime.tv_nsec;

	return (struct pinned_id){.pid = t ? t->pid : 0,
				  .start_ns = t ? t->start_ns : 0,
				  .dev = im->dev,
				  .ino = im->ino,
				  .sites = pinned_sites(linker_program(&a->linker), im->size,
							changed, f->offset, f->cookie, f->sites_n)};
}

/* A former keeper's probes, which went on without one: this process was seen all the time. */
static bool adopt(struct attach *a, struct image *im, struct target *t, const struct pinned_id *id,
		  struct links **ret)
{
	char begins[PINS_PROBE_NAME], name[PINS_PROBE_NAME];
	struct pinned_as as;

	if (pinned_begins(begins, sizeof(begins), id) ||
	    links_adopt(&a->linker, begins, im->facts->sites_n, id->pid, name, ret))
		return false;
	a->adopted++;
	if (pinned_read(name, &as))
		return true;
	images_number_as(a->images, im, as.index);
	if (!t)
		return true;
	t->early = false;
	if (as.since_ns < t->exec)
		as.since_ns = t->exec;
	if (!t->since_ns || as.since_ns < t->since_ns)
		t->since_ns = as.since_ns;
	return true;
}

static int link_anew(struct attach *a, struct image *im, int fd, const struct pinned_id *id,
		     uint64_t since_ns, struct links **ret)
{
	uint64_t cookies[TLS_SITES_MAX];
	const uint64_t *cookie = cookies_of(a, im, cookies);
	struct pinned_as as = {.index = im->index, .since_ns = since_ns ?: boot_ms() * 1000000};
	char name[PINS_PROBE_NAME];
	int r = pinned_name(name, sizeof(name), id, &as);

	return r
		       ?: links_open(&a->linker, fd, im->facts->offset, cookie, im->facts->sites_n,
				     id->pid, name, ret);
}

/* t: NULL for everybody. */
static int link_image(struct attach *a, struct image *im, int fd, struct target *t,
		      struct links **ret)
{
	struct pinned_id id = pinned_id_of(a, im, t);
	struct timespec from, to;
	double ms;
	int r;

	if (adopt(a, im, t, &id, ret))
		return 0;
	clock_gettime(CLOCK_MONOTONIC, &from);
	r = link_anew(a, im, fd, &id, t ? t->since_ns : 0, ret);
	clock_gettime(CLOCK_MONOTONIC, &to);
	ms = (to.tv_sec - from.tv_sec) * 1e3 + (to.tv_nsec - from.tv_nsec) / 1e6;
	if (ms > a->attach_ms)
		a->attach_ms = ms;
	if (r && r != -ESRCH && r != -EMFILE && r != -ENFILE && r != -ENOMEM && !im->failed) {
		im->failed = true; /* of the file: tried no more. Of the host: it may go later. */
		snprintf(im->reason, sizeof(im->reason), "the kernel refuses its sites: %s",
			 strerror(-r));
		log_warn("cannot probe %s (%s); its TLS calls are not seen", im->path,
			 strerror(-r));
	}
	if (!r && !a->links_made++)
		log_debug("first probes after %.1f ms", ms);
	return r;
}

void image_everywhere(struct attach *a, struct image *im, int fd)
{
	if (im->links || im->failed || link_image(a, im, fd, NULL, &im->links))
		return;
	a->linked_images++;
	a->linked_sites += im->facts->sites_n;
	log_info("probing %s: %u sites", im->path, im->facts->sites_n);
}

/* Each site lies in what this process has of that file executable. */
static bool covered(const struct image *im, const struct mapping *all, int n,
		    const struct mapping *one)
{
	for (unsigned i = 0; i < im->facts->sites_n; i++) {
		uint64_t at = im->facts->offset[i];
		int k = 0;

		while (k < n &&
		       !(all[k].ino == one->ino && !strcmp(all[k].dev, one->dev) &&
			 at >= all[k].offset && at - all[k].offset < all[k].to - all[k].from))
			k++;
		if (k == n)
			return false;
	}
	return true;
}

/* --- one look at a process ---------------------------------------------------------------------- */

struct look {
	struct attach *a;
	struct target *t;
	const struct mapping *all;
	int n;
	bool gone, put_off, uncovered, failed, full;
	unsigned with_sites, pending;
};

static void probe_use(struct look *l, struct image *im, const struct mapping *m, int fd)
{
	struct attach *a = l->a;
	struct target *t = l->t;
	struct use *u = use_of(t, im);
	int r;

	if (!u) {
		l->full = true;
		return;
	}
	u->seen = true;
	if (u->on || t->keep == KEEP_NOT)
		return;
	if (!covered(im, l->all, l->n, m)) {
		l->uncovered = true;
		return;
	}
	im->late |= t->early;
	if (a->s.all) {
		image_everywhere(a, im, fd);
		if (im->links)
			use_on(a, u);
		l->failed |= !im->links;
		return;
	}
	if (closer_waiting(a->closer) > BACKLOG && t->keep == KEEP_PROBATION && !t->hellos) {
		l->put_off = true;
		return;
	}
	r = im->failed ? -EINVAL : link_image(a, im, fd, t, &u->links);
	l->gone |= r == -ESRCH;
	l->failed |= r && r != -ESRCH;
	if (r)
		return;
	a->links++;
	use_on(a, u);
}

bool image_wait(struct image *im, pid_t pid)
{
	for (unsigned i = 0; i < im->waiters_n && i < IMAGE_WAITERS; i++)
		if (im->waiters[i] == pid)
			return false;
	if (im->waiters_n < IMAGE_WAITERS)
		im->waiters[im->waiters_n] = pid;
	im->waiters_n++;
	return true;
}

/* A file that is mapped twice has one answer. */
static bool counted(const struct look *l, const struct mapping *m)
{
	for (const struct mapping *k = l->all; k < m; k++)
		if (k->ino == m->ino && !strcmp(k->dev, m->dev))
			return true;
	return false;
}

static void look_at(struct look *l, const struct mapping *m)
{
	_cleanup_close_ int fd = maps_open(l->t->pid, m->from, m->to, m->path);
	struct image *im;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode))
		return;
	im = images_get(l->a->images, &st, m->path);
	if (!im)
		return;
	im->used = images_now(l->a->images);
	if (im->state == IMAGE_NEW || im->state == IMAGE_PENDING)
		ask_image(l->a->ask, im, fd, true);
	if (im->state == IMAGE_PENDING) {
		image_wait(im, l->t->pid);
		l->pending += !counted(l, m);
	} else if (im->state == IMAGE_SITES) {
		l->with_sites++;
		probe_use(l, im, m, fd);
	}
}

static void drop_unseen(struct attach *a, struct target *t)
{
	for (unsigned i = 0; i < t->n;)
		if (t->uses[i].seen) {
			i++;
		} else {
			use_end(a, &t->uses[i]);
			t->uses[i].im->refs--;
			t->uses[i] = t->uses[--t->n];
		}
}

static bool any_on(const struct target *t)
{
	for (unsigned i = 0; i < t->n; i++)
		if (t->uses[i].on)
			return true;
	return false;
}

static void conclude(struct look *l)
{
	struct target *t = l->t;
	const char *reason = "";
	uint32_t state = PROBES_NONE;

	t->pending = l->pending;
	if (l->pending)
		state = PROBES_COMING;
	else if (any_on(t))
		state = PROBES_IN_PLACE;
	else if (l->put_off || (l->with_sites && t->keep == KEEP_NOT))
		state = PROBES_REMOVED;
	if (l->pending)
		reason = "its files are being looked at";
	else if (l->put_off)
		reason = "too many processes that lived for moments";
	else if (state == PROBES_IN_PLACE && t->early)
		reason = "was there before the agent";
	else if (l->failed)
		reason = "the kernel refuses probes in it";
	else if (l->uncovered)
		reason = "its TLS functions are not mapped executable";
	else if (state == PROBES_REMOVED)
		reason = "did not talk to AI";
	else if (state == PROBES_NONE)
		reason = "no TLS library known to this version";
	l->a->put_off += l->put_off;
	snprintf(t->reason, sizeof(t->reason), "%s", reason);
	process_state(l->a, t, state);
	if (l->with_sites)
		l->a->s.user(l->a->s.ctx, t->pid);
}

static void look_at_all(struct look *l)
{
	for (unsigned i = 0; i < l->t->n; i++)
		l->t->uses[i].seen = false;
	for (int i = 0; i < l->n && !l->gone; i++)
		look_at(l, &l->all[i]);
}

/* Read before its maps: what is said of them then holds for this image, or for none. */
static void note_image(struct attach *a, struct target *t)
{
	uint32_t pid = t->pid;
	uint64_t exec = 0;

	bpf_map_lookup_elem(a->s.execs, &pid, &exec);
	if (exec == t->exec)
		return;
	t->exec = exec;
	t->since_ns = 0;
	t->looked = false;
}

void process_sync(struct attach *a, struct target *t)
{
	_cleanup_free_ struct mapping *all = NULL;
	struct look l = {.a = a, .t = t};

	note_image(a, t);
	l.n = maps_read(t->pid, &all);
	if (l.n < 0 || !same_start(process_start(t->pid, NULL), t->start_ns)) {
		process_drop(a, t);
		return;
	}
	l.all = all;
	look_at_all(&l);
	if (l.full) { /* of images that are not mapped any more, perhaps */
		drop_unseen(a, t);
		l = (struct look){.a = a, .t = t, .all = all, .n = l.n};
		look_at_all(&l);
	}
	if (l.gone) {
		process_drop(a, t);
		return;
	}
	drop_unseen(a, t);
	conclude(&l);
}

/* --- its end ------------------------------------------------------------------------------------ */

void process_strip(struct attach *a, struct target *t, enum keep why, const char *reason)
{
	bool any = false;

	t->keep = why;
	for (unsigned i = 0; i < t->n; i++) {
		any |= t->uses[i].on;
		use_end(a, &t->uses[i]);
	}
	if (!any)
		return;
	snprintf(t->reason, sizeof(t->reason), "%s", reason);
	process_state(a, t, PROBES_REMOVED);
}

void process_drop(struct attach *a, struct target *t)
{
	process_unqueue(a, t);
	for (unsigned i = 0; i < t->n; i++) {
		use_end(a, &t->uses[i]);
		t->uses[i].im->refs--;
	}
	targets_remove(a->targets, t);
}
