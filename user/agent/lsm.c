// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: what the kernel answers to a program that does nothing. Flows out: which hooks are worth
 * loading programs for.
 *
 * A kernel may take LSM programs and never ask them: `bpf` has to be in its list of modules (lsm= on
 * the command line, or its default). Only the list tells, so it is read, from a mount of our own where
 * none is to be seen.
 *
 * All is found out at the first question, because a look into the kernel's types takes some
 * milliseconds to open them.
 */
#include "lsm.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/cleanup.h"

#define HOOK "bprm_check_security"
#define CALLED "security_bprm_check" /* the function that asks it */

static struct answers {
	bool known, sleeps, fmod_ret;
	const char *why; /* LSM programs are not in force; "" = they are */
} answers;

/* Of the function that a program of this kind is attached by, or 0. */
static int type_id(const struct btf *types, const char *prefix, const char *function)
{
	char name[128];
	int id = 0;

	if (types && snprintf(name, sizeof(name), "%s%s", prefix, function) < (int)sizeof(name))
		id = btf__find_by_name_kind(types, name, BTF_KIND_FUNC);
	return id > 0 ? id : 0;
}

/* Loads and attaches; 0 or -errno. */
static int try_program(enum bpf_prog_type type, enum bpf_attach_type at, int id)
{
	struct bpf_insn in[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, o, .expected_attach_type = at, .attach_btf_id = id);
	_cleanup_close_ int prog = -1, link = -1;

	if (!id)
		return -ENOENT;
	prog = bpf_prog_load(type, "probe", "GPL", in, ARRAY_SIZE(in), &o);
	if (prog < 0)
		return -errno;
	link = bpf_raw_tracepoint_open(NULL, prog);
	return link < 0 ? -errno : 0;
}

static int open_list(void)
{
	_cleanup_close_ int fs = -1, mount = -1;
	int fd = open("/sys/kernel/security/lsm", O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	fs = fsopen("securityfs", FSOPEN_CLOEXEC);
	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return -1;
	mount = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	return mount < 0 ? -1 : openat(mount, "lsm", O_RDONLY | O_CLOEXEC);
}

static bool listed(void)
{
	_cleanup_close_ int fd = open_list();
	char text[512] = ",", *at;
	ssize_t n = fd < 0 ? -1 : read(fd, text + 1, sizeof(text) - 3);

	if (n <= 0)
		return false;
	text[n + 1] = '\0';
	at = strchr(text, '\n');
	if (at)
		*at = '\0';
	strcat(text, ",");
	return strstr(text, ",bpf,");
}

/* Maps that allocate came to programs that sleep with 6.1; bpf_loop is older than that. */
static bool sleeps_with_maps(int id)
{
	LIBBPF_OPTS(bpf_map_create_opts, mo, .map_flags = BPF_F_NO_PREALLOC);
	_cleanup_close_ int map = bpf_map_create(BPF_MAP_TYPE_HASH, "probe", 4, 4, 1, &mo);
	struct bpf_insn in[] = {
		{.code = BPF_LD | BPF_IMM | BPF_DW,
		 .dst_reg = 1,
		 .src_reg = BPF_PSEUDO_MAP_FD,
		 .imm = map},
		{},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, o, .prog_flags = BPF_F_SLEEPABLE,
		    .expected_attach_type = BPF_LSM_MAC, .attach_btf_id = id);
	_cleanup_close_ int prog = -1;

	if (map < 0)
		return false;
	prog = bpf_prog_load(BPF_PROG_TYPE_LSM, "probe", "GPL", in, ARRAY_SIZE(in), &o);
	return prog >= 0;
}

static const struct answers *ask(void)
{
	struct btf *types;
	int hook, r;

	if (answers.known)
		return &answers;
	types = btf__load_vmlinux_btf();
	if (libbpf_get_error(types))
		types = NULL;
	hook = type_id(types, "bpf_lsm_", HOOK);
	r = try_program(BPF_PROG_TYPE_LSM, BPF_LSM_MAC, hook);
	answers.why = r == -ENOENT ? "this kernel is built without BPF LSM"
		      : r	   ? "this kernel refuses LSM programs"
		      : !listed()  ? "bpf is not in lsm= of this kernel"
				   : "";
	answers.sleeps = !*answers.why && sleeps_with_maps(hook);
	answers.fmod_ret =
		!try_program(BPF_PROG_TYPE_TRACING, BPF_MODIFY_RETURN, type_id(types, "", CALLED));
	answers.known = true;
	btf__free(types);
	return &answers;
}

bool lsm_in_force(const char **ret_why)
{
	const char *why = ask()->why;

	if (ret_why)
		*ret_why = why;
	return !*why;
}

bool lsm_sleeps(void)
{
	return ask()->sleeps;
}

bool fmod_ret_works(void)
{
	return ask()->fmod_ret;
}
