// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: the loaded programs of net.bpf.c. Flows out: links at the cgroup root, counters, and a
 * push for sockets whose first packet was held.
 *
 * The root is opened without looking for a mount: a detached mount of cgroup2 is the same hierarchy,
 * also where a host has mounted only version 1, and it needs no path. In a container's own cgroup
 * namespace the root is that container's, and only what runs in it is seen; the status says so. The
 * links are this process's: they end with it, and no packet is ever held without an agent.
 *
 * All four programs or none: marks without packet programs cost and tell nothing. What a kernel
 * without them loses: names and versions of TLS connections, clear HTTP, and the hold.
 *
 * The push: TCP_CORK = 0 on a socket that is not corked changes nothing and sends what waits. The
 * socket is reached by pidfd_getfd, so it works in every network namespace, and only sockets with
 * bytes that were never sent are touched. Bounded by the descriptors looked at.
 */
#include "net.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "probity.skel.h"
#include "proto/event.h"

#define LINKS 5
#define ROOT_INODE 1	 /* of the whole hierarchy, not of a namespace's part of it */
#define RELEASE_FDS 8192 /* descriptors looked at for one process */

struct net {
	struct bpf_link *links[LINKS];
	int counts;
	bool attached, whole;
	char why[160]; /* not attached */
};

static const char *const count_names[NET__MAX] = {
	[NET_CONNECTS] = "connects", [NET_HELLOS] = "hellos",	  [NET_ANSWERS] = "answers",
	[NET_HELD] = "held",	     [NET_RELEASED] = "released", [NET_EXPIRED] = "expired",
	[NET_PLAIN] = "plain",
};

/* In the order they are attached: what marks last, so that no mark is without its readers. */
static void programs(struct probity_bpf *skel, struct bpf_program *ret[static LINKS])
{
	ret[0] = skel->progs.net_closed;
	ret[1] = skel->progs.net_ingress;
	ret[2] = skel->progs.net_egress;
	ret[3] = skel->progs.net_connect4;
	ret[4] = skel->progs.net_connect6;
}

void net_prepare(struct probity_bpf *skel)
{
	struct bpf_program *p[LINKS];

	if (libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_CGROUP_SKB, NULL) == 1 &&
	    libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, NULL) == 1)
		return;
	programs(skel, p);
	for (size_t i = 0; i < LINKS; i++)
		bpf_program__set_autoload(p[i], false);
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

static int attach_all(struct net *n, struct probity_bpf *skel, int root)
{
	struct bpf_program *p[LINKS];

	programs(skel, p);
	for (size_t i = 0; i < LINKS; i++) {
		n->links[i] =
			i ? bpf_program__attach_cgroup(p[i], root) : bpf_program__attach(p[i]);
		if (!n->links[i]) {
			int r = -errno;

			snprintf(n->why, sizeof(n->why), "%s: %s", bpf_program__name(p[i]),
				 strerror(-r));
			return r;
		}
	}
	return 0;
}

static void detach_all(struct net *n)
{
	for (size_t i = LINKS; i--;) { /* marks first */
		bpf_link__destroy(n->links[i]);
		n->links[i] = NULL;
	}
}

static int attach_at_root(struct net *n, struct probity_bpf *skel)
{
	_cleanup_close_ int root = root_open();
	struct stat st;
	int r;

	if (!bpf_program__autoload(skel->progs.net_egress)) {
		snprintf(n->why, sizeof(n->why), "kernel without cgroup BPF");
		return -EOPNOTSUPP;
	}
	if (root < 0) {
		snprintf(n->why, sizeof(n->why), "cgroup2 cannot be mounted: %s", strerror(-root));
		return root;
	}
	n->whole = !fstat(root, &st) && st.st_ino == ROOT_INODE;
	r = attach_all(n, skel, root);
	if (r)
		detach_all(n);
	return r;
}

int net_open(struct probity_bpf *skel, struct net **ret)
{
	struct net *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return -ENOMEM;
	n->counts = bpf_map__fd(skel->maps.net_counts);
	r = attach_at_root(n, skel);
	n->attached = !r;
	if (r)
		log_warn(
			"no network hooks (%s): TLS names and clear HTTP are not seen, first calls "
			"of new programs may be missed",
			n->why);
	else if (!n->whole)
		log_warn("in a cgroup namespace: network hooks see this container alone");
	*ret = n;
	return r;
}

void net_close(struct net *n)
{
	if (!n)
		return;
	detach_all(n);
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

static int push_fd(int pidfd, int dir, const char *name)
{
	_cleanup_close_ int sock = -1;
	char to[16] = "";

	if (name[0] == '.' || readlinkat(dir, name, to, sizeof(to) - 1) < 0 ||
	    strncmp(to, "socket:", 7))
		return 0;
	sock = syscall(SYS_pidfd_getfd, pidfd, atoi(name), 0);
	if (sock < 0)
		return errno == EBADF ? 0 : -errno; /* closed meanwhile */
	return push(sock);
}

int net_release(uint32_t pid)
{
	_cleanup_close_ int pidfd = syscall(SYS_pidfd_open, pid, 0);
	char path[32];
	struct dirent *e;
	int r = 0, pushed = 0;
	DIR *d;

	if (pidfd < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/%u/fd", pid);
	d = opendir(path);
	if (!d)
		return -errno;
	for (unsigned i = 0; i < RELEASE_FDS && r >= 0 && (e = readdir(d)); i++) {
		r = push_fd(pidfd, dirfd(d), e->d_name);
		pushed += r > 0;
	}
	closedir(d);
	return r < 0 ? r : pushed;
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
	const char *note = !n ? "" : !n->attached ? n->why : n->whole ? "" : "this container alone";

	row(rows, "TLS names and versions", skb, note);
	row(rows, "clear HTTP", skb, note);
	row(rows, "hold of a first TLS packet", skb, note);
	row(rows, "owner of a connection", n && n->attached ? "cgroup/connect4, connect6" : "none",
	    "");
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
