// SPDX-License-Identifier: Apache-2.0
/*
 * perf's side-band: a dummy software event on every CPU that reports executable mappings
 * (PERF_RECORD_MMAP2). It costs nothing but at such a mapping, needs no BPF and no syscall
 * tracing, and covers exec, dynamic linking and dlopen alike. When the ring of a CPU is full the
 * kernel says how many records it lost (PERF_RECORD_LOST); the keeper then scans /proc instead.
 */
#include "mapwatch.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

#define PAGES 16 /* × 4 KiB per CPU: about 500 mappings between two looks; a power of two */
#define RECORD_MAX 8192

struct cpu {
	int fd;
	struct perf_event_mmap_page *page;
};
struct mapwatch {
	mapwatch_fn fn;
	void *ctx;
	int epoll;
	long page_size;
	uint64_t lost;
	unsigned n;
	struct cpu cpu[];
};

static int cpu_open(struct mapwatch *w, int id)
{
	struct perf_event_attr a = {.type = PERF_TYPE_SOFTWARE,
				    .size = sizeof(a),
				    .config = PERF_COUNT_SW_DUMMY,
				    .mmap = 1,
				    .mmap2 = 1,
				    .watermark = 1,
				    .wakeup_watermark = 1};
	struct epoll_event e = {.events = EPOLLIN};
	struct cpu *c = &w->cpu[w->n];

	c->fd = syscall(SYS_perf_event_open, &a, -1, id, -1, PERF_FLAG_FD_CLOEXEC);
	if (c->fd < 0)
		return -errno;
	c->page = mmap(NULL, (PAGES + 1) * w->page_size, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd,
		       0);
	if (c->page == MAP_FAILED) {
		int r = -errno;

		close(c->fd);
		return r;
	}
	w->n++;
	return epoll_ctl(w->epoll, EPOLL_CTL_ADD, c->fd, &e) < 0 ? -errno : 0;
}

int mapwatch_open(mapwatch_fn fn, void *ctx, struct mapwatch **ret)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	struct mapwatch *w = calloc(1, sizeof(*w) + cpus * sizeof(struct cpu));
	int r = 0;

	if (!w)
		return -ENOMEM;
	w->fn = fn;
	w->ctx = ctx;
	w->page_size = sysconf(_SC_PAGESIZE);
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (w->epoll < 0)
		r = -errno;
	for (long i = 0; !r && i < cpus; i++) {
		r = cpu_open(w, i);
		if (r == -ENODEV)
			r = 0; /* an offline CPU */
	}
	if (r || !w->n) {
		mapwatch_free(w);
		return r ?: -ENODEV;
	}
	*ret = w;
	return 0;
}

void mapwatch_free(struct mapwatch *w)
{
	if (!w)
		return;
	for (unsigned i = 0; i < w->n; i++) {
		munmap(w->cpu[i].page, (PAGES + 1) * w->page_size);
		close(w->cpu[i].fd);
	}
	if (w->epoll >= 0)
		close(w->epoll);
	free(w);
}

int mapwatch_fd(const struct mapwatch *w)
{
	return w->epoll;
}
uint64_t mapwatch_lost(const struct mapwatch *w)
{
	return w->lost;
}

static void on_record(struct mapwatch *w, const struct perf_event_header *h)
{
	struct mmap2 {
		struct perf_event_header h;
		uint32_t pid, tid;
		uint64_t addr, len, pgoff;
		uint32_t maj, min;
		uint64_t ino, ino_generation;
		uint32_t prot, flags;
		char path[];
	} const *m = (const void *)h;

	if (h->type == PERF_RECORD_LOST)
		w->lost += ((const uint64_t *)(h + 1))[1];
	else if (h->type == PERF_RECORD_MMAP2 && m->ino && m->path[0] == '/')
		w->fn(w->ctx, m->pid, m->addr, m->addr + m->len, m->path);
}

static void cpu_read(struct mapwatch *w, struct cpu *c)
{
	uint64_t size = (uint64_t)PAGES * w->page_size, tail = c->page->data_tail;
	uint64_t head = __atomic_load_n(&c->page->data_head, __ATOMIC_ACQUIRE);
	const uint8_t *data = (const uint8_t *)c->page + w->page_size;
	static union {
		struct perf_event_header h;
		uint8_t b[RECORD_MAX + 8];
	} copy;

	while (tail != head) {
		const struct perf_event_header *h = (const void *)(data + (tail & (size - 1)));
		size_t n = h->size, at = tail & (size - 1), first = size - at < n ? size - at : n;

		if (n < sizeof(*h))
			break;	       /* cannot be: the kernel writes whole headers */
		if (n <= RECORD_MAX) { /* copied: it may wrap around the ring's end */
			memcpy(copy.b, data + at, first);
			memcpy(copy.b + first, data, n - first);
			copy.b[n] = '\0';
			on_record(w, &copy.h);
		}
		tail += n;
	}
	__atomic_store_n(&c->page->data_tail, tail, __ATOMIC_RELEASE);
}

void mapwatch_read(struct mapwatch *w)
{
	for (unsigned i = 0; i < w->n; i++)
		cpu_read(w, &w->cpu[i]);
}
