// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: file offsets and cookies. Flows out: uprobes in the kernel. Invariant: a file has all
 * its sites or none, because entries without their returns are worse than nothing.
 *
 * Backend: one uprobe_multi link where the kernel has it (6.6), through bpf(2) itself because the
 * library of our base distribution does not know it yet; else one perf event per site. The pid of
 * uprobe_multi meant one thread at first (until 6.10): whether it means the process is found out by
 * a trial, a small program on a function of our own that two threads call.
 *
 * While rules refuse something links are pinned (pins.c) and so outlive this process; the next keeper
 * finds them by name. What is let go is unpinned first.
 *
 * Letting go waits for the kernel's readers: 20 to 70 ms per link with uprobe_multi, about 100 ms
 * per site with perf events. Threads of their own do that; the waits of several go on at the same
 * time. They touch nothing but the links they were given. The list they work on is not bounded here:
 * whoever attaches looks at closer_waiting() first.
 */
#include "links.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/attach/reentry.h"
#include "agent/bpf_variant.h"
#include "agent/pins.h"
#include "base/cleanup.h"

/* Not in the kernel headers of our base distribution. */
#define ATTACH_UPROBE_MULTI 48
#define THREADS 4

struct links {
	struct links *next; /* waiting to be closed */
	struct pins *pins;
	struct pins_probe *pinned;
	int multi; /* or -1 */
	size_t n;
	int event[];
};

static int link_multi(int prog_fd, const char *path, const uint64_t *offset, const uint64_t *cookie,
		      size_t n, pid_t pid)
{
	struct {
		uint32_t prog_fd, target_fd, attach_type, flags;
		uint64_t path, offsets, ref_ctr_offsets, cookies;
		uint32_t cnt, multi_flags, pid, pad;
	} attr = {
		.prog_fd = prog_fd,
		.attach_type = ATTACH_UPROBE_MULTI,
		.path = (uintptr_t)path,
		.offsets = (uintptr_t)offset,
		.cookies = (uintptr_t)cookie,
		.cnt = n,
		.pid = pid,
	};
	int fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));

	return fd < 0 ? -errno : fd;
}

/* Asked with a file that cannot be probed: a kernel that knows uprobe_multi says so of the file,
 * one that does not calls the request invalid. A user's file must not decide it. */
static bool has_multi(int prog_fd)
{
	uint64_t zero = 0;
	int r = link_multi(prog_fd, "/", &zero, &zero, 1, 0);

	if (r >= 0)
		close(r);
	return r != -EINVAL && r != -EOPNOTSUPP;
}

/* --- the trial -------------------------------------------------------------------------------- */

static __attribute__((noinline)) void trial_target(void)
{
	__asm__ volatile("nop\n\tnop\n\tnop\n\tnop");
}

static void *call_target(void *unused)
{
	trial_target();
	return NULL;
}

/* map[0]++ */
static int counter_prog(int map)
{
	struct bpf_insn in[] = {
		{.code = BPF_ST | BPF_MEM | BPF_W, .dst_reg = 10, .off = -4, .imm = 0},
		{.code = BPF_LD | BPF_IMM | BPF_DW,
		 .dst_reg = 1,
		 .src_reg = BPF_PSEUDO_MAP_FD,
		 .imm = map},
		{},
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 2, .src_reg = 10},
		{.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 2, .imm = -4},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_map_lookup_elem},
		{.code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = 0, .off = 2, .imm = 0},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 1, .imm = 1},
		{.code = BPF_STX | BPF_ATOMIC | BPF_DW, .dst_reg = 0, .src_reg = 1, .imm = BPF_ADD},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, o, .expected_attach_type = ATTACH_UPROBE_MULTI);

	return bpf_prog_load(BPF_PROG_TYPE_KPROBE, "trial", "GPL", in, ARRAY_SIZE(in), &o);
}

/* The offset of trial_target in our own file, by the mapping it lies in. */
static bool own_offset(uint64_t *ret)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/maps", "re");
	uint64_t at = (uintptr_t)trial_target, from, to, offset;
	char line[512];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx %*s %lx", &from, &to, &offset) == 3 && from <= at &&
		    at < to) {
			*ret = at - from + offset;
			return true;
		}
	return false;
}

static bool trial(void)
{
	_cleanup_close_ int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "trial", 4, 8, 1, NULL);
	_cleanup_close_ int prog = map < 0 ? -1 : counter_prog(map);
	_cleanup_close_ int link = -1;
	uint64_t offset, cookie = 0, count = 0;
	uint32_t zero = 0;
	pthread_t t;

	if (prog < 0 || !own_offset(&offset))
		return false;
	link = link_multi(prog, "/proc/self/exe", &offset, &cookie, 1, getpid());
	if (link < 0 || pthread_create(&t, NULL, call_target, NULL))
		return false;
	pthread_join(t, NULL);
	trial_target();
	return !bpf_map_lookup_elem(map, &zero, &count) && count == 2;
}

void linker_init(struct linker *l, struct bpf_program *prog, struct pins *pins)
{
	l->prog = prog;
	l->pins = pins;
	l->multi = has_multi(bpf_program__fd(prog));
	l->multi_pid = l->multi && trial();
	l->again = !strcmp(bpf_program__name(prog), bpf_variant_program(BPF_VARIANT_REEXEC));
}

const char *linker_program(const struct linker *l)
{
	return bpf_program__name(l->prog);
}

const char *linker_backend(const struct linker *l, bool by_pid)
{
	if (by_pid)
		return l->multi_pid ? "uprobe_multi by process" : "perf uprobes by process";
	return l->multi ? "uprobe_multi" : "perf uprobes";
}

/* --- links ------------------------------------------------------------------------------------ */

static int open_perf(const struct linker *l, const char *path, const uint64_t *offset,
		     const uint64_t *cookie, size_t n, pid_t pid, struct links *k)
{
	for (size_t i = 0; i < n; i++) {
		int fd = bpf_uprobe(l->prog, path, offset[i], cookie[i], pid);

		if (fd < 0)
			return fd;
		k->event[k->n++] = fd;
	}
	return 0;
}

/* Copies of both lists, one behind the other, that say from where calls can be made again. */
static int fitted(int fd, const uint64_t *offset, const uint64_t *cookie, size_t n, uint64_t **ret)
{
	uint64_t *p = calloc(2 * n, sizeof(*p));

	if (!p)
		return -ENOMEM;
	memcpy(p, offset, n * sizeof(*p));
	memcpy(p + n, cookie, n * sizeof(*p));
	reentry_fit(fd, p, p + n, n);
	*ret = p;
	return 0;
}

static struct links *links_new(const struct linker *l, bool multi, size_t n)
{
	struct links *k = calloc(1, sizeof(*k) + (multi ? 0 : n * sizeof(k->event[0])));

	if (k) {
		k->multi = -1;
		k->pins = l->pins;
	}
	return k;
}

int links_adopt(const struct linker *l, const char *begins, size_t n, pid_t pid, char *ret_name,
		struct links **ret)
{
	bool multi = pid ? l->multi_pid : l->multi;
	struct links *k;
	int r;

	if (!l->pins)
		return -ENOENT;
	k = links_new(l, multi, n);
	if (!k)
		return -ENOMEM;
	r = pins_probe_take(l->pins, begins, multi ? 1 : n, multi ? &k->multi : k->event, ret_name,
			    &k->pinned);
	if (r) {
		free(k);
		return r;
	}
	k->n = multi ? 0 : n;
	*ret = k;
	return 0;
}

int links_open(const struct linker *l, int fd, const uint64_t *offset, const uint64_t *cookie,
	       size_t n, pid_t pid, const char *name, struct links **ret)
{
	bool multi = pid ? l->multi_pid : l->multi;
	struct links *k = links_new(l, multi, n);
	_cleanup_free_ uint64_t *own = NULL;
	char path[64];
	int r;

	if (!k)
		return -ENOMEM;
	if (l->again) {
		r = fitted(fd, offset, cookie, n, &own);
		if (r) {
			free(k);
			return r;
		}
		offset = own;
		cookie = own + n;
	}
	/* Resolved by the kernel to the open file's inode, whatever its path means to us. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (multi)
		r = k->multi = link_multi(bpf_program__fd(l->prog), path, offset, cookie, n, pid);
	else
		r = open_perf(l, path, offset, cookie, n, pid, k);
	if (r < 0) {
		k->multi = -1;
		links_close(k);
		return r;
	}
	k->pinned = pins_probe(k->pins, name, multi ? &k->multi : k->event, multi ? 1 : n);
	*ret = k;
	return 0;
}

void links_close(struct links *k)
{
	if (!k)
		return;
	pins_probe_end(k->pins, k->pinned);
	if (k->multi >= 0)
		close(k->multi);
	for (size_t i = 0; i < k->n; i++)
		close(k->event[i]);
	free(k);
}

/* --- letting go ------------------------------------------------------------------------------- */

struct closer {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct links *first, **last;
	unsigned waiting; /* not yet closed, those in hand included */
	uint64_t done;
	bool stop;
	pthread_t thread[THREADS];
	unsigned threads;
};

static void *close_all(void *p)
{
	struct closer *c = p;

	pthread_mutex_lock(&c->lock);
	for (;;) {
		struct links *k = c->first;

		if (!k && c->stop)
			break;
		if (!k) {
			pthread_cond_wait(&c->more, &c->lock);
			continue;
		}
		c->first = k->next;
		if (!c->first)
			c->last = &c->first;
		pthread_mutex_unlock(&c->lock);
		links_close(k);
		pthread_mutex_lock(&c->lock);
		__atomic_store_n(&c->waiting, c->waiting - 1, __ATOMIC_RELAXED);
		__atomic_store_n(&c->done, c->done + 1, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

struct closer *closer_new(void)
{
	struct closer *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->more, NULL);
	c->last = &c->first;
	while (c->threads < THREADS && !pthread_create(&c->thread[c->threads], NULL, close_all, c))
		c->threads++;
	return c;
}

void closer_give(struct closer *c, struct links *k)
{
	if (!k)
		return;
	if (!c->threads) {
		links_close(k);
		return;
	}
	k->next = NULL;
	pthread_mutex_lock(&c->lock);
	*c->last = k;
	c->last = &k->next;
	__atomic_store_n(&c->waiting, c->waiting + 1, __ATOMIC_RELAXED);
	pthread_cond_signal(&c->more);
	pthread_mutex_unlock(&c->lock);
}

unsigned closer_waiting(const struct closer *c)
{
	return __atomic_load_n(&c->waiting, __ATOMIC_RELAXED);
}

uint64_t closer_done(const struct closer *c)
{
	return __atomic_load_n(&c->done, __ATOMIC_RELAXED);
}

void closer_free(struct closer *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_cond_broadcast(&c->more);
	pthread_mutex_unlock(&c->lock);
	for (unsigned i = 0; i < c->threads; i++)
		pthread_join(c->thread[i], NULL);
	pthread_cond_destroy(&c->more);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
