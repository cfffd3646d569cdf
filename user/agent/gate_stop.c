// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: what stopped.c wants done. Flows out: changes of gate_waits, gate_going, gate_slots and
 * sock_verdicts, signals by pidfd to the very process that the kernel named.
 *
 * A socket waits as SOCK_ASK while its process is stopped. One that may go is SOCK_PASS, and what TCP
 * kept meanwhile (somebody else continued the process) is pushed. One that was refused stays so.
 *
 * When the keeper is not there (gate_stop_release): sockets of rules that fail closed are marked and
 * shut before their process goes on, all others may send. Nobody is killed then but by a rule that may
 * and has nothing milder.
 */
#include "gate_stop.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <time.h>
#include <unistd.h>

#include "agent/gate.h"
#include "agent/net.h"
#include "agent/procinfo.h"
#include "agent/spared.h"
#include "agent/stopped.h"
#include "base/cleanup.h"
#include "base/log.h"

#define NOTES_MAX 16384 /* looked at: twice what the map holds, for it may change under us */

struct gate_stop {
	struct gate_stop_setup in;
	struct stopped *list;
	unsigned left; /* by a former keeper */
};

static uint64_t now_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* --- the maps ---------------------------------------------------------------------------------------- */

static int get(void *ctx, uint64_t seq, struct gate_waiter *ret)
{
	const struct gate_stop *s = ctx;
	struct gate_wait_key k = {.seq = seq};

	return bpf_map_lookup_elem(s->in.waits, &k, ret) ? -ENOENT : 0;
}

static int next(void *ctx, const uint64_t *seq, uint64_t *ret)
{
	const struct gate_stop *s = ctx;
	struct gate_wait_key k = {.seq = seq ? *seq : 0}, found;

	if (bpf_map_get_next_key(s->in.waits, seq ? &k : NULL, &found))
		return -ENOENT;
	*ret = found.seq;
	return 0;
}

static int put(void *ctx, uint64_t seq, const struct gate_waiter *w)
{
	const struct gate_stop *s = ctx;
	struct gate_wait_key k = {.seq = seq};

	return bpf_map_update_elem(s->in.waits, &k, w, BPF_EXIST) ? -errno : 0;
}

static void drop(void *ctx, uint64_t seq)
{
	const struct gate_stop *s = ctx;
	struct gate_wait_key k = {.seq = seq};

	bpf_map_delete_elem(s->in.waits, &k);
}

static void going(void *ctx, uint32_t tgid, uint64_t seq)
{
	const struct gate_stop *s = ctx;

	if (!seq)
		bpf_map_delete_elem(s->in.going, &tgid);
	else if (bpf_map_update_elem(s->in.going, &tgid, &seq, BPF_ANY))
		log_warn("gate_going: %s", strerror(errno));
}

static void slot(void *ctx, const struct gate_waiter *w, uint64_t seq, uint32_t verdict)
{
	const struct gate_stop *s = ctx;
	struct gate_slot v = {.conn = w->conn, .seq = seq, .verdict = verdict};
	uint32_t at = w->conn & (GATE_SLOTS - 1);

	if (s->in.slots >= 0)
		bpf_map_update_elem(s->in.slots, &at, &v, BPF_ANY);
}

/* --- processes and sockets ------------------------------------------------------------------------------ */

static int send_to(uint32_t tgid, uint64_t start_ns, int sig)
{
	_cleanup_close_ int fd = pidfd_open(tgid, 0);

	if (fd < 0)
		return -errno;
	if (!procinfo_is(tgid, start_ns))
		return -ESRCH;
	return pidfd_send_signal(fd, sig, NULL, 0) ? -errno : 0;
}

static bool is_stopped(int folder, const char *tid)
{
	char path[64], text[512];
	const char *state;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/stat", tid);
	fd = openat(folder, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return true; /* it has ended */
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	state = strrchr(text, ')');
	return !state || !state[1] || strchr("TtZX", state[2]);
}

static bool still(void *ctx, const struct gate_waiter *w)
{
	char path[32];
	const struct dirent *e;
	bool all = true;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%u/task", w->tgid);
	d = opendir(path);
	while (d && all && (e = readdir(d)))
		all = e->d_name[0] == '.' || is_stopped(dirfd(d), e->d_name);
	if (d)
		closedir(d);
	return all;
}

static int signal_it(void *ctx, const struct gate_waiter *w, int sig)
{
	return send_to(w->tgid, w->start_ns, sig);
}

static bool open_socket(int marks, uint64_t cookie)
{
	uint32_t verdict;

	if (!cookie || bpf_map_lookup_elem(marks, &cookie, &verdict) || verdict != SOCK_ASK)
		return false;
	verdict = SOCK_PASS;
	return !bpf_map_update_elem(marks, &cookie, &verdict, BPF_ANY);
}

static void pass(void *ctx, const struct gate_waiter *w)
{
	const struct gate_stop *s = ctx;

	if (open_socket(s->in.marks, w->cookie))
		net_release(w->tgid);
}

static int refuse(void *ctx, const struct gate_waiter *w)
{
	const struct gate_stop *s = ctx;

	return s->in.refuse(s->in.ctx, w);
}

static bool spared(void *ctx, uint32_t tgid)
{
	const struct gate_stop *s = ctx;

	return s->in.spared(s->in.ctx, tgid);
}

static void tell(void *ctx, const struct role_done *d)
{
	const struct gate_stop *s = ctx;

	s->in.tell(s->in.ctx, d);
}

/* --- nobody is there ------------------------------------------------------------------------------------- */

/* False: it must not go on. */
static bool shut_or_open(int marks, const struct gate_waiter *w)
{
	uint32_t deny = SOCK_DENY;
	uint64_t cookie = w->cookie;

	if (!(w->closed & WAITER_CLOSED) || w->answered || spared_builtin(w->tgid)) {
		if (!w->answered)
			open_socket(marks, cookie);
		return true;
	}
	if (cookie)
		bpf_map_update_elem(marks, &cookie, &deny, BPF_ANY);
	if (cookie && sock_die(w->tgid, cookie) > 0)
		return true;
	return !(w->closed & WAITER_MAY_KILL);
}

/* Sockets first, of all: a process may have several threads that wait. */
static unsigned each_stopped(int waits, int marks, uint64_t upto_ns, bool sockets)
{
	struct gate_wait_key k, after;
	bool more = !bpf_map_get_next_key(waits, NULL, &after);
	unsigned n = 0;

	for (unsigned i = 0; more && i < NOTES_MAX; i++) {
		struct gate_waiter w;

		k = after;
		more = !bpf_map_get_next_key(waits, &k, &after);
		if (bpf_map_lookup_elem(waits, &k, &w) || w.how != GATE_STOPPED ||
		    w.since_ns > upto_ns)
			continue;
		if (sockets && procinfo_is(w.tgid, w.start_ns) && !shut_or_open(marks, &w))
			send_to(w.tgid, w.start_ns, SIGKILL);
		if (sockets)
			continue;
		n += !send_to(w.tgid, w.start_ns, SIGCONT);
		bpf_map_delete_elem(waits, &k);
	}
	return n;
}

unsigned gate_stop_release(int waits, int marks, uint64_t upto_ns)
{
	each_stopped(waits, marks, upto_ns, true);
	return each_stopped(waits, marks, upto_ns, false);
}

/* No program of a former agent's probes runs any more: what it noted is of no use. */
static void clear(int waits)
{
	struct gate_wait_key k;

	for (unsigned i = 0; i < NOTES_MAX && !bpf_map_get_next_key(waits, NULL, &k); i++)
		bpf_map_delete_elem(waits, &k);
}

/* --- begin, end, turns ---------------------------------------------------------------------------------- */

int gate_stop_new(const struct gate_stop_setup *setup, struct gate_stop **ret)
{
	static const struct stopped_ops ops = {get,   next,	 put,  drop,   going,  slot,
					       still, signal_it, pass, refuse, spared, tell};
	struct gate_stop *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->in = *setup;
	r = stopped_new(&ops, s, &s->list);
	if (r) {
		free(s);
		return r;
	}
	s->left = gate_stop_release(s->in.waits, s->in.marks, UINT64_MAX);
	clear(s->in.waits);
	if (s->left)
		log_warn(
			"%u waiting writes of stopped processes were left by a former agent: continued",
			s->left);
	*ret = s;
	return 0;
}

void gate_stop_free(struct gate_stop *s)
{
	if (!s)
		return;
	stopped_free(s->list);
	gate_stop_release(s->in.waits, s->in.marks,
			  UINT64_MAX); /* of whom we had not been told yet */
	free(s);
}

void gate_stop_note(struct gate_stop *s, const struct event *e, uint64_t hold_ns)
{
	stopped_note(s->list, e, hold_ns, now_ns(CLOCK_BOOTTIME));
}

int gate_stop_continue(struct gate_stop *s, const struct role_continue *r)
{
	return stopped_continue(s->list, r, now_ns(CLOCK_BOOTTIME));
}

uint64_t gate_stop_turn(struct gate_stop *s)
{
	uint64_t now = now_ns(CLOCK_BOOTTIME), at = stopped_turn(s->list, now);

	return at ? (at > now ? at - now : 1) : 0;
}

void gate_stop_tick(struct gate_stop *s)
{
	stopped_tick(s->list);
}

unsigned gate_stop_for(const struct gate_stop *s, const char *id, uint64_t *ret_until_unix_ns)
{
	uint64_t until;
	unsigned n = stopped_for(s->list, id, &until);

	if (n)
		*ret_until_unix_ns = until - now_ns(CLOCK_BOOTTIME) + now_ns(CLOCK_REALTIME);
	return n;
}

json_t *gate_stop_status(const struct gate_stop *s)
{
	const struct stopped_counts *n = stopped_count(s->list);

	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "now",
			 (json_int_t)stopped_now(s->list), "stopped", (json_int_t)n->stopped,
			 "continued", (json_int_t)n->continued, "killed", (json_int_t)n->killed,
			 "answered", (json_int_t)n->answered, "timeouts", (json_int_t)n->timeouts,
			 "refused", (json_int_t)n->refused, "refuse_failed", (json_int_t)n->failed,
			 "blocked", (json_int_t)n->blocked, "stray", (json_int_t)n->stray, "untold",
			 (json_int_t)n->untold, "left_by_former", (json_int_t)s->left);
}
