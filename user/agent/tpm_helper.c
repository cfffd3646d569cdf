// SPDX-License-Identifier: Apache-2.0
/*
 * The process that talks to the TPM. In: digests, numbered. Out: signatures, or why not. It gives up root
 * and most system calls when the TPM is open, and has nothing of the recorder but one end of a socket pair.
 *
 * A connection that broke is made anew at a later question, at most one each AGAIN_S; for a device that
 * needs its group, which is therefore kept. It ends with the recorder: at once, or, when the TPM holds it,
 * ENDING_S later.
 */
#include "tpm_int.h"

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "confine.h"

#define AGAIN_S 5
#define ENDING_S 10

/* #syscalls of the helper: a device or a socket; libraries of a TCTI, when it is opened again */
static const char *const syscalls[] = {
	"openat",  "fstat",    "newfstatat", "lseek",	   "pread64",	  "poll",	 "ppoll",
	"select",  "pselect6", "socket",     "connect",	   "sendto",	  "recvfrom",	 "sendmsg",
	"recvmsg", "shutdown", "getsockopt", "setsockopt", "getsockname", "getpeername", "fcntl",
	"ioctl",   "readv",    "writev",     "access",	   "faccessat",	  "faccessat2",	 "readlink",
	"uname",   "prctl",    "getppid",    "alarm",	   "geteuid",	  "getuid",	 "statx",
	"stat",	   "lstat",    "open",	     NULL,
};

struct helper {
	const struct tpm_config *c;
	struct tpm_blob blob;
	struct tss *t;
	uint8_t public[ECDSA_PUBLIC_LEN];
	int fd;
	time_t tried;
};

static time_t now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static void parent_ended(int sig)
{
	alarm(ENDING_S);
}

/* The group a device may be opened with. */
static gid_t device_group(const char *tcti, gid_t otherwise)
{
	const char *path = strncmp(tcti, "device:", 7) ? NULL : tcti + 7;
	struct stat st;

	return path && !stat(path, &st) && S_ISCHR(st.st_mode) && (st.st_mode & 060) == 060 &&
			       st.st_gid
		       ? st.st_gid
		       : otherwise;
}

static int leave_rights(const struct tpm_config *c)
{
	struct confine f = {
		.name = "tpm",
		.syscalls = syscalls,
		.no_seccomp = c->no_seccomp,
	};
	const char *user, *what = "";
	int r = geteuid() ? 0 : confine_user(c->user, &f.uid, &f.gid, &user);

	f.gid = device_group(c->tcti, f.gid);
	if (!r)
		r = confine(&f, &what);
	if (r)
		log_err("helper of the TPM: cannot give up rights: %s: %s", what, strerror(-r));
	return r;
}

static void reply(struct helper *h, const struct tpm_question *q)
{
	struct tpm_reply a = {.nr = q->nr, .r = -EIO};
	size_t n = 0;

	snprintf(a.why, sizeof(a.why), "it cannot be reached");
	if (!h->t && now_s() >= h->tried + AGAIN_S) {
		uint8_t public[ECDSA_PUBLIC_LEN];

		h->tried = now_s();
		a.r = tss_open(h->c->tcti, h->c->handle, &h->blob, &h->t, public, a.why,
			       sizeof(a.why));
		if (!a.r && memcmp(public, h->public, sizeof(public))) {
			tss_close(TAKE_PTR(h->t));
			snprintf(a.why, sizeof(a.why), "another key is at that handle");
			a.r = -EKEYREJECTED;
		}
		if (a.r != -EKEYREJECTED && a.r)
			a.r = -EIO;
	}
	if (h->t) {
		a.r = tss_sign(h->t, q->digest, a.sig, &n, a.why, sizeof(a.why));
		a.n = n;
		if (a.r == -EIO) {
			tss_close(TAKE_PTR(h->t));
			h->tried = now_s();
		}
	}
	send(h->fd, &a, sizeof(a), MSG_NOSIGNAL);
}

static int helper(struct helper *h, pid_t parent)
{
	struct tpm_hello hello = {0};
	struct tpm_question q;

	/* The libraries speak for themselves otherwise, and of keys. */
	setenv("TSS2_LOG", "all+none", 1);
	hello.r = tss_open(h->c->tcti, h->c->handle, &h->blob, &h->t, hello.public, hello.why,
			   sizeof(hello.why));
	if (leave_rights(h->c))
		return 1;
	/* Asked for when the last credentials are taken: a change of them forgets it. */
	prctl(PR_SET_PDEATHSIG, SIGUSR1);
	if (getppid() != parent)
		return 1;
	hello.blob = h->blob;
	memcpy(h->public, hello.public, sizeof(h->public));
	if (send(h->fd, &hello, sizeof(hello), MSG_NOSIGNAL) != sizeof(hello) || hello.r)
		return 1;
	while (recv(h->fd, &q, sizeof(q), 0) == sizeof(q))
		reply(h, &q);
	tss_close(h->t);
	return 0;
}

static void become(const struct tpm_config *c, const struct tpm_blob *blob, int fd, pid_t parent)
{
	static struct helper h;
	sigset_t none;

	h.c = c;
	h.blob = *blob;
	h.fd = dup2(fd, STDERR_FILENO + 1);
	closefrom(STDERR_FILENO + 2); /* whose ends the recorder's peers wait for */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGUSR1, parent_ended);
	signal(SIGALRM, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_IGN); /* of a terminal: it ends with the recorder */
	prctl(PR_SET_NAME, "probityd-tpm");
	_exit(helper(&h, parent));
}

int tpm_helper_start(const struct tpm_config *c, const struct tpm_blob *blob, int *ret_fd)
{
	pid_t parent = getpid(), pid;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	signal(SIGCHLD, SIG_IGN); /* its end is told by the socket; nobody waits for it */
	pid = fork();
	if (!pid)
		become(c, blob, pair[1], parent);
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return -EAGAIN;
	}
	*ret_fd = pair[0];
	return 0;
}
