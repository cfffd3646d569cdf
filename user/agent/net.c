// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: the loaded programs of net.bpf.c, and its requests to have the packet programs. Flows
 * out: links at the cgroup root, counters, and a push for sockets whose first packet was held.
 *
 * The root is opened without looking for a mount: a detached mount of cgroup2 is the same hierarchy,
 * also where a host has mounted only version 1, and it needs no path. In a container's own cgroup
 * namespace the root is that container's, and only what runs in it is seen; the status says so. The
 * links are this process's: they end with it, and no packet is ever held without an agent. A kernel
 * without these programs loses names and versions of TLS connections, clear HTTP, and the hold.
 *
 * The push: TCP_CORK = 0 on a socket that is not corked changes nothing and sends what waits. The
 * socket is reached by pidfd_getfd, so it works in every network namespace, and only sockets with
 * bytes that were never sent are touched. Bounded by the descriptors looked at.
 *
 * The packet programs come and go by net_watch.c.
 */
#include "net_int.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "agent/backends.h"
#include "agent/lsm.h"
#include "agent/sockwalk.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "probity.skel.h"
#include "proto/event.h"

#define ROOT_INODE 1 /* of the whole hierarchy, not of a namespace's part of it */
static const char *const count_names[NET__MAX] = {
	[NET_CONNECTS] = "connects", [NET_HELLOS] = "hellos",	  [NET_ANSWERS] = "answers",
	[NET_HELD] = "held",	     [NET_RELEASED] = "released", [NET_EXPIRED] = "expired",
	[NET_PLAIN] = "plain",	     [NET_WAKES] = "wakes",	  [NET_LATE] = "late",
};

static bool can_wait(void)
{
	return net_nth_cpu(WATCHES - 1) >= 0 &&
	       libbpf_probe_bpf_helper(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_FUNC_loop, NULL) == 1;
}

void net_prepare(struct probity_bpf *skel)
{
	bool any = libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_CGROUP_SKB, NULL) == 1 &&
		   libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, NULL) == 1;
	bool waits = any && can_wait();

	bpf_program__set_autoload(skel->progs.net_egress, any);
	bpf_program__set_autoload(skel->progs.net_ingress, any);
	bpf_program__set_autoload(skel->progs.net_closed, any);
	bpf_program__set_autoload(skel->progs.net_connect4, waits);
	bpf_program__set_autoload(skel->progs.net_connect6, waits);
	bpf_program__set_autoload(skel->progs.net_connect4_old, any && !waits);
	bpf_program__set_autoload(skel->progs.net_connect6_old, any && !waits);
	bpf_program__set_autoload(skel->progs.gate_connect4, any);
	bpf_program__set_autoload(skel->progs.gate_connect6, any);
	bpf_program__set_autoload(skel->progs.gate_sendmsg4, any);
	bpf_program__set_autoload(skel->progs.gate_sendmsg6, any);
	bpf_program__set_autoload(skel->progs.gate_lsm_connect, lsm_in_force(NULL));
	bpf_program__set_autoload(skel->progs.gate_lsm_sendmsg, lsm_in_force(NULL));
}

static int root_open(void)
{
	_cleanup_close_ int fs = fsopen("cgroup2", FSOPEN_CLOEXEC), at = -1;
	int fd;

	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	at = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (at < 0)
		return -errno;
	fd = openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* --- attaching ----------------------------------------------------------------------------------- */

static int refused(struct net *n, const char *what, int r)
{
	snprintf(n->why, sizeof(n->why), "%s: %s", what, strerror(-r));
	return r;
}

static int attach_marks(struct net *n, struct probity_bpf *skel)
{
	struct bpf_program *p[FIXED] = {
		[CLOSED] = skel->progs.net_closed,
		[CONNECT4] = n->always ? skel->progs.net_connect4_old : skel->progs.net_connect4,
		[CONNECT6] = n->always ? skel->progs.net_connect6_old : skel->progs.net_connect6,
	};

	for (size_t i = 0; i < FIXED; i++) {
		n->fixed[i] = pins_attach(n->pins, p[i], i == CLOSED ? -1 : n->root);
		if (!n->fixed[i])
			return refused(n, bpf_program__name(p[i]), -errno);
	}
	return 0;
}

/* What refuses a connection, as far as this kernel has it. */
static void attach_gates(struct net *n, struct probity_bpf *skel)
{
	struct bpf_program *p[GATES] = {
		[GATE4] = skel->progs.gate_connect4,
		[GATE6] = skel->progs.gate_connect6,
		[SEND4] = skel->progs.gate_sendmsg4,
		[SEND6] = skel->progs.gate_sendmsg6,
		[LSM_CONNECT] = skel->progs.gate_lsm_connect,
		[LSM_SEND] = skel->progs.gate_lsm_sendmsg,
	};

	for (size_t i = 0; i < GATES; i++) {
		if (bpf_program__fd(p[i]) < 0)
			continue;
		n->gates[i] = pins_attach(n->pins, p[i], i < LSM_CONNECT ? n->root : -1);
		if (!n->gates[i])
			log_warn("%s cannot be attached: %s", bpf_program__name(p[i]),
				 strerror(errno));
	}
}

static bool gates_all(const struct net *n)
{
	return n->gates[GATE4] && n->gates[GATE6] && n->gates[SEND4] && n->gates[SEND6];
}

static void offer(const struct net *n)
{
	const char *why;

	if (n->gates[LSM_CONNECT] && n->gates[LSM_SEND]) {
		backend_offer(NEED_CONNECT_ADDR, 30, GATE_LSM_CONNECT, NULL);
	} else {
		lsm_in_force(&why);
		backend_lack(NEED_CONNECT_ADDR, "lsm/socket_connect", why);
	}
	if (gates_all(n))
		backend_offer(NEED_CONNECT_ADDR, 20, GATE_CGROUP_CONNECT, NULL);
	if (!n->attached) {
		backend_lack(NEED_CONNECT_NAME, "cgroup_skb", n->why);
		backend_lack(NEED_CALL_DENY, "cgroup_skb", n->why);
		backend_lack(NEED_QUIC_DROP, "cgroup_skb", n->why);
		return;
	}
	backend_offer(NEED_CONNECT_NAME, 20, GATE_CLIENTHELLO, NULL);
	backend_offer(NEED_CALL_DENY, 20, GATE_CLIENTHELLO, NULL);
	backend_offer(NEED_QUIC_DROP, 20, GATE_QUIC, NULL);
}

/* Packet programs first: no connect ever waits for what has not begun. */
static int attach_all(struct net *n, struct probity_bpf *skel)
{
	struct stat st;
	int r;

	if (!bpf_program__autoload(skel->progs.net_egress))
		return refused(n, "cgroup BPF", -EOPNOTSUPP);
	n->root = root_open();
	if (n->root < 0)
		return refused(n, "cgroup2", n->root);
	n->whole = !fstat(n->root, &st) && st.st_ino == ROOT_INODE;
	n->on = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED,
		     bpf_map__fd(skel->maps.net_on), 0);
	if (n->on == MAP_FAILED) {
		n->on = NULL;
		return refused(n, "net_on", -errno);
	}
	r = net_packets_on(n);
	if (r)
		return refused(n, "cgroup_skb", r);
	r = n->always ? 0 : net_watches_start(n);
	if (r)
		return refused(n, "thread", r);
	r = attach_marks(n, skel);
	if (!r)
		attach_gates(n, skel);
	return r;
}

static void detach_all(struct net *n)
{
	for (size_t i = FIXED; i--;) { /* marks first: nobody waits any more */
		pins_detach(n->pins, n->fixed[i]);
		n->fixed[i] = NULL;
	}
	for (size_t i = 0; i < GATES; i++) {
		pins_detach(n->pins, n->gates[i]);
		n->gates[i] = NULL;
	}
	net_watches_stop(n);
	net_packets_off(n);
	ring_free(n->wakes);
	n->wakes = NULL;
	if (n->on)
		munmap(n->on, getpagesize());
	n->on = NULL;
	cleanup_closep(&n->root);
	cleanup_closep(&n->stop);
	n->root = n->stop = -1;
}

int net_open(struct probity_bpf *skel, struct pins *pins, struct net **ret)
{
	struct net *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return -ENOMEM;
	pthread_mutex_init(&n->lock, NULL);
	n->root = n->stop = -1;
	n->pins = pins;
	for (int i = 0; i < WATCHES; i++)
		n->watch[i].cpu = -1;
	n->counts = bpf_map__fd(skel->maps.net_counts);
	n->live = bpf_map__fd(skel->maps.net_live);
	n->verdicts = bpf_map__fd(skel->maps.verdicts);
	n->wake = bpf_map__fd(skel->maps.net_wake);
	n->egress = skel->progs.net_egress;
	n->ingress = skel->progs.net_ingress;
	n->always = !bpf_program__autoload(skel->progs.net_connect4);
	r = attach_all(n, skel);
	n->attached = !r;
	if (r)
		detach_all(n);
	if (r)
		log_warn(
			"no network hooks (%s): TLS names and clear HTTP are not seen, first calls "
			"of new programs may be missed",
			n->why);
	else if (!n->whole)
		log_warn("in a cgroup namespace: network hooks see this container alone");
	offer(n);
	*ret = n;
	return r;
}

void net_close(struct net *n)
{
	if (!n)
		return;
	detach_all(n);
	pthread_mutex_destroy(&n->lock);
	free(n);
}

/* --- the push ---------------------------------------------------------------------------------- */

static bool push(int sock)
{
	int v = 0, unsent = 0;
	socklen_t n = sizeof(v);

	if (getsockopt(sock, SOL_SOCKET, SO_PROTOCOL, &v, &n) || v != IPPROTO_TCP)
		return false;
	if (ioctl(sock, SIOCOUTQNSD, &unsent) || unsent <= 0)
		return false;
	n = sizeof(v);
	if (getsockopt(sock, IPPROTO_TCP, TCP_CORK, &v, &n) || v)
		return false; /* corked by its program: not ours to open */
	return !setsockopt(sock, IPPROTO_TCP, TCP_CORK, &v, sizeof(v));
}

static int push_it(void *ctx, int sock)
{
	return push(sock);
}

int net_release(uint32_t pid)
{
	return sockwalk(pid, push_it, NULL);
}

/* --- status ------------------------------------------------------------------------------------ */

static void row(json_t *rows, const char *what, const char *backend, const char *note)
{
	json_array_append_new(rows, json_pack("{s:s, s:s, s:s}", "for", what, "backend", backend,
					      "note", note));
}

void net_backends(const struct net *n, json_t *rows)
{
	const char *skb = n && n->attached ? "cgroup_skb" : "none";
	const char *note = !n		  ? ""
			   : !n->attached ? n->why
			   : !n->whole	  ? "this container alone"
					  : "";
	const char *when = n && n->attached && !n->always ? "packets only while wanted" : "";

	row(rows, "TLS names and versions", skb, note);
	row(rows, "clear HTTP", skb, note);
	row(rows, "hold of a first TLS packet", skb, note);
	row(rows, "deny a connection by address",
	    n && n->gates[LSM_CONNECT] ? "lsm/socket_connect"
	    : n && gates_all(n)	       ? "cgroup/connect4, connect6, sendmsg4, sendmsg6"
				       : "none",
	    "ranges of one service; DNS answers the process asked for");
	row(rows, "deny a connection by name", skb,
	    "ClientHello, Host of clear HTTP, QUIC Initial");
	row(rows, "refuse a socket's sends",
	    n && n->gates[LSM_SEND] ? "lsm/socket_sendmsg, cgroup_skb" : skb, "");
	row(rows, "owner of a connection", n && n->attached ? "cgroup/connect4, connect6" : "none",
	    when);
}

/* Before the rules are in force, and after they were: no packet of theirs is missed. */
void net_rules(struct net *n, bool on)
{
	if (!n || !n->attached)
		return;
	pthread_mutex_lock(&n->lock);
	n->rules = on;
	if (on && net_packets_on(n))
		log_err("packet programs cannot be attached (%s): names in TLS and QUIC are not "
			"refused",
			strerror(errno));
	pthread_mutex_unlock(&n->lock);
}

enum gate_mechanism net_mark(const struct net *n)
{
	if (n && n->gates[LSM_SEND])
		return GATE_LSM_SENDMSG;
	return n && n->attached ? GATE_EGRESS : GATE_NONE;
}

void net_keep(struct net *n, bool keep)
{
	if (n)
		__atomic_store_n(&n->keep, keep, __ATOMIC_SEQ_CST);
}

json_t *net_counters(const struct net *n)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t v[cpus > 0 ? cpus : 1];
	json_t *j = json_object();

	for (uint32_t i = 0; n && i < NET__MAX; i++) {
		uint64_t sum = 0;

		if (bpf_map_lookup_elem(n->counts, &i, v))
			continue;
		for (int c = 0; c < cpus; c++)
			sum += v[c];
		json_object_set_new(j, count_names[i], json_integer(sum));
	}
	return j;
}
