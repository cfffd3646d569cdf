// SPDX-License-Identifier: Apache-2.0
/*
 * The privileged role. Flows in: exec, exit and mapping notices from the kernel, requests of the
 * worker (kill this, these rules), signals. Flows out: probes, kernel rules, facts about processes
 * to the worker, status. It parses no captured byte and no foreign file, opens no network socket,
 * holds no key.
 *
 * One loop. It starts worker, recorder and resolver, starts them again when they die, and holds both ends of
 * the pair between them, so what one queued for the other survives either's death. Kernel links
 * and maps are its own: while it lives, capture and kernel rules go on without worker or recorder.
 *
 * Order at the end: probes off, worker drains the ring and ends, recorder seals and forwards and
 * ends, socket removed.
 */
#include "keeper.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "agent/control.h"
#include "agent/inflight.h"
#include "agent/mapwatch.h"
#include "agent/phases.h"
#include "agent/pipe.h"
#include "agent/prescan.h"
#include "agent/procinfo.h"
#include "agent/ring.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"

#define READY_MS 5	 /* how often it is looked whether all is in place */
#define READY_S 30	 /* files that take longer to look at are not waited for */
#define FILES_MAX 524288 /* with perf events each probed site takes two */

/* --- signals ---------------------------------------------------------------------------------- */

static void on_stop(evutil_socket_t fd, short what, void *ctx)
{
	struct keeper *k = ctx;

	if (k->phase != RUNNING)
		return;
	log_info("stopping: probes off, finishing what is in flight");
	k->phase = STOPPING_WORKER;
	protect_stop(k);
	probes_close(k);
	tell_drops(k);
	stop_worker(k);
}

static void on_reload(evutil_socket_t fd, short what, void *ctx)
{
	log_info("reading the policy again");
	tell_policy(ctx, false);
}

/* --- once a second --------------------------------------------------------------------------- */

static void say_ready(struct keeper *k)
{
	pid_t roles[] = {k->worker.pid, k->recorder.pid, k->resolver.pid};

	if (k->ready || !k->worker.status || !k->recorder.status ||
	    (!attach_settled(k->attach) && k->seconds < READY_S))
		return;
	k->ready = true;
	event_del(k->starting);
	phases_ready(roles, ARRAY_SIZE(roles));
	log_info("watching: %u files probed at %u sites (%s), %s", attach_images(k->attach),
		 attach_sites(k->attach), attach_backend(k->attach), k->cfg->policy);
	if (k->cfg->ready_fd >= 0) {
		if (write(k->cfg->ready_fd, "\n", 1) != 1)
			log_warn("--ready-fd %d: %s", k->cfg->ready_fd, strerror(errno));
		close(k->cfg->ready_fd);
	}
}

static void on_starting(evutil_socket_t fd, short what, void *ctx)
{
	struct keeper *k = ctx;

	if (k->phase != RUNNING)
		return;
	say_ready(k);
	if (k->ready)
		protect_tick(k); /* what an agent before has left goes now */
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
	struct keeper *k = ctx;

	if (k->phase != RUNNING)
		return;
	gates_tick(k);
	reveal_tick(k);
	erase_tick(k);
	tell_drops(k);
	k->seconds++;
	k->received = 0;
	watch_writes(k);
	probes_tick(k);
	say_ready(k);
	protect_tick(k);
}

static json_t *parse(const char *text)
{
	json_t *j = text ? json_loads(text, 0, NULL) : NULL;

	return j ?: json_object();
}

static json_t *status(struct keeper *k)
{
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
	policy_status_add(k, policy);
	j = json_pack(
		"{s:s, s:i, s:I, s:s, s:s, s:O?, s:o, s:o, s:o?, s:o, s:o, s:o, s:o?, s:o?, s:o?}",
		"version", PROBITY_VERSION, "pid", (int)getpid(), "since_unix_ns",
		(json_int_t)k->since_ns, "host", host, "kernel", u.release, "mode",
		json_object_get(policy, "mode"), "features", bpf_features(k->bpf), "backends",
		bpf_backends(k->bpf, k->attach ? attach_backend(k->attach) : "none"), "libraries",
		k->attach ? attach_status(k->attach) : NULL, "drops", drops, "worker", worker,
		"recorder", parse(k->recorder.status), "policy", policy, "probes",
		k->attach ? attach_processes(k->attach) : NULL, "prescan",
		k->prescan ? prescan_status(k->prescan) : NULL);
	json_object_set_new(j, "start_ms", phases_status());
	gates_status(k, j);
	if (k->pipes)
		json_array_append_new(json_object_get(j, "backends"),
				      json_pack("{s:s, s:s, s:s}", "for", "tool servers on pipes",
						"backend", pipe_hooks_state(k->pipes), "note",
						"attached while an AI tool runs"));
	json_object_set_new(json_object_get(j, "recorder"), "restarts",
			    json_integer(k->recorder.restarts));
	protect_status(k, j);
	return j;
}

static void on_status(void *ctx, struct control_call *call)
{
	control_reply(call, status(ctx));
}

static const struct control_verb verbs[] = {
	{"guard_challenge", true, on_guard_challenge},
	{"unlock", true, on_unlock},
	{"lock", true, on_lock},
	{"status", false, on_status},
	{"policy_load", true, on_policy_load},
	{"explain", false, on_explain},
	{"approvals", false, on_approvals},
	{"approve", true, on_answer},
	{"deny", true, on_answer},
	{"revoke", true, on_answer},
	{"reveal", true, on_reveal},
	{"erase", true, on_erase},
	{NULL, false, NULL},
};

/* --- beginning and end ------------------------------------------------------------------------ */

static void on_hashed(void *ctx, uint32_t pid)
{
	tell_pid(ctx, pid);
}

static void raise_limits(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r))
		return;
	r.rlim_cur = r.rlim_max < FILES_MAX ? r.rlim_max : FILES_MAX;
	setrlimit(RLIMIT_NOFILE, &r);
}

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
	r = policy_open(k);
	if (r)
		return r;
	r = protect_open_pins(k);
	phase_done("settings");
	if (!r)
		r = bpf_open_pinned((size_t)k->cfg->ring_mib << 20, k->pins, protect_wanted(k),
				    &k->bpf);
	if (r)
		return r;
	bpf_set_self(k->bpf, 0, getpid());
	r = protect_open(k);
	phase_done("guard");
	if (r)
		return r;
	k->hashes = exehash_new(k->base, on_hashed, k);
	k->inflight = inflight_make();
	r = role_pair(k->pair);
	if (!k->hashes || k->inflight < 0 || r)
		return -ENOMEM;
	protect_losses(k);
	r = ring_open(bpf_control_fd(k->bpf), bpf_control_size(k->bpf), &k->control);
	if (!r)
		r = gates_open(k);
	phase_done("gates");
	if (!r)
		r = probes_open(k);
	phase_done("probes");
	return r;
}

static void add_signal(struct keeper *k, int sig, event_callback_fn fn)
{
	event_add(evsignal_new(k->base, sig, fn, k), NULL);
}

static void listen_all(struct keeper *k)
{
	struct timeval second = {.tv_sec = 1}, often = {.tv_usec = READY_MS * 1000};

	signal(SIGPIPE, SIG_IGN);
	add_signal(k, SIGTERM, on_stop);
	add_signal(k, SIGINT, on_stop);
	add_signal(k, SIGHUP, on_reload);
	add_signal(k, SIGCHLD, on_child_end);
	k->tick = event_new(k->base, -1, EV_PERSIST, on_tick, k);
	event_priority_set(k->tick, LOOP_FIRST);
	event_add(k->tick, &second);
	k->starting = event_new(k->base, -1, EV_PERSIST, on_starting, k);
	event_add(k->starting, &often);
	k->stop_limit = event_new(k->base, -1, 0, on_stop_limit, k);
	k->worker_again = event_new(k->base, -1, 0, on_again, k);
	k->recorder_again = event_new(k->base, -1, 0, on_again, k);
	k->resolver_again = event_new(k->base, -1, 0, on_again, k);
	k->releaser_again = event_new(k->base, -1, 0, on_releaser_again, k);
	k->control_ev =
		event_new(k->base, bpf_control_fd(k->bpf), EV_READ | EV_PERSIST, on_kernel, k);
	event_priority_set(k->control_ev, LOOP_FIRST);
	event_add(k->control_ev, NULL);
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
	child_init(&k.resolver, "resolver");
	child_init(&k.releaser, "releaser");
	k.base = event_base_new();
	raise_limits();
	if (!k.base || event_base_priority_init(k.base, LOOP_PLACES) || open_all(&k))
		return 1;
	listen_all(&k);
	if (control_open(k.base, cfg->run_dir, verbs, &k, &k.socket))
		return 1;
	start_recorder(&k);
	start_worker(&k);
	start_resolver(&k);
	phase_done("roles");
	attach_scan(k.attach);
	phase_done("processes");
	event_base_dispatch(k.base);

	exehash_free(k.hashes);
	control_free(k.socket);
	gates_close(&k);
	end_releaser(&k);
	ring_free(k.control);
	protect_close(&k);
	bpf_close(k.bpf);
	protect_close_pins(&k);
	policy_close(&k);
	log_info("stopped");
	return k.exit_code;
}
