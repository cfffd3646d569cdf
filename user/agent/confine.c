// SPDX-License-Identifier: Apache-2.0
/*
 * In: a process that is still root and what it may keep. Out: the same process without the rest.
 * Invariant: on 0 every step has been carried out; on an error the caller exits, because a half
 * confined role must not run. Steps that need privilege come before it is given up, seccomp last.
 */
#include "confine.h"

#include <cap-ng.h>
#include <errno.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

/* #syscalls of every role: memory, time, exit, the C library's own. */
static const char *const common[] = {
	"brk",
	"mmap",
	"munmap",
	"mremap",
	"mprotect",
	"madvise",
	"clock_gettime",
	"gettimeofday",
	"time",
	"exit",
	"exit_group",
	"futex",
	"rt_sigreturn",
	"rt_sigprocmask",
	"rt_sigaction",
	"sigaltstack",
	"restart_syscall",
	"getrandom",
	"getpid",
	"gettid",
	"read",
	"write",
	"close",
	"nanosleep",
	"clock_nanosleep",
	"rseq",
	"membarrier",
	"sched_yield",
	NULL,
};

int confine_user(const char *wanted, uid_t *ret_uid, gid_t *ret_gid, const char **ret_name)
{
	const char *const names[] = {wanted && *wanted ? wanted : NULL,
				     wanted && *wanted ? NULL : CONFINE_USER,
				     wanted && *wanted ? NULL : "nobody"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct passwd *pw = names[i] ? getpwnam(names[i]) : NULL;

		if (!pw)
			continue;
		*ret_uid = pw->pw_uid;
		*ret_gid = pw->pw_gid;
		*ret_name = names[i];
		return 0;
	}
	return -ENOENT;
}

static int filter(const char *const *names, scmp_filter_ctx ctx)
{
	for (; *names; names++) {
		int nr = seccomp_syscall_resolve_name(*names), r;

		if (nr == __NR_SCMP_ERROR)
			continue;
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
		if (r && r != -EEXIST && r != -EDOM)
			return r;
	}
	return 0;
}

static int seccomp_on(const struct confine *c)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r;

	if (!ctx)
		return -ENOMEM;
	r = filter(common, ctx);
	if (!r)
		r = filter(c->syscalls, ctx);
	if (!r)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r;
}

static int leave_root(const struct confine *c, const char **ret_what)
{
	*ret_what = "network namespace";
	if (c->unshare_net && unshare(CLONE_NEWNET) < 0)
		return -errno;
	*ret_what = "chroot";
	if (c->chroot && (chroot(c->chroot) < 0 || chdir("/") < 0))
		return -errno;
	*ret_what = "user and capabilities";
	capng_clear(CAPNG_SELECT_ALL);
	return capng_change_id(c->uid, c->gid, CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING) ? -EPERM
											   : 0;
}

int confine(const struct confine *c, const char **ret_what)
{
	const struct rlimit none = {0, 0};
	int r = geteuid() == 0 ? leave_root(c, ret_what) : 0;

	if (r)
		return r;
	*ret_what = "no_new_privs";
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	*ret_what = "core dumps";
	if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	if (c->no_seccomp) {
		log_warn("%s: runs without seccomp, as asked", c->name);
		return 0;
	}
	*ret_what = "seccomp";
	return seccomp_on(c);
}
