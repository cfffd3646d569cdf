// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: requests of the keeper, each with an open file. Flows out: what tls_resolve says of it.
 * The file is hostile, so this role has nothing: its own user, no network, no file tree, no key, a
 * seccomp allow-list. It stays warm (signatures loaded) and forks a child per file. The child has
 * the file and a pipe, may not fork, has RESOLVER_CPU_S of processor time and a bounded memory;
 * one that crashes, hangs or lies costs the answer for that file and no other.
 *
 * The file is mapped shared and read-only: such a mapping never shows the breakpoints of probes. It
 * may be cut while we look: the child dies of that, and the file is refused with the reason.
 *
 * #syscalls read write recvmsg sendmsg poll close mmap munmap fstat newfstatat pipe2 clone clone3
 * #syscalls fork wait4 kill prlimit64 setrlimit prctl exit_group
 */
#include "resolver.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/confine.h"
#include "agent/discover/elf_image.h"
#include "agent/discover/resolve.h"
#include "agent/role.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"

#define MEMORY_MAX (1ull << 30) /* beside the file itself */

static const char *const syscalls[] = {
	"recvmsg",     "sendmsg", "poll",      "ppoll",	    "fstat",
	"newfstatat",  "pipe2",	  "clone",     "clone3",    "fork",
	"vfork",       "wait4",	  "kill",      "tgkill",    "set_robust_list",
	"dup2",	       "prctl",	  "prlimit64", "setrlimit", "getrlimit",
	"close_range", "sysinfo", NULL,
};

struct answer {
	struct role_resolved head;
	struct tls_found found;
};

static _Alignas(8) uint8_t body[ROLE_BODY_MAX + 1];
static struct answer answer;
static struct tls_signatures *signatures;
static bool sanitized; /* reserves address space without end, so that cannot be bounded */

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ull + t.tv_nsec / 1000;
}

/* --- the child: one file ------------------------------------------------------------------------ */

static void limit(int what, rlim_t n)
{
	struct rlimit r = {n, n};

	if (setrlimit(what, &r))
		_exit(1);
}

static bool in_bounds(const struct tls_found *t)
{
	return t->functions_n <= TLS_FUNCTIONS_MAX && t->sites_n <= TLS_SITES_MAX &&
	       t->notes_n <= TLS_NOTES_MAX && memchr(t->build_id, '\0', sizeof(t->build_id));
}

static void look(const struct role_resolve *r, const uint8_t *p, size_t n)
{
	struct role_resolved *h = &answer.head;
	struct elf_image e;

	if (r->what == RESOLVE_FIND) {
		h->result = tls_resolve(p, n, signatures, &answer.found, h->why, sizeof(h->why));
	} else if (r->what == RESOLVE_RELOCATE) {
		memcpy(&answer.found, r + 1, sizeof(answer.found));
		h->result = in_bounds(&answer.found)
				    ? tls_relocate(p, n, &answer.found, h->why, sizeof(h->why)) ?: 1
				    : -EBADMSG;
	} else {
		h->result = elf_image_open(p, n, &e, h->why, sizeof(h->why));
		if (!h->result)
			memcpy(h->build_id, e.build_id, sizeof(h->build_id));
	}
	if (h->result == 1)
		memcpy(h->build_id, answer.found.build_id, sizeof(h->build_id));
	h->signatures = h->result == 1 ? answer.found.signatures : 0;
}

static void one_file(const struct role_resolve *r, int fd, int out)
{
	const uint8_t *p;
	struct stat st;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	limit(RLIMIT_NPROC, 0);
	limit(RLIMIT_CPU, RESOLVER_CPU_S);
	limit(RLIMIT_FSIZE, 0);
	if (fstat(fd, &st) || st.st_size <= 0 || (uint64_t)st.st_size > RESOLVER_FILE_MAX)
		_exit(1);
	if (!sanitized) {
		limit(RLIMIT_AS, RESOLVER_FILE_MAX + MEMORY_MAX);
		limit(RLIMIT_DATA, MEMORY_MAX);
	}
	p = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		_exit(1);
	close(fd);
	look(r, p, st.st_size);
	_exit(fs_write_all(out, &answer,
			   answer.head.result == 1 ? sizeof(answer) : sizeof(answer.head)) != 0);
}

/* --- the parent --------------------------------------------------------------------------------- */

/* What the child says, up to its end or the limit of time. */
static size_t read_answer(int in)
{
	uint64_t until = now_us() + (RESOLVER_CPU_S + 1) * 1000000ull;
	size_t got = 0;

	while (got < sizeof(answer)) {
		int64_t left = (int64_t)(until - now_us()) / 1000;
		struct pollfd p = {.fd = in, .events = POLLIN};
		ssize_t n;

		if (left <= 0 || poll(&p, 1, left) == 0)
			return 0;
		n = read(in, (uint8_t *)&answer + got, sizeof(answer) - got);
		if (n <= 0)
			break;
		got += n;
	}
	return got;
}

static void say_why(struct role_resolved *h, bool late, int status)
{
	h->result = -EIO;
	if (late || (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU))
		snprintf(h->why, sizeof(h->why), "took longer than %d s", RESOLVER_CPU_S);
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS)
		snprintf(h->why, sizeof(h->why), "was cut while it was read");
	else if (WIFSIGNALED(status))
		snprintf(h->why, sizeof(h->why), "ended its reader by signal %d", WTERMSIG(status));
	else
		snprintf(h->why, sizeof(h->why), "could not be mapped");
}

static void serve(int keeper, const struct role_resolve *r, int fd)
{
	const struct role_resolve asked = *r;
	uint64_t began = now_us();
	int p[2], status = 0;
	size_t got = 0;
	pid_t child;

	memset(&answer, 0, sizeof(answer));
	if (pipe2(p, O_CLOEXEC) < 0)
		return;
	child = fork();
	if (!child) {
		close(keeper);
		close(p[0]);
		one_file(r, fd, p[1]);
	}
	close(p[1]);
	if (child > 0) {
		got = read_answer(p[0]);
		if (!got || got == sizeof(answer)) /* it may have been taken over, and stay */
			kill(child, SIGKILL);
		waitpid(child, &status, 0);
	}
	close(p[0]);
	if (got != (answer.head.result == 1 ? sizeof(answer) : sizeof(answer.head)) ||
	    answer.head.result > 1) {
		memset(&answer, 0, sizeof(answer));
		say_why(&answer.head, WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, status);
		got = sizeof(answer.head);
	}
	answer.head.id = asked.id;
	answer.head.what = asked.what;
	answer.head.took_us = now_us() - began;
	role_send(keeper, ROLE_RESOLVED, &answer, got);
}

static int give_up_privileges(const struct config *cfg)
{
	struct confine c = {.name = "resolver",
			    .syscalls = syscalls,
			    .unshare_net = true,
			    .no_seccomp = cfg->no_seccomp};
	const char *what = "unprivileged user", *user;
	int r = confine_user(RESOLVER_USER, &c.uid, &c.gid, &user);

	if (!r) {
		c.chroot = "/proc/self/fdinfo"; /* an empty place nobody can write to */
		r = confine(&c, &what);
	}
	if (r)
		log_err("cannot give up privileges (%s): %s", what, strerror(-r));
	return r;
}

int resolver_main(const struct config *cfg, int keeper)
{
	char err[256] = "";
	int r = tls_signatures_load(NULL, 0, &signatures, err, sizeof(err));

	if (r) {
		log_err("signatures of TLS libraries: %s", err[0] ? err : strerror(-r));
		return 1;
	}
	sanitized = cfg->no_seccomp;
	if (give_up_privileges(cfg))
		return 1;
	for (;;) {
		struct pollfd p = {.fd = keeper, .events = POLLIN};
		struct role_msg m;
		int fd = -1;

		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return 1;
		r = role_recv_fd(keeper, &m, body, ROLE_BODY_MAX, &fd);
		if (r == -EAGAIN)
			continue;
		if (r < 0)
			return r == -ECONNRESET ? 0 : 1;
		if (m.kind == ROLE_STOP)
			return 0;
		if (m.kind == ROLE_RESOLVE && fd >= 0)
			serve(keeper, (const void *)body, fd);
		if (fd >= 0)
			close(fd);
	}
}
