// SPDX-License-Identifier: Apache-2.0
/*
 * Giving up rights, in an order that cannot be undone: files are handed over while still root,
 * then groups, group and user go, then no_new_privs, then the system call filter.
 *
 * The filter's default is EPERM and not death: a libc or SQLite that tries a newer call first
 * falls back, and evidence keeps flowing. What only an attacker would call kills the process.
 */
#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <linux/limits.h>
#include <pwd.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"

static const char *const users[] = {"probity", "nobody"};

static int give_away(const char *path, uid_t uid, gid_t gid, char *err, size_t err_len)
{
	if (!lchown(path, uid, gid) || errno == ENOENT)
		return 0;
	snprintf(err, err_len, "%s: cannot be given to uid %u: %s", path, uid, strerror(errno));
	return -errno;
}

static struct {
	uid_t uid;
	gid_t gid;
} to; /* nftw carries no context */

static int give_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	return lchown(path, to.uid, to.gid) ? -errno : 0;
}

/* The collector's own log: tiles below it. */
static int give_log(const char *state_dir, const struct passwd *pw, char *err, size_t err_len)
{
	char path[PATH_MAX];
	int r;

	to.uid = pw->pw_uid;
	to.gid = pw->pw_gid;
	snprintf(path, sizeof(path), "%s/log", state_dir);
	r = nftw(path, give_one, 16, FTW_PHYS);
	if (!r || (r == -1 && errno == ENOENT))
		return 0;
	r = r == -1 ? -errno : r;
	snprintf(err, err_len, "%s: cannot be given to uid %u: %s", path, pw->pw_uid, strerror(-r));
	return r;
}

static int give_files(const char *state_dir, const char *db, const struct passwd *pw, char *err,
		      size_t err_len)
{
	static const char *const tail[] = {"", "-wal", "-shm"};
	char path[PATH_MAX];
	int r = give_away(state_dir, pw->pw_uid, pw->pw_gid, err, err_len);

	if (!r)
		r = give_log(state_dir, pw, err, err_len);
	for (size_t i = 0; i < ARRAY_SIZE(tail) && !r; i++) {
		snprintf(path, sizeof(path), "%s%s", db, tail[i]);
		r = give_away(path, pw->pw_uid, pw->pw_gid, err, err_len);
	}
	return r;
}

int confine_drop(const char *state_dir, const char *db, const char **ret_user, char *err,
		 size_t err_len)
{
	const struct passwd *pw = NULL;
	int r;

	if (geteuid() != 0) {
		*ret_user = NULL;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(users) && !pw; i++)
		pw = getpwnam(users[i]);
	if (!pw || !pw->pw_uid) {
		snprintf(err, err_len, "neither user probity nor nobody is known: not run as root");
		return -ENOENT;
	}
	r = give_files(state_dir, db, pw, err, err_len);
	if (r)
		return r;
	if (setgroups(0, NULL) || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid)) {
		r = -errno;
		snprintf(err, err_len, "cannot become user %s: %s", pw->pw_name, strerror(-r));
		return r;
	}
	if (!setuid(0)) {
		snprintf(err, err_len, "root rights could not be given up");
		return -EPERM;
	}
	*ret_user = pw->pw_name;
	return 0;
}

/* Each with who needs it. */
static const int allowed[] = {
	/* loop and sockets: libevent, OpenSSL */
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(accept4),
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(recvfrom),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(sendto),
	SCMP_SYS(sendfile),
	SCMP_SYS(shutdown),
	SCMP_SYS(close),
	SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt),
	SCMP_SYS(getpeername),
	SCMP_SYS(getsockname),
	SCMP_SYS(fcntl),
	SCMP_SYS(ioctl),
	/* SQLite: its file, write-ahead log and shared index */
	SCMP_SYS(openat),
	SCMP_SYS(pread64),
	SCMP_SYS(pwrite64),
	SCMP_SYS(lseek),
	SCMP_SYS(fsync),
	SCMP_SYS(fdatasync),
	SCMP_SYS(ftruncate),
	SCMP_SYS(fallocate),
	SCMP_SYS(fstat),
	SCMP_SYS(stat),
	SCMP_SYS(lstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(getcwd),
	SCMP_SYS(fchmod),
	SCMP_SYS(geteuid),
	SCMP_SYS(getuid),
	SCMP_SYS(getpid),
	/* tiles and checkpoint of the collector's own log */
	SCMP_SYS(rename),
	SCMP_SYS(renameat),
	SCMP_SYS(renameat2),
	SCMP_SYS(mkdir),
	SCMP_SYS(mkdirat),
	SCMP_SYS(rmdir),
	SCMP_SYS(getdents64),
	SCMP_SYS(faccessat2),
	/* memory, time, random, ending */
	SCMP_SYS(brk),
	SCMP_SYS(mmap),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(mprotect),
	SCMP_SYS(futex),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(nanosleep),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(getrandom),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(gettid),
	SCMP_SYS(tgkill),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

static const int deadly[] = {
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(fork),
	SCMP_SYS(vfork),
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(bpf),
	SCMP_SYS(connect),
	SCMP_SYS(setuid),
	SCMP_SYS(setresuid),
	SCMP_SYS(init_module),
	SCMP_SYS(mount),
};

static int add_rules(scmp_filter_ctx f)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(allowed) && !r; i++)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; i < ARRAY_SIZE(deadly) && !r; i++)
		r = seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
	return r;
}

int confine_syscalls(char *err, size_t err_len)
{
	scmp_filter_ctx f;
	int r = 0;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		r = -errno;
	f = r ? NULL : seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (!r && !f)
		r = -ENOMEM;
	if (!r) /* those who check signatures are there already */
		r = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!r)
		r = add_rules(f);
	if (!r)
		r = seccomp_load(f);
	if (f)
		seccomp_release(f);
	if (r)
		snprintf(err, err_len, "system call filter cannot be set: %s", strerror(-r));
	return r;
}
