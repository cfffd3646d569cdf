// SPDX-License-Identifier: Apache-2.0
/*
 * Images that wait for a tool call to be judged (gate.h, EXEC_STOP_MS). Flows in: the kernel's word that
 * it has stopped one, with the place in the ring up to which the worker has to read. Flows out: SIGCONT,
 * or SIGKILL where the tool call has forbidden it meanwhile, before its first instruction.
 *
 * The worker says what it has to say of a record before it moves on from it, so when its position is
 * past that place all of it is in the socket; the loop reads that first (LOOP_FIRST), this comes last.
 * Nobody stays stopped: after EXEC_STOP_MS it goes on, whatever is known; so does everybody when the
 * rules go or the keeper ends; and one that was killed is followed by one that continues whom it finds in
 * `exec_stops`. Who found no room here goes on at once.
 */
#include "exec_gate_int.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "agent/bpf.h"
#include "agent/procinfo.h"
#include "base/cleanup.h"
#include "base/log.h"

#define STOPS_MAX 256

struct stopped {
	struct event_exec_stop e;
	uint64_t until_ns, since_ns;
	bool read; /* the worker was past that place when we looked last */
};
struct exec_stops {
	int map_fd;
	const uint64_t *consumer; /* of the worker's ring */
	struct event *ev;
	struct stopped v[STOPS_MAX];
	unsigned n;
	uint64_t stopped, ended, expired, left, waited_ns;
};

/* Only the process that was stopped: its number may be another's by now. */
static bool signal_it(uint32_t pid, uint64_t start_ns, int sig)
{
	_cleanup_close_ int fd = pidfd_open(pid, 0);
	struct role_proc p;

	return fd >= 0 && !procinfo_read(pid, &p) &&
	       exec_ticks(p.start_ns) == exec_ticks(start_ns) &&
	       !pidfd_send_signal(fd, sig, NULL, 0);
}

static void go_on(struct exec_stops *s, const struct event_exec_stop *e)
{
	uint32_t pid = e->h.pid;

	bpf_map_delete_elem(s->map_fd, &pid);
	signal_it(pid, e->h.start_ns, SIGCONT);
}

static void settle(struct exec_gate *g, const struct stopped *w)
{
	const struct event_exec_stop *e = &w->e;
	struct exec_stops *s = g->stops;
	uint64_t forbidden, bits, kills = g->count.late_kills;
	char what[EVENT_WHAT_MAX + 1] = "";

	memcpy(what, e->what, sizeof(e->what));
	s->waited_ns += exec_now() - w->since_ns;
	bits = e->rules & late_who(g, e->h.pid, e->h.start_ns, e->h.uid, &forbidden);
	if (bits & (g->rules.deny | g->rules.kill))
		late_act(g, &(struct late){.pid = e->h.pid,
					   .uid = e->h.uid,
					   .start_ns = e->h.start_ns,
					   .dev = e->dev,
					   .ino = e->ino,
					   .rules = e->rules,
					   .script = e->hook == GATE_AT_SCRIPT,
					   .named = !e->ino,
					   .stopped = true,
					   .what = what});
	if (g->count.late_kills != kills) {
		s->ended++;
		recent_settled(g, e->h.pid, e->h.start_ns);
	}
	go_on(s, e); /* nothing to one that was killed */
}

static void again(struct exec_stops *s, bool at_once)
{
	const struct timeval soon = {.tv_usec = at_once ? 0 : 1000};

	if (s->n)
		event_add(s->ev, &soon);
}

static void on_time(evutil_socket_t fd, short what, void *ctx)
{
	struct exec_gate *g = ctx;
	struct exec_stops *s = g->stops;
	uint64_t read = __atomic_load_n(s->consumer, __ATOMIC_ACQUIRE), now = exec_now();
	bool ready = false;

	for (unsigned i = 0; i < s->n;) {
		struct stopped w = s->v[i];

		if (!w.read && now < w.until_ns) {
			s->v[i].read = read >= w.e.position;
			ready |= s->v[i].read;
			i++;
			continue;
		}
		s->expired += !w.read;
		s->v[i] = s->v[--s->n];
		settle(g, &w);
	}
	again(s, ready);
}

void exec_gate_stopped(struct exec_gate *g, const struct event_exec_stop *e)
{
	struct exec_stops *s = g->stops;

	s->stopped++;
	if (s->n == STOPS_MAX || g->s.monitor) {
		s->expired++;
		go_on(s, e);
		return;
	}
	s->v[s->n++] = (struct stopped){.e = *e,
					.until_ns = e->h.boot_ns + EXEC_STOP_MS * 1000000ull,
					.since_ns = e->h.boot_ns};
	again(s, true);
}

/* Whom a keeper before this one left. */
static void free_all(struct exec_stops *s)
{
	uint32_t pid;
	uint64_t start;

	while (!bpf_map_get_next_key(s->map_fd, NULL, &pid)) {
		if (bpf_map_lookup_elem(s->map_fd, &pid, &start))
			start = 0;
		if (bpf_map_delete_elem(s->map_fd, &pid))
			return;
		s->left += start && signal_it(pid, start, SIGCONT);
	}
}

/* Whom nobody told us of. */
void exec_stops_tick(struct exec_gate *g)
{
	struct exec_stops *s = g->stops;

	if (!s->n)
		free_all(s);
}

int exec_stops_open(struct exec_gate *g)
{
	struct exec_stops *s = calloc(1, sizeof(*s));
	int ring;
	void *p;

	g->stops = s;
	if (!s)
		return -ENOMEM;
	s->map_fd = bpf_map_named(g->s.bpf, "exec_stops");
	ring = bpf_map_named(g->s.bpf, "events");
	if (s->map_fd < 0 || ring < 0)
		return s->map_fd < 0 ? s->map_fd : ring;
	p = mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ, MAP_SHARED, ring, 0);
	if (p == MAP_FAILED)
		return -errno;
	s->consumer = p;
	s->ev = event_new(g->s.base, -1, 0, on_time, g);
	if (!s->ev)
		return -ENOMEM;
	event_priority_set(s->ev, event_base_get_npriorities(g->s.base) - 1);
	free_all(s);
	if (s->left)
		log_info("%llu processes that were stopped at their exec go on",
			 (unsigned long long)s->left);
	return 0;
}

void exec_stops_close(struct exec_gate *g)
{
	struct exec_stops *s = TAKE_PTR(g->stops);

	if (!s)
		return;
	if (s->consumer) {
		free_all(s);
		munmap((void *)s->consumer, sysconf(_SC_PAGESIZE));
	}
	if (s->ev)
		event_free(s->ev);
	free(s);
}

json_t *exec_stops_status(const struct exec_gate *g)
{
	const struct exec_stops *s = g->stops;

	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "stopped", (json_int_t)s->stopped, "ended",
			 (json_int_t)s->ended, "expired", (json_int_t)s->expired, "left",
			 (json_int_t)s->left, "mean_us",
			 (json_int_t)(s->stopped ? s->waited_ns / s->stopped / 1000 : 0));
}
