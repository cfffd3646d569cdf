// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: the likely places (walked at the start, and again when changes were missed) and files
 * that were written (fanwatch.c). Flows out: those that can be programs with a TLS library inside:
 * ELF, and either executable and large or named like a library.
 *
 * The walk has all the time there is: STEP entries in a row, only when nobody waits for the resolver,
 * and no more than WALK_MAX entries in all. Symbolic links are not followed (a tree of them has no
 * end); what they lead to lies in a likely place itself or is looked at when it is mapped.
 *
 * A file that was written is looked at SETTLE_S later: installers rename it, make it executable and
 * set its time after the last write. Up to WRITTEN_MAX wait at a time; more are counted, and lead to
 * a walk.
 */
#include "prescan.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/fanwatch.h"
#include "base/cleanup.h"

#define LARGE (1 << 20)
#define STEP 200
#define STEP_MS 20
#define WALK_MAX 400000
#define FOLDERS_MAX 65536 /* waiting */
#define WRITTEN_MAX 64
#define SETTLE_S 2

/* Below / and below each home; with how deep to go. */
static const struct place {
	const char *path;
	int depth;
} places[] =
	{
		{"/usr/bin", 0},
		{"/usr/local/bin", 0},
		{"/usr/sbin", 0},
		{"/usr/lib/x86_64-linux-gnu", 0},
		{"/usr/lib/aarch64-linux-gnu", 0},
		{"/usr/lib64", 0},
		{"/usr/local/lib", 0},
		{"/usr/lib/node_modules", 8},
		{"/usr/local/lib/node_modules", 8},
		{"/opt", 5},
},
  home_places[] = {
	  {".local/bin", 1},
	  {".local/share", 4},
	  {".cache/copilot", 8},
	  {".npm-global/lib/node_modules", 8},
	  {".nvm/versions", 12},
	  {".bun/bin", 0},
	  {".bun/install", 8},
	  {".deno/bin", 0},
	  {".cargo/bin", 0},
	  {".opencode/bin", 0},
	  {".claude", 4},
	  {".codex", 4},
	  {".vscode/extensions", 6},
	  {".cursor-server", 6},
	  {".vscode-server", 8},
	  {"go/bin", 0},
	  {"bin", 0},
};

struct folder {
	struct folder *next;
	int depth; /* how much deeper to go */
	char path[];
};
struct written {
	int fd;
	time_t at;
	dev_t dev;
	ino_t ino;
};

struct prescan {
	void (*found)(void *ctx, int fd, const char *path);
	bool (*idle)(void *ctx);
	void *ctx;
	void (*also)(void *ctx, int fd);
	struct event *step;
	struct folder *first, **last;
	DIR *dir;
	struct folder *now; /* of dir */
	unsigned folders, walks;
	uint64_t entries, files, total_files, writes, writes_missed;
	bool again;
	struct fanwatch *fan;
	struct written written[WRITTEN_MAX];
};

/* --- one file ----------------------------------------------------------------------------------- */

static bool library_name(const char *path)
{
	const char *name = strrchr(path, '/');
	size_t n;

	name = name ? name + 1 : path;
	n = strlen(name);
	return strstr(name, ".so.") || (n > 3 && !strcmp(name + n - 3, ".so")) ||
	       (n > 5 && !strcmp(name + n - 5, ".node"));
}

static bool tls_library(const char *path)
{
	static const char *const names[] = {"libssl", "libgnutls",  "libnspr4",	 "libnss3",
					    "libs2n", "libwolfssl", "libmbedtls"};
	const char *name = strrchr(path, '/');

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strncmp(name ? name + 1 : path, names[i], strlen(names[i])))
			return true;
	return false;
}

static bool worth(int fd, const char *path)
{
	char magic[4];
	struct stat st;

	return !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_nlink &&
	       (st.st_size >= LARGE || tls_library(path)) &&
	       ((st.st_mode & 0111) || library_name(path)) && pread(fd, magic, 4, 0) == 4 &&
	       !memcmp(magic, "\177ELF", 4);
}

static void look(struct prescan *p, int fd, const char *path)
{
	if (!worth(fd, path))
		return;
	p->files++;
	p->total_files++;
	p->found(p->ctx, fd, path);
}

/* --- the walk ----------------------------------------------------------------------------------- */

static void push(struct prescan *p, const char *path, int depth)
{
	size_t n = strlen(path) + 1;
	struct folder *f = p->folders < FOLDERS_MAX ? malloc(sizeof(*f) + n) : NULL;

	if (!f)
		return;
	f->next = NULL;
	f->depth = depth;
	memcpy(f->path, path, n);
	*p->last = f;
	p->last = &f->next;
	p->folders++;
}

static void push_homes(struct prescan *p)
{
	struct passwd *pw;
	char path[PATH_MAX];

	setpwent();
	while ((pw = getpwent())) {
		if (strncmp(pw->pw_dir, "/home/", 6) && strcmp(pw->pw_dir, "/root"))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(home_places); i++) {
			snprintf(path, sizeof(path), "%s/%s", pw->pw_dir, home_places[i].path);
			push(p, path, home_places[i].depth);
		}
	}
	endpwent();
}

static void begin(struct prescan *p)
{
	struct timeval soon = {.tv_usec = STEP_MS * 1000};

	p->again = false;
	p->walks++;
	p->entries = p->files = 0;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		push(p, places[i].path, places[i].depth);
	push_homes(p);
	event_add(p->step, &soon);
}

static bool next_folder(struct prescan *p)
{
	if (p->dir)
		closedir(p->dir);
	free(p->now);
	p->dir = NULL;
	p->now = p->first;
	if (!p->now)
		return false;
	p->first = p->now->next;
	if (!p->first)
		p->last = &p->first;
	p->folders--;
	p->dir = opendir(p->now->path);
	return true;
}

static void entry(struct prescan *p, const struct dirent *e)
{
	char path[PATH_MAX];
	struct stat st;
	int fd;

	if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
	    fstatat(dirfd(p->dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) ||
	    snprintf(path, sizeof(path), "%s/%s", p->now->path, e->d_name) >= (int)sizeof(path))
		return;
	if (S_ISDIR(st.st_mode)) {
		if (p->now->depth > 0)
			push(p, path, p->now->depth - 1);
		return;
	}
	if (!S_ISREG(st.st_mode) || (st.st_size < LARGE && !tls_library(path)))
		return;
	fd = openat(dirfd(p->dir), e->d_name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	if (fd < 0)
		return;
	look(p, fd, path);
	close(fd);
}

static void on_step(evutil_socket_t fd, short what, void *ctx)
{
	struct timeval soon = {.tv_usec = STEP_MS * 1000};
	struct prescan *p = ctx;

	for (unsigned i = 0; i < STEP && p->idle(p->ctx); i++) {
		const struct dirent *e = p->dir ? readdir(p->dir) : NULL;

		if (e && ++p->entries > WALK_MAX) {
			while (next_folder(p))
				;
			return;
		}
		if (e)
			entry(p, e);
		else if (!next_folder(p))
			return;
	}
	event_add(p->step, &soon);
}

/* --- what was written ---------------------------------------------------------------------------- */

static void on_written(void *ctx, int fd)
{
	struct prescan *p = ctx;
	struct written *room = NULL;
	struct stat st;

	if (p->also)
		p->also(p->ctx, fd);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size < LARGE / 16)
		return;
	p->writes++;
	for (size_t i = 0; i < WRITTEN_MAX; i++) {
		struct written *w = &p->written[i];

		if (w->fd < 0)
			room = w;
		else if (w->dev == st.st_dev && w->ino == st.st_ino) {
			w->at = time(NULL);
			return;
		}
	}
	if (!room) {
		p->writes_missed++;
		p->again = true;
		return;
	}
	*room = (struct written){fcntl(fd, F_DUPFD_CLOEXEC, 3), time(NULL), st.st_dev, st.st_ino};
}

static void on_missed(void *ctx)
{
	struct prescan *p = ctx;

	p->again = true;
}

static void look_written(struct prescan *p, struct written *w)
{
	char link[64], path[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", w->fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n > 0) {
		path[n] = '\0';
		look(p, w->fd, path);
	}
	close(w->fd);
	w->fd = -1;
}

void prescan_tick(struct prescan *p)
{
	time_t now = time(NULL);

	for (size_t i = 0; i < WRITTEN_MAX; i++)
		if (p->written[i].fd >= 0 && now >= p->written[i].at + SETTLE_S)
			look_written(p, &p->written[i]);
	if (p->again && !p->dir && !p->first && !event_pending(p->step, EV_TIMEOUT, NULL))
		begin(p);
	fanwatch_tick(p->fan);
}

struct prescan *prescan_new(struct event_base *base,
			    void (*found)(void *ctx, int fd, const char *path),
			    bool (*idle)(void *ctx), void *ctx)
{
	struct prescan *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->found = found;
	p->idle = idle;
	p->ctx = ctx;
	p->last = &p->first;
	for (size_t i = 0; i < WRITTEN_MAX; i++)
		p->written[i].fd = -1;
	p->step = event_new(base, -1, 0, on_step, p);
	p->fan = fanwatch_new(base, on_written, on_missed, p);
	if (!p->step || !p->fan) {
		prescan_free(p);
		return NULL;
	}
	begin(p);
	return p;
}

void prescan_also(struct prescan *p, void (*written)(void *ctx, int fd))
{
	p->also = written;
}

void prescan_free(struct prescan *p)
{
	if (!p)
		return;
	while (next_folder(p))
		;
	for (size_t i = 0; i < WRITTEN_MAX; i++)
		if (p->written[i].fd >= 0)
			close(p->written[i].fd);
	fanwatch_free(p->fan);
	if (p->step)
		event_free(p->step);
	free(p);
}

json_t *prescan_status(const struct prescan *p)
{
	return json_pack("{s:i, s:b, s:I, s:I, s:I, s:I, s:s, s:I, s:I}", "walks", (int)p->walks,
			 "walking", p->dir || p->first, "entries", (json_int_t)p->entries, "files",
			 (json_int_t)p->total_files, "writes", (json_int_t)p->writes,
			 "writes_missed", (json_int_t)p->writes_missed, "changes",
			 fanwatch_state(p->fan), "events", (json_int_t)fanwatch_events(p->fan),
			 "pauses", (json_int_t)fanwatch_pauses(p->fan));
}
