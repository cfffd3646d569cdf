// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: what the kernel answers when asked. Flows out: which variant of the TLS program is
 * loaded, and its probes by perf event.
 */
#include "bpf_variant.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <asm/ptrace.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/bpf_copies.h"
#include "base/cleanup.h"
#include "proto/event.h"

/* --- what the kernel has ---------------------------------------------------------------------- */

static bool has_helper(enum bpf_prog_type type, enum bpf_func_id id)
{
	return libbpf_probe_bpf_helper(type, id, NULL) == 1;
}

static bool can_sleep(void)
{
	struct bpf_insn in[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, o, .prog_flags = BPF_F_SLEEPABLE);
	_cleanup_close_ int fd =
		bpf_prog_load(BPF_PROG_TYPE_KPROBE, "sleeps", "GPL", in, ARRAY_SIZE(in), &o);

	return fd >= 0;
}

/* ip = ip: allowed from 6.19 on. */
static bool can_set_registers(void)
{
#ifdef __x86_64__
	const int ip = offsetof(struct pt_regs, rip);
	struct bpf_insn in[] = {
		{.code = BPF_LDX | BPF_MEM | BPF_DW, .dst_reg = 2, .src_reg = 1, .off = ip},
		{.code = BPF_STX | BPF_MEM | BPF_DW, .dst_reg = 1, .src_reg = 2, .off = ip},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, o, .prog_flags = BPF_F_SLEEPABLE);
	_cleanup_close_ int fd =
		bpf_prog_load(BPF_PROG_TYPE_KPROBE, "sets_ip", "GPL", in, ARRAY_SIZE(in), &o);

	return fd >= 0;
#else
	return false;
#endif
}

enum bpf_variant bpf_variant_probe(void)
{
	if (!has_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_get_attach_cookie) ||
	    !has_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_loop))
		return BPF_VARIANT_OLD;
	if (!can_sleep())
		return BPF_VARIANT_PLAIN;
	return can_set_registers() ? BPF_VARIANT_REEXEC : BPF_VARIANT_SLEEPS;
}

bool bpf_has_task_regs(void)
{
	return has_helper(BPF_PROG_TYPE_RAW_TRACEPOINT, BPF_FUNC_task_pt_regs);
}

const char *bpf_variant_program(enum bpf_variant v)
{
	static const char *const names[] = {
		[BPF_VARIANT_OLD] = "tls_old",
		[BPF_VARIANT_PLAIN] = "tls",
		[BPF_VARIANT_SLEEPS] = "tls_sleep",
		[BPF_VARIANT_REEXEC] = "tls_reexec",
	};

	return names[v];
}

const char *bpf_variant_note(enum bpf_variant v)
{
	static const char *const notes[] = {
		[BPF_VARIANT_OLD] =
			"no attach cookies: a few instructions of its own at each site; a full "
			"ring is a gap",
		[BPF_VARIANT_PLAIN] = "no sleepable uprobes: a full ring is a gap",
		[BPF_VARIANT_SLEEPS] = "calls wait for room in the ring",
		[BPF_VARIANT_REEXEC] = "calls wait for room in the ring, or are made again",
	};

	return notes[v];
}

/* --- probes ------------------------------------------------------------------------------------ */

static int uprobe_type(void)
{
	_cleanup_fclose_ FILE *f = fopen("/sys/bus/event_source/devices/uprobe/type", "re");
	int type;

	return f && fscanf(f, "%d", &type) == 1 ? type : -EOPNOTSUPP;
}

static int open_event(const char *path, uint64_t offset, pid_t pid)
{
	struct perf_event_attr a = {
		.size = sizeof(a),
		.config1 = (uintptr_t)path,
		.config2 = offset,
	};
	int type = uprobe_type(), fd;

	if (type < 0)
		return type;
	a.type = type;
	fd = syscall(SYS_perf_event_open, &a, pid ?: -1, pid ? -1 : 0, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static bool is_old(const struct bpf_program *prog)
{
	return !strcmp(bpf_program__name(prog), bpf_variant_program(BPF_VARIANT_OLD));
}

int bpf_uprobe(struct bpf_program *prog, const char *path, uint64_t offset, uint64_t cookie,
	       pid_t pid)
{
	bool old = is_old(prog);
	LIBBPF_OPTS(bpf_link_create_opts, o, .perf_event.bpf_cookie = cookie);
	_cleanup_close_ int event = open_event(path, offset, pid);
	int fd;

	if (event < 0)
		return event;
	fd = old ? bpf_copy_of(prog, cookie)
		 : bpf_link_create(bpf_program__fd(prog), event, BPF_PERF_EVENT, &o);
	if (fd < 0)
		return old ? fd : -errno;
	if (old) {
		if (ioctl(event, PERF_EVENT_IOC_SET_BPF, fd) < 0)
			return -errno;
		fd = TAKE_FD(event);
	}
	if (ioctl(old ? fd : event, PERF_EVENT_IOC_ENABLE, 0) < 0) {
		close(fd);
		return -errno;
	}
	return fd;
}
