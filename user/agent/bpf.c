// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: the linked BPF image. Flows out: programs and maps in the kernel, and the fixed hooks
 * (process and socket tracepoints) attached. The uprobes are attach.c's.
 *
 * Features are probed by trying, never by version: a hook that cannot be attached turns to its
 * next backend, is named in one log line, and shows in `probity status`. What has no other backend
 * and cannot be done without (ring buffers, the TLS program, exec) is an error that says so.
 *
 * Kernel rules change in this order: all = 0 (none in force), maps, then generation and all. A
 * connection whose name was looked up under another generation matches nothing in the kernel and
 * is left to the agent's own decision.
 *
 * Long because it is the one place that knows the skeleton; half of it are one-line answers.
 */
#include "bpf.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <arpa/inet.h>
#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "agent/exec_hooks.h"
#include "agent/guard.h"
#include "agent/net.h"
#include "agent/phases.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "bpf_variant.h"
#include "pins.h"
#include "policy/pack.h"
#include "probity.skel.h"
#include "proto/shared.h"

#define ATTACH_UPROBE_MULTI 48
#define WAIT_US 20000 /* a call waits so long for a reader that does not move */
#define REFUSED_MAX 64

struct bpf {
	struct probity_bpf *skel;
	struct shared *shared;
	struct bpf_link *exec, *fork, *exit, *state, *send, *recv;
	const char *send_backend, *recv_backend;
	enum bpf_variant variant;
	bool loops;		       /* bpf_loop is there */
	char refused[REFUSED_MAX][64]; /* programs this kernel does not take */
	unsigned refused_n;
	struct net *net;
	struct pins *pins; /* the keeper's */
	bool guard;
	uint64_t krules_set; /* generation of the sets in the maps, of this keeper's */
};

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
	static const char *const needed[] = {"proc_exec", "proc_fork", "proc_exit", "tls_old"};

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
	bpf_variant_free();
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
size_t bpf_call_max(const struct bpf *b) /* CALL_MAX of bpf/lib/chunk.h */
{
	return b->variant == BPF_VARIANT_OLD ? 256 << 10 : 4 << 20;
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

/* --- kernel rules ---------------------------------------------------------------------------- */

static void empty(int fd, void *key, size_t key_size)
{
	while (!bpf_map_get_next_key(fd, NULL, key) && !bpf_map_delete_elem(fd, key))
		;
}

static int put_host(int fd, const struct role_krule_host *h)
{
	struct krule_host_key k = {};
	const char *p = h->pattern;
	size_t n = strnlen(p, sizeof(h->pattern));
	bool suffix = n > 2 && p[0] == '*' && p[1] == '.';

	if (suffix) { /* "*.x.com": reversed "moc.x." */
		p++;
		n--;
	}
	if (!n || n >= KRULE_HOST_MAX)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		char c = p[n - 1 - i];

		k.name[i] = c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c;
	}
	return bpf_map_update_elem(fd, &k, &h->rules, BPF_ANY);
}

static int put_net(int fd, const struct role_krule_net *n)
{
	unsigned bits = n->family == AF_INET ? 32 : n->family == AF_INET6 ? 128 : 0;
	struct net_key k = {.prefix = 32 + n->prefix, .family = htonl(n->family)};

	if (!bits || n->prefix > bits)
		return -EINVAL;
	memcpy(k.addr, n->addr, sizeof(k.addr));
	return bpf_map_update_elem(fd, &k, &n->rules, BPF_ANY);
}

static void put_user(int fd, uint32_t uid, uint64_t rules)
{
	uint64_t have = 0;

	bpf_map_lookup_elem(fd, &uid, &have);
	have |= rules;
	bpf_map_update_elem(fd, &uid, &have, BPF_ANY);
}

static void put_users(int fd, const struct role_krule_user *u, size_t n)
{
	struct passwd *pw;

	setpwent();
	while ((pw = getpwent()))
		for (size_t i = 0; i < n; i++)
			if (glob_match(u[i].pattern, pw->pw_name))
				put_user(fd, pw->pw_uid, u[i].rules);
	endpwent();
	for (size_t i = 0; i < n; i++) {
		char *end;
		unsigned long uid = strtoul(u[i].pattern, &end, 10);

		if (end != u[i].pattern && !*end)
			put_user(fd, uid, u[i].rules);
	}
}

/* A schedule: which of the rules hold, and no set is another. Without a moment with none. */
static int switch_krules(struct bpf *b, const struct role_krules *k, const struct krule_do *todo)
{
	int does = bpf_map_named(b, "krule_todo");
	uint64_t had = b->shared->krule.all;
	uint32_t zero = 0;

	if (k->all)
		net_rules(b->net, true);
	__atomic_store_n(&b->shared->krule.all, had & k->all, __ATOMIC_SEQ_CST);
	if (does >= 0 && bpf_map_update_elem(does, &zero, todo, BPF_ANY))
		return -errno;
	__atomic_store_n(&b->shared->krule.all, k->all, __ATOMIC_SEQ_CST);
	if (!k->all)
		net_rules(b->net, false);
	return 0;
}

bool bpf_krules_go_on(struct bpf *b, uint64_t generation)
{
	const struct shared *s = b->shared;

	if (!generation || s->krule.generation != generation || !s->krule.all || s->changing_ns)
		return false;
	b->krules_set = generation;
	return true;
}

int bpf_set_krules(struct bpf *b, const struct role_krules *k, const struct krule_do *todo,
		   const struct role_krule_host *h, const struct role_krule_user *u)
{
	int does = bpf_map_named(b, "krule_todo");
	int hosts = bpf_map__fd(b->skel->maps.krule_hosts);
	int users = bpf_map__fd(b->skel->maps.krule_users);
	int procs = bpf_map__fd(b->skel->maps.krule_procs);
	int nets = bpf_map__fd(b->skel->maps.deny_nets);
	const struct role_krule_net *net = (const void *)(u + k->users);
	struct krule_host_key host_key;
	struct net_key net_key;
	struct timespec now;
	uint32_t key, zero = 0;
	int r = 0;

	if (k->generation && b->krules_set == k->generation)
		return switch_krules(b, k, todo);
	b->krules_set = 0;
	if (k->all)
		net_rules(b->net, true);
	clock_gettime(CLOCK_BOOTTIME, &now);
	b->shared->changing_ns = now.tv_sec * 1000000000ull + now.tv_nsec;
	__atomic_store_n(&b->shared->krule.all, 0, __ATOMIC_SEQ_CST);
	empty(nets, &net_key, sizeof(net_key));
	empty(hosts, &host_key, sizeof(host_key));
	empty(users, &key, sizeof(key));
	empty(procs, &key, sizeof(key));
	for (uint32_t i = 0; i < k->hosts && !r; i++)
		r = put_host(hosts, &h[i]);
	for (uint32_t i = 0; i < k->nets && !r; i++)
		r = put_net(nets, &net[i]);
	if (!r && does >= 0)
		r = bpf_map_update_elem(does, &zero, todo, BPF_ANY);
	if (r) {
		log_err("kernel rules cannot be put in force (%s): kill rules are decided by the agent, "
			"after the request was seen",
			strerror(-r));
		return r;
	}
	put_users(users, u, k->users);
	b->shared->krule.tool = k->any_tool;
	b->shared->krule.user = k->any_user;
	__atomic_store_n(&b->shared->krule.generation, k->generation, __ATOMIC_SEQ_CST);
	__atomic_store_n(&b->shared->krule.all, k->all, __ATOMIC_SEQ_CST);
	b->shared->changing_ns = 0;
	b->krules_set = k->generation;
	if (!k->all)
		net_rules(b->net, false);
	return 0;
}

void bpf_set_tool(struct bpf *b, const struct role_tool *t)
{
	int fd = bpf_map__fd(b->skel->maps.krule_procs);
	struct krule_proc v = {.rules = t->rules,
			       .ticks = t->start_ns / KRULE_TICK_NS,
			       .generation = t->generation};

	if (t->rules)
		bpf_map_update_elem(fd, &t->pid, &v, BPF_ANY);
	else
		bpf_map_delete_elem(fd, &t->pid);
}

/* --- counters and status --------------------------------------------------------------------- */

void bpf_drops(const struct bpf *b, uint64_t ret[static DROP__MAX])
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t v[cpus > 0 ? cpus : 1];

	for (uint32_t i = 0; i < DROP__MAX; i++) {
		ret[i] = 0;
		if (bpf_map_lookup_elem(bpf_map__fd(b->skel->maps.drops), &i, v))
			continue;
		for (int c = 0; c < cpus; c++)
			ret[i] += v[c];
	}
}

const char *bpf_drop_name(unsigned cause)
{
	static const char *const names[DROP__MAX] = {
		[DROP_RING_FULL] = "ring_full",	   [DROP_CTL_FULL] = "control_full",
		[DROP_READ_FAULT] = "read_fault",  [DROP_TOO_LARGE] = "too_large",
		[DROP_CONN_FULL] = "conn_full",	   [DROP_STASH_MISS] = "entry_missed",
		[DROP_NO_SOCKET] = "no_socket",	   [DROP_ARGV] = "argv_unreadable",
		[DROP_SIGNAL] = "signal_failed",   [DROP_NO_OWNER] = "no_owner",
		[DROP_HELLO] = "hello_unread",	   [DROP_WENT_ON] = "stopped_went_on",
		[DROP_UNJUDGED] = "went_unjudged",
	};

	return cause < DROP__MAX ? names[cause] : "";
}

static void row(json_t *a, const char *k1, const char *v1, const char *k2, const char *v2,
		const char *note)
{
	json_array_append_new(a, json_pack("{s:s, s:s, s:s}", k1, v1, k2, v2, "note", note));
}

json_t *bpf_features(const struct bpf *b)
{
	static const struct {
		const char *name;
		enum bpf_prog_type type;
		enum bpf_func_id id;
	} helpers[] = {
		{"bpf_send_signal", BPF_PROG_TYPE_KPROBE, BPF_FUNC_send_signal},
		{"bpf_loop", BPF_PROG_TYPE_KPROBE, BPF_FUNC_loop},
		{"attach cookies", BPF_PROG_TYPE_KPROBE, BPF_FUNC_get_attach_cookie},
	};
	static const struct {
		const char *name, *note;
		enum bpf_prog_type type;
	} progs[] = {
		{"BPF LSM", "exec, connect and send deny, guard", BPF_PROG_TYPE_LSM},
		{"cgroup sock_addr", "connect deny", BPF_PROG_TYPE_CGROUP_SOCK_ADDR},
	};
	json_t *a = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(helpers); i++)
		row(a, "name", helpers[i].name, "state",
		    libbpf_probe_bpf_helper(helpers[i].type, helpers[i].id, NULL) == 1 ? "yes"
										       : "no",
		    "");
	for (size_t i = 0; i < ARRAY_SIZE(progs); i++)
		row(a, "name", progs[i].name, "state",
		    libbpf_probe_bpf_prog_type(progs[i].type, NULL) == 1 ? "yes" : "no",
		    progs[i].note);
	row(a, "name", "tracepoint inet_sock_set_state", "state", b->state ? "yes" : "no", "");
	row(a, "name", "sleepable uprobes", "state", bpf_waits(b) ? "yes" : "no",
	    bpf_variant_note(b->variant));
	row(a, "name", "write gate", "state", bpf_waits(b) ? "yes" : "no",
	    bpf_fails_calls(b) ? "re-execution, any number waits; refused by an error"
	    : bpf_waits(b)     ? "bounded wait in the probe, CPUs less one at once"
			       : "in-kernel rules only");
	return a;
}

json_t *bpf_backends(const struct bpf *b, const char *tls_backend)
{
	json_t *a = json_array();

	row(a, "for", "TLS plaintext", "backend", tls_backend,
	    "entry and RET sites, no uretprobes");
	net_backends(b->net, a);
	row(a, "for", "processes", "backend", "raw tracepoints", "exec, fork, exit");
	row(a, "for", "peer of a TLS connection", "backend", b->send_backend, "");
	row(a, "for", "peer of TLS records opened", "backend", b->recv_backend, "");
	row(a, "for", "new libraries", "backend", "perf mmap records", "");
	row(a, "for", "kill before the write", "backend", "uprobe + bpf_send_signal",
	    "host, tool and user rules");
	row(a, "for", "kill after the request", "backend", "pidfd_send_signal",
	    "rules on content; late by nature");
	return a;
}
