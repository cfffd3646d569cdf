// SPDX-License-Identifier: Apache-2.0
/*
 * fanotify, FAN_CLOSE_WRITE, on every file system that can hold programs (by file system, so also
 * what containers see of it; by mount where the kernel cannot). A file that is renamed into place
 * was closed before under another name, and is the same file.
 *
 * Each event costs an open file and a few microseconds, whatever was written. So there is a bound:
 * more than RATE_MAX in a second, and the marks are taken away for PAUSE_S; what was missed meanwhile
 * is made up for by a walk. Our own writes are told too; they are small and fall through.
 */
#include "fanwatch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

#define RATE_MAX 2000
#define PAUSE_S 30
#define MOUNTS_S 60

struct fanwatch {
	void (*written)(void *ctx, int fd);
	void (*missed)(void *ctx);
	void *ctx;
	int fd; /* or -1 */
	struct event *ev;
	unsigned second, rate, pause;
	uint64_t events, pauses;
	const char *state;
};

static void mark(struct fanwatch *w, const char *path)
{
	if (fanotify_mark(w->fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_CLOSE_WRITE, AT_FDCWD,
			  path))
		fanotify_mark(w->fd, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_CLOSE_WRITE, AT_FDCWD,
			      path);
}

static void mark_all(struct fanwatch *w)
{
	static const char *const types[] = {"ext4", "ext3", "xfs",   "btrfs",	"overlay",
					    "zfs",  "f2fs", "tmpfs", "bcachefs"};
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mounts", "re");
	char line[4096], path[2048], type[64];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*s %2047s %63s", path, type) != 2)
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(types); i++)
			if (!strcmp(type, types[i]))
				mark(w, path);
	}
}

static void one(struct fanwatch *w, const struct fanotify_event_metadata *m)
{
	w->events++;
	w->rate++;
	if (m->mask & FAN_Q_OVERFLOW)
		w->missed(w->ctx);
	if (m->fd < 0)
		return;
	w->written(w->ctx, m->fd);
	close(m->fd);
}

static void on_events(evutil_socket_t fd, short what, void *ctx)
{
	struct fanwatch *w = ctx;
	static _Alignas(8) char buf[64 * FAN_EVENT_METADATA_LEN];
	const struct fanotify_event_metadata *m = (void *)buf;
	ssize_t n = read(fd, buf, sizeof(buf));

	for (; n > 0 && FAN_EVENT_OK(m, n); m = FAN_EVENT_NEXT(m, n))
		one(w, m);
	if (w->rate <= RATE_MAX || w->pause)
		return;
	fanotify_mark(w->fd, FAN_MARK_FLUSH | FAN_MARK_FILESYSTEM, 0, AT_FDCWD, "/");
	fanotify_mark(w->fd, FAN_MARK_FLUSH | FAN_MARK_MOUNT, 0, AT_FDCWD, "/");
	w->pause = PAUSE_S;
	w->pauses++;
}

void fanwatch_tick(struct fanwatch *w)
{
	w->rate = 0;
	if (w->fd < 0)
		return;
	if (w->pause) {
		if (--w->pause == 0) {
			mark_all(w);
			w->missed(w->ctx);
		}
	} else if (++w->second % MOUNTS_S == 0) {
		mark_all(w);
	}
}

struct fanwatch *fanwatch_new(struct event_base *base, void (*written)(void *ctx, int fd),
			      void (*missed)(void *ctx), void *ctx)
{
	struct fanwatch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->written = written;
	w->missed = missed;
	w->ctx = ctx;
	w->fd = fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK | FAN_CLOEXEC,
			      O_RDONLY | O_LARGEFILE | O_CLOEXEC | O_NONBLOCK);
	if (w->fd < 0) {
		w->state = "refused by the kernel";
		log_info("kernel refuses fanotify (%s): new programs are looked at when they run",
			 strerror(errno));
		return w;
	}
	w->state = "fanotify";
	mark_all(w);
	w->ev = event_new(base, w->fd, EV_READ | EV_PERSIST, on_events, w);
	if (w->ev)
		event_add(w->ev, NULL);
	return w;
}

void fanwatch_free(struct fanwatch *w)
{
	if (!w)
		return;
	if (w->ev)
		event_free(w->ev);
	if (w->fd >= 0)
		close(w->fd);
	free(w);
}

const char *fanwatch_state(const struct fanwatch *w)
{
	return w->pause ? "paused: too many writes" : w->state;
}

uint64_t fanwatch_events(const struct fanwatch *w)
{
	return w->events;
}

uint64_t fanwatch_pauses(const struct fanwatch *w)
{
	return w->pauses;
}
