// SPDX-License-Identifier: Apache-2.0
/*
 * The role that parses. Flows in: the data ring (mapped), messages of the keeper. Flows out:
 * finished records to the recorder, "ignore this" to the kernel (mapped), requests to the keeper.
 * It has no privilege, no files, no network and no key; what it has is mapped and opened before
 * confine() and nothing comes after.
 *
 * Waking: while records come it looks at the ring a millisecond at a time; after LINGER empty looks
 * it sets `asleep` and blocks, and the kernel wakes it with the next record. So a busy host pays
 * no wake-ups and an idle one no polling. A write that waits wakes it in any case, and so does the
 * keeper's answer for one: it never sleeps where these cannot reach it.
 *
 * Starting: the worker before may have died. Its open calls are in the inflight table; the record
 * it was reading comes again. The recorder says which ids have come. What is neither is declared
 * lost, exactly once, in a LOSS record. A recorder that cannot answer yet (no disk) is not waited
 * for beyond SYNC_MS: the declaration comes when it has.
 *
 * #syscalls read write readv writev recvmsg sendmsg recvfrom sendto poll ppoll close
 * #syscalls clock_gettime clock_nanosleep nanosleep gettimeofday getpid gettid
 * #syscalls brk mmap munmap mremap madvise mprotect futex rt_sigreturn rt_sigprocmask
 * #syscalls rt_sigaction exit exit_group restart_syscall sched_yield getrandom tgkill fstat
 */
#include <errno.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "agent/config.h"
#include "agent/confine.h"
#include "agent/priority.h"
#include "agent/ring.h"
#include "agent/worker/conns.h"
#include "agent/worker/denials.h"
#include "agent/worker/events.h"
#include "agent/worker/evidence.h"
#include "agent/worker/exec_rules.h"
#include "agent/worker/gate.h"
#include "agent/worker/halves.h"
#include "agent/worker/known.h"
#include "agent/worker/judge.h"
#include "agent/worker/losses.h"
#include "agent/worker/mcp.h"
#include "agent/worker/users.h"
#include "agent/worker/outcome.h"
#include "agent/worker/policy.h"
#include "agent/worker/socks.h"
#include "agent/worker/status.h"
#include "agent/worker/trees.h"
#include "base/cleanup.h"
#include "base/log.h"

#define DEATHS_MAX 3
#define LINGER 8	       /* empty looks, 1 ms apart, before sleeping */
#define SYNC_MS 10000	       /* for the recorder's first word */
#define MEMORY_EACH 2048       /* records between two looks at the memory in use */
#define BATCH 512	       /* records between two looks at the sockets */
#define DRAIN_NS 3000000000ull /* at the end: how long open calls may still finish */

static const char *const syscalls[] = {
	"read",
	"write",
	"readv",
	"writev",
	"recvmsg",
	"sendmsg",
	"recvfrom",
	"sendto",
	"poll",
	"ppoll",
	"close",
	"clock_gettime",
	"clock_nanosleep",
	"nanosleep",
	"gettimeofday",
	"getpid",
	"gettid",
	"brk",
	"mmap",
	"munmap",
	"mremap",
	"madvise",
	"mprotect",
	"futex",
	"rt_sigreturn",
	"rt_sigprocmask",
	"rt_sigaction",
	"exit",
	"exit_group",
	"restart_syscall",
	"sched_yield",
	"getrandom",
	"tgkill",
	"fstat",
	NULL,
};

static struct worker w;
static struct ring *ring;
static bool settled;	 /* what the worker before us left is declared */
static uint64_t left_id; /* the last id it gave out, 0: there was none */
static size_t heap_idle; /* what is in use before any connection is followed */
static uint32_t *asleep; /* the BPF map of that name */
static _Alignas(8) uint8_t body[ROLE_BODY_MAX + 1];

uint64_t boot_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static int64_t wall_offset(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)(t.tv_sec * 1000000000ull + t.tv_nsec) - (int64_t)boot_now();
}

void tell_keeper(struct worker *wk, enum role_kind kind, const void *p, size_t n)
{
	outq_send(&wk->to_keeper, wk->keeper, kind, p, n, NULL, 0);
}

/* --- messages ---------------------------------------------------------------------------------- */

static void on_message(enum role_kind kind, size_t n)
{
	struct role_pack *pack = (void *)body;
	struct proc *p;

	switch (kind) {
	case ROLE_PROC:
		p = procs_told(w.procs, (void *)body);
		if (!p)
			break;
		evidence_process(&w, p);
		judge_process(&w, p);
		break;
	case ROLE_PROBES:
		procs_probes(w.procs, (void *)body, boot_now());
		break;
	case ROLE_USER:
		users_told(&w, (void *)body);
		break;
	case ROLE_PACK:
		policy_take(&w, pack, (const char *)(pack + 1));
		break;
	case ROLE_JUDGE:
		explain_process(&w, (void *)body);
		break;
	case ROLE_FILE:
		exec_rules_file(w.exec_rules, (void *)body);
		break;
	case ROLE_REFUSED:
		gate_refused(w.gate, (void *)body);
		break;
	case ROLE_MASKED:
		gate_masked(w.gate, (void *)body);
		break;
	case ROLE_CONTINUED:
		gate_continued(w.gate, (void *)body);
		break;
	case ROLE_GRANTS:
		gate_grants(w.gate, (void *)(body + sizeof(struct role_grants)),
			    ((struct role_grants *)body)->n);
		break;
	case ROLE_FOLDED:
		denials_event(w.denials, (void *)body);
		break;
	case ROLE_SEAL:
		judge_seal(&w, body + sizeof(struct role_seal), ((struct role_seal *)body)->len);
		break;
	case ROLE_DROPS:
		memcpy(&w.drops, body, sizeof(w.drops));
		break;
	case ROLE_STOP:
		w.stopping = true;
		break;
	default:
		break; /* role.c refuses what is none of ours */
	}
}

/* Reads all that the keeper sent. False when it is gone. */
static bool read_keeper(void)
{
	struct role_msg m;
	int r;

	while ((r = role_recv(w.keeper, &m, body, ROLE_BODY_MAX)) >= 0)
		on_message(m.kind, r);
	outq_flush(&w.to_keeper, w.keeper);
	if (r == -EPROTO)
		log_err("keeper sent a malformed message");
	return r == -EAGAIN;
}

void worker_listen(struct worker *wk, int ms)
{
	struct pollfd p = {.fd = wk->keeper,
			   .events = POLLIN | (outq_waiting(&wk->to_keeper) ? POLLOUT : 0)};

	if (poll(&p, 1, ms) > 0)
		read_keeper();
}

/* --- once a second ------------------------------------------------------------------------------ */

static size_t heap_used(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/* The tables first: what they give up may be the last word on a process. */
static void sweep(uint64_t now)
{
	halves_sweep(w.halves, now);
	conns_sweep(w.conns, now);
	socks_sweep(w.socks, now);
	evidence_sweep(&w);
	procs_sweep(w.procs, now);
	outcomes_sweep(w.outcomes, now, false);
	policy_tick(&w);
	gate_tick(w.gate, now);
	denials_tick(w.denials);
}

static void each_second(void)
{
	static uint64_t last, refused;
	uint64_t now = boot_now();

	if (now - last < 1000000000ull)
		return;
	last = now;
	w.wall_offset_ns = wall_offset();
	sweep(now);
	losses_declare(&w, settled);
	if (inflight_refused(w.inflight) > refused)
		log_warn("%d calls, or %d silent sockets, are open at once: a crash now would lose "
			 "some uncounted",
			 INFLIGHT_SLOTS, INFLIGHT_SOCKS);
	refused = inflight_refused(w.inflight);
	status_send(&w, ring);
}

/* --- starting ----------------------------------------------------------------------------------- */

static struct gate_slot *gate_slots; /* NULL: this kernel part has no gate */

static int map_all(const struct worker_fds *fds, uint32_t ring_bytes, bool gate)
{
	size_t verdicts = VERDICT_SLOTS * sizeof(struct verdict_slot);
	int r = ring_open(fds->events, ring_bytes, &ring);

	if (r)
		return r;
	w.verdicts = mmap(NULL, verdicts, PROT_READ | PROT_WRITE, MAP_SHARED, fds->verdicts, 0);
	asleep = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED, fds->asleep, 0);
	if (w.verdicts == MAP_FAILED || asleep == MAP_FAILED)
		return -errno;
	if (fds->gate_slots >= 0 && gate) {
		gate_slots = mmap(NULL, GATE_SLOTS * sizeof(*gate_slots), PROT_READ | PROT_WRITE,
				  MAP_SHARED, fds->gate_slots, 0);
		if (gate_slots == MAP_FAILED)
			return -errno;
	}
	return inflight_map(fds->inflight, &w.inflight);
}

/* OpenSSL reads files and makes its tables at its first digest: that must be before confine(). */
static bool warm_openssl(void)
{
	uint8_t digest[32];

	return OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) &&
	       EVP_Digest("", 0, digest, NULL, EVP_sha256(), NULL);
}

/* What a rollout's percentage is taken of: the machine, not its name. */
static void load_host_id(void)
{
	char id[64] = "";
	_cleanup_fclose_ FILE *f = fopen("/etc/machine-id", "re");
	uint8_t sum[32];

	if (!f || !fgets(id, sizeof(id), f) || !id[0] ||
	    !EVP_Digest(id, strcspn(id, "\n"), sum, NULL, EVP_sha256(), NULL))
		return;
	for (int i = 0; i < 32; i++)
		snprintf(w.host_id + 2 * i, 3, "%02x", sum[i]);
}

static int load_all(void)
{
	char err[256];

	json_object_seed(0); /* reads /dev/urandom */
	if (!warm_openssl())
		return -EIO;
	load_host_id();
	w.procs = procs_new();
	w.conns = conns_new(&w);
	w.halves = halves_new(&w);
	w.mcps = mcps_new(&w);
	w.socks = socks_new(&w);
	w.known = known_new();
	w.outcomes = outcomes_new(&w);
	w.exec_rules = exec_rules_new(&w);
	w.trees = trees_new(&w);
	w.gate = gate_new(&w, gate_slots);
	w.denials = denials_new(&w);
	w.catalog = catalog_new();
	w.classes = dataclass_db_new(err, sizeof(err));
	if (!w.classes)
		log_err("data classes: %s", err);
	if (!w.procs || !w.conns || !w.halves || !w.mcps || !w.socks || !w.known || !w.outcomes ||
	    !w.exec_rules || !w.trees || !w.gate || !w.denials || !w.catalog || !w.classes)
		return -ENOMEM;
	malloc_trim(0);
	return 0;
}

static void wait_for_pack(void)
{
	uint64_t end = boot_now() + 2000000000ull;

	while (read_keeper() && !w.pack && !w.pack_error[0] && boot_now() < end)
		poll(&(struct pollfd){.fd = w.keeper, .events = POLLIN}, 1, 100);
}

/* The bytes that the worker before us may have been reading when it died. */
static void on_again(void *ctx, const void *record, size_t n)
{
	const struct event_data *e = record;

	if (n >= sizeof(*e) && e->h.version == EVENT_VERSION && e->h.kind == EVENT_DATA &&
	    e->dir == EVENT_WRITE)
		inflight_again(w.inflight, e->h.conn, e->offset, e->size);
}

static void leave_out(void *ctx, const void *record, size_t n) {}

static void settle(void)
{
	struct inflight_drops *d = inflight_drops(w.inflight);
	uint64_t durable, id;
	unsigned lost;

	if (settled || !handover_synced(w.handover, &durable))
		return;
	settled = true;
	if (d->id > durable)
		memcpy(d->count, d->before, sizeof(d->count));
	d->id = 0;
	lost = left_id ? inflight_lost(w.inflight, durable, left_id, &id) : 0;
	if (lost)
		judge_loss(&w, id, "ai_calls", lost, "worker_died",
			   "calls that were open when the worker died");
	handover_go(w.handover);
	handover_run(w.handover);
}

/*
 * A record that no worker survives would come again for ever: after DEATHS_MAX workers that died
 * without getting past it, it is left out and declared.
 */
static void skip_poison(void)
{
	static const char why[] = "no worker survived reading it";
	uint64_t at = ring_position(ring);

	if (!ring_pending(ring) || inflight_starts_at(w.inflight, at) <= DEATHS_MAX)
		return;
	log_err("a record of the kernel ended %d workers: leaving it out", DEATHS_MAX);
	ring_consume(ring, leave_out, NULL, 1);
	judge_loss(&w, 0, "chunks", 1, "parser_died", why);
}

/* Ids go on where the worker before us, or the host's last run, stopped. */
static void begin(void)
{
	uint64_t durable = 0, first;
	struct timespec t;

	left_id = inflight_last_id(w.inflight);
	kept_again(&w);
	if (inflight_inherit(w.inflight))
		ring_peek(ring, on_again, NULL);
	if (handover_sync(w.handover, boot_now(), SYNC_MS))
		log_err("the recorder does not answer: records wait in memory");
	if (!left_id) {
		handover_synced(w.handover, &durable);
		clock_gettime(CLOCK_REALTIME, &t);
		first = t.tv_sec * 1000000000ull + t.tv_nsec;
		inflight_start_ids(w.inflight, first > durable ? first : durable + 1);
	}
	settle();
	wait_for_pack();
	skip_poison();
}

static int prepare(const struct config *cfg, const struct worker_fds *fds, uint32_t ring_bytes)
{
	struct confine c = {.name = "worker",
			    .syscalls = syscalls,
			    .unshare_net = true,
			    .no_seccomp = cfg->no_seccomp};
	const char *what = "", *user;
	int r;

	w.keeper = fds->keeper;
	outq_init(&w.to_keeper, 4u << 20);
	w.handover = handover_new(fds->recorder);
	r = w.handover ? map_all(fds, ring_bytes, cfg->gate) : -ENOMEM;
	if (!r)
		r = load_all();
	if (r) {
		log_err("cannot start: %s", strerror(-r));
		return r;
	}
	if (cfg->enforce && priority_lock(&what)) /* writes may wait for us */
		log_warn("memory is not locked: it may be paged out while a write waits");
	r = confine_user(cfg->user, &c.uid, &c.gid, &user);
	if (!r) {
		what = "unprivileged user";
		c.chroot = "/proc/self/fdinfo"; /* an empty place nobody can write to */
		r = confine(&c, &what);
	}
	if (r)
		log_err("cannot give up privileges (%s): %s", what, strerror(-r));
	return r;
}

/* --- the loop ----------------------------------------------------------------------------------- */

static void wait_for(const struct worker_fds *fds, int ms, bool woken)
{
	struct pollfd p[] = {
		{.fd = fds->events, .events = POLLIN},
		{.fd = w.keeper, .events = POLLIN | (outq_waiting(&w.to_keeper) ? POLLOUT : 0)},
		{.fd = fds->recorder,
		 .events = POLLIN | (handover_wants_write(w.handover) ? POLLOUT : 0)},
	};

	__atomic_store_n(asleep, woken, __ATOMIC_SEQ_CST);
	if (!ring_pending(ring))
		poll(p, ARRAY_SIZE(p), ms);
	__atomic_store_n(asleep, 0, __ATOMIC_SEQ_CST);
}

static void count_chunk(void *n, const void *record, size_t len)
{
	const struct event *e = record;

	*(uint64_t *)n += len >= sizeof(*e) && e->kind == EVENT_DATA;
}

static void drain(uint64_t end)
{
	uint64_t left = 0;

	while (boot_now() < end && (ring_pending(ring) || !settled || handover_bytes(w.handover) ||
				    !outcomes_none(w.outcomes))) {
		unsigned n = ring_consume(ring, events_record, &w, BATCH);

		handover_run(w.handover);
		settle();
		if (!n)
			usleep(1000);
	}
	ring_consume(ring, count_chunk, &left, UINT32_MAX);
	if (left)
		judge_loss(&w, 0, "chunks", left, "stopped", "still to be read at the end");
}

/* Open calls get a moment to end by themselves; then all is closed and handed over. */
static int finish(const struct worker_fds *fds)
{
	uint64_t end;

	drain(boot_now() + DRAIN_NS);
	halves_sweep(w.halves, UINT64_MAX);
	socks_end(w.socks, boot_now());
	conns_close_all(w.conns, boot_now());
	mcps_close_all(w.mcps, boot_now());
	outcomes_sweep(w.outcomes, boot_now(), true);
	end = boot_now() + DRAIN_NS;
	/* One of the kernel's counters after the other, each when that before it is durable. */
	while ((losses_declare(&w, settled) || !handover_idle(w.handover)) && boot_now() < end &&
	       !handover_run(w.handover)) {
		settle();
		usleep(1000);
	}
	status_send(&w, ring);
	names_quic_free();
	return handover_idle(w.handover) ? 0 : 1;
}

/* To ask the allocator takes a while, so it is asked after some records. */
static void look_at_memory(unsigned records)
{
	static unsigned since;

	since += records;
	if (since < MEMORY_EACH)
		return;
	since = 0;
	conns_trim(w.conns, heap_used, heap_idle + CONNS_MEMORY, boot_now());
}

int worker_main(const struct config *cfg, const struct worker_fds *fds, uint32_t ring_bytes)
{
	unsigned empty = 0;

	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	w.wall_offset_ns = wall_offset();
	if (prepare(cfg, fds, ring_bytes))
		return 1;
	begin();
	heap_idle = heap_used();
	status_send(&w, ring);
	for (;;) {
		unsigned n = ring_consume(ring, events_record, &w, BATCH);

		if (!read_keeper() || w.stopping)
			break;
		look_at_memory(n);
		handover_run(w.handover);
		settle();
		each_second();
		empty = n ? 0 : empty + 1;
		if (n)
			continue;
		wait_for(fds, empty < LINGER ? 1 : 1000, empty >= LINGER);
	}
	return finish(fds);
}
