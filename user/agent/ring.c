// SPDX-License-Identifier: Apache-2.0
/*
 * The layout is the kernel's ABI (Documentation/bpf/ringbuf.rst): one page with the consumer
 * position, which we may write; one with the producer position and then the data, mapped twice in
 * a row so that no record ever wraps, read-only. Each record has an 8-byte header: length with a
 * busy and a discard bit, and is padded to 8.
 */
#include "ring.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct ring {
	uint64_t *consumer;
	const uint64_t *producer;
	const uint8_t *data;
	size_t size, page;
};

int ring_open(int map_fd, size_t size, struct ring **ret)
{
	struct ring *r = calloc(1, sizeof(*r));
	void *p;

	if (!r)
		return -ENOMEM;
	r->size = size;
	r->page = sysconf(_SC_PAGESIZE);
	p = mmap(NULL, r->page, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
	if (p == MAP_FAILED) {
		int e = -errno;

		free(r);
		return e;
	}
	r->consumer = p;
	p = mmap(NULL, r->page + 2 * size, PROT_READ, MAP_SHARED, map_fd, r->page);
	if (p == MAP_FAILED) {
		int e = -errno;

		ring_free(r);
		return e;
	}
	r->producer = p;
	r->data = (const uint8_t *)p + r->page;
	*ret = r;
	return 0;
}

void ring_free(struct ring *r)
{
	if (!r)
		return;
	munmap(r->consumer, r->page);
	if (r->producer)
		munmap((void *)r->producer, r->page + 2 * r->size);
	free(r);
}

bool ring_pending(const struct ring *r)
{
	return __atomic_load_n(r->producer, __ATOMIC_SEQ_CST) != *r->consumer;
}

size_t ring_used(const struct ring *r)
{
	return __atomic_load_n(r->producer, __ATOMIC_ACQUIRE) - *r->consumer;
}

void ring_peek(const struct ring *r, ring_fn fn, void *ctx)
{
	const uint8_t *p = r->data + (*r->consumer & (r->size - 1));
	uint32_t head;

	if (!ring_used(r))
		return;
	head = __atomic_load_n((const uint32_t *)p, __ATOMIC_ACQUIRE);
	if (!(head & (BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT)))
		fn(ctx, p + BPF_RINGBUF_HDR_SZ, head);
}

unsigned ring_consume(struct ring *r, ring_fn fn, void *ctx, unsigned max)
{
	uint64_t at = *r->consumer, end = __atomic_load_n(r->producer, __ATOMIC_ACQUIRE);
	unsigned n = 0;

	while (at < end && n < max) {
		const uint8_t *p = r->data + (at & (r->size - 1));
		uint32_t head = __atomic_load_n((const uint32_t *)p, __ATOMIC_ACQUIRE);
		uint32_t len = head & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);

		if (head & BPF_RINGBUF_BUSY_BIT)
			break;
		if (!(head & BPF_RINGBUF_DISCARD_BIT)) {
			fn(ctx, p + BPF_RINGBUF_HDR_SZ, len);
			n++;
		}
		at += (len + BPF_RINGBUF_HDR_SZ + 7) & ~7ull;
		__atomic_store_n(r->consumer, at, __ATOMIC_RELEASE);
	}
	return n;
}

uint64_t ring_position(const struct ring *r)
{
	return *r->consumer;
}
