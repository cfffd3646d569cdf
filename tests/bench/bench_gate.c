// SPDX-License-Identifier: Apache-2.0
/*
 * How much longer a write takes that waits for its verdict, as a multiple of an empty uprobe at the
 * same sites (entry and RET): the programs, the ring, the slots, and the threads that keep whoever
 * answers off a CPU that a waiting write holds are the agent's own; the one that answers blocks on the
 * ring with real-time priority, as the worker does, and says pass to every question without reading
 * what is in the write. So this is the wait without the judging.
 *
 * Each figure is of single calls, because it is the slow ones that are asked for, and the difference to
 * the same percentile of captured writes that do not wait: on a busy machine each call may lose its
 * CPU to another process, held or not. The unit is the median of the empty uprobe. Empty, captured and
 * gated writes take turns in batches, because the machine's speed drifts. Idle, and with a busy
 * process for each CPU. Where the kernel has no real-time priority for us the lines say so.
 *
 * usage: bench_gate STUB.so EMPTY.bpf.o
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/attach/links.h"
#include "agent/bpf.h"
#include "agent/movers.h"
#include "agent/ring.h"
#include "base/cleanup.h"
#include "base/log.h"

#define BATCHES 20
#define CALLS 100 /* of a batch */
#define ALL (BATCHES * CALLS)
#define PAYLOAD 4096
#define PACE_US 300 /* a client does not write all the time, and who does loses its CPU in a call */
#define BUSY_MAX 64

enum { EMPTY, CAPTURED, GATED, KINDS };

static int (*ssl_write)(void *, const void *, int);
static void (*ssl_client)(void *);
static long (*ssl_ctrl)(void *, int, long, void *);
static struct gate_slot *slots;
static uint32_t *asleep;
static struct ring *ring;
static int events_fd;
static volatile bool stop, first_in_line;
static volatile pid_t answerer;
static pid_t self;
static volatile uint64_t asked_for, passed, late;
static uint32_t answered[ALL]; /* from question to answer */

static uint64_t now(clockid_t c)
{
	struct timespec t;

	clock_gettime(c, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void on_record(void *ctx, const void *p, size_t n)
{
	const struct event_gate *g = p;
	const struct event_gate_end *e = p;
	struct gate_slot *s;

	if (g->h.pid != (uint32_t)self)
		return;
	if (g->h.kind == EVENT_GATE_END) {
		passed += e->verdict == GATE_PASS;
		late += e->verdict != GATE_PASS;
	}
	if (g->h.kind != EVENT_GATE)
		return;
	answered[asked_for % ALL] = now(CLOCK_BOOTTIME) - g->h.boot_ns;
	asked_for++;
	s = &slots[g->h.conn & (GATE_SLOTS - 1)];
	__atomic_store_n(&s->verdict, GATE_ASKED, __ATOMIC_SEQ_CST);
	s->conn = g->h.conn;
	s->seq = g->seq;
	__atomic_store_n(&s->verdict, GATE_PASS, __ATOMIC_SEQ_CST);
}

static void *answers(void *unused)
{
	struct sched_param p = {.sched_priority = 2};
	struct pollfd wait = {.fd = events_fd, .events = POLLIN};

	first_in_line = !pthread_setschedparam(pthread_self(), SCHED_FIFO, &p);
	answerer = (pid_t)syscall(SYS_gettid);
	while (!stop) {
		while (ring_consume(ring, on_record, NULL, 512))
			;
		__atomic_store_n(asleep, 1, __ATOMIC_SEQ_CST);
		if (!ring_pending(ring))
			poll(&wait, 1, 20);
		__atomic_store_n(asleep, 0, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static int map_of(const char *name)
{
	for (int fd = 3; fd < 512; fd++) {
		struct bpf_map_info i = {};
		uint32_t n = sizeof(i);

		if (!bpf_obj_get_info_by_fd(fd, &i, &n) && i.key_size && !strcmp(i.name, name))
			return fd;
	}
	fprintf(stderr, "no map %s\n", name);
	exit(1);
}

/* --- what is measured ------------------------------------------------------------------------------ */

struct rig {
	struct linker linker;
	struct bpf_program *empty;
	const char *stub;
	int fd, gate_fd;
	uint64_t offset[4]; /* SSL_write: entry, RET; SSL_set_connect_state; SSL_ctrl */
	uint32_t waiters;
};

static void set_gate(const struct rig *r, bool on)
{
	struct gate_settings g = {.on = on, .hold_us = 20000, .waiters = r->waiters};
	uint32_t zero = 0;

	g.alive_ns = now(CLOCK_BOOTTIME);
	bpf_map_update_elem(r->gate_fd, &zero, &g, BPF_ANY);
}

/* One byte more or less each time: the same write twice would not be asked for twice. */
static void batch(void *ssl, uint32_t *ns)
{
	static char buf[PAYLOAD + 2];

	for (int i = 0; i < CALLS; i++) {
		uint64_t t;

		usleep(PACE_US);
		t = now(CLOCK_MONOTONIC);
		ssl_write(ssl, buf, PAYLOAD + (i & 1));
		ns[i] = now(CLOCK_MONOTONIC) - t;
	}
}

static void batch_empty(const struct rig *r, uint32_t *ns)
{
	struct bpf_link *a = bpf_program__attach_uprobe(r->empty, false, -1, r->stub, r->offset[0]);
	struct bpf_link *b = bpf_program__attach_uprobe(r->empty, false, -1, r->stub, r->offset[1]);

	if (!a || !b) {
		perror("empty uprobe");
		exit(1);
	}
	batch((void *)0x1000, ns);
	bpf_link__destroy(a);
	bpf_link__destroy(b);
}

static void batch_ours(const struct rig *r, bool gated, uint32_t *ns)
{
	static const uint64_t cookie[4] = {TLS_WRITE, TLS_RETURN, TLS_CLIENT, TLS_CTRL};
	static uintptr_t handle = 0x10000;
	void *ssl = (void *)(handle += 64);
	uint64_t before = asked_for;
	struct links *probes;

	if (links_open(&r->linker, r->fd, r->offset, cookie, 4, 0, "", &probes))
		exit(1);
	set_gate(r, gated);
	ssl_client(ssl);
	ssl_ctrl(ssl, 55, 0, (void *)"bench.example");
	batch(ssl, ns);
	usleep(20000);
	if (gated ? asked_for < before + CALLS : asked_for != before) {
		fprintf(stderr, "%lu of %d writes were asked for\n", asked_for - before,
			gated ? CALLS : 0);
		exit(1);
	}
	links_close(probes);
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double part(uint32_t *ns, unsigned percent)
{
	qsort(ns, ALL, sizeof(*ns), by_value);
	return ns[(uint64_t)ALL * percent / 100];
}

static void line(const char *what, double added, double empty, double limit)
{
	printf("%-42s %5.1f  (%.1f us; target <= %.0f)%s\n", what, added / empty, added / 1000,
	       limit, added / empty <= limit ? "" : "  MISSED");
}

static void measure(const struct rig *r, const char *when)
{
	static uint32_t ns[KINDS][ALL];
	double empty;
	char what[64];

	late = asked_for = 0;
	for (int i = 0; i < BATCHES; i++) {
		batch_empty(r, ns[EMPTY] + i * CALLS);
		batch_ours(r, false, ns[CAPTURED] + i * CALLS);
		batch_ours(r, true, ns[GATED] + i * CALLS);
	}
	empty = part(ns[EMPTY], 50);
	snprintf(what, sizeof(what), "hold added per write, p50, %s", when);
	line(what, part(ns[GATED], 50) - part(ns[CAPTURED], 50), empty, 12);
	snprintf(what, sizeof(what), "hold added per write, p99, %s", when);
	line(what, part(ns[GATED], 99) - part(ns[CAPTURED], 99), empty, 80);
	/* What is between the two is the writer's own wait for a CPU. */
	printf("  %s: from the question to the answer p50 %.1f us, p99 %.1f us\n", when,
	       part(answered, 50) / 1000, part(answered, 99) / 1000);
	printf("  %s: %d writes, %lu without a verdict in time; p50 and p99 of an empty uprobe "
	       "%.1f and %.1f us, of a captured write %.1f and %.1f us\n",
	       when, ALL, late, empty / 1000, part(ns[EMPTY], 99) / 1000,
	       part(ns[CAPTURED], 50) / 1000, part(ns[CAPTURED], 99) / 1000);
}

/* --- beginning and end ------------------------------------------------------------------------------- */

static unsigned keep_busy(pid_t *pid)
{
	unsigned n = sysconf(_SC_NPROCESSORS_ONLN);

	n = n < BUSY_MAX ? n : BUSY_MAX;
	for (unsigned i = 0; i < n; i++) {
		pid[i] = fork();
		if (!pid[i]) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				__asm__ volatile("" ::: "memory");
		}
	}
	return n;
}

static void put_rules(struct bpf *b)
{
	struct role_krules k = {
		.generation = 1, .all = 1, .any_tool = 1, .any_user = 1, .hosts = 1};
	struct role_krule_host host = {1, "bench.example"};
	struct krule_do todo = {.content = 1, .fail_open = 1};

	if (bpf_set_krules(b, &k, &todo, &host, NULL)) {
		fprintf(stderr, "no rules\n");
		exit(1);
	}
}

/* The stub's functions are two instructions; read from the file, because in memory somebody's probes
 * may stand in them. */
static void sites(struct rig *r, void *lib)
{
	uint8_t code[64] = {}, *p;
	Dl_info i;

	ssl_write = (int (*)(void *, const void *, int))dlsym(lib, "SSL_write");
	ssl_client = (void (*)(void *))dlsym(lib, "SSL_set_connect_state");
	ssl_ctrl = (long (*)(void *, int, long, void *))dlsym(lib, "SSL_ctrl");
	if (!dladdr((void *)ssl_write, &i))
		exit(1);
	r->offset[0] = (uint8_t *)ssl_write - (uint8_t *)i.dli_fbase;
	if (pread(r->fd, code, sizeof(code), r->offset[0]) <= 0 ||
	    !(p = memchr(code, 0xc3, sizeof(code)))) {
		fprintf(stderr, "no RET in the stub\n");
		exit(1);
	}
	r->offset[1] = r->offset[0] + (p - code);
	r->offset[2] = (uint8_t *)ssl_client - (uint8_t *)i.dli_fbase;
	r->offset[3] = (uint8_t *)ssl_ctrl - (uint8_t *)i.dli_fbase;
}

static void *mapped(int fd, size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return p;
}

int main(int argc, char **argv)
{
	struct rig r = {.waiters = sysconf(_SC_NPROCESSORS_ONLN) - 1};
	struct movers *movers = NULL;
	struct bpf_object *empty;
	pid_t busy[BUSY_MAX];
	struct bpf *b;
	pthread_t t;
	unsigned n;
	void *lib;

	if (argc != 3)
		return 2;
	log_init("bench", LOG_L_WARN);
	self = getpid();
	r.stub = argv[1];
	lib = dlopen(argv[1], RTLD_NOW);
	r.fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	empty = bpf_object__open_file(argv[2], NULL);
	if (!lib || r.fd < 0 || !empty || bpf_object__load(empty) || bpf_open(0, &b))
		return 1;
	if (!bpf_waits(b) || !r.waiters) {
		printf("%-42s     -  this kernel, or one CPU alone, has no wait\n",
		       "hold added per write");
		return 0;
	}
	r.empty = bpf_object__find_program_by_name(empty, "empty");
	sites(&r, lib);
	linker_init(&r.linker, bpf_tls_program(b), NULL);
	r.gate_fd = map_of("gate");
	slots = mapped(map_of("gate_slots"), GATE_SLOTS * sizeof(*slots));
	asleep = mapped(bpf_asleep_fd(b), getpagesize());
	put_rules(b);
	events_fd = bpf_events_fd(b);
	if (ring_open(events_fd, bpf_events_size(b), &ring) ||
	    pthread_create(&t, NULL, answers, NULL))
		return 1;
	while (!answerer)
		usleep(1000);
	if (!r.linker.again && movers_start(events_fd, map_of("gate_waits"), &movers))
		printf("  nobody takes the one who answers off a CPU that is held\n");
	if (movers)
		movers_worker(movers, answerer);
	printf("  writes wait %s; who answers has %s\n",
	       r.linker.again ? "by being made again" : "inside of the probe",
	       first_in_line ? "real-time priority" : "no real-time priority here");
	measure(&r, "idle");
	n = keep_busy(busy);
	usleep(200000);
	measure(&r, "all cores busy");
	for (unsigned i = 0; i < n; i++) {
		kill(busy[i], SIGKILL);
		waitpid(busy[i], NULL, 0);
	}
	stop = true;
	pthread_join(t, NULL);
	movers_stop(movers);
	ring_free(ring);
	bpf_close(b);
	return 0;
}
