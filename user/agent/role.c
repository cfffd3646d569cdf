// SPDX-License-Identifier: Apache-2.0
/*
 * In: packets of another role, which may have been taken over. Out: packets whose kind, size and
 * texts hold, or -EPROTO. Invariant: what role_recv hands out can be read as the struct its kind
 * names, and every text in it ends inside its field. Nothing blocks: a full queue is -EAGAIN and
 * the caller decides what is dropped and counted. One packet holds at most ROLE_BODY_MAX bytes.
 */
#include "role.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "role_gate.h"
#include "discover/resolve.h"
#include "record/record.h"

/* Room for one descriptor beside a message. */
union passed {
	struct cmsghdr align;
	char room[CMSG_SPACE(sizeof(int))];
};

/* Room for bursts; the kernel counts its own overhead against it as well. */
#define QUEUE_BYTES (4 << 20)

static bool ends(const char *s, size_t cap)
{
	return memchr(s, '\0', cap);
}
#define ENDS(field) ends(field, sizeof(field))

static bool record_ok(const void *p, size_t n)
{
	const struct role_record *r = p;

	return r->len <= RECORD_PAYLOAD_MAX && r->len == n - sizeof(*r);
}

static bool proc_ok(const void *p, size_t n)
{
	const struct role_proc *r = p;

	return r->argv_len <= sizeof(r->argv) && ENDS(r->user) && ENDS(r->login_user) &&
	       ENDS(r->groups) && ENDS(r->exe) && ENDS(r->exe_sha256) && ENDS(r->cgroup_path) &&
	       ENDS(r->container) && (!r->argv_len || r->argv[r->argv_len - 1] == '\0');
}

static bool user_ok(const void *p, size_t n)
{
	const struct role_user *u = p;

	return ENDS(u->user) && ENDS(u->groups) && u->groups_len == strlen(u->groups);
}

static bool pack_ok(const void *p, size_t n)
{
	const struct role_pack *r = p;

	return ENDS(r->name) && ENDS(r->signer) && ENDS(r->refused) && r->enforce <= 2 &&
	       r->len == n - sizeof(*r);
}

static bool kill_ok(const void *p, size_t n)
{
	const struct role_kill *r = p;

	return ENDS(r->rule);
}

static bool watch_ok(const void *p, size_t n)
{
	const struct role_watch *r = p;

	return ENDS(r->name) && r->evidence >= WATCH_AI && r->evidence <= WATCH_NOT_AI;
}

static bool probes_ok(const void *p, size_t n)
{
	const struct role_probes *r = p;

	return ENDS(r->stacks) && ENDS(r->reason);
}

static bool resolve_ok(const void *p, size_t n)
{
	const struct role_resolve *r = p;

	return r->what >= RESOLVE_IDENTIFY && r->what <= RESOLVE_RELOCATE &&
	       n == sizeof(*r) + (r->what == RESOLVE_RELOCATE ? sizeof(struct tls_found) : 0);
}

static bool resolved_ok(const void *p, size_t n)
{
	const struct role_resolved *r = p;

	return ENDS(r->build_id) && ENDS(r->why) && r->result <= 1 &&
	       n == sizeof(*r) + (r->result == 1 ? sizeof(struct tls_found) : 0);
}

static bool reveal_ok(const void *p, size_t n)
{
	const struct role_reveal *r = p;
	const char *names = (const char *)(r + 1) + r->control_len;

	return ENDS(r->pseudonym) &&
	       n == sizeof(*r) + (uint64_t)r->control_len + (uint64_t)r->names_len &&
	       (!r->names_len || !names[r->names_len - 1]);
}

static bool erase_ok(const void *p, size_t n)
{
	const struct role_erase *r = p;

	return ENDS(r->operator) && ENDS(r->reason);
}

static bool erased_ok(const void *p, size_t n)
{
	const struct role_erased *r = p;

	return ENDS(r->why) && r->result <= 0;
}

static bool revealed_ok(const void *p, size_t n)
{
	const struct role_revealed *r = p;

	return ENDS(r->name) && r->result <= 0;
}

static bool krules_ok(const void *p, size_t n)
{
	const struct role_krules *r = p;
	const struct role_krule_host *h = (const void *)(r + 1);
	const struct role_krule_user *u;
	uint64_t want = sizeof(*r) + (uint64_t)r->hosts * sizeof(struct role_krule_host) +
			(uint64_t)r->users * sizeof(struct role_krule_user) +
			(uint64_t)r->nets * sizeof(struct role_krule_net);

	if (want != n)
		return false;
	for (uint32_t i = 0; i < r->hosts; i++)
		if (!ENDS(h[i].pattern))
			return false;
	u = (const void *)(h + r->hosts);
	for (uint32_t i = 0; i < r->users; i++)
		if (!ENDS(u[i].pattern))
			return false;
	return true;
}

/* A NUL only at its very end, if at all: role_recv ends the text itself. */
static bool text_ok(const void *p, size_t n)
{
	return !memchr(p, '\0', n - 1);
}

static const struct bound {
	size_t min, max;
	bool (*ok)(const void *p, size_t n); /* p is aligned and holds at least min bytes */
} bounds[ROLE__MAX] = {
	[ROLE_RECORD] = {sizeof(struct role_record),
			 sizeof(struct role_record) + RECORD_PAYLOAD_MAX, record_ok},
	[ROLE_SYNC] = {sizeof(struct role_sync), sizeof(struct role_sync), NULL},
	[ROLE_ACK] = {sizeof(struct role_ack), sizeof(struct role_ack), NULL},
	[ROLE_HELLO] = {sizeof(struct role_ack), sizeof(struct role_ack), NULL},
	[ROLE_PROC] = {sizeof(struct role_proc), sizeof(struct role_proc), proc_ok},
	[ROLE_PACK] = {sizeof(struct role_pack), ROLE_BODY_MAX, pack_ok},
	[ROLE_DROPS] = {sizeof(struct role_drops), sizeof(struct role_drops), NULL},
	[ROLE_TOOL] = {sizeof(struct role_tool), sizeof(struct role_tool), NULL},
	[ROLE_USER] = {sizeof(struct role_user), sizeof(struct role_user), user_ok},
	[ROLE_ASK] = {sizeof(struct role_ask), sizeof(struct role_ask), NULL},
	[ROLE_KILL] = {sizeof(struct role_kill), sizeof(struct role_kill), kill_ok},
	[ROLE_KRULES] = {sizeof(struct role_krules), ROLE_BODY_MAX, krules_ok},
	[ROLE_STATUS] = {2, ROLE_BODY_MAX - 1, text_ok},
	[ROLE_WATCH] = {sizeof(struct role_watch), sizeof(struct role_watch), watch_ok},
	[ROLE_PROBES] = {sizeof(struct role_probes), sizeof(struct role_probes), probes_ok},
	[ROLE_RESOLVE] = {sizeof(struct role_resolve), ROLE_BODY_MAX, resolve_ok},
	[ROLE_RESOLVED] = {sizeof(struct role_resolved), ROLE_BODY_MAX, resolved_ok},
	[ROLE_STOP] = {0, 0, NULL},
	[ROLE_GATE] = {sizeof(struct role_gate), sizeof(struct role_gate), NULL},
	[ROLE_REFUSE] = {sizeof(struct role_refuse), sizeof(struct role_refuse), role_refuse_ok},
	[ROLE_MASK] = {sizeof(struct role_mask), ROLE_BODY_MAX, role_mask_ok},
	[ROLE_SOCK] = {sizeof(struct role_sock), sizeof(struct role_sock), role_sock_ok},
	[ROLE_PENDING] = {sizeof(struct role_pending), sizeof(struct role_pending),
			  role_pending_ok},
	[ROLE_FILE_RULES] = {sizeof(struct role_file_rules), sizeof(struct role_file_rules),
			     role_file_rules_ok},
	[ROLE_EXEC_RULES] = {sizeof(struct role_exec_rules), ROLE_BODY_MAX, role_exec_rules_ok},
	[ROLE_TREE] = {sizeof(struct role_tree), sizeof(struct role_tree), NULL},
	[ROLE_CONTINUE] = {sizeof(struct role_continue), sizeof(struct role_continue),
			   role_continue_ok},
	[ROLE_CONTINUED] = {sizeof(struct role_done), sizeof(struct role_done), NULL},
	[ROLE_REFUSED] = {sizeof(struct role_done), sizeof(struct role_done), NULL},
	[ROLE_MASKED] = {sizeof(struct role_done), sizeof(struct role_done), NULL},
	[ROLE_GRANTS] = {sizeof(struct role_grants), ROLE_BODY_MAX, role_grants_ok},
	[ROLE_SEAL] = {sizeof(struct role_seal), ROLE_BODY_MAX, role_seal_ok},
	[ROLE_FILE] = {sizeof(struct role_file), sizeof(struct role_file), role_file_ok},
	[ROLE_JUDGE] = {sizeof(struct role_judge), sizeof(struct role_judge), NULL},
	[ROLE_FOLDED] = {sizeof(struct event_deny), sizeof(struct event_deny), NULL},
	[ROLE_JUDGED] = {sizeof(struct role_judged), ROLE_BODY_MAX, role_judged_ok},
	[ROLE_POLICY] = {sizeof(struct role_policy), ROLE_BODY_MAX, role_policy_ok},
	[ROLE_ERASE] = {sizeof(struct role_erase), sizeof(struct role_erase), erase_ok},
	[ROLE_ERASED] = {sizeof(struct role_erased), sizeof(struct role_erased), erased_ok},
	[ROLE_REVEAL] = {sizeof(struct role_reveal), ROLE_BODY_MAX, reveal_ok},
	[ROLE_REVEALED] = {sizeof(struct role_revealed), sizeof(struct role_revealed), revealed_ok},
};

static const struct bound *bound_of(unsigned kind)
{
	return kind > 0 && kind < ROLE__MAX ? &bounds[kind] : NULL;
}

int role_pair(int ret_fds[static 2])
{
	int fds[2], size = QUEUE_BYTES;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		return -errno;
	/* Without privilege the system's bound holds, which is enough for one whole packet. */
	for (int i = 0; i < 2; i++)
		if (setsockopt(fds[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
			setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	ret_fds[0] = fds[0];
	ret_fds[1] = fds[1];
	return 0;
}

static void pass_fd(struct msghdr *h, union passed *u, int fd)
{
	struct cmsghdr *c;

	h->msg_control = u;
	h->msg_controllen = sizeof(*u);
	c = CMSG_FIRSTHDR(h);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
}

static int send_all(int fd, enum role_kind kind, const void *head, size_t n, const void *tail,
		    size_t m, int pass)
{
	union passed u = {};
	struct role_msg msg = {.version = ROLE_VERSION, .kind = kind, .len = n + m};
	struct iovec iov[3] = {
		{&msg, sizeof(msg)},
		{(void *)head, n},
		{(void *)tail, m},
	};
	struct msghdr h = {.msg_iov = iov, .msg_iovlen = 3};
	const struct bound *b = bound_of(kind);
	ssize_t r;

	if (!b)
		return -EINVAL;
	if (n > ROLE_BODY_MAX || m > ROLE_BODY_MAX || n + m < b->min || n + m > b->max)
		return -EMSGSIZE;
	if (pass >= 0)
		pass_fd(&h, &u, pass);
	do
		r = sendmsg(fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

int role_sendv(int fd, enum role_kind kind, const void *head, size_t n, const void *tail, size_t m)
{
	return send_all(fd, kind, head, n, tail, m, -1);
}

int role_send_fd(int fd, enum role_kind kind, const void *head, size_t n, const void *tail,
		 size_t m, int pass)
{
	return send_all(fd, kind, head, n, tail, m, pass);
}

int role_send(int fd, enum role_kind kind, const void *body, size_t n)
{
	return role_sendv(fd, kind, body, n, NULL, 0);
}

static int taken_fd(struct msghdr *h)
{
	struct cmsghdr *c = h->msg_controllen ? CMSG_FIRSTHDR(h) : NULL;
	int fd = -1;

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(fd)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static int recv_all(int fd, struct role_msg *ret_msg, void *buf, size_t cap, int *passed)
{
	struct role_msg msg;
	struct iovec iov[2] = {{&msg, sizeof(msg)}, {buf, cap}};
	union passed u;
	struct msghdr h = {.msg_iov = iov,
			   .msg_iovlen = 2,
			   .msg_control = passed ? &u : NULL,
			   .msg_controllen = passed ? sizeof(u) : 0};
	const struct bound *b;
	ssize_t r;
	size_t n;

	do
		r = recvmsg(fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	if (r == 0)
		return -ECONNRESET;
	if (passed)
		*passed = taken_fd(&h);
	if ((size_t)r < sizeof(msg) || (h.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return -EPROTO;
	n = r - sizeof(msg);
	b = bound_of(msg.kind);
	if (msg.version != ROLE_VERSION || !b || msg.len != n || n < b->min || n > b->max ||
	    (b->ok && !b->ok(buf, n)))
		return -EPROTO;
	if (msg.kind == ROLE_STATUS) {
		n -= ((const char *)buf)[n - 1] == '\0';
		msg.len = n;
		if (n >= cap)
			return -EPROTO;
		((char *)buf)[n] = '\0';
	}
	*ret_msg = msg;
	return n;
}

int role_recv(int fd, struct role_msg *ret_msg, void *buf, size_t cap)
{
	return recv_all(fd, ret_msg, buf, cap, NULL);
}

int role_recv_fd(int fd, struct role_msg *ret_msg, void *buf, size_t cap, int *ret_fd)
{
	int passed = -1, r = recv_all(fd, ret_msg, buf, cap, &passed);

	if (r < 0 && passed >= 0)
		close(passed);
	if (r >= 0)
		*ret_fd = passed;
	return r;
}
