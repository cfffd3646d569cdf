// SPDX-License-Identifier: Apache-2.0
/*
 * A write that waits inside of its probe keeps its CPU (lib/gate.h), and on a kernel without
 * preemption nothing else runs there until the wait ends. Real-time priority does not help who is
 * woken on that CPU: the scheduler counts on taking it at once and moves nobody away. So worker and
 * keeper's loop are put on one CPU, and when that is the one which is held, on another.
 *
 * Flows in: the ring's wake-ups, to which every waiting write adds one; gate_waits, which says on which
 * CPU each waits. Flows out: sched_setaffinity for two threads. One thread per CPU, at the highest
 * priority of ours, asleep but for those wake-ups. One that runs has a CPU that nobody holds: if the
 * chosen one is held, it takes both to its own. There are as many of these threads as writes may
 * wait, and one more, so one of them always runs. A wrong guess costs a migration and nothing else.
 *
 * Threads that the keeper starts while this is on stay on the chosen CPU; processes do not.
 */
#include "movers.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "proto/gate.h"

#define FIRST 3	     /* before worker and keeper (priority.c) */
#define WAITS_MAX 64 /* looked at: more than wait at once, but for those made again */
#define STACK_BYTES (64u << 10)

struct movers {
	int events, waits, stop;
	pid_t keeper, worker;
	int where; /* index of the mover whose CPU it is, -1: none yet */
	uint64_t moved;
	unsigned n;
	struct mover {
		struct movers *all;
		pthread_t thread;
		int cpu, index;
	} v[MOVERS_MAX];
};

static cpu_set_t given;
static bool known;

static void learn(void)
{
	if (!known)
		known = !sched_getaffinity(getpid(), sizeof(given), &given);
}

unsigned movers_count(void)
{
	unsigned n;

	learn();
	n = known ? CPU_COUNT(&given) : 1;
	return n < MOVERS_MAX ? n : MOVERS_MAX;
}

void movers_forget(void)
{
	if (known)
		sched_setaffinity(0, sizeof(given), &given);
}

/* --- one CPU ---------------------------------------------------------------------------------------- */

static bool held(const struct movers *m, int cpu)
{
	struct gate_wait_key k, next;
	bool more = !bpf_map_get_next_key(m->waits, NULL, &next);

	for (unsigned i = 0; more && i < WAITS_MAX; i++) {
		struct gate_waiter w;

		k = next;
		if (!bpf_map_lookup_elem(m->waits, &k, &w) && w.cpu == (uint32_t)cpu &&
		    w.how != GATE_STOPPED)
			return true;
		more = !bpf_map_get_next_key(m->waits, &k, &next);
	}
	return false;
}

static void pin(struct movers *m, int cpu)
{
	pid_t worker = __atomic_load_n(&m->worker, __ATOMIC_ACQUIRE);
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (worker > 0)
		sched_setaffinity(worker, sizeof(one), &one);
	sched_setaffinity(m->keeper, sizeof(one), &one);
}

static void woken(struct mover *v)
{
	struct movers *m = v->all;
	int where = __atomic_load_n(&m->where, __ATOMIC_ACQUIRE);

	if (where == v->index || (where >= 0 && !held(m, m->v[where].cpu)))
		return;
	/* Of several that see it one goes on. */
	if (!__atomic_compare_exchange_n(&m->where, &where, v->index, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE))
		return;
	pin(m, v->cpu);
	__atomic_fetch_add(&m->moved, 1, __ATOMIC_RELAXED);
}

static int poll_of(const struct movers *m)
{
	/* Edges: what is in the ring is the worker's, only that more came is of interest. */
	struct epoll_event ring = {.events = EPOLLIN | EPOLLET},
			   stop = {.events = EPOLLIN, .data.u32 = 1};
	int ep = epoll_create1(EPOLL_CLOEXEC);

	if (ep >= 0 && (epoll_ctl(ep, EPOLL_CTL_ADD, m->events, &ring) ||
			epoll_ctl(ep, EPOLL_CTL_ADD, m->stop, &stop))) {
		close(ep);
		return -1;
	}
	return ep;
}

static void *mover_loop(void *p)
{
	struct sched_param first = {.sched_priority = FIRST};
	struct mover *v = p;
	_cleanup_close_ int ep = poll_of(v->all);
	struct epoll_event e;
	cpu_set_t own;

	CPU_ZERO(&own);
	CPU_SET(v->cpu, &own);
	if (ep < 0 || pthread_setaffinity_np(pthread_self(), sizeof(own), &own) ||
	    pthread_setschedparam(pthread_self(), SCHED_FIFO, &first))
		return NULL;
	for (;;) {
		int r = epoll_wait(ep, &e, 1, -1);

		if (r < 0 && errno != EINTR)
			return NULL;
		if (r > 0 && e.data.u32)
			return NULL;
		if (r > 0)
			woken(v);
	}
}

/* --- all of them --------------------------------------------------------------------------------------- */

static int start_one(struct movers *m, int cpu)
{
	struct mover *v = &m->v[m->n];
	pthread_attr_t small;
	int r;

	*v = (struct mover){.all = m, .cpu = cpu, .index = m->n};
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, STACK_BYTES);
	r = -pthread_create(&v->thread, &small, mover_loop, v);
	pthread_attr_destroy(&small);
	m->n += !r;
	return r;
}

int movers_start(int events, int waits, struct movers **ret)
{
	struct movers *m = calloc(1, sizeof(*m));
	unsigned most = movers_count();
	sigset_t all, before;
	int r = 0;

	if (!m)
		return -ENOMEM;
	m->events = events;
	m->waits = waits;
	m->keeper = getpid();
	m->where = -1;
	m->stop = eventfd(0, EFD_CLOEXEC);
	if (m->stop < 0) {
		free(m);
		return -errno;
	}
	sigfillset(&all); /* signals are the keeper's loop's */
	pthread_sigmask(SIG_BLOCK, &all, &before);
	for (int cpu = 0; cpu < CPU_SETSIZE && m->n < most && !r; cpu++)
		if (CPU_ISSET(cpu, &given))
			r = start_one(m, cpu);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r) {
		movers_stop(m);
		return r;
	}
	*ret = m;
	return 0;
}

void movers_stop(struct movers *m)
{
	uint64_t one = 1;

	if (!m)
		return;
	if (write(m->stop, &one, sizeof(one)) == sizeof(one))
		for (unsigned i = 0; i < m->n; i++)
			pthread_join(m->v[i].thread, NULL);
	close(m->stop);
	if (m->worker > 0)
		sched_setaffinity(m->worker, sizeof(given), &given);
	sched_setaffinity(m->keeper, sizeof(given), &given);
	free(m);
}

void movers_worker(struct movers *m, pid_t worker)
{
	int where = __atomic_load_n(&m->where, __ATOMIC_ACQUIRE);

	if (m->worker == worker)
		return;
	__atomic_store_n(&m->worker, worker, __ATOMIC_RELEASE);
	if (where >= 0)
		pin(m, m->v[where].cpu);
}

uint64_t movers_moved(const struct movers *m)
{
	return m ? __atomic_load_n(&m->moved, __ATOMIC_RELAXED) : 0;
}
