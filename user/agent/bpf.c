// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: the linked BPF image. Flows out: programs and maps in the kernel, and the fixed hooks
 * (process and socket tracepoints) attached. The uprobes are attach.c's.
 *
 * Features are probed by trying, never by version: a hook that cannot be attached turns to its
 * next backend, is named in one log line, and shows in `probity status`. What has no other backend
 * and cannot be done without (ring buffers, the TLS program, exec) is an error that says so.
 *
 * Half of it are one-line answers: with bpf_krules.c and bpf_status.c it is what knows the skeleton.
 */
#include "bpf_int.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/bpf_copies.h"
#include "agent/exec_hooks.h"
#include "agent/guard.h"
#include "agent/net.h"
#include "agent/phases.h"
#include "agent/pins.h"
#include "base/cleanup.h"
#include "base/log.h"

#define ATTACH_UPROBE_MULTI 48
#define WAIT_US 20000 /* a call waits so long for a reader that does not move */

static char libbpf_last[256], libbpf_refused[64];

/* libbpf's last complaint goes into our one line; its log is for debugging only. */
static int libbpf_log(enum libbpf_print_level l, const char *fmt, va_list ap)
{
	if (l == LIBBPF_WARN) {
		vsnprintf(libbpf_last, sizeof(libbpf_last), fmt, ap);
		if (strstr(libbpf_last, "': failed to load"))
			sscanf(libbpf_last, "libbpf: prog '%63[^']", libbpf_refused);
		libbpf_last[strcspn(libbpf_last, "\n")] = '\0';
		log_debug("%s", libbpf_last);
	}
	return 0;
}

static struct bpf_link *hook(struct bpf *b, struct bpf_program *p, const char *what)
{
	struct bpf_link *l = pins_attach(b->pins, p, -1);

	if (!l)
		log_debug("%s cannot be attached: %s", what, strerror(errno));
	return l;
}

static struct bpf_link *first_of(struct bpf *b, struct bpf_program *tp, const char *tp_name,
				 struct bpf_program *kprobe, const char *kprobe_name,
				 const char **backend)
{
	struct bpf_link *l = bpf_program__fd(tp) >= 0 ? hook(b, tp, tp_name) : NULL;

	*backend = tp_name;
	if (l)
		return l;
	l = bpf_program__fd(kprobe) >= 0 ? hook(b, kprobe, kprobe_name) : NULL;
	*backend = l ? kprobe_name : "none";
	return l;
}

static void attach_traffic(struct bpf *b)
{
	b->send = first_of(b, b->skel->progs.sock_send, "raw_tp/sock_send_length",
			   b->skel->progs.sock_send_kprobe, "kprobe/tcp_sendmsg", &b->send_backend);
	b->recv = first_of(b, b->skel->progs.sock_recv, "raw_tp/sock_recv_length",
			   b->skel->progs.sock_recv_kprobe, "kprobe/tcp_cleanup_rbuf",
			   &b->recv_backend);
	if (!b->send || !b->recv)
		log_warn(
			"kernel offers neither sock_send_length and sock_recv_length nor kprobes: peer "
			"addresses of TLS connections are not recorded");
}

static int attach_fixed(struct bpf *b)
{
	b->exec = hook(b, b->skel->progs.proc_exec, "sched_process_exec");
	b->fork = hook(b, b->skel->progs.proc_fork, "sched_process_fork");
	b->exit = hook(b, b->skel->progs.proc_exit, "sched_process_exit");
	b->state = hook(b, b->skel->progs.sock_state, "inet_sock_set_state");
	attach_traffic(b);
	if (!b->exec || !b->fork || !b->exit) {
		log_err("kernel refuses process tracepoints (%s): cannot tell who makes a call",
			strerror(errno));
		return -EOPNOTSUPP;
	}
	if (!b->state)
		log_warn(
			"kernel lacks tracepoint inet_sock_set_state: TCP connects are not recorded");
	return 0;
}

static struct bpf_program *find(struct bpf *b, const char *name)
{
	return bpf_object__find_program_by_name(b->skel->obj, name);
}

static void choose(struct bpf *b)
{
	struct bpf_program *p;

	for (int v = BPF_VARIANT_OLD; v <= BPF_VARIANT_REEXEC; v++) {
		p = find(b, bpf_variant_program(v));
		bpf_program__set_autoload(p, v == (int)b->variant);
		/* Kernels that do not know uprobe_multi ignore the type and take perf events. */
		if (v != BPF_VARIANT_OLD)
			bpf_program__set_expected_attach_type(p, ATTACH_UPROBE_MULTI);
	}
	bpf_program__set_autoload(b->skel->progs.tls_old_sites, b->variant == BPF_VARIANT_OLD);
	if (!b->loops)
		bpf_program__set_autoload(b->skel->progs.pipe_sys_exit, false);
	if (!bpf_has_task_regs())
		bpf_program__set_autoload(b->skel->progs.sock_send, false);
	for (unsigned i = 0; i < b->refused_n; i++) {
		p = find(b, b->refused[i]);
		if (p)
			bpf_program__set_autoload(p, false);
	}
}

/* After a refusal: whether another try without that program makes sense. */
static bool do_without(struct bpf *b, const char *name)
{
	static const char *const needed[] = {"proc_exec", "proc_fork", "proc_exit", "tls_old",
					     "tls_old_sites"};

	if (!name[0] || b->refused_n == REFUSED_MAX)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (!strcmp(name, needed[i]))
			return false;
	if (!strcmp(name, bpf_variant_program(b->variant)))
		b->variant--;
	log_info("kernel does not take BPF program %s: going on without", name);
	snprintf(b->refused[b->refused_n++], sizeof(b->refused[0]), "%s", name);
	return true;
}

static int load_once(struct bpf *b, size_t ring_bytes)
{
	int r;

	libbpf_refused[0] = '\0';
	b->skel = probity_bpf__open();
	if (!b->skel)
		return -errno;
	phase_done("bpf open");
	if (ring_bytes)
		bpf_map__set_max_entries(b->skel->maps.events, ring_bytes);
	net_prepare(b->skel);
	exec_hooks_prepare(b->skel->obj);
	guard_prepare(b->skel->obj, b->guard);
	choose(b);
	phase_done("bpf features");
	pins_maps(b->pins, b->skel->obj);
	phase_done("bpf maps");
	r = probity_bpf__load(b->skel);
	phase_done("bpf load");
	return r;
}

static int load(struct bpf *b, size_t ring_bytes)
{
	int r, cpus;

	b->variant = bpf_variant_probe();
	b->loops = b->variant > BPF_VARIANT_OLD;
	while ((r = load_once(b, ring_bytes)) && b->skel && do_without(b, libbpf_refused)) {
		probity_bpf__destroy(b->skel);
		b->skel = NULL;
	}
	if (r) {
		log_err("kernel refuses the BPF programs: %s (%s)", strerror(-r),
			libbpf_last[0] ? libbpf_last : "no further word");
		return r;
	}
	r = b->variant == BPF_VARIANT_OLD ? bpf_copies_open(b->skel->obj) : 0;
	if (!r)
		r = pins_loaded(b->pins, b->skel->obj);
	if (r)
		return r;
	b->shared = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED,
			 bpf_map__fd(b->skel->maps.shared), 0);
	if (b->shared == MAP_FAILED) {
		b->shared = NULL;
		return -errno;
	}
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	b->shared->waiters_max = cpus > 1 ? cpus - 1 : 0;
	b->shared->wait_us = WAIT_US;
	return 0;
}

int bpf_open(size_t ring_bytes, struct bpf **ret)
{
	return bpf_open_pinned(ring_bytes, NULL, false, ret);
}

int bpf_open_pinned(size_t ring_bytes, struct pins *pins, bool guard, struct bpf **ret)
{
	struct bpf *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return -ENOMEM;
	b->pins = pins;
	b->guard = guard;
	libbpf_set_print(libbpf_log);
	r = load(b, ring_bytes);
	if (!r)
		r = attach_fixed(b);
	if (!r && net_open(b->skel, b->pins, &b->net) == -ENOMEM)
		r = -ENOMEM;
	phase_done("bpf attach");
	if (r) {
		bpf_close(b);
		return r;
	}
	bpf_set_mark(b, net_mark(b->net));
	if (b->shared->krule.all) /* of a former agent, in force all the time */
		net_rules(b->net, true);
	*ret = b;
	return 0;
}

void bpf_close(struct bpf *b)
{
	if (!b)
		return;
	net_close(b->net);
	bpf_link__destroy(b->exec);
	bpf_link__destroy(b->fork);
	bpf_link__destroy(b->exit);
	bpf_link__destroy(b->state);
	bpf_link__destroy(b->send);
	bpf_link__destroy(b->recv);
	bpf_copies_free();
	if (b->shared)
		munmap(b->shared, getpagesize());
	probity_bpf__destroy(b->skel);
	free(b);
}

struct pins *bpf_pins(const struct bpf *b)
{
	return b->pins;
}
struct bpf_object *bpf_object_of(const struct bpf *b)
{
	return b->skel->obj;
}
struct bpf_program *bpf_tls_program(const struct bpf *b)
{
	return bpf_object__find_program_by_name(b->skel->obj, bpf_variant_program(b->variant));
}
void bpf_set_wait(struct bpf *b, uint32_t us)
{
	__atomic_store_n(&b->shared->wait_us, us, __ATOMIC_RELAXED);
}
bool bpf_waits(const struct bpf *b)
{
	return b->variant >= BPF_VARIANT_SLEEPS;
}
void bpf_set_denied(struct bpf *b)
{
	__atomic_add_fetch(&b->shared->denied, 1, __ATOMIC_SEQ_CST);
}
uint32_t bpf_denied(const struct bpf *b)
{
	return __atomic_load_n(&b->shared->denied, __ATOMIC_SEQ_CST);
}
void bpf_none_denied(struct bpf *b, uint32_t was)
{
	__atomic_compare_exchange_n(&b->shared->denied, &was, 0, false, __ATOMIC_SEQ_CST,
				    __ATOMIC_SEQ_CST);
}

bool bpf_reexec(const struct bpf *b)
{
	return b->variant == BPF_VARIANT_REEXEC;
}
void bpf_set_mark(struct bpf *b, enum gate_mechanism does)
{
	__atomic_store_n(&b->shared->mark, does, __ATOMIC_SEQ_CST);
}
enum gate_mechanism bpf_mark(const struct bpf *b)
{
	return __atomic_load_n(&b->shared->mark, __ATOMIC_SEQ_CST);
}
bool bpf_fails_calls(const struct bpf *b)
{
	return b->variant == BPF_VARIANT_REEXEC;
}
uint64_t bpf_waited(const struct bpf *b)
{
	struct tally t = {};
	uint32_t zero = 0;

	bpf_map_lookup_elem(bpf_map__fd(b->skel->maps.tally), &zero, &t);
	return t.waited;
}
int bpf_events_fd(const struct bpf *b)
{
	return bpf_map__fd(b->skel->maps.events);
}
size_t bpf_events_size(const struct bpf *b)
{
	return bpf_map__max_entries(b->skel->maps.events);
}
int bpf_control_fd(const struct bpf *b)
{
	return bpf_map__fd(b->skel->maps.control);
}
size_t bpf_control_size(const struct bpf *b)
{
	return bpf_map__max_entries(b->skel->maps.control);
}
int bpf_verdicts_fd(const struct bpf *b)
{
	return bpf_map__fd(b->skel->maps.verdicts);
}
int bpf_asleep_fd(const struct bpf *b)
{
	return bpf_map__fd(b->skel->maps.asleep);
}
int bpf_marks_fd(const struct bpf *b)
{
	return bpf_map__fd(b->skel->maps.proc_marks);
}
int bpf_execs_fd(const struct bpf *b)
{
	return bpf_map__fd(b->skel->maps.proc_execs);
}
void bpf_pipe_programs(const struct bpf *b, struct bpf_program **ret_exec,
		       struct bpf_program **ret_sys_exit)
{
	*ret_exec = b->skel->progs.pipe_exec;
	*ret_sys_exit = b->skel->progs.pipe_sys_exit;
}
int bpf_hits_fd(const struct bpf *b)
{
	return bpf_map__fd(b->skel->maps.hits);
}

int bpf_map_named(const struct bpf *b, const char *name)
{
	const struct bpf_map *m = bpf_object__find_map_by_name(b->skel->obj, name);

	return m ? bpf_map__fd(m) : -ENOENT;
}

struct bpf_program *bpf_program_named(const struct bpf *b, const char *name)
{
	return bpf_object__find_program_by_name(b->skel->obj, name);
}

void bpf_set_self(struct bpf *b, unsigned slot, uint32_t pid)
{
	if (slot < ARRAY_SIZE(b->shared->self))
		b->shared->self[slot] = pid;
}

void bpf_set_hold(struct bpf *b, uint32_t ms, uint32_t drops)
{
	b->shared->hold_drops = drops;
	__atomic_store_n(&b->shared->hold_ms, ms, __ATOMIC_SEQ_CST);
}

void bpf_net_keep(struct bpf *b, bool keep)
{
	net_keep(b->net, keep);
}
json_t *bpf_net_counters(const struct bpf *b)
{
	return net_counters(b->net);
}
