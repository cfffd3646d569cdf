// SPDX-License-Identifier: Apache-2.0
/*
 * Roles are fork + exec of this very program, so that none inherits the keeper's memory. The only
 * descriptors they get are the ones named in --fds. A role that dies young is started again with
 * a growing pause, so that a broken one cannot spin.
 */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/movers.h"
#include "agent/priority.h"
#include "agent/role.h"
#include "base/cleanup.h"
#include "base/log.h"

#define CHILD_QUEUE_MAX (8u << 20)
#define YOUNG_NS 2000000000ull

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

void child_init(struct child *c, const char *name)
{
	*c = (struct child){.name = name, .fd = -1};
	outq_init(&c->out, CHILD_QUEUE_MAX);
}

/* The keeper's many descriptors and its protection from the OOM killer are its own: whoever parses
 * what others send should go first. */
static void be_ordinary(void)
{
	struct rlimit files = {1024, 4096};
	/* Of who gets real-time priority (priority.c); the keeper may not be allowed to set it later. */
	struct rlimit real_time = {PRIORITY_WORKER_US, PRIORITY_WORKER_US};
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (write(fd, "0", 1) != 1)
			errno = 0; /* then it keeps what it has */
		close(fd);
	}
	setrlimit(RLIMIT_NOFILE, &files);
	setrlimit(RLIMIT_RTTIME, &real_time);
	movers_forget();
}

static void run(const struct child *c, const struct config *cfg, const int *fds, unsigned nfds,
		uint32_t ring_bytes, pid_t keeper)
{
	char *argv[cfg->argc + 5], role[32], list[128], ring[32];
	size_t at = 0;
	int n = cfg->argc;

	for (unsigned i = 0; i < nfds; i++) {
		if (fds[i] >= 0) /* one below 0 is not there, and handed on as that */
			fcntl(fds[i], F_SETFD, 0);
		at += snprintf(list + at, sizeof(list) - at, "%s%d", i ? "," : "--fds=", fds[i]);
	}
	snprintf(role, sizeof(role), "--role=%s", c->name);
	snprintf(ring, sizeof(ring), "--ring-bytes=%u", ring_bytes);
	memcpy(argv, cfg->argv, n * sizeof(*argv));
	argv[n++] = role;
	argv[n++] = list;
	argv[n++] = ring;
	argv[n] = NULL;
	be_ordinary();
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != keeper) /* it ended before we asked to be told */
		_exit(1);
	execv("/proc/self/exe", argv);
	_exit(127);
}

int child_start(struct child *c, const struct config *cfg, const int *fds, unsigned nfds,
		uint32_t ring_bytes)
{
	int pair[2], all[9], r = role_pair(pair);
	pid_t keeper = getpid(), pid;

	if (r)
		return r;
	all[0] = pair[1];
	memcpy(all + 1, fds, nfds * sizeof(*fds));
	pid = fork();
	if (pid < 0) {
		r = -errno;
		close(pair[0]);
		close(pair[1]);
		return r;
	}
	if (!pid)
		run(c, cfg, all, nfds + 1, ring_bytes, keeper);
	close(pair[1]);
	c->pid = pid;
	c->fd = pair[0];
	c->started_ns = now_ns();
	return 0;
}

unsigned child_ended(struct child *c, int status, int expected)
{
	unsigned pause = 50;

	if (!expected) {
		if (WIFSIGNALED(status))
			log_warn("%s ended by signal %d (%s); starting it again", c->name,
				 WTERMSIG(status), strsignal(WTERMSIG(status)));
		else
			log_warn("%s ended with status %d; starting it again", c->name,
				 WEXITSTATUS(status));
	}
	if (now_ns() - c->started_ns < YOUNG_NS)
		c->quick_deaths++;
	else
		c->quick_deaths = 0;
	for (unsigned i = 1; i < c->quick_deaths && pause < 5000; i++)
		pause *= 2;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->pid = 0;
	outq_clear(&c->out);
	c->restarts += !expected;
	return pause;
}
