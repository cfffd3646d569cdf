// SPDX-License-Identifier: Apache-2.0
/*
 * Tails a spool with inotify. In: a folder the agent appends to; out: every whole frame once, in
 * order. Invariant: a segment is left only after a later one exists and one more read found nothing
 * whole in it, so no frame is missed at the change. An unreadable or incomplete end is waited for,
 * because it may be a frame half written; it counts as damage once the agent has moved on.
 */
#include "follow.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>

#include "spool_view.h"

struct follow {
	char dir[3800];
	int inotify;
	struct segread *seg;
	uint64_t least;	 /* next segment to open is the first one from this number on */
	bool look, gone; /* a file has appeared since we last listed the folder */
};

int follow_open(const char *dir, const struct spool_pos *from, struct follow **ret)
{
	_cleanup_(follow_freep) struct follow *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	if (snprintf(f->dir, sizeof(f->dir), "%s", dir) >= (int)sizeof(f->dir))
		return -ENAMETOOLONG;
	f->look = true;
	f->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (f->inotify < 0 ||
	    inotify_add_watch(f->inotify, dir,
			      IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF |
				      IN_ONLYDIR) < 0)
		return -errno;
	if (from) {
		r = segread_open(dir, *from, &f->seg);
		if (r && r != -ENOENT)
			return r;
		f->least = from->segment + 1;
	}
	*ret = TAKE_PTR(f);
	return 0;
}

void follow_free(struct follow *f)
{
	if (!f)
		return;
	if (f->inotify >= 0)
		close(f->inotify);
	segread_free(f->seg);
	free(f);
}

int follow_fd(const struct follow *f)
{
	return f->inotify;
}

int follow_wake(struct follow *f)
{
	char b[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n;

	while ((n = read(f->inotify, b, sizeof(b))) > 0) {
		for (char *p = b; p < b + n;) {
			const struct inotify_event *e = (void *)p;

			if (e->mask & (IN_CREATE | IN_MOVED_TO | IN_Q_OVERFLOW))
				f->look = true;
			if (e->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED))
				f->gone = true;
			p += sizeof(*e) + e->len;
		}
	}
	return f->gone ? -ENOENT : 0;
}

/* 1: *ret is the first segment from f->least on; 0: none yet. */
static int later_segment(struct follow *f, uint64_t *ret)
{
	_cleanup_free_ uint64_t *v = NULL;
	size_t n;
	int r;

	if (!f->look)
		return 0;
	r = spool_segments(f->dir, &v, &n);
	if (r)
		return r;
	for (size_t i = 0; i < n; i++) {
		if (v[i] < f->least)
			continue;
		*ret = v[i];
		return 1;
	}
	f->look = false;
	return 0;
}

static int change_to(struct follow *f, uint64_t segment)
{
	int r;

	segread_free(f->seg);
	f->seg = NULL;
	r = segread_open(f->dir, (struct spool_pos){segment, 0}, &f->seg);
	f->least = segment + 1;
	return r == -ENOENT ? 0 : r; /* removed between list and open: the next one then */
}

int follow_next(struct follow *f, struct frame *ret, struct spool_pos *ret_at, const char **ret_why)
{
	for (bool last_look = false;;) {
		uint64_t later = 0;
		int k = f->seg ? segread_next(f->seg, ret, ret_at, ret_why) : 0, r;

		if (k == 1 || (k < 0 && k != -EBADMSG))
			return k;
		r = later_segment(f, &later);
		if (r <= 0)
			return r;
		if (f->seg && !last_look) {
			last_look = true;
			continue;
		}
		if (f->seg)
			*ret_at = segread_pos(f->seg);
		if (f->seg && !k && segread_rest(f->seg)) {
			*ret_why = "incomplete frame";
			k = -EBADMSG;
		}
		r = change_to(f, later);
		if (r || k)
			return r ?: k;
		last_look = false;
	}
}
