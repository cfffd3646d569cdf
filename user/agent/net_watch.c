// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: the kernel's requests to have the packet programs (ring `wake`), and its list of sockets they
 * are wanted for (map `net_live`). Flows out: their two links at the cgroup root.
 *
 * The packet programs cost every packet of the host a tenth of a microsecond or two, so they are
 * attached only while net_live names a socket they are wanted for. Two threads do that, with
 * real-time priority where it is allowed: whoever connects is waiting for them, and the keeper's
 * loop may be reading files. Two, each on a CPU of its own, because the one that waits does not
 * leave its CPU on kernels without preemption. They touch nothing but the two links, under a lock.
 * Invariant: `on` is 1 only while both are attached; a connect names its socket before it reads
 * `on`, a thread looks for sockets after it has cleared it, so no socket is left without them. What
 * never says a word, or is to be ignored, is taken off the list, a few a second. While an AI tool
 * runs they stay, so that none of its connects depends on how soon a thread gets a CPU.
 */
#include "net_int.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "proto/event.h"

#define TICK_MS 1000
#define TIDY_MAX 256 /* sockets looked at in a tick */
#define SILENT_S 60  /* a socket that has neither TLS nor HTTP after this has none */
#define WAKE_RING 4096

/* As in bpf/lib/net.h. */
struct net_live {
	uint64_t start_ns, cgroup, since_ns;
	uint32_t tgid, tid, uid, clear;
};

int net_nth_cpu(int n)
{
	cpu_set_t may;

	if (sched_getaffinity(0, sizeof(may), &may))
		return -1;
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &may) && !n--)
			return i;
	return -1;
}

static void set_on(struct net *n, bool on)
{
	__atomic_store_n(n->on, on, __ATOMIC_SEQ_CST);
}

int net_packets_on(struct net *n)
{
	if (!n->out)
		n->out = pins_attach(n->pins, n->egress, n->root);
	if (!n->in)
		n->in = pins_attach(n->pins, n->ingress, n->root);
	if (!n->out || !n->in)
		return -errno;
	set_on(n, true);
	return 0;
}

void net_packets_off(struct net *n)
{
	pins_detach(n->pins, n->out);
	pins_detach(n->pins, n->in);
	n->out = n->in = NULL;
}

static bool anyone(const struct net *n)
{
	uint64_t cookie;

	return !bpf_map_get_next_key(n->live, NULL, &cookie);
}

static bool unwanted(const struct net *n, uint64_t cookie)
{
	uint64_t conn = CONN_ID_PLAIN | cookie;
	uint32_t slot = conn & (VERDICT_SLOTS - 1);
	struct verdict_slot v;
	struct net_live l;
	struct timespec t;

	if (bpf_map_lookup_elem(n->live, &cookie, &l))
		return false;
	clock_gettime(CLOCK_BOOTTIME, &t);
	if (!l.clear)
		return t.tv_sec > (time_t)(l.since_ns / 1000000000) + SILENT_S;
	return !bpf_map_lookup_elem(n->verdicts, &slot, &v) && v.conn == conn &&
	       v.verdict == VERDICT_IGNORE;
}

static void tidy(const struct net *n)
{
	uint64_t at, next;
	bool more = !bpf_map_get_next_key(n->live, NULL, &at);

	for (unsigned i = 0; more && i < TIDY_MAX; i++, at = next) {
		more = !bpf_map_get_next_key(n->live, &at, &next);
		if (unwanted(n, at))
			bpf_map_delete_elem(n->live, &at);
	}
}

static void on_wake(void *ctx, const void *record, size_t size) {}

static void tick(struct net *n)
{
	bool keep = n->rules || __atomic_load_n(&n->keep, __ATOMIC_SEQ_CST);

	if (keep && !n->out)
		net_packets_on(n);
	if (!n->out)
		return;
	tidy(n);
	if (keep || anyone(n))
		return;
	set_on(n, false);
	if (anyone(n)) /* one that came before it could see that */
		set_on(n, true);
	else
		net_packets_off(n);
}

static void watch_prepare(const struct watch *w)
{
	struct sched_param first = {.sched_priority = 1};
	cpu_set_t own;

	CPU_ZERO(&own);
	CPU_SET(w->cpu, &own);
	pthread_setaffinity_np(pthread_self(), sizeof(own), &own);
	pthread_setschedparam(pthread_self(), SCHED_FIFO, &first);
}

static void *watch_loop(void *p)
{
	struct watch *w = p;
	struct net *n = w->net;
	struct pollfd fds[] = {{.fd = n->wake, .events = POLLIN},
			       {.fd = n->stop, .events = POLLIN}};

	watch_prepare(w);
	while (!fds[1].revents) {
		int r = poll(fds, ARRAY_SIZE(fds), TICK_MS);

		pthread_mutex_lock(&n->lock);
		if (r > 0 && fds[0].revents) {
			net_packets_on(n);
			ring_consume(n->wakes, on_wake, NULL, WAKE_RING);
		} else if (!r && w == n->watch) {
			tick(n);
		}
		pthread_mutex_unlock(&n->lock);
	}
	return NULL;
}

int net_watches_start(struct net *n)
{
	sigset_t all, before;
	int r;

	n->stop = eventfd(0, EFD_CLOEXEC);
	if (n->stop < 0)
		return -errno;
	r = ring_open(n->wake, WAKE_RING, &n->wakes);
	if (r)
		return r;
	sigfillset(&all); /* signals are the keeper's loop's */
	pthread_sigmask(SIG_BLOCK, &all, &before);
	for (int i = 0; i < WATCHES && !r; i++) {
		struct watch *w = &n->watch[i];

		w->cpu = net_nth_cpu(i);
		w->net = n;
		r = -pthread_create(&w->thread, NULL, watch_loop, w);
		if (r)
			w->cpu = -1;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

void net_watches_stop(struct net *n)
{
	uint64_t one = 1;

	if (n->stop < 0 || write(n->stop, &one, sizeof(one)) != sizeof(one))
		return;
	for (int i = 0; i < WATCHES; i++)
		if (n->watch[i].cpu >= 0)
			pthread_join(n->watch[i].thread, NULL);
}
