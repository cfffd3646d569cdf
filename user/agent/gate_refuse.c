// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: what the worker has refused (ROLE_REFUSE), waits that ended without an answer, sockets that
 * the kernel refused by itself. Flows out: marks, ended sockets, killed processes; the worker is told what
 * was done.
 *
 * Mildest first: the mark alone, where lsm/socket_sendmsg turns it into -EPERM; else the mark (no packet
 * leaves) and the end of the connection; else SIGKILL. Marks are never taken back, and cookies are never
 * used again. Where sock_verdicts is full, the least recently used goes.
 */
#include "gate_int.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "agent/bpf.h"
#include "agent/procinfo.h"
#include "agent/sockwalk.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "policy/mechanism.h"

int kgate_mark_cookie(struct keeper_gate *g, uint64_t cookie, uint32_t verdict)
{
	int r;

	/* Before, for net_closed to look for it, and after, for look_for_refused: it came meanwhile. */
	if (verdict == SOCK_DENY)
		bpf_set_denied(g->b);
	r = bpf_map_update_elem(g->marks, &cookie, &verdict, BPF_ANY) ? -errno : 0;
	if (verdict == SOCK_DENY)
		bpf_set_denied(g->b);
	return r;
}

/* A mark goes when its socket is closed (net_closed), so one that is must not be given another. */
int kgate_mark_socket(struct keeper_gate *g, int sock, uint64_t cookie, uint32_t verdict)
{
	struct tcp_info i = {};
	socklen_t n = sizeof(i);
	int r = kgate_mark_cookie(g, cookie, verdict);

	if (!r && !getsockopt(sock, IPPROTO_TCP, TCP_INFO, &i, &n) && i.tcpi_state == TCP_CLOSE)
		bpf_map_delete_elem(g->marks, &cookie);
	return r;
}

int kgate_end_socket(struct keeper_gate *g, int sock, uint64_t cookie)
{
	int r = sock_end(sock, cookie);

	g->n.destroyed += r == SOCK_DIED_DESTROYED;
	g->n.shut += r == SOCK_DIED_SHUT;
	g->n.end_failed += r < 0;
	return r < 0 ? r : 0;
}

/* A program that waited may mark its socket when that has been ended for it already. Whoever closes a
 * socket takes its mark (net_closed), and this one has nobody any more to do that. */
void kgate_refused_by_kernel(struct keeper_gate *g, uint32_t pid, uint64_t cookie)
{
	int r = sock_die(pid, cookie);

	if (r == SOCK_DIED_BEFORE)
		bpf_map_delete_elem(g->marks, &cookie);
	g->n.destroyed += r == SOCK_DIED_DESTROYED;
	g->n.shut += r == SOCK_DIED_SHUT;
	g->n.end_failed += r < 0;
}

/* The pid's process, if it is the one that was judged. */
int kgate_process(uint32_t pid, uint64_t start_ns)
{
	int fd = pidfd_open(pid, 0);

	if (fd < 0)
		return -errno;
	if (procinfo_is(pid, start_ns))
		return fd;
	close(fd);
	return -ESRCH;
}

static int by_socket(struct keeper_gate *g, const struct role_refuse *r, uint64_t cookie)
{
	bool lsm = bpf_mark(g->b) == GATE_LSM_SENDMSG;
	_cleanup_close_ int sock = -1;
	int e;

	if (!(r->may & REFUSE_SHUTDOWN) && !((r->may & REFUSE_ERROR) && lsm))
		return -EOPNOTSUPP;
	sock = sockwalk_find(r->pid, cookie); /* is it that process's at all? */
	if (sock < 0)
		return sock;
	e = kgate_mark_socket(g, sock, cookie, SOCK_DENY);
	if (e)
		return e;
	if ((r->may & REFUSE_ERROR) && lsm)
		return GATE_LSM_SENDMSG;
	e = kgate_end_socket(g, sock, cookie);
	return e ?: GATE_SHUTDOWN;
}

static int by_kill(const struct role_refuse *r, int pidfd)
{
	if (pidfd_send_signal(pidfd, SIGKILL, NULL, 0))
		return -errno;
	log_info("rule %.63s: killed process %u, for nothing milder was possible", r->rule, r->pid);
	return GATE_PIDFD;
}

static int refuse(struct keeper_gate *g, const struct role_refuse *r, uint64_t cookie)
{
	_cleanup_close_ int pidfd = kgate_process(r->pid, r->start_ns);
	int e;

	if (pidfd < 0)
		return pidfd;
	if (g->ops.spared(g->ctx, r->pid))
		return -EACCES;
	e = cookie ? by_socket(g, r, cookie) : -ENOTCONN;
	return e < 0 && (r->may & REFUSE_KILL) ? by_kill(r, pidfd) : e;
}

/* Of a wait without an answer. */
int kgate_refuse_waiter(void *ctx, const struct gate_waiter *w)
{
	struct role_refuse r = {.start_ns = w->start_ns,
				.pid = w->tgid,
				.may = REFUSE_ERROR | REFUSE_SHUTDOWN |
				       (w->closed & WAITER_MAY_KILL ? REFUSE_KILL : 0),
				.rule = "without an answer"};
	struct keeper_gate *g = ctx;
	int e = refuse(g, &r, w->cookie);

	if (e < 0)
		g->n.refuse_failed++;
	else
		g->n.refused[e]++;
	return e;
}

int kgate_refuse(struct keeper_gate *g, const struct role_refuse *r)
{
	struct role_done d = {.seq = r->seq, .cookie = r->cookie};
	struct gate_waiter w = {};
	int e = 0;

	if (g->monitor)
		return kgate_nonsense(g, -EPERM);
	if (r->seq)
		e = kgate_waiter(g, r->seq, &w);
	if (r->seq && !e &&
	    (w.tgid != r->pid || w.start_ns != r->start_ns ||
	     (w.cookie && r->cookie && w.cookie != r->cookie)))
		return kgate_nonsense(g, -EPERM);
	g->n.late += e != 0; /* still refused: what comes after it must not leave either */
	d.cookie = w.cookie ?: r->cookie;
	e = refuse(g, r, d.cookie);
	d.result = e < 0 ? e : 0;
	d.mechanism = e < 0 ? GATE_NONE : e;
	if (e < 0)
		g->n.refuse_failed++;
	else
		g->n.refused[e]++;
	g->ops.tell(g->ctx, ROLE_REFUSED, &d, sizeof(d));
	return 0;
}
