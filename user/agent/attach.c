// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: mappings, execs, forks, ends, ClientHellos (from the kernel), evidence (from the
 * worker), answers (from the resolver). Flows out: who is to be looked at next (process.c does it).
 *
 * Adaptive: a process that maps TLS functions is on probation, probed at once, for some seconds. It
 * keeps its probes while it talks to what may be AI, for its life once it did, and loses them when
 * the worker says that it was not AI or when it did not act as a TLS client at all (a server). From
 * then on each first flight is held by the kernel and told: the worker judges the name, and the
 * probes come back before the flight goes on, or it goes on without. A client that opens connection
 * after connection keeps its probes although it is not AI: each hold costs it milliseconds, a probe
 * one microsecond.
 *
 * There is no memory of programs that were not AI: attaching costs 10 ms of ours, and an AI call may
 * be the first thing the next run does; so every run is on probation.
 *
 * Late is what cannot be helped: connections from before the agent, or before the probes came. The
 * worker is told since when there are probes and why not earlier (ROLE_PROBES).
 *
 * Long because each source of a look has its entry here; what a look does is process.c's.
 */
#include "attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/attach/attach_int.h"
#include "agent/attach/maps.h"
#include "agent/attach/pinned.h"
#include "agent/pins.h"
#include "base/cleanup.h"
#include "base/log.h"

#define TURN_MS 20	 /* of the loop, before others have theirs */
#define FORK_GRACE_MS 30 /* most children exec */

/* --- the pump ----------------------------------------------------------------------------------- */

static void on_pump(evutil_socket_t fd, short what, void *ctx)
{
	struct attach *a = ctx;
	struct timeval now = {};
	uint64_t until = boot_ms() + TURN_MS;

	while (a->todo && boot_ms() < until) {
		struct target *t = a->todo;

		process_unqueue(a, t);
		process_sync(a, t);
	}
	if (a->todo)
		event_add(a->pump, &now);
}

static void queue_due(void *ctx, struct target *t)
{
	struct timeval grace = {.tv_usec = (FORK_GRACE_MS + 1) * 1000};
	struct attach *a = ctx;

	if (!t->due_ms)
		return;
	if (boot_ms() >= t->due_ms)
		process_queue(a, t, false);
	else if (!event_pending(a->soon, EV_TIMEOUT, NULL))
		event_add(a->soon, &grace);
}

static void on_soon(evutil_socket_t fd, short what, void *ctx)
{
	struct attach *a = ctx;

	targets_each(a->targets, queue_due, a);
}

/* --- images ------------------------------------------------------------------------------------- */

static void queue_pending(void *ctx, struct target *t)
{
	if (t->pending)
		process_queue(ctx, t, t->hellos > 0);
}

/* In `all` a file is probed before anybody runs it. */
static void link_ahead(struct attach *a, struct image *im)
{
	_cleanup_close_ int fd = open(im->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd >= 0 && !fstat(fd, &st) && images_find(a->images, &st) == im)
		image_everywhere(a, im, fd);
}

static bool files_waited_for(const struct attach *a)
{
	struct ask_counts c;

	ask_counts(a->ask, &c);
	return c.waited_for;
}

/* A look at a process opens all that it maps. So one that waits for several files is looked at again
 * when the last has its answer, unless one has sites or a first packet waits; those that the list of a
 * file had no room for, when no file is waited for, or at the next tick. */
static void answered(struct attach *a, const struct image *im, struct target *t)
{
	if (im->state != IMAGE_SITES && t->pending > 1 && !t->hellos)
		t->pending--;
	else
		process_queue(a, t, t->hellos > 0);
}

static void look_later(struct attach *a)
{
	if (a->later)
		targets_each(a->targets, queue_pending, a);
	a->later = false;
}

static void on_resolved(void *ctx, struct image *im)
{
	struct attach *a = ctx;
	unsigned n = im->waiters_n;

	a->dirty = true;
	im->waiters_n = 0;
	if (im->state == IMAGE_SITES && a->s.all)
		link_ahead(a, im);
	a->later |= n > IMAGE_WAITERS;
	for (unsigned i = 0; i < n && n <= IMAGE_WAITERS; i++) {
		struct target *t = targets_find(a->targets, im->waiters[i], 0);

		if (t)
			answered(a, im, t);
	}
	if (im->state == IMAGE_SITES || !files_waited_for(a))
		look_later(a);
}

static void reserve_index(void *ctx, const char *name)
{
	struct attach *a = ctx;
	struct pinned_as as;

	if (!pinned_read(name, &as))
		images_reserve(a->images, as.index);
}

/* What fired for a former keeper says nothing of the images that have its numbers now. */
static void forget_hits(int hits)
{
	_cleanup_free_ struct image_hits *zero = calloc(libbpf_num_possible_cpus(), sizeof(*zero));

	for (uint32_t i = 0; zero && i < IMAGES_COUNTED; i++)
		bpf_map_update_elem(hits, &i, zero, BPF_ANY);
}

struct attach *attach_new(const struct attach_setup *s)
{
	struct attach *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->s = *s;
	a->todo_last = &a->todo;
	a->begun_ms = boot_ms();
	linker_init(&a->linker, s->prog, s->pins);
	a->closer = closer_new();
	a->images = images_new();
	a->targets = targets_new();
	a->ask = a->images ? ask_new(a->images, on_resolved, a) : NULL;
	a->pump = event_new(s->base, -1, 0, on_pump, a);
	a->soon = event_new(s->base, -1, 0, on_soon, a);
	if (!a->closer || !a->targets || !a->ask || !a->pump || !a->soon) {
		attach_free(a);
		return NULL;
	}
	if (s->cache)
		cache_load(a->images, s->cache);
	pins_each_probe(s->pins, reserve_index, a);
	if (pins_adopted(s->pins))
		forget_hits(s->hits);
	return a;
}

static void drop_target(void *ctx, struct target *t)
{
	process_drop(ctx, t);
}

static void unlink_image(void *ctx, struct image *im)
{
	struct attach *a = ctx;

	closer_give(a->closer, im->links);
	im->links = NULL;
}

static void save(struct attach *a)
{
	int r = a->s.cache ? cache_save(a->images, a->s.cache) : 0;

	if (r && !a->save_failed) /* once, until it goes again */
		log_warn("%s: cannot be written (%s); files are looked at again after a restart",
			 a->s.cache, strerrorname_np(-r));
	a->save_failed = r != 0;
	a->dirty = false;
}

void attach_free(struct attach *a)
{
	if (!a)
		return;
	if (a->targets && a->images) {
		if (a->dirty)
			save(a);
		targets_each(a->targets, drop_target, a);
		images_each(a->images, false, unlink_image, a);
	}
	closer_free(a->closer);
	ask_free(a->ask);
	targets_free(a->targets);
	images_free(a->images);
	if (a->pump)
		event_free(a->pump);
	if (a->soon)
		event_free(a->soon);
	free(a);
}

/* --- from the kernel ---------------------------------------------------------------------------- */

static uint64_t boot_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void mapped(struct attach *a, pid_t pid, int fd, const char *path)
{
	struct image *im;
	struct target *t;
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return;
	im = images_get(a->images, &st, path);
	if (!im) {
		if (!a->full++) /* once between two sweeps */
			log_warn("%s is not looked at: %d files are in use already", path,
				 IMAGES_MAX);
		return;
	}
	im->used = images_now(a->images);
	if (im->state == IMAGE_NEW || im->state == IMAGE_PENDING)
		ask_image(a->ask, im, fd, true);
	if (im->state != IMAGE_PENDING && im->state != IMAGE_SITES)
		return;
	t = process_get(a, pid);
	if (!t)
		return;
	if (!t->began_ns && !t->since_ns && !a->scanning)
		t->began_ns = boot_ns();
	if (im->state == IMAGE_SITES) {
		process_queue(a, t, !a->scanning);
		return;
	}
	t->pending += image_wait(im, pid);
	snprintf(t->reason, sizeof(t->reason), "its files are being looked at");
	process_state(a, t, PROBES_COMING);
}

void attach_map(struct attach *a, pid_t pid, uint64_t start, uint64_t end, const char *path)
{
	_cleanup_close_ int fd = a->s.ours(a->s.ctx, pid) ? -1 : maps_open(pid, start, end, path);

	if (fd >= 0)
		mapped(a, pid, fd, path);
}

void attach_exec(struct attach *a, pid_t pid, uint64_t boot_ns)
{
	struct target *t = targets_find(a->targets, pid, 0);

	if (!t)
		return;
	t->early = false;
	if (t->word_ms < boot_ns / 1000000) { /* evidence is of the program before */
		t->keep = KEEP_PROBATION;
		t->until_ms = boot_ms() + 1000ull * a->s.probation_s;
		t->hellos = t->judged = 0;
		t->free_ms = 0;
	}
	process_queue(a, t, true);
}

void attach_fork(struct attach *a, pid_t pid, pid_t parent)
{
	const struct target *p = targets_find(a->targets, parent, 0);
	struct target *t = p ? process_get(a, pid) : NULL;
	struct timeval grace = {.tv_usec = (FORK_GRACE_MS + 1) * 1000};

	if (!t || t->n)
		return;
	t->keep = p->keep == KEEP_AI ? KEEP_AI : KEEP_PROBATION;
	t->marks |= p->marks;
	t->due_ms = boot_ms() + FORK_GRACE_MS;
	if (!event_pending(a->soon, EV_TIMEOUT, NULL))
		event_add(a->soon, &grace);
	snprintf(t->reason, sizeof(t->reason), "was forked from a process with probes");
	process_state(a, t, PROBES_COMING);
}

void attach_exit(struct attach *a, pid_t pid, uint64_t start_ns)
{
	struct target *t = targets_find(a->targets, pid, start_ns);

	if (t)
		process_drop(a, t);
}

void attach_hello(struct attach *a, pid_t pid, uint64_t start_ns)
{
	struct target *t = process_get(a, pid);

	if (!t || !same_start(t->start_ns, start_ns))
		return;
	t->hellos++;
	t->held = true;
	if (t->looked && t->keep == KEEP_NOT)
		return; /* the worker judges the name */
	t->until_ms = boot_ms() + 1000ull * a->s.probation_s;
	t->looked = false; /* its mark may have been lost: said again */
	process_queue(a, t, true);
}

/* --- the resolver ------------------------------------------------------------------------------- */

void attach_resolver(struct attach *a, int fd)
{
	ask_socket(a->ask, fd);
}

bool attach_answer(struct attach *a, const struct role_resolved *r, size_t n)
{
	return ask_answer(a->ask, r, n);
}

void attach_prepare(struct attach *a, int fd, const char *path)
{
	struct stat st;
	struct image *im;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || images_count(a->images) >= IMAGES_MAX / 2)
		return;
	im = images_get(a->images, &st, path);
	if (im && im->state == IMAGE_NEW)
		ask_image(a->ask, im, fd, false);
	else if (im && im->state == IMAGE_SITES && a->s.all && !im->links)
		link_ahead(a, im);
}

/* --- time --------------------------------------------------------------------------------------- */

static void each_second(void *ctx, struct target *t)
{
	struct attach *a = ctx;
	uint64_t now = boot_ms();

	if (t->free_ms && now >= t->free_ms) {
		t->free_ms = 0;
		process_mark(a, t);
	}
	if (t->keep == KEEP_BUSY && now >= t->until_ms) {
		t->keep = KEEP_PROBATION;
		t->judged = 0;
		t->until_ms = now + 1000ull * a->s.probation_s;
	}
	if (t->keep == KEEP_PROBATION && t->state == PROBES_IN_PLACE && now >= t->until_ms &&
	    !a->s.all && a->heard && now >= a->word_ms)
		process_strip(a, t, KEEP_NOT,
			      t->hellos ? "did not talk to AI" : "is no TLS client");
}

bool attach_tick(struct attach *a)
{
	targets_each(a->targets, each_second, a);
	look_later(a);
	if (a->dirty && boot_ms() - a->saved_ms > 10000) {
		a->saved_ms = boot_ms();
		save(a);
	}
	return ask_tick(a->ask);
}

/* --- all processes ------------------------------------------------------------------------------ */

static void scan_process(struct attach *a, pid_t pid)
{
	_cleanup_free_ struct mapping *all = NULL;
	int n = maps_read(pid, &all);

	for (int i = 0; i < n; i++)
		attach_map(a, pid, all[i].from, all[i].to, all[i].path);
}

void attach_scan(struct attach *a)
{
	DIR *d = opendir("/proc");
	struct dirent *e;

	images_tick(a->images);
	a->scanning = true;
	while (d && (e = readdir(d)))
		if (e->d_name[0] >= '0' && e->d_name[0] <= '9')
			scan_process(a, atoi(e->d_name));
	a->scanning = false;
	if (d)
		closedir(d);
}

static void sweep_image(void *ctx, struct image *im)
{
	struct attach *a = ctx;
	struct stat st;

	if (im->used == images_now(a->images) || im->refs || im->state == IMAGE_PENDING ||
	    (!stat(im->path, &st) && images_find(a->images, &st) == im))
		return;
	if (im->links) {
		a->linked_images--;
		a->linked_sites -= im->facts->sites_n;
		log_info("no process maps %s any more: probes removed", im->path);
		unlink_image(a, im);
	}
	im->failed = false;
	images_gone(a->images, im);
	a->dirty = true;
}

/* The end of a process is told by the kernel; what was lost of that is found here. */
static void sweep_target(void *ctx, struct target *t)
{
	if (!same_start(process_start(t->pid, NULL), t->start_ns))
		process_drop(ctx, t);
}

void attach_sweep(struct attach *a)
{
	a->full = 0;
	targets_each(a->targets, sweep_target, a);
	attach_scan(a);
	images_each(a->images, false, sweep_image, a);
}

static void tell(void *ctx, struct target *t)
{
	if (t->looked)
		process_tell(ctx, t);
}

void attach_tell_all(struct attach *a)
{
	targets_each(a->targets, tell, a);
}

static void begin_probation(void *ctx, struct target *t)
{
	const struct attach *a = ctx;

	if (t->keep == KEEP_PROBATION)
		t->until_ms = boot_ms() + 1000ull * a->s.probation_s;
}

void attach_heard(struct attach *a)
{
	if (a->heard)
		return;
	a->heard = true;
	targets_each(a->targets, begin_probation, a);
}

void attach_worker(struct attach *a, bool up)
{
	a->word_ms = up ? boot_ms() + 1000ull * a->s.probation_s : UINT64_MAX;
}

bool attach_settled(const struct attach *a)
{
	struct ask_counts c;

	ask_counts(a->ask, &c);
	return !a->todo && !c.waited_for;
}

bool attach_idle(const struct attach *a)
{
	struct ask_counts c;

	ask_counts(a->ask, &c);
	return !a->todo && !c.waited_for && c.idle < 8;
}

unsigned attach_images(const struct attach *a)
{
	return a->linked_images;
}
unsigned attach_sites(const struct attach *a)
{
	return a->linked_sites;
}

const char *attach_backend(const struct attach *a)
{
	return linker_backend(&a->linker, !a->s.all);
}
