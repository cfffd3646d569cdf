// SPDX-License-Identifier: Apache-2.0
/*
 * Kernels without attach cookies (before 5.15) cannot tell a program which of its probes fired. There
 * each cookie in use gets a copy of a few instructions that know it and go on to the TLS program, which is
 * loaded once (bpf/tls_old.bpf.c). A copy is made from the instructions that libbpf has already fitted to
 * this kernel. The last COPIES_MAX are kept for the next process with that library; a probe holds its own.
 */
#include "bpf_copies.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define COOKIE_HERE 0x7072626379636b69ull /* of bpf/tls_old.bpf.c */
#define COPIES_MAX 1024

static struct {
	uint64_t cookie;
	int fd;
} copies[COPIES_MAX];
static unsigned copies_n, oldest;

int bpf_copies_open(struct bpf_object *obj)
{
	int fd = bpf_program__fd(bpf_object__find_program_by_name(obj, "tls_old_sites"));
	uint32_t zero = 0;

	return bpf_map_update_elem(bpf_object__find_map_fd_by_name(obj, "old_sites"), &zero, &fd, 0)
		       ? -errno
		       : 0;
}

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

static int copy_with(const struct bpf_program *prog, uint64_t cookie)
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

int bpf_copy_of(const struct bpf_program *prog, uint64_t cookie)
{
	unsigned i;
	int fd;

	for (i = 0; i < copies_n; i++)
		if (copies[i].cookie == cookie)
			return copies[i].fd;
	fd = copy_with(prog, cookie);
	if (fd < 0)
		return fd;
	if (copies_n < COPIES_MAX) {
		i = copies_n++;
	} else {
		i = oldest;
		oldest = (oldest + 1) % COPIES_MAX;
		close(copies[i].fd);
	}
	copies[i].cookie = cookie;
	copies[i].fd = fd;
	return fd;
}

void bpf_copies_free(void)
{
	while (copies_n)
		close(copies[--copies_n].fd);
	oldest = 0;
}
