// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: a process and the cookie of one of its sockets. Flows out: that connection ended, so that
 * whoever waits on it, in whatever process shares it, fails at once.
 *
 * SOCK_DESTROY first: the next call gives ECONNABORTED and no SIGPIPE, what was queued is thrown away
 * and the peer gets a reset. It finds a socket by its addresses, in the network namespace of its
 * netlink socket; the cookie must agree, so no other connection is ever hit. A socket of another
 * namespace is asked for from a thread that enters it (SIOCGSKNS tells which it is) and ends at once.
 * Where the kernel has no SOCK_DESTROY, shutdown(2) on our own descriptor of the same socket: the
 * next write gives EPIPE. Its packets must not leave by then: the caller marks the socket first.
 *
 * A process may have closed its descriptor by then, and the kernel still have bytes to send: then the
 * connection is found by its cookie among all of the process's network namespace. Where the process is
 * gone as well its namespace is not known any more, and ours is looked through: found, it is ended; not
 * found says nothing (-ESRCH).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "agent/gate.h"
#include "agent/sockwalk.h"
#include "base/cleanup.h"

#define LIST_MAX 32768 /* of the kernel's list at once; it fills no more */
#define OVER (1u << TCP_CLOSE | 1u << TCP_TIME_WAIT | 1u << TCP_LISTEN)
#define ANSWER_MS 200 /* the kernel answers inside of sendmsg; this is against the unthinkable */

/* --- a netlink socket in the namespace of that socket ---------------------------------------------- */

struct entry {
	int ns, fd;
};

static int diag_open(void)
{
	struct timeval t = {.tv_usec = ANSWER_MS * 1000};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	return fd;
}

static void *enter(void *p)
{
	struct entry *e = p;

	e->fd = setns(e->ns, CLONE_NEWNET) < 0 ? -errno : diag_open();
	return NULL;
}

static bool is_ours(int ns) /* a namespace */
{
	struct stat a, b;

	return !fstat(ns, &a) && !stat("/proc/thread-self/ns/net", &b) && a.st_ino == b.st_ino &&
	       a.st_dev == b.st_dev;
}

static int diag_in(int ns)
{
	struct entry e = {.ns = ns};
	sigset_t all, before;
	pthread_t t;
	int r;

	if (is_ours(ns))
		return diag_open();
	sigfillset(&all); /* signals are the caller's loop's */
	pthread_sigmask(SIG_BLOCK, &all, &before);
	r = -pthread_create(&t, NULL, enter, &e);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r)
		return r;
	pthread_join(t, NULL);
	return e.fd;
}

static int diag_for(int sock)
{
	_cleanup_close_ int ns = ioctl(sock, SIOCGSKNS);

	return ns < 0 ? -errno : diag_in(ns);
}

/* --- the request ----------------------------------------------------------------------------------- */

static void put_addr(const struct sockaddr_storage *a, __be32 *addr, __be16 *port)
{
	const struct sockaddr_in6 *six = (const void *)a;
	const struct sockaddr_in *four = (const void *)a;

	if (a->ss_family == AF_INET6) {
		memcpy(addr, &six->sin6_addr, sizeof(six->sin6_addr));
		*port = six->sin6_port;
	} else {
		memcpy(addr, &four->sin_addr, sizeof(four->sin_addr));
		*port = four->sin_port;
	}
}

static int number(int sock, int level, int name)
{
	socklen_t n = sizeof(int);
	int v = 0;

	return getsockopt(sock, level, name, &v, &n) ? 0 : v;
}

static int describe(int sock, uint64_t cookie, struct inet_diag_req_v2 *ret)
{
	struct sockaddr_storage own = {}, peer = {};
	socklen_t n = sizeof(own), m = sizeof(peer);

	if (getsockname(sock, (struct sockaddr *)&own, &n) ||
	    getpeername(sock, (struct sockaddr *)&peer, &m))
		return -errno;
	if (own.ss_family != AF_INET && own.ss_family != AF_INET6)
		return -EAFNOSUPPORT;
	ret->sdiag_family = own.ss_family;
	ret->sdiag_protocol = number(sock, SOL_SOCKET, SO_PROTOCOL);
	ret->idiag_states = ~0u;
	ret->id.idiag_if = number(sock, SOL_SOCKET, SO_BINDTOIFINDEX);
	ret->id.idiag_cookie[0] = cookie;
	ret->id.idiag_cookie[1] = cookie >> 32;
	put_addr(&own, ret->id.idiag_src, &ret->id.idiag_sport);
	put_addr(&peer, ret->id.idiag_dst, &ret->id.idiag_dport);
	return 0;
}

static int answer(int diag)
{
	char b[1024] __attribute__((aligned(NLMSG_ALIGNTO)));
	ssize_t n = recv(diag, b, sizeof(b), 0);
	const struct nlmsghdr *h = (const void *)b;
	const struct nlmsgerr *e = (const void *)NLMSG_DATA(h);

	if (n < 0)
		return -errno;
	if (!NLMSG_OK(h, (size_t)n) || h->nlmsg_type != NLMSG_ERROR ||
	    h->nlmsg_len < NLMSG_LENGTH(sizeof(*e)))
		return -EPROTO;
	return e->error;
}

static int ask(int diag, uint16_t type, uint16_t flags, const struct inet_diag_req_v2 *r)
{
	struct {
		struct nlmsghdr h;
		struct inet_diag_req_v2 r;
	} m = {.h = {.nlmsg_len = sizeof(m),
		     .nlmsg_type = type,
		     .nlmsg_flags = NLM_F_REQUEST | flags},
	       .r = *r};
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	ssize_t n = sendto(diag, &m, sizeof(m), 0, (struct sockaddr *)&kernel, sizeof(kernel));

	return n < 0 ? -errno : 0;
}

static int destroy(int sock, uint64_t cookie)
{
	_cleanup_close_ int diag = diag_for(sock);
	struct inet_diag_req_v2 q = {};
	int r = diag < 0 ? diag : describe(sock, cookie, &q);

	r = r ?: ask(diag, SOCK_DESTROY, NLM_F_ACK, &q);
	return r ?: answer(diag);
}

/* --- a connection nobody has a descriptor of ------------------------------------------------------- */

/* One datagram of the kernel's list. 1: found, 0: goes on, -ENOENT: that was all. */
static int look_in(const void *p, size_t n, uint64_t cookie, struct inet_diag_req_v2 *q)
{
	for (const struct nlmsghdr *h = p; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
		const struct inet_diag_msg *m = (const void *)NLMSG_DATA(h);

		if (h->nlmsg_type == NLMSG_DONE)
			return -ENOENT;
		if (h->nlmsg_type == NLMSG_ERROR || h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)))
			return -EPROTO;
		if (((uint64_t)m->id.idiag_cookie[1] << 32 | m->id.idiag_cookie[0]) != cookie)
			continue;
		q->id = m->id;
		return 1;
	}
	return 0;
}

/* 0: *q names it; -ENOENT: there is none. */
static int find(int ns, uint64_t cookie, struct inet_diag_req_v2 *q)
{
	char b[LIST_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	_cleanup_close_ int diag = diag_in(ns);
	int r = diag < 0 ? diag : ask(diag, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, q);

	while (!r) {
		ssize_t n = recv(diag, b, sizeof(b), 0);

		r = n < 0 ? -errno : look_in(b, n, cookie, q);
	}
	return r > 0 ? 0 : r;
}

static int die_unheld(uint32_t pid, uint64_t cookie)
{
	char path[40];
	_cleanup_close_ int ns = -1;
	bool gone;
	int r = -ENOENT;

	snprintf(path, sizeof(path), "/proc/%u/ns/net", pid);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	gone = ns < 0;
	if (gone)
		ns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (ns < 0)
		return -errno;
	for (int i = 0; i < 2 && r == -ENOENT; i++) {
		struct inet_diag_req_v2 q = {.sdiag_family = i ? AF_INET6 : AF_INET,
					     .sdiag_protocol = IPPROTO_TCP,
					     .idiag_states = ~OVER};
		_cleanup_close_ int diag = -1;

		r = find(ns, cookie, &q);
		if (r)
			continue;
		diag = diag_in(ns);
		r = diag < 0 ? diag : ask(diag, SOCK_DESTROY, NLM_F_ACK, &q);
		r = r ?: answer(diag);
		return r ?: SOCK_DIED_DESTROYED;
	}
	return r != -ENOENT ? r : gone ? -ESRCH : SOCK_DIED_BEFORE;
}

int sock_shut(int sock)
{
	/* A datagram socket has no end to tell its owner of; it may serve others as well. */
	if (number(sock, SOL_SOCKET, SO_TYPE) != SOCK_STREAM)
		return -EOPNOTSUPP;
	return shutdown(sock, SHUT_RDWR) && errno != ENOTCONN ? -errno : SOCK_DIED_SHUT;
}

int sock_end(int sock, uint64_t cookie)
{
	return destroy(sock, cookie) ? sock_shut(sock) : SOCK_DIED_DESTROYED;
}

static bool is_over(int sock)
{
	struct tcp_info i = {};
	socklen_t n = sizeof(i);

	return !getsockopt(sock, IPPROTO_TCP, TCP_INFO, &i, &n) && i.tcpi_state == TCP_CLOSE;
}

int sock_die(uint32_t pid, uint64_t cookie)
{
	_cleanup_close_ int sock = sockwalk_find(pid, cookie);

	if (sock < 0)
		return die_unheld(pid, cookie);
	return is_over(sock) ? SOCK_DIED_BEFORE : sock_end(sock, cookie);
}
