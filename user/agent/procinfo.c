// SPDX-License-Identifier: Apache-2.0
/*
 * Facts about a process. The exec event has the essentials (path as called, argv, ids) even if
 * the process is gone; /proc adds the resolved path, the cgroup and the login uid. Start times:
 * the kernel's event has nanoseconds, /proc has clock ticks (10 ms), so the two are compared in
 * ticks. Everything read is cut to its field; nothing is trusted to be NUL-terminated.
 */
#include "procinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

static ssize_t slurp(uint32_t pid, const char *name, char *buf, size_t cap)
{
	char p[64];
	_cleanup_close_ int fd = -1;
	ssize_t n, got = 0;

	snprintf(p, sizeof(p), "/proc/%u/%s", pid, name);
	fd = open(p, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (got < (ssize_t)cap - 1 && (n = read(fd, buf + got, cap - 1 - got)) > 0)
		got += n;
	buf[got] = '\0';
	return got;
}

static int read_stat(uint32_t pid, struct role_proc *p)
{
	char b[1024], *end;
	unsigned long long ticks;
	unsigned ppid;

	if (slurp(pid, "stat", b, sizeof(b)) <= 0)
		return -ESRCH;
	end = strrchr(b, ')'); /* comm may hold anything but ends at the last one */
	if (!end ||
	    sscanf(end + 1,
		   " %*c %u %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
		   "%*d %llu",
		   &ppid, &ticks) != 2)
		return -ESRCH;
	p->ppid = ppid;
	p->start_ns = ticks * (1000000000ull / sysconf(_SC_CLK_TCK));
	return 0;
}

/* The real ids, as in the kernel's events: who acts, not as whom. */
static void read_ids(uint32_t pid, struct role_proc *p)
{
	char b[4096];
	const char *s;

	if (slurp(pid, "status", b, sizeof(b)) <= 0)
		return;
	s = strstr(b, "\nUid:");
	if (s)
		sscanf(s, "\nUid: %u", &p->uid);
	s = strstr(b, "\nGid:");
	if (s)
		sscanf(s, "\nGid: %u", &p->gid);
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

void procinfo_container(const char *path, char *ret, size_t n)
{
	size_t run = 0;

	ret[0] = '\0';
	for (const char *s = path; *s; s++) {
		run = is_hex(*s) ? run + 1 : 0;
		if (run == 64 && n > 64 && !is_hex(s[1]))
			snprintf(ret, n, "%.64s", s - 63);
	}
}

static void read_cgroup(uint32_t pid, struct role_proc *p)
{
	char b[4096];
	const char *s;

	if (slurp(pid, "cgroup", b, sizeof(b)) <= 0)
		return;
	s = strncmp(b, "0::", 3) ? strstr(b, "\n0::") : b;
	if (!s)
		return;
	s += *s == '\n' ? 4 : 3;
	snprintf(p->cgroup_path, sizeof(p->cgroup_path), "%.*s", (int)strcspn(s, "\n"), s);
	procinfo_container(p->cgroup_path, p->container, sizeof(p->container));
}

/* A cut list, and one its owner wrote over, may lack the last NUL; the room for it is there. */
static void end_argv(struct role_proc *p)
{
	if (p->argv_len && p->argv[p->argv_len - 1])
		p->argv[p->argv_len++] = '\0';
}

int procinfo_read(uint32_t pid, struct role_proc *p)
{
	char link[64], b[32];
	ssize_t n;

	memset(p, 0, sizeof(*p));
	p->pid = pid;
	p->loginuid = (uint32_t)-1;
	if (read_stat(pid, p) < 0)
		return -ESRCH;
	read_ids(pid, p);
	if (slurp(pid, "loginuid", b, sizeof(b)) > 0)
		p->loginuid = strtoul(b, NULL, 10);
	snprintf(link, sizeof(link), "/proc/%u/exe", pid);
	n = readlink(link, p->exe, sizeof(p->exe) - 1);
	p->exe[n > 0 ? n : 0] = '\0';
	n = slurp(pid, "cmdline", p->argv, sizeof(p->argv));
	p->argv_len = n > 0 ? n : 0;
	end_argv(p);
	read_cgroup(pid, p);
	return 0;
}

int procinfo_start(uint32_t pid, uint64_t *ret_ns)
{
	struct role_proc p;
	int r = read_stat(pid, &p);

	if (!r)
		*ret_ns = p.start_ns;
	return r;
}

bool procinfo_is(uint32_t pid, uint64_t start_ns)
{
	uint64_t ns;

	return !procinfo_start(pid, &ns) && ns / KRULE_TICK_NS == start_ns / KRULE_TICK_NS;
}

void procinfo_from_exec(const struct event_exec *e, size_t n, struct role_proc *p)
{
	size_t room = n - sizeof(*e);

	p->pid = e->h.pid;
	p->start_ns = e->h.start_ns;
	p->cgroup = e->h.cgroup;
	p->uid = e->h.uid;
	p->gid = e->gid;
	p->ppid = e->ppid;
	p->loginuid = e->loginuid;
	if (!p->exe[0])
		snprintf(p->exe, sizeof(p->exe), "%.*s", (int)sizeof(e->filename) - 1, e->filename);
	if (!p->argv_len && e->argv_len <= room) {
		p->argv_len = e->argv_len < sizeof(p->argv) ? e->argv_len : sizeof(p->argv) - 1;
		memcpy(p->argv, e->text, p->argv_len);
		end_argv(p);
	}
}

/* --- names ----------------------------------------------------------------------------------- */

struct name {
	uint32_t uid, gid;
	time_t until;
	char user[64], groups[256];
};

static void lookup(struct name *n)
{
	struct passwd *pw = getpwuid(n->uid);
	gid_t gids[32] = {n->gid};
	int count = ARRAY_SIZE(gids);
	size_t at = 0;

	n->groups[0] = '\0';
	if (!pw) {
		snprintf(n->user, sizeof(n->user), "%u", n->uid);
		count = 1;
	} else {
		snprintf(n->user, sizeof(n->user), "%s", pw->pw_name);
		if (getgrouplist(pw->pw_name, n->gid, gids, &count) < 0)
			count = ARRAY_SIZE(gids);
	}
	for (int i = 0; i < count; i++) {
		struct group *g = getgrgid(gids[i]);
		size_t len = g ? strlen(g->gr_name) : 0;

		if (!g || at + len + 2 > sizeof(n->groups))
			continue;
		at += snprintf(n->groups + at, sizeof(n->groups) - at, "%s%s", at ? "," : "",
			       g->gr_name);
	}
}

static const struct name *name_of(uint32_t uid, uint32_t gid)
{
	static struct name cache[64];
	struct name *n = &cache[(uid * 31 + gid) % ARRAY_SIZE(cache)];
	time_t now = time(NULL);

	if (n->until <= now || n->uid != uid || n->gid != gid) {
		n->uid = uid;
		n->gid = gid;
		n->until = now + 60;
		lookup(n);
	}
	return n;
}

void procinfo_names(struct role_proc *p)
{
	const struct name *n = name_of(p->uid, p->gid);

	memcpy(p->user, n->user, sizeof(p->user));
	memcpy(p->groups, n->groups, sizeof(p->groups));
	if (p->loginuid != (uint32_t)-1)
		memcpy(p->login_user, name_of(p->loginuid, p->loginuid)->user,
		       sizeof(p->login_user));
}

void procinfo_user(uint32_t uid, char *user, size_t user_len, char *groups, size_t groups_len)
{
	struct passwd *pw = getpwuid(uid);
	const struct name *n = name_of(uid, pw ? pw->pw_gid : uid);

	snprintf(user, user_len, "%s", n->user);
	snprintf(groups, groups_len, "%s", pw ? n->groups : "");
}
