// SPDX-License-Identifier: Apache-2.0
/*
 * The privileged role. Flows in: exec, exit and mapping notices from the kernel, requests of the
 * worker (kill this, these rules), signals. Flows out: probes, kernel rules, facts about processes
 * to the worker, status. It parses no captured byte, opens no network socket, holds no key.
 *
 * One loop. It starts worker and recorder, starts them again when they die, and holds both ends of
 * the pair between them, so what one queued for the other survives either's death. Kernel links
 * and maps are its own: while it lives, capture and kernel rules go on without worker or recorder.
 *
 * Order at the end: probes off, worker drains the ring and ends, recorder seals and forwards and
 * ends, socket removed.
 */
#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/attach.h"
#include "agent/bpf.h"
#include "agent/child.h"
#include "agent/config.h"
#include "agent/control.h"
#include "agent/exehash.h"
#include "agent/inflight.h"
#include "agent/mapwatch.h"
#include "agent/procinfo.h"
#include "agent/ring.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "policy/pack.h"

#define SWEEP_S 60
#define STOP_WORKER_S 10
#define STOP_RECORDER_S 10

struct keeper {
	const struct config *cfg;
	struct event_base *base;
	struct bpf *bpf;
	struct attach *attach;
	struct mapwatch *maps;
	struct exehash *hashes;
	struct ring *control;
	struct control *socket;
	struct child worker, recorder;
	struct event *worker_ev, *recorder_ev, *worker_again, *recorder_again, *tick, *stop_limit,
		*maps_ev;
	int pair[2]; /* worker's end, recorder's end of the pair between them */
	int inflight;
	uint64_t generation, since_ns, maps_lost;
	struct role_drops told;
	unsigned seconds;
	enum { RUNNING, STOPPING_WORKER, STOPPING_RECORDER } phase;
	int exit_code;
};

static _Alignas(8) uint8_t body[ROLE_BODY_MAX + 1];

static void start_worker(struct keeper *k);
static void start_recorder(struct keeper *k);

/* --- to the worker --------------------------------------------------------------------------- */

static void watch_writes(struct keeper *k)
{
	short want = EV_READ | EV_PERSIST | (outq_waiting(&k->worker.out) ? EV_WRITE : 0);

	if (!k->worker_ev || event_get_events(k->worker_ev) == want)
		return;
	event_del(k->worker_ev);
	event_assign(k->worker_ev, k->base, k->worker.fd, want, event_get_callback(k->worker_ev),
		     k);
	event_add(k->worker_ev, NULL);
}

static void tell_worker(struct keeper *k, enum role_kind kind, const void *head, size_t n,
			const void *tail, size_t m)
{
	if (k->worker.fd < 0)
		return; /* it gets everything anew when it starts */
	outq_send(&k->worker.out, k->worker.fd, kind, head, n, tail, m);
	watch_writes(k);
}

static void tell_process(struct keeper *k, struct role_proc *p)
{
	procinfo_names(p);
	exehash_known(k->hashes, p->pid, p->exe_sha256);
	tell_worker(k, ROLE_PROC, p, sizeof(*p), NULL, 0);
}

static void on_tls_process(void *ctx, pid_t pid)
{
	struct keeper *k = ctx;

	exehash_want(k->hashes, pid);
}

static void on_hashed(void *ctx, uint32_t pid)
{
	struct role_proc p;

	if (!procinfo_read(pid, &p))
		tell_process(ctx, &p);
}

static void tell_all_processes(struct keeper *k)
{
	_cleanup_free_ struct role_proc *p = malloc(sizeof(*p));
	DIR *d = opendir("/proc");
	struct dirent *e;

	while (p && d && (e = readdir(d)))
		if (e->d_name[0] >= '0' && e->d_name[0] <= '9' &&
		    !procinfo_read(atoi(e->d_name), p))
			tell_process(k, p);
	if (d)
		closedir(d);
}

static void tell_policy(struct keeper *k)
{
	struct role_pack p = {.generation = ++k->generation, .enforce = k->cfg->enforce};
	_cleanup_free_ char *text = NULL;
	size_t n = 0;
	int r = fs_read(k->cfg->policy, PACK_FILE_MAX, &text, &n);

	snprintf(p.name, sizeof(p.name), "%s", k->cfg->policy);
	if (r) {
		log_err("policy %s: %s; %s", p.name, strerror(-r),
			k->generation > 1 ? "the pack in force stays"
					  : "no pack is in force: calls are recorded as allowed");
		n = 0;
	}
	p.len = n;
	tell_worker(k, ROLE_PACK, &p, sizeof(p), text, n);
}

/* --- from the kernel ------------------------------------------------------------------------- */

static void on_mapping(void *ctx, pid_t pid, uint64_t start, uint64_t end, const char *path)
{
	struct keeper *k = ctx;

	attach_map(k->attach, pid, start, end, path, false);
}

static void on_maps(evutil_socket_t fd, short what, void *ctx)
{
	struct keeper *k = ctx;

	mapwatch_read(k->maps);
	if (mapwatch_lost(k->maps) != k->maps_lost) {
		k->maps_lost = mapwatch_lost(k->maps);
		attach_scan(k->attach);
	}
}

static void on_event(void *ctx, const void *record, size_t n)
{
	const struct event_exec *e = record;
	struct keeper *k = ctx;
	struct role_proc p;

	if (n < sizeof(struct event) || e->h.version != EVENT_VERSION || e->h.kind != EVENT_EXEC ||
	    n < sizeof(*e))
		return;
	if (procinfo_read(e->h.pid, &p))
		memset(&p, 0, sizeof(p)); /* gone already: what the kernel told is all there is */
	procinfo_from_exec(e, n, &p);
	tell_process(k, &p);
}

static void on_control(evutil_socket_t fd, short what, void *ctx)
{
	struct keeper *k = ctx;

	while (ring_consume(k->control, on_event, k, 256) == 256)
		;
}

/* --- from the worker and the recorder --------------------------------------------------------- */

static uint64_t ticks(uint64_t ns)
{
	return ns / (1000000000ull / sysconf(_SC_CLK_TCK));
}

/* Only the very process that was judged: pid and start time, held by a pidfd. */
static void kill_process(const struct role_kill *r)
{
	_cleanup_close_ int fd = pidfd_open(r->pid, 0);
	struct role_proc p;

	if (fd < 0 || procinfo_read(r->pid, &p) || ticks(p.start_ns) != ticks(r->start_ns)) {
		log_info("rule %.100s: process %u had ended before the kill", r->rule, r->pid);
		return;
	}
	if (pidfd_send_signal(fd, SIGKILL, NULL, 0) < 0)
		log_err("rule %.100s: cannot kill process %u: %s", r->rule, r->pid,
			strerror(errno));
	else
		log_info("rule %.100s: killed process %u", r->rule, r->pid);
}

static void set_krules(struct keeper *k, size_t n)
{
	const struct role_krules *r = (const void *)body;
	const struct role_krule_host *h = (const void *)(r + 1);
	size_t room = n - sizeof(*r);

	if (r->hosts > room / sizeof(*h) ||
	    r->users > (room - r->hosts * sizeof(*h)) / sizeof(struct role_krule_user))
		return;
	bpf_set_krules(k->bpf, r, h, (const void *)(h + r->hosts));
}

static void on_message(struct keeper *k, struct child *c, const struct role_msg *m, size_t n)
{
	const struct role_tool *t = (const void *)body;
	bool worker = c == &k->worker;

	if (m->kind == ROLE_STATUS) {
		free(c->status);
		c->status = strndup((const char *)body, n);
	} else if (worker && m->kind == ROLE_TOOL) {
		bpf_set_tool(k->bpf, t->pid, t->rules);
	} else if (worker && m->kind == ROLE_KILL) {
		kill_process((const void *)body);
	} else if (worker && m->kind == ROLE_KRULES) {
		set_krules(k, n);
	} else {
		log_err("%s sent a message it may not send (%u): ending it", c->name, m->kind);
		kill(c->pid, SIGKILL);
	}
}

static void on_child(evutil_socket_t fd, short what, void *ctx)
{
	struct keeper *k = ctx;
	struct child *c = fd == k->worker.fd ? &k->worker : &k->recorder;
	struct role_msg m;

	if (what & EV_WRITE && c == &k->worker) {
		outq_flush(&c->out, c->fd);
		watch_writes(k);
	}
	if (!(what & EV_READ))
		return;
	for (int i = 0; i < 64; i++) {
		int r = role_recv(fd, &m, body, ROLE_BODY_MAX);

		if (r == -EPROTO) {
			log_err("%s sent a malformed message: ending it", c->name);
			kill(c->pid, SIGKILL);
		}
		if (r < 0) {
			if (r != -EAGAIN)
				event_del(c == &k->worker ? k->worker_ev : k->recorder_ev);
			return;
		}
		on_message(k, c, &m, r);
	}
}

static void on_again(evutil_socket_t fd, short what, void *ctx)
{
	struct keeper *k = ctx;

	if (!k->worker.pid && k->phase == RUNNING)
		start_worker(k);
	if (!k->recorder.pid)
		start_recorder(k);
}

static void retry(struct event *e, unsigned ms)
{
	struct timeval t = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_add(e, &t);
}

static void listen_to(struct keeper *k, struct child *c, struct event **ev)
{
	if (*ev)
		event_free(*ev);
	*ev = event_new(k->base, c->fd, EV_READ | EV_PERSIST, on_child, k);
	event_add(*ev, NULL);
}

static void start_worker(struct keeper *k)
{
	int fds[] = {k->pair[0], bpf_events_fd(k->bpf), bpf_verdicts_fd(k->bpf),
		     bpf_shared_fd(k->bpf), k->inflight};

	if (child_start(&k->worker, k->cfg, fds, ARRAY_SIZE(fds), bpf_events_size(k->bpf))) {
		log_err("cannot start the worker: %s", strerror(errno));
		retry(k->worker_again, 1000);
		return;
	}
	bpf_set_self(k->bpf, 1, k->worker.pid);
	listen_to(k, &k->worker, &k->worker_ev);
	tell_policy(k);
	tell_all_processes(k);
	memset(&k->told, 0, sizeof(k->told));
}

static void start_recorder(struct keeper *k)
{
	int fds[] = {k->pair[1]};

	if (child_start(&k->recorder, k->cfg, fds, ARRAY_SIZE(fds), 0)) {
		log_err("cannot start the recorder: %s", strerror(errno));
		retry(k->recorder_again, 1000);
		return;
	}
	bpf_set_self(k->bpf, 2, k->recorder.pid);
	listen_to(k, &k->recorder, &k->recorder_ev);
}

/* --- stopping -------------------------------------------------------------------------------- */

static void stop_role(struct keeper *k, struct child *c, unsigned limit_s)
{
	struct timeval t = {.tv_sec = limit_s};

	event_add(k->stop_limit, &t);
	if (c->pid && outq_send(&c->out, c->fd, ROLE_STOP, NULL, 0, NULL, 0))
		kill(c->pid, SIGTERM);
	if (c == &k->worker)
		watch_writes(k);
}

static void stop_recorder(struct keeper *k)
{
	k->phase = STOPPING_RECORDER;
	if (!k->recorder.pid)
		start_recorder(k); /* what is queued for it is to be sealed */
	stop_role(k, &k->recorder, STOP_RECORDER_S);
}

/* One that is down is started again: it knows what was open, and what is in the ring. */
static void stop_worker(struct keeper *k)
{
	if (!k->worker.pid)
		start_worker(k);
	if (!k->recorder.pid)
		start_recorder(k);
	if (k->worker.pid)
		stop_role(k, &k->worker, STOP_WORKER_S);
	else
		stop_recorder(k);
}

static void on_stop(evutil_socket_t fd, short what, void *ctx)
{
	struct keeper *k = ctx;

	if (k->phase != RUNNING)
		return;
	log_info("stopping: probes off, finishing what is in flight");
	k->phase = STOPPING_WORKER;
	attach_free(k->attach);
	k->attach = NULL;
	if (k->maps_ev)
		event_free(k->maps_ev);
	mapwatch_free(k->maps);
	k->maps = NULL;
	stop_worker(k);
}

static void on_stop_limit(evutil_socket_t fd, short what, void *ctx)
{
	struct keeper *k = ctx;
	struct child *c = k->phase == STOPPING_WORKER ? &k->worker : &k->recorder;

	log_err("%s did not end in time: killing it", c->name);
	k->exit_code = 1;
	if (c->pid)
		kill(c->pid, SIGKILL);
}

static void on_child_end(evutil_socket_t fd, short what, void *ctx)
{
	struct keeper *k = ctx;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == k->worker.pid) {
			bool expected = k->phase != RUNNING;
			unsigned ms;

			event_free(k->worker_ev);
			k->worker_ev = NULL;
			ms = child_ended(&k->worker, status, expected && !WIFSIGNALED(status));
			if (expected && WIFSIGNALED(status) && !k->exit_code)
				stop_worker(k); /* not by us */
			else if (expected)
				stop_recorder(k);
			else
				retry(k->worker_again, ms);
		} else if (pid == k->recorder.pid) {
			bool expected = k->phase == STOPPING_RECORDER;
			unsigned ms;

			event_free(k->recorder_ev);
			k->recorder_ev = NULL;
			ms = child_ended(&k->recorder, status, expected && !WIFSIGNALED(status));
			if (expected && WIFSIGNALED(status) && !k->exit_code)
				stop_recorder(k); /* not by us */
			else if (expected)
				event_base_loopbreak(k->base);
			else
				retry(k->recorder_again, ms);
		}
	}
}

static void on_reload(evutil_socket_t fd, short what, void *ctx)
{
	log_info("reading the policy again");
	tell_policy(ctx);
}

/* --- once a second --------------------------------------------------------------------------- */

static void tell_drops(struct keeper *k)
{
	struct role_drops d = {};
	uint64_t count[DROP__MAX];

	bpf_drops(k->bpf, count);
	for (unsigned i = 0; i < DROP__MAX; i++)
		d.count[i] = count[i];
	d.sites = attach_sites(k->attach);
	d.images = attach_images(k->attach);
	if (!memcmp(&d, &k->told, sizeof(d)))
		return;
	k->told = d;
	tell_worker(k, ROLE_DROPS, &d, sizeof(d), NULL, 0);
}

static void say_ready(struct keeper *k)
{
	static bool said;

	if (said || !k->worker.status || !k->recorder.status)
		return;
	said = true;
	log_info("watching: %u files probed at %u sites (%s), %s", attach_images(k->attach),
		 attach_sites(k->attach), attach_backend(k->attach), k->cfg->policy);
	if (k->cfg->ready_fd >= 0) {
		if (write(k->cfg->ready_fd, "\n", 1) != 1)
			log_warn("--ready-fd %d: %s", k->cfg->ready_fd, strerror(errno));
		close(k->cfg->ready_fd);
	}
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
	struct keeper *k = ctx;

	if (k->phase != RUNNING)
		return;
	tell_drops(k);
	say_ready(k);
	if (++k->seconds % SWEEP_S == 0)
		attach_sweep(k->attach);
}

static json_t *parse(const char *text)
{
	json_t *j = text ? json_loads(text, 0, NULL) : NULL;

	return j ?: json_object();
}

static json_t *status(void *ctx)
{
	struct keeper *k = ctx;
	uint64_t count[DROP__MAX];
	json_t *j, *drops = json_object(), *worker = parse(k->worker.status), *policy;
	struct utsname u;
	char host[256] = "";

	uname(&u);
	gethostname(host, sizeof(host) - 1);
	bpf_drops(k->bpf, count);
	for (unsigned i = 0; i < DROP__MAX; i++)
		json_object_set_new(drops, bpf_drop_name(i), json_integer(count[i]));
	json_object_set_new(worker, "restarts", json_integer(k->worker.restarts));
	policy = json_incref(json_object_get(worker, "policy"));
	json_object_del(worker, "policy");
	j = json_pack("{s:s, s:i, s:I, s:s, s:s, s:O?, s:o, s:o, s:o?, s:o, s:o, s:o, s:o?}",
		      "version", PROBITY_VERSION, "pid", (int)getpid(), "since_unix_ns",
		      (json_int_t)k->since_ns, "host", host, "kernel", u.release, "mode",
		      json_object_get(policy, "mode"), "features", bpf_features(k->bpf), "backends",
		      bpf_backends(k->bpf, k->attach ? attach_backend(k->attach) : "none"),
		      "libraries", k->attach ? attach_status(k->attach) : NULL, "drops", drops,
		      "worker", worker, "recorder", parse(k->recorder.status), "policy", policy);
	json_object_set_new(json_object_get(j, "recorder"), "restarts",
			    json_integer(k->recorder.restarts));
	return j;
}

/* --- beginning and end ------------------------------------------------------------------------ */

static int open_all(struct keeper *k)
{
	int r;

	r = fs_mkdirs(k->cfg->state_dir, 0755);
	if (!r)
		r = fs_mkdirs(k->cfg->run_dir, 0755);
	if (r) {
		log_err("%s or %s: %s", k->cfg->state_dir, k->cfg->run_dir, strerror(-r));
		return r;
	}
	r = bpf_open((size_t)k->cfg->ring_mib << 20, &k->bpf);
	if (r)
		return r;
	bpf_set_self(k->bpf, 0, getpid());
	k->attach = attach_new(bpf_tls_program(k->bpf), on_tls_process, k);
	k->hashes = exehash_new(k->base, on_hashed, k);
	k->inflight = inflight_make();
	r = role_pair(k->pair);
	if (!k->attach || !k->hashes || k->inflight < 0 || r)
		return -ENOMEM;
	r = ring_open(bpf_control_fd(k->bpf), bpf_control_size(k->bpf), &k->control);
	if (r)
		return r;
	r = mapwatch_open(on_mapping, k, &k->maps);
	if (r)
		log_warn(
			"kernel refuses perf mmap records (%s): new libraries are found by a scan every "
			"%d s, their first calls are missed",
			strerror(-r), SWEEP_S);
	return 0;
}

static void add_signal(struct keeper *k, int sig, event_callback_fn fn)
{
	event_add(evsignal_new(k->base, sig, fn, k), NULL);
}

static void listen_all(struct keeper *k)
{
	struct timeval second = {.tv_sec = 1};

	signal(SIGPIPE, SIG_IGN);
	add_signal(k, SIGTERM, on_stop);
	add_signal(k, SIGINT, on_stop);
	add_signal(k, SIGHUP, on_reload);
	add_signal(k, SIGCHLD, on_child_end);
	k->tick = event_new(k->base, -1, EV_PERSIST, on_tick, k);
	event_add(k->tick, &second);
	k->stop_limit = event_new(k->base, -1, 0, on_stop_limit, k);
	k->worker_again = event_new(k->base, -1, 0, on_again, k);
	k->recorder_again = event_new(k->base, -1, 0, on_again, k);
	event_add(event_new(k->base, bpf_control_fd(k->bpf), EV_READ | EV_PERSIST, on_control, k),
		  NULL);
	if (!k->maps)
		return;
	k->maps_ev = event_new(k->base, mapwatch_fd(k->maps), EV_READ | EV_PERSIST, on_maps, k);
	event_add(k->maps_ev, NULL);
}

int keeper_main(const struct config *cfg)
{
	struct keeper k = {.cfg = cfg, .pair = {-1, -1}, .inflight = -1};
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	k.since_ns = now.tv_sec * 1000000000ull + now.tv_nsec;
	child_init(&k.worker, "worker");
	child_init(&k.recorder, "recorder");
	k.base = event_base_new();
	if (!k.base || open_all(&k))
		return 1;
	listen_all(&k);
	if (control_open(k.base, cfg->run_dir, status, &k, &k.socket))
		return 1;
	start_recorder(&k);
	start_worker(&k);
	attach_scan(k.attach);
	event_base_dispatch(k.base);

	exehash_free(k.hashes);
	control_free(k.socket);
	ring_free(k.control);
	bpf_close(k.bpf);
	log_info("stopped");
	return k.exit_code;
}
