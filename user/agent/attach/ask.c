// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: images nobody has looked at. Flows out: their facts, or the reason there are none.
 * Nothing here waits: a request is one message, its answer comes when it comes. One is under way at
 * a time, because the resolver takes a processor for up to seconds.
 *
 * A large file is identified first (its build-id, a few milliseconds): what is known of another file
 * with the same one, of the same owner or of root, is only moved to this file's offsets. The owner
 * matters: anybody can write a file with somebody else's build-id.
 *
 * Owners take turns: somebody who maps file after file, each made to take long, delays others by one
 * of them at a time.
 *
 * Invariant: an image is IMAGE_PENDING exactly while a job for it is in a list or in hand. A file
 * that changed while it was looked at is refused; its next mapping has another stat and is another
 * image. Lists are bounded by the table of images.
 */
#include "ask.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "agent/resolver.h"
#include "base/cleanup.h"
#include "base/log.h"

#define LARGE (1 << 20)				/* identified before it is searched */
#define LIMIT_MS ((RESOLVER_CPU_S + 10) * 1000) /* the resolver has its own, shorter one */
#define TRIES 2

struct job {
	struct job *next;
	struct image *im;
	int fd; /* or -1: opened when its turn comes */
	unsigned tries;
	enum resolve_what what;
};
struct list {
	struct job *first, **last;
	unsigned n;
};

struct ask {
	struct images *images;
	void (*done)(void *ctx, struct image *im);
	void *ctx;
	int socket;
	struct list waited_for, idle;
	struct job *hand;
	uid_t owner; /* of the file that was last in hand */
	uint64_t id, sent_ms;
	struct ask_counts counts;
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

/* --- lists -------------------------------------------------------------------------------------- */

static void push(struct list *l, struct job *j)
{
	j->next = NULL;
	*l->last = j;
	l->last = &j->next;
	l->n++;
}

static struct job *take(struct list *l, struct job **at)
{
	struct job *j = *at;

	*at = j->next;
	if (!j->next)
		l->last = at;
	l->n--;
	return j;
}

static void job_free(struct job *j)
{
	if (j->fd >= 0)
		close(j->fd);
	free(j);
}

struct ask *ask_new(struct images *t, void (*done)(void *ctx, struct image *im), void *ctx)
{
	struct ask *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->images = t;
	a->done = done;
	a->ctx = ctx;
	a->socket = -1;
	a->waited_for.last = &a->waited_for.first;
	a->idle.last = &a->idle.first;
	return a;
}

void ask_free(struct ask *a)
{
	if (!a)
		return;
	while (a->waited_for.first)
		job_free(take(&a->waited_for, &a->waited_for.first));
	while (a->idle.first)
		job_free(take(&a->idle, &a->idle.first));
	if (a->hand)
		job_free(a->hand);
	free(a);
}

/* --- asking ------------------------------------------------------------------------------------- */

static bool same_file(const struct image *im, int fd)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_dev == im->dev && st.st_ino == im->ino &&
	       st.st_size == im->size && st.st_mtim.tv_sec == im->mtime.tv_sec &&
	       st.st_mtim.tv_nsec == im->mtime.tv_nsec;
}

/* The job in hand is over. */
static void settle(struct ask *a, enum image_state state, const char *reason)
{
	struct job *j = a->hand;
	struct image *im = j->im;

	a->hand = NULL;
	im->state = state;
	snprintf(im->reason, sizeof(im->reason), "%s", reason);
	a->counts.found += state == IMAGE_SITES;
	a->counts.none += state == IMAGE_NONE;
	a->counts.refused += state == IMAGE_REFUSED;
	if (state == IMAGE_REFUSED)
		log_info("%s is not probed: %s", im->path, reason);
	job_free(j);
	a->done(a->ctx, im);
}

static int send_job(struct ask *a)
{
	struct job *j = a->hand;
	struct role_resolve r = {.what = j->what};
	_cleanup_free_ struct tls_found *known = NULL;
	const struct image *twin;

	if (getrandom(&r.id, sizeof(r.id), 0) != sizeof(r.id))
		return -EAGAIN;
	a->id = r.id;
	a->sent_ms = now_ms();
	if (j->what == RESOLVE_RELOCATE) {
		twin = images_twin(a->images, j->im->build_id, j->im->uid);
		known = twin && twin->facts ? malloc(sizeof(*known)) : NULL;
		if (!known)
			return -ENOMEM;
		facts_found(twin->facts, twin->build_id, known);
	}
	return role_send_fd(a->socket, ROLE_RESOLVE, &r, sizeof(r), known,
			    known ? sizeof(*known) : 0, j->fd);
}

/* The first of another owner than had the last turn, else the first. */
static struct job *take_turn(struct ask *a, struct list *l)
{
	struct job **at = &l->first;

	while (*at && (*at)->im->uid == a->owner)
		at = &(*at)->next;
	at = *at ? at : &l->first;
	a->owner = (*at)->im->uid;
	return take(l, at);
}

static void next(struct ask *a)
{
	while (!a->hand && a->socket >= 0) {
		struct list *l = a->waited_for.first ? &a->waited_for : &a->idle;
		struct job *j;
		int r;

		if (!l->first)
			return;
		a->hand = j = take_turn(a, l);
		if (j->fd < 0)
			j->fd = open(j->im->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (j->fd < 0 || !same_file(j->im, j->fd)) {
			settle(a, IMAGE_REFUSED, "it has changed or gone before it was looked at");
			continue;
		}
		r = send_job(a);
		if (r) {
			a->hand = NULL; /* its socket is gone or full; ask_socket starts again */
			j->next = l->first;
			l->first = j;
			if (!j->next)
				l->last = &j->next;
			l->n++;
			return;
		}
	}
}

static bool may_be_elf(int fd)
{
	uint8_t magic[4];

	return pread(fd, magic, 4, 0) == 4 && !memcmp(magic, "\177ELF", 4);
}

static void raise_job(struct ask *a, const struct image *im, int fd)
{
	for (struct job **at = &a->idle.first; *at; at = &(*at)->next)
		if ((*at)->im == im) {
			struct job *j = take(&a->idle, at);

			if (j->fd < 0 && fd >= 0)
				j->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
			push(&a->waited_for, j);
			return;
		}
}

void ask_image(struct ask *a, struct image *im, int fd, bool waited_for)
{
	struct job *j;

	if (im->state == IMAGE_PENDING) {
		if (waited_for)
			raise_job(a, im, fd);
		return;
	}
	if (fd >= 0 && !may_be_elf(fd)) {
		im->state = IMAGE_NONE;
		a->done(a->ctx, im);
		return;
	}
	j = calloc(1, sizeof(*j));
	if (!j)
		return; /* asked again with its next mapping */
	j->im = im;
	j->what = im->size > LARGE ? RESOLVE_IDENTIFY : RESOLVE_FIND;
	j->fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	im->state = IMAGE_PENDING;
	a->counts.asked++;
	push(waited_for ? &a->waited_for : &a->idle, j);
	next(a);
}

void ask_socket(struct ask *a, int fd)
{
	struct job *j = a->hand;

	a->socket = fd;
	if (j && fd < 0) { /* it had this in hand when it ended */
		if (++j->tries >= TRIES) {
			settle(a, IMAGE_REFUSED, "its reader ended twice, or never answered");
		} else {
			a->hand = NULL;
			push(&a->idle, j); /* after all others */
		}
	}
	next(a);
}

/* --- answers ------------------------------------------------------------------------------------ */

static void on_identified(struct ask *a, const struct role_resolved *r)
{
	struct job *j = a->hand;
	const struct image *twin = images_twin(a->images, r->build_id, j->im->uid);

	memcpy(j->im->build_id, r->build_id, sizeof(j->im->build_id));
	if (twin && twin->state == IMAGE_NONE) {
		j->im->cached = true;
		settle(a, IMAGE_NONE, "");
		return;
	}
	j->what = twin ? RESOLVE_RELOCATE : RESOLVE_FIND;
	if (send_job(a))
		settle(a, IMAGE_REFUSED, "the resolver could not be asked");
}

static void on_found(struct ask *a, const struct role_resolved *r)
{
	struct image *im = a->hand->im;
	char why[TLS_WHY_MAX] = "";
	int e = facts_of((const void *)(r + 1), im->size, &im->facts, why, sizeof(why));

	if (e) {
		settle(a, IMAGE_REFUSED, why[0] ? why : strerror(-e));
		return;
	}
	a->counts.moved += r->what == RESOLVE_RELOCATE;
	im->cached = r->what == RESOLVE_RELOCATE;
	settle(a, IMAGE_SITES, "");
}

bool ask_answer(struct ask *a, const struct role_resolved *r, size_t n)
{
	struct job *j = a->hand;
	uint64_t ms = r->took_us / 1000;

	if (!j || r->id != a->id || r->what != j->what)
		return false;
	a->counts.total_ms += ms;
	if (ms > a->counts.longest_ms)
		a->counts.longest_ms = ms;
	j->im->took_ms += ms;
	if (r->build_id[0])
		memcpy(j->im->build_id, r->build_id, sizeof(j->im->build_id));
	if (!same_file(j->im, j->fd))
		settle(a, IMAGE_REFUSED, "it was changed while it was looked at");
	else if (r->what == RESOLVE_IDENTIFY && !r->result)
		on_identified(a, r);
	else if (r->result == 1)
		on_found(a, r);
	else if (r->what == RESOLVE_RELOCATE) { /* not the same file after all */
		j->what = RESOLVE_FIND;
		if (send_job(a))
			settle(a, IMAGE_REFUSED, "the resolver could not be asked");
	} else if (!r->result || r->result == -ENOEXEC)
		settle(a, IMAGE_NONE, r->why);
	else
		settle(a, IMAGE_REFUSED, r->why[0] ? r->why : strerror(-r->result));
	next(a);
	return true;
}

bool ask_tick(struct ask *a)
{
	if (a->hand && a->socket >= 0 && now_ms() - a->sent_ms > LIMIT_MS)
		return false;
	next(a);
	return true;
}

void ask_counts(const struct ask *a, struct ask_counts *ret)
{
	*ret = a->counts;
	ret->waited_for = a->waited_for.n + (a->hand != NULL);
	ret->idle = a->idle.n;
	if (a->hand)
		snprintf(ret->in_hand, sizeof(ret->in_hand), "%s", a->hand->im->path);
}
