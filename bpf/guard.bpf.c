// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * The agent's own protection, and the kernel's note of its end.
 *
 * With BPF LSM, only the agent's processes get descriptors of its maps and programs, change its links,
 * attach to its memory, or write, rename and remove what is in its folders and pins; and they end by
 * an orderly signal of root, or by the service manager (process 1), not by SIGKILL of anybody.
 * `guard_now.until_ns` is a window in which all that is allowed: the keeper opens it for an operator.
 *
 * Who is the agent: its first process, what it forks, and, after it was killed, its program file
 * (guard_exe) when root starts it with an environment that does not make other code run in it. So a
 * keeper that starts again gets at its pins, and nobody else does.
 *
 * A link in itself has no hook. One that somebody opens by its pin can do nothing: lsm/bpf refuses to
 * update or detach it.
 *
 * guard_exit is attached on every kernel. It runs before the descriptors of a dead process are closed,
 * so what depends on the agent being alive (gate.alive_ns) knows before the first probe goes.
 *
 * Every hook begins with what is cheapest and most often says "not ours".
 */
#include "lib/deny.h"
#include "proto/guard.h"

#define EPERM 1
#define FMODE_WRITE 2
#define PTRACE_MODE_ATTACH 2
#define PF_KTHREAD 0x00200000
#define LONG_AGO 1
#define SIGHUP 1
#define SIGINT 2
#define SIGTERM 15
#define SIGCONT 18

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct guard_now);
} guard_now SEC(".maps");

/* Keeper, worker, recorder, resolver and its children, and those of a keeper that is starting. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} guard_procs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, GUARD_EXES);
	__type(key, __u32);
	__type(value, struct guard_exe);
} guard_exe SEC(".maps");

/* Some 60 maps, 60 programs and 40 links, with room. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, __u32);
} guard_objects SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct guard_inode);
	__type(value, __u32);
} guard_inodes SEC(".maps");

static __always_inline struct guard_now *now_of(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&guard_now, &zero);
}

/* --- who --------------------------------------------------------------------------------------- */

static __always_inline bool is_agent(struct task_struct *t)
{
	__u32 tgid = BPF_CORE_READ(t, tgid);
	__u64 *start = bpf_map_lookup_elem(&guard_procs, &tgid);

	return start && *start == task_start(t) / KRULE_TICK_NS;
}

static __always_inline bool trusted(void)
{
	struct task_struct *t = (void *)bpf_get_current_task();
	struct guard_now *g = now_of();

	return !g || g->until_ns > bpf_ktime_get_boot_ns() || is_agent(t) ||
	       BPF_CORE_READ(t, flags) & PF_KTHREAD;
}

static __always_inline bool is_init(void)
{
	return bpf_get_current_pid_tgid() >> 32 == 1;
}

/* what: one of the texts below. */
static __noinline int refuse(const char *what, __u64 subject)
{
	struct guard_now *g = now_of();
	struct deny d = {};

	if (g)
		__sync_fetch_and_add(&g->refused, 1);
	deny_me(&d);
	d.subject = subject;
	d.hook = GATE_AT_GUARD;
	d.mechanism = GATE_LSM_GUARD;
	deny_tell(&d, what);
	return -EPERM;
}

static const char t_map[] = "descriptor of a map", t_prog[] = "descriptor of a program",
		  t_link[] = "change of a link", t_ptrace[] = "access to the agent's memory",
		  t_kill[] = "signal to the agent", t_write[] = "write to the agent's files",
		  t_read[] = "read of the agent's keys", t_mount[] = "mount over the agent's files";

/* --- the agent's processes ----------------------------------------------------------------------- */

static __always_inline void add(struct task_struct *t)
{
	__u32 tgid = BPF_CORE_READ(t, tgid);
	__u64 start = task_start(t) / KRULE_TICK_NS;

	bpf_map_update_elem(&guard_procs, &tgid, &start, BPF_ANY);
}

SEC("raw_tp/sched_process_fork")
int guard_fork(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *child = (void *)ctx->args[1];

	if (BPF_CORE_READ(child, pid) == BPF_CORE_READ(child, tgid) &&
	    is_agent((void *)ctx->args[0]))
		add(child);
	return 0;
}

static __always_inline bool exe_known(struct inode *i)
{
	__u64 dev = BPF_CORE_READ(i, i_sb, s_dev), ino = BPF_CORE_READ(i, i_ino);
	__u32 generation = BPF_CORE_READ(i, i_generation);

	for (__u32 k = 0; k < GUARD_EXES; k++) {
		__u32 key = k;
		struct guard_exe *e = bpf_map_lookup_elem(&guard_exe, &key);

		if (e && e->ino == ino && e->dev == dev &&
		    (!e->generation || e->generation == generation))
			return true;
	}
	return false;
}

static __always_inline bool starts(const char *s, const char *with, int n)
{
	for (int i = 0; i < n; i++)
		if (s[i] != with[i])
			return false;
	return true;
}

/* Variables that make a program load code it was not linked with. */
static __always_inline bool env_harmless(struct task_struct *t)
{
	__u64 at = BPF_CORE_READ(t, mm, env_start), end = BPF_CORE_READ(t, mm, env_end);
	char s[256];

	for (int i = 0; i < GUARD_ENV_MAX; i++) {
		long n;

		if (at >= end)
			return true;
		n = bpf_probe_read_user_str(s, sizeof(s), (void *)at);
		if (n <= 0 || n >= (long)sizeof(s))
			return false; /* too long to go on behind it */
		if (starts(s, "LD_", 3) || starts(s, "GLIBC_", 6) || starts(s, "OPENSSL_", 8) ||
		    starts(s, "GCONV_", 6) || starts(s, "LOCPATH", 7))
			return false;
		at += n;
	}
	return false;
}

SEC("raw_tp/sched_process_exec")
int guard_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *t = (void *)ctx->args[0];
	struct linux_binprm *bprm = (void *)ctx->args[2];
	__u32 tgid = BPF_CORE_READ(t, tgid);

	if (!exe_known(BPF_CORE_READ(bprm, file, f_inode))) {
		if (is_agent(t)) /* of an agent's process that became another program */
			bpf_map_delete_elem(&guard_procs, &tgid);
		return 0;
	}
	if (!is_agent(t) && !BPF_CORE_READ(t, cred, uid.val) &&
	    !BPF_CORE_READ(t, cred, user_ns, level) && env_harmless(t))
		add(t);
	return 0;
}

/* Whether the last thread of its group is ending. */
static __always_inline bool whole_group(struct task_struct *t)
{
	return !BPF_CORE_READ(t, signal, live.counter);
}

SEC("raw_tp/sched_process_exit")
int guard_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *t = (void *)ctx->args[0];
	__u32 tgid = BPF_CORE_READ(t, tgid), zero = 0;
	struct gate_settings *settings;
	struct shared *s = shared_of();
	struct guard_now *g = now_of();
	bool ours = false;

	for (int i = 0; s && i < 8; i++)
		ours |= s->self[i] == tgid;
	if (!ours || !whole_group(t))
		return 0;
	for (int i = 0; s && i < 8; i++) /* its number is anybody's from now on */
		if (s->self[i] == tgid)
			s->self[i] = 0;
	bpf_map_delete_elem(&guard_procs, &tgid);
	if (!g || g->keeper != tgid)
		return 0;
	g->gone_ns = bpf_ktime_get_boot_ns();
	g->keeper = 0;
	settings = bpf_map_lookup_elem(&gate, &zero);
	if (settings)
		settings->alive_ns = LONG_AGO;
	return 0;
}

/* --- BPF objects ----------------------------------------------------------------------------------- */

static __always_inline bool ours(__u32 kind, __u32 id)
{
	__u64 key = GUARD_OBJECT(kind, id);

	return bpf_map_lookup_elem(&guard_objects, &key);
}

SEC("lsm/bpf_map")
int BPF_PROG(guard_bpf_map, struct bpf_map *map, fmode_t mode)
{
	__u32 id = BPF_CORE_READ(map, id);

	return ours(GUARD_MAP, id) && !trusted() ? refuse(t_map, id) : 0;
}

SEC("lsm/bpf_prog")
int BPF_PROG(guard_bpf_prog, struct bpf_prog *prog)
{
	__u32 id = BPF_CORE_READ(prog, aux, id);

	return ours(GUARD_PROG, id) && !trusted() ? refuse(t_prog, id) : 0;
}

/* Of whatever file it is: what is no link has no such id, or the kernel refuses it itself. */
static __always_inline __u32 link_of(__u32 fd)
{
	struct task_struct *t = (void *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(t, files, fdt);
	struct bpf_link *link;
	struct file **files = BPF_CORE_READ(table, fd), *f = NULL;

	if (fd >= BPF_CORE_READ(table, max_fds) ||
	    bpf_probe_read_kernel(&f, sizeof(f), &files[fd]) || !f)
		return 0;
	link = BPF_CORE_READ(f, private_data);
	return link ? BPF_CORE_READ(link, id) : 0;
}

SEC("lsm/bpf")
int BPF_PROG(guard_bpf, int cmd, union bpf_attr *attr, unsigned int size)
{
	__u32 first = 0; /* the id, or the link's descriptor */

	if (cmd != BPF_LINK_GET_FD_BY_ID && cmd != BPF_LINK_UPDATE && cmd != BPF_LINK_DETACH)
		return 0;
	if (bpf_probe_read_kernel(&first, sizeof(first), attr))
		return 0;
	if (cmd != BPF_LINK_GET_FD_BY_ID)
		first = link_of(first);
	return first && ours(GUARD_LINK, first) && !trusted() ? refuse(t_link, first) : 0;
}

/* --- memory and life -------------------------------------------------------------------------------- */

SEC("lsm/ptrace_access_check")
int BPF_PROG(guard_ptrace, struct task_struct *child, unsigned int mode)
{
	if (!(mode & PTRACE_MODE_ATTACH) || !is_agent(child) || trusted())
		return 0;
	return refuse(t_ptrace, BPF_CORE_READ(child, tgid));
}

static __always_inline bool orderly(int sig)
{
	return sig == SIGTERM || sig == SIGINT || sig == SIGHUP || sig == SIGCONT;
}

SEC("lsm/task_kill")
int BPF_PROG(guard_kill, struct task_struct *p, struct kernel_siginfo *info, int sig,
	     const struct cred *cred)
{
	if (!sig || !is_agent(p) || is_init() || trusted())
		return 0;
	if (orderly(sig) && !(__u32)bpf_get_current_uid_gid())
		return 0;
	return refuse(t_kill, BPF_CORE_READ(p, tgid));
}

/* --- files ----------------------------------------------------------------------------------------- */

static __always_inline __u32 flags_of(struct dentry *d)
{
	struct inode *i = BPF_CORE_READ(d, d_inode);
	struct guard_inode k = {};
	__u32 *flags;

	if (!i)
		return 0; /* not there yet */
	k.ino = BPF_CORE_READ(i, i_ino);
	k.dev = BPF_CORE_READ(i, i_sb, s_dev);
	flags = bpf_map_lookup_elem(&guard_inodes, &k);
	return flags ? *flags : 0;
}

/* Flags of the nearest marked folder above, with those of itself. */
static __noinline __u32 marked(struct dentry *d)
{
	__u32 flags = flags_of(d);

	for (int i = 0; i < GUARD_DEPTH && !(flags & GUARD_TREE); i++) {
		struct dentry *up = BPF_CORE_READ(d, d_parent);

		if (!up || up == d)
			break;
		d = up;
		flags |= flags_of(d) & GUARD_TREE;
	}
	return flags;
}

static __always_inline int writes(struct dentry *d)
{
	if (!(marked(d) & GUARD_TREE) || is_init() || trusted())
		return 0;
	return refuse(t_write, BPF_CORE_READ(d, d_inode, i_ino));
}

static __always_inline int moves(struct dentry *d)
{
	if (!(marked(d) & (GUARD_TREE | GUARD_ANCESTOR)) || is_init() || trusted())
		return 0;
	return refuse(t_write, BPF_CORE_READ(d, d_inode, i_ino));
}

SEC("lsm/file_open")
int BPF_PROG(guard_file_open, struct file *file)
{
	struct dentry *d = BPF_CORE_READ(file, f_path.dentry);

	if (BPF_CORE_READ(file, f_mode) & FMODE_WRITE)
		return writes(d);
	if (!(flags_of(d) & GUARD_SECRET) || trusted())
		return 0;
	return refuse(t_read, BPF_CORE_READ(d, d_inode, i_ino));
}

SEC("lsm/inode_unlink")
int BPF_PROG(guard_unlink, struct inode *dir, struct dentry *d)
{
	return writes(d);
}

SEC("lsm/inode_rmdir")
int BPF_PROG(guard_rmdir, struct inode *dir, struct dentry *d)
{
	return moves(d);
}

SEC("lsm/inode_create")
int BPF_PROG(guard_create, struct inode *dir, struct dentry *d)
{
	return writes(d);
}

SEC("lsm/inode_mkdir")
int BPF_PROG(guard_mkdir, struct inode *dir, struct dentry *d)
{
	return writes(d);
}

SEC("lsm/inode_mknod")
int BPF_PROG(guard_mknod, struct inode *dir, struct dentry *d)
{
	return writes(d);
}

SEC("lsm/inode_symlink")
int BPF_PROG(guard_symlink, struct inode *dir, struct dentry *d)
{
	return writes(d);
}

/* A second name would be a way around the folder's. */
SEC("lsm/inode_link")
int BPF_PROG(guard_link, struct dentry *from, struct inode *dir, struct dentry *to)
{
	return writes(from) ?: writes(to);
}

SEC("lsm/inode_rename")
int BPF_PROG(guard_rename, struct inode *from_dir, struct dentry *from, struct inode *to_dir,
	     struct dentry *to)
{
	return moves(from) ?: writes(to);
}

SEC("lsm/path_truncate")
int BPF_PROG(guard_truncate, const struct path *path)
{
	return writes(BPF_CORE_READ(path, dentry));
}

SEC("lsm/path_chmod")
int BPF_PROG(guard_chmod, const struct path *path)
{
	return writes(BPF_CORE_READ(path, dentry));
}

static __always_inline int covers(const struct path *path)
{
	struct dentry *d = BPF_CORE_READ(path, dentry);
	struct guard_now *g = now_of();
	__u64 dev = BPF_CORE_READ(d, d_sb, s_dev);

	if (!(marked(d) & (GUARD_TREE | GUARD_ANCESTOR)) && (!g || dev != g->pins_dev))
		return 0;
	return is_init() || trusted() ? 0 : refuse(t_mount, dev);
}

SEC("lsm/sb_mount")
int BPF_PROG(guard_mount, const char *dev, const struct path *path)
{
	return covers(path);
}

SEC("lsm/move_mount")
int BPF_PROG(guard_move_mount, const struct path *from, const struct path *to)
{
	return covers(from) ?: covers(to);
}

SEC("lsm/sb_umount")
int BPF_PROG(guard_umount, struct vfsmount *mnt, int flags)
{
	struct guard_now *g = now_of();
	__u64 dev = BPF_CORE_READ(mnt, mnt_sb, s_dev);

	if (!g || !dev || dev != g->pins_dev || is_init() || trusted())
		return 0;
	return refuse(t_mount, dev);
}
