// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: whether writes wait for us, and how much CPU the worker used. Flows out: SCHED_FIFO for
 * the worker and, one below, for the keeper's loop, which does what the worker asks of a waiting
 * write; and memory that is not paged out. Set from outside, so the worker needs no privilege.
 *
 * Bounds, because what has real-time priority and loops leaves its CPU to nobody: a worker that
 * used more than BUSY of a CPU for FALL_S seconds gets ordinary priority for PENANCE_S, with a
 * warning and a count. If the keeper cannot run either, RLIMIT_RTTIME ends the worker after
 * PRIORITY_WORKER_US without a blocking call; the keeper itself falls back by SIGXCPU. Beside that,
 * the kernel's own throttling leaves a share of each second to the others.
 *
 * Memory: each page is locked when it is first used (MCL_ONFAULT), so nothing is taken in advance.
 * Where the limit cannot be lifted, what is mapped later is not locked, and the stack never: one that
 * is locked cannot grow beyond the limit, and the process would end.
 */
#include "priority.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "agent/movers.h"
#include "base/cleanup.h"
#include "base/log.h"

#define WORKER_FIRST 2 /* before the keeper: it asks, the keeper does */
#define KEEPER_FIRST 1
#define BUSY_PERCENT 90
#define FALL_S 2
#define PENANCE_S 30
#define KEEPER_RT_S 2

static uint64_t ns_of(clockid_t id)
{
	struct timespec t;

	return clock_gettime(id, &t) ? 0 : t.tv_sec * 1000000000ull + t.tv_nsec;
}

static int schedule(pid_t pid, int first)
{
	struct sched_param p = {.sched_priority = first};
	int policy = (first ? SCHED_FIFO : SCHED_OTHER) | SCHED_RESET_ON_FORK;

	return sched_setscheduler(pid, policy, &p) ? -errno : 0;
}

/* --- the keeper itself ----------------------------------------------------------------------------- */

/* Only the loop's thread ever has more than one of the others: getpid() is it. */
static void on_xcpu(int sig)
{
	struct sched_param p = {};

	sched_setscheduler(getpid(), SCHED_OTHER | SCHED_RESET_ON_FORK, &p);
}

static void keeper_first(struct priority *p, bool first)
{
	struct sigaction a = {.sa_handler = on_xcpu, .sa_flags = SA_RESTART};
	struct rlimit l = {KEEPER_RT_S * 1000000, RLIM_INFINITY};

	/* Again each second: it may have fallen back meanwhile. */
	if (first) {
		sigaction(SIGXCPU, &a, NULL);
		setrlimit(RLIMIT_RTTIME, &l);
	}
	if (first != p->keeper_first && first)
		mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
	else if (first != p->keeper_first)
		munlockall();
	if (first || p->keeper_first)
		p->keeper_first = !schedule(getpid(), first ? KEEPER_FIRST : 0) && first;
}

/* --- the worker ------------------------------------------------------------------------------------- */

static void worker_first(struct priority *p, pid_t worker, bool first)
{
	int r = schedule(worker, first ? WORKER_FIRST : 0);

	if (r && r != p->error)
		log_warn("no real-time priority for the worker (%s): writes may wait longer for it",
			 strerror(-r));
	p->error = r;
	p->first = !r && first;
	p->busy = 0;
}

/* Whether it left its CPU to nobody since the last look. */
static bool was_busy(struct priority *p, pid_t worker)
{
	uint64_t now = ns_of(CLOCK_MONOTONIC), cpu, used, passed;
	clockid_t id;

	if (clock_getcpuclockid(worker, &id))
		return false;
	cpu = ns_of(id);
	used = cpu - p->cpu_ns;
	passed = now - p->at_ns;
	if (passed < 500000000ull)
		return false; /* asked between two ticks */
	p->cpu_ns = cpu;
	p->at_ns = now;
	return used > passed / 100 * BUSY_PERCENT && passed < 10000000000ull;
}

static void watch(struct priority *p, pid_t worker)
{
	if (p->penance)
		p->penance--;
	p->busy = was_busy(p, worker) && p->first ? p->busy + 1 : 0;
	if (p->busy < FALL_S)
		return;
	p->falls++;
	p->penance = PENANCE_S;
	log_warn("the worker used a whole CPU for %d s: ordinary priority for %d s", FALL_S,
		 PENANCE_S);
	worker_first(p, worker, false);
}

static void move(struct priority *p, pid_t worker, bool wanted, int events, int waits)
{
	int r;

	if (wanted && !p->movers && events >= 0) {
		r = movers_start(events, waits, &p->movers);
		if (r)
			log_warn("a write that waits may keep us from our CPU: %s", strerror(-r));
	}
	if (p->movers && wanted)
		movers_worker(p->movers, worker);
	if (p->movers && !wanted) {
		movers_stop(p->movers);
		p->movers = NULL;
	}
}

void priority_tick(struct priority *p, pid_t worker, bool wanted, int events, int waits)
{
	keeper_first(p, wanted);
	move(p, worker, wanted, events, waits);
	if (worker <= 0)
		return;
	watch(p, worker);
	if ((wanted && !p->penance) != p->first)
		worker_first(p, worker, !p->first);
}

void priority_gone(struct priority *p)
{
	p->first = false;
	p->busy = p->penance = 0;
	p->cpu_ns = p->at_ns = 0;
	if (p->movers)
		movers_worker(p->movers, 0);
}

/* --- memory ------------------------------------------------------------------------------------------ */

static int unlock_stack(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/maps", "re");
	unsigned long from, to;
	char line[512];

	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, "[stack]") && sscanf(line, "%lx-%lx", &from, &to) == 2)
			return munlock((void *)from, to - from) ? -errno : 0;
	return -ENOENT;
}

int priority_lock(const char **ret_what)
{
	struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
	int r;

	if (!setrlimit(RLIMIT_MEMLOCK, &all) && !mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) {
		*ret_what = "all memory, as it is used";
		return 0;
	}
	if (mlockall(MCL_CURRENT | MCL_ONFAULT)) {
		r = -errno;
		*ret_what = "none";
		return r;
	}
	r = unlock_stack();
	if (r)
		munlockall();
	*ret_what = r ? "none" : "what was mapped at the start, but the stack";
	return r;
}

/* --- status ------------------------------------------------------------------------------------------- */

json_t *priority_status(const struct priority *p)
{
	return json_pack("{s:b, s:b, s:b, s:I, s:i, s:i, s:s}", "worker_real_time", p->first,
			 "keeper_real_time", p->keeper_first, "movers", p->movers != NULL, "moved",
			 (json_int_t)movers_moved(p->movers), "falls", (int)p->falls, "penance_s",
			 (int)p->penance, "error", p->error ? strerror(-p->error) : "");
}
