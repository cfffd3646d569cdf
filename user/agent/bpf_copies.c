// SPDX-License-Identifier: Apache-2.0
/*
 * Kernels without attach cookies (before 5.15) cannot tell a program which of its probes fired. There
 * each cookie in use gets a copy of the program, with the cookie in place of a constant. A copy is
 * made from the instructions that libbpf has already fitted to this kernel, and kept. COPIES_MAX is
 * beyond what all layouts of all sites need; a site beyond it is refused with -ENOSPC.
 *
 * The kernel takes a tenth of a second to verify one, some seconds for a library's, and whoever asks has
 * answers to give meanwhile: a thread of its own loads those of one image. Bound: one such thread.
 */
#include "bpf_copies.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define COOKIE_HERE 0x7072626379636b69ull /* of bpf/tls_old.bpf.c */
#define COPIES_MAX 256

static struct {
	uint64_t cookie;
	int fd;
} copies[COPIES_MAX];
static unsigned copies_n;
static struct {
	struct bpf_program *prog;
	uint64_t cookie[COPIES_MAX];
	size_t n;
	pthread_t thread;
	bool begun, runs, stop; /* begun: to be joined */
	uint64_t failed;	/* the cookie whose copy was refused, until its image asks */
	int error;
} loader;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of both */

static int put_cookie(struct bpf_insn *in, size_t n, uint64_t cookie)
{
	for (size_t i = 0; i + 1 < n; i++)
		if (in[i].code == (BPF_LD | BPF_IMM | BPF_DW) && !in[i].src_reg &&
		    (uint32_t)in[i].imm == (uint32_t)COOKIE_HERE &&
		    (uint32_t)in[i + 1].imm == COOKIE_HERE >> 32) {
			in[i].imm = (uint32_t)cookie;
			in[i + 1].imm = cookie >> 32;
			return 0;
		}
	return -ENOENT;
}

static int copy_with(struct bpf_program *prog, uint64_t cookie)
{
	size_t n = bpf_program__insn_cnt(prog);
	_cleanup_free_ struct bpf_insn *in = calloc(n, sizeof(*in));
	int r;

	if (!in)
		return -ENOMEM;
	memcpy(in, bpf_program__insns(prog), n * sizeof(*in));
	r = put_cookie(in, n, cookie);
	if (r)
		return r;
	r = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "tls_copy", "GPL", in, n, NULL);
	return r < 0 ? -errno : r;
}

static uint64_t copied(uint64_t cookie) /* without the image's index */
{
	return cookie & 0xffffffffffffull;
}

static int find(uint64_t cookie)
{
	int fd = -ENOENT;

	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < copies_n && fd < 0; i++)
		if (copies[i].cookie == copied(cookie))
			fd = copies[i].fd;
	pthread_mutex_unlock(&lock);
	return fd;
}

int bpf_copy_of(struct bpf_program *prog, uint64_t cookie)
{
	int fd = find(cookie);

	if (fd >= 0)
		return fd;
	fd = copy_with(prog, copied(cookie));
	if (fd < 0)
		return fd;
	pthread_mutex_lock(&lock);
	if (copies_n == COPIES_MAX) {
		close(fd);
		fd = -ENOSPC;
	} else {
		copies[copies_n].cookie = copied(cookie);
		copies[copies_n++].fd = fd;
	}
	pthread_mutex_unlock(&lock);
	return fd;
}

static void *load_all(void *unused)
{
	size_t i = 0;
	int r = 0;

	while (i < loader.n && r >= 0 && !__atomic_load_n(&loader.stop, __ATOMIC_RELAXED))
		r = bpf_copy_of(loader.prog, loader.cookie[i++]);
	pthread_mutex_lock(&lock);
	if (r < 0) {
		loader.error = r;
		loader.failed = loader.cookie[i - 1];
	}
	loader.runs = false;
	pthread_mutex_unlock(&lock);
	return NULL;
}

static bool loader_runs(void)
{
	bool runs;

	pthread_mutex_lock(&lock);
	runs = loader.runs;
	pthread_mutex_unlock(&lock);
	if (!runs && loader.begun)
		pthread_join(loader.thread, NULL);
	loader.begun &= runs;
	return runs;
}

int bpf_copies_prepare(struct bpf_program *prog, const uint64_t *cookie, size_t n)
{
	int r;

	if (loader_runs())
		return -EAGAIN;
	loader.prog = prog;
	loader.n = 0;
	for (size_t i = 0; i < n && loader.n < COPIES_MAX; i++) {
		if (find(cookie[i]) >= 0)
			continue;
		if (loader.error && loader.failed == copied(cookie[i])) {
			r = loader.error;
			loader.error = 0;
			return r;
		}
		loader.cookie[loader.n++] = copied(cookie[i]);
	}
	if (!loader.n)
		return 0;
	loader.runs = true;
	r = pthread_create(&loader.thread, NULL, load_all, NULL);
	loader.begun = !r;
	loader.runs = !r;
	return r ? -r : -EAGAIN;
}

void bpf_copies_free(void)
{
	__atomic_store_n(&loader.stop, true, __ATOMIC_RELAXED);
	if (loader.begun)
		pthread_join(loader.thread, NULL);
	loader.begun = loader.stop = false;
	while (copies_n)
		close(copies[--copies_n].fd);
}
