// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * The exec gate. One verdict (lib/exec.h), at the earliest place this kernel has for it; the keeper
 * loads one of the first four:
 *
 *   exec_check_sleep  lsm.s/bprm_check_security: a file nobody has looked at waits for the keeper, a
 *                     bounded time, so that the first exec after an installation is judged as well
 *   exec_check        lsm/bprm_check_security: no wait
 *   exec_modify       fmod_ret/security_bprm_check: kernels without LSM programs in force
 *   exec_signal       sched_process_exec: the image is killed before its first instruction
 *
 * and beside the first three exec_script at sched_process_exec, for what is known by the command line
 * alone: packages and modules that launchers and `python -m` name (lib/names.h), scripts where no hook
 * sees what an interpreter opens; and who has to wait for a tool call to be judged (lib/exec_stop.h).
 *
 * The first three see each file of an exec by itself: the script, then its interpreter. The last sees
 * only the interpreter; scripts are known to it by the path they are called by, absolute or relative to
 * the caller's folder (`exec_paths`): the first word that is no option and too long for a verb. What
 * that misses the keeper looks at, late.
 *
 * exec_open: what a young interpreter opens. `node x.js` executes x.js without the kernel being asked
 * whether that may run. Young is YOUNG_NS, because later the same file may be opened as data; a file
 * opened for writing is data. exec_map and exec_protect: what ld.so or dlopen would run without an
 * exec. Anonymous memory may become executable, because JITs live by that; so a program that is
 * allowed may still interpret what it likes.
 *
 * A file nobody has looked at is told to the keeper (EVENT_EXEC_ASK), which looks at it next. No
 * verdict needs the ring.
 */
#include "lib/exec_stop.h"
#include "lib/names.h"

#define YOUNG_NS 10000000000ull
#define WORDS 6 /* of a command line that are looked at for a script */
#define VERB 6	/* bytes of a word that may be one: `bun run x.js` */
#define FMODE_WRITE 2
#define STEPS_MAX (1 << 22) /* of a wait; the time ends it long before */

char LICENSE[] SEC("license") = "GPL"; /* the one of our two that the kernel asks for */

/* Interpreters since their exec. Those who started none for long are forgotten first. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32); /* tgid */
	__type(value, __u64);
} exec_young SEC(".maps");

static __noinline int ask_keeper(const struct look *l, const char *path)
{
	struct event_exec_ask *e;

	if (!l)
		return 0;
	e = bpf_ringbuf_reserve(&control, sizeof(*e), 0);
	if (!e) {
		drop(DROP_CTL_FULL);
		return 0;
	}
	head(&e->h, EVENT_EXEC_ASK, sizeof(*e));
	e->h.start_ns = task_start((void *)bpf_get_current_task());
	e->dev = l->key.dev;
	e->ino = l->key.ino;
	e->ctime_ns = l->ctime_ns;
	e->size = l->size;
	e->path[0] = 0;
	bpf_probe_read_kernel_str(e->path, sizeof(e->path), path);
	bpf_ringbuf_submit(e, 0);
	return 0;
}

static __always_inline void note_young(const struct look *l)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	__u64 now;

	if (!(l->flags & EXEC_INTERPRETER))
		return;
	now = bpf_ktime_get_boot_ns();
	bpf_map_update_elem(&exec_young, &tgid, &now, BPF_ANY);
}

static __always_inline int check(struct linux_binprm *bprm, struct look *l,
				 const struct exec_settings *s, __u32 mechanism)
{
	const char *path = BPF_CORE_READ(bprm, interp); /* of the file in hand, also of a script */
	__u64 who = who_bits(s, l);

	count(EXEC_CHECKED);
	note_young(l);
	return verdict(l, s, bits_on(l, s, who),
		       l->flags & EXEC_SCRIPT ? GATE_AT_SCRIPT : GATE_AT_EXEC, mechanism, path);
}

static __always_inline int check_now(struct linux_binprm *bprm, __u32 mechanism)
{
	const struct exec_settings *s = settings();
	struct look l = {};

	if (!s || never())
		return 0;
	look_at(&l, BPF_CORE_READ(bprm, file));
	if (!find_file(&l, s->generation)) {
		count(EXEC_UNKNOWN);
		ask_keeper(&l, BPF_CORE_READ(bprm, interp));
	}
	return check(bprm, &l, s, mechanism);
}

SEC("lsm/bprm_check_security")
int BPF_PROG(exec_check, struct linux_binprm *bprm)
{
	return check_now(bprm, GATE_LSM_EXEC) ? -EACCES : 0;
}

SEC("fmod_ret/security_bprm_check")
int BPF_PROG(exec_modify, struct linux_binprm *bprm)
{
	return check_now(bprm, GATE_FMOD_EXEC) ? -EACCES : 0;
}

/* --- waiting for the keeper --------------------------------------------------------------------- */

struct wait {
	struct look look;
	__u64 until, user; /* user: an address of the process; reading it lets others run */
};

static long wait_step(__u32 i, void *p)
{
	const struct exec_settings *s = settings();
	struct wait *w = p;
	char c;

	if (!s || find_file(&w->look, s->generation))
		return 1;
	bpf_copy_from_user(&c, 1, (void *)w->user);
	return bpf_ktime_get_ns() >= w->until;
}

static __always_inline void wait_for_keeper(struct wait *w, __u32 us)
{
	__u32 zero = 0;
	struct tally *t = bpf_map_lookup_elem(&tally, &zero);
	struct shared *sh = shared_of();

	if (!t || !sh || !us)
		return;
	/* One CPU is left for who answers. */
	if (__sync_fetch_and_add(&t->waiters, 1) >= sh->waiters_max) {
		__sync_fetch_and_add(&t->waiters, -1);
		return;
	}
	count(EXEC_WAITED);
	w->until = bpf_ktime_get_ns() + 1000ull * us;
	w->user = BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), mm, arg_start);
	bpf_loop(STEPS_MAX, wait_step, w, 0);
	if (!w->look.flags)
		count(EXEC_EXPIRED);
	__sync_fetch_and_add(&t->waiters, -1);
}

SEC("lsm.s/bprm_check_security")
int BPF_PROG(exec_check_sleep, struct linux_binprm *bprm)
{
	const struct exec_settings *s = settings();
	struct wait w = {};

	if (!s || never())
		return 0;
	look_at(&w.look, BPF_CORE_READ(bprm, file));
	if (!find_file(&w.look, s->generation)) {
		count(EXEC_UNKNOWN);
		ask_keeper(&w.look, BPF_CORE_READ(bprm, interp));
		wait_for_keeper(&w, s->wait_us);
	}
	return check(bprm, &w.look, s, GATE_LSM_EXEC) ? -EACCES : 0;
}

/* --- without any of these ------------------------------------------------------------------------ */

struct words {
	struct exec_path path;
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct words);
} exec_words SEC(".maps");

/* Of the path in w. */
static __noinline int find_path(struct words *w, struct look *l, __u64 generation)
{
	struct exec_path_value *v;
	struct inode *dir;

	if (!w || !l)
		return 0;
	if (w->path.path[0] != '/') {
		dir = BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), fs, pwd.dentry,
				    d_inode);
		w->path.dir.ino = BPF_CORE_READ(dir, i_ino);
		w->path.dir.dev = BPF_CORE_READ(dir, i_sb, s_dev);
	}
	v = bpf_map_lookup_elem(&exec_paths, &w->path);
	if (!v || !rules_of(v->v.of, generation, &l->bits))
		return 0;
	l->flags = v->v.flags;
	l->key = v->file;
	l->nlink = 1;
	return 1;
}

/* The script of a #! line, which the interpreter has taken the place of; and the one in the command
 * line of an interpreter. What lies behind it is its data. */
static __always_inline bool find_script(struct look *l, struct linux_binprm *bprm,
					struct task_struct *t, __u64 generation)
{
	const char *name = BPF_CORE_READ(bprm, filename);
	__u64 at = BPF_CORE_READ(t, mm, arg_start), end = BPF_CORE_READ(t, mm, arg_end);
	__u32 zero = 0;
	struct words *w = bpf_map_lookup_elem(&exec_words, &zero);

	if (!w)
		return false;
	if (name != BPF_CORE_READ(bprm, interp)) {
		__builtin_memset(w, 0, sizeof(*w));
		if (bpf_probe_read_kernel_str(w->path.path, sizeof(w->path.path), name) > 0 &&
		    find_path(w, l, generation))
			return true;
	}
	for (int i = 0; i < WORDS; i++) {
		long n;

		if (at >= end)
			break;
		__builtin_memset(w, 0, sizeof(*w));
		n = bpf_probe_read_user_str(w->path.path, sizeof(w->path.path), (void *)at);
		if (n <= 0)
			break;
		at += n;
		if (!i || w->path.path[0] == '-')
			continue;
		if (find_path(w, l, generation))
			return true;
		if (n > VERB)
			break;
	}
	return false;
}

static __always_inline int check_script(struct bpf_raw_tracepoint_args *ctx,
					const struct exec_settings *s)
{
	struct linux_binprm *bprm = (void *)ctx->args[2];
	struct look l = {};
	__u32 zero = 0;
	struct words *w = bpf_map_lookup_elem(&exec_words, &zero);

	if (!w || !find_script(&l, bprm, (void *)ctx->args[0], s->generation))
		return 0;
	stop_for(s, &l, GATE_AT_SCRIPT, w->path.path);
	return verdict(&l, s, bits_on(&l, s, who_bits(s, &l)), GATE_AT_SCRIPT, GATE_SIGNAL_EXEC,
		       w->path.path);
}

/* What rules say of the name that was found. By itself, as the functions of names.h are. */
__weak __noinline int name_refused(void)
{
	const struct exec_settings *s = settings();
	struct line *n = line_of();
	struct look *l;

	if (!s || !n)
		return 0;
	l = &n->look;
	__builtin_memset(l, 0, sizeof(*l));
	l->key = n->file;
	l->bits = n->rules;
	l->flags = EXEC_KNOWN | BY_NAME;
	n->rules = 0;
	stop_for(s, l, GATE_AT_SCRIPT, n->name);
	return verdict(l, s, bits_on(l, s, who_bits(s, l)), GATE_AT_SCRIPT, GATE_SIGNAL_EXEC,
		       n->name);
}

/* Packages and modules: of no file, or of one that need not be what this interpreter finds. */
static __always_inline int check_names(struct bpf_raw_tracepoint_args *ctx,
				       const struct exec_settings *s, __u32 starts)
{
	struct line *n = names_begin((void *)ctx->args[0], starts, s->generation);

	if (!n)
		return 0;
	count(EXEC_NAMED);
	for (int i = 0; i < EXEC_LINE_WORDS && n->state; i++) {
		name_step();
		if (n->rules && name_refused())
			return 1;
	}
	return 0;
}

/* The last word on this image: it ends, or waits, or begins. */
static __always_inline void settle(const struct exec_settings *s, int refused)
{
	if (!refused)
		stop_now(s);
	else if (bpf_send_signal(SIGKILL))
		drop(DROP_SIGNAL);
}

SEC("raw_tp/sched_process_exec")
int exec_signal(struct bpf_raw_tracepoint_args *ctx)
{
	struct linux_binprm *bprm = (void *)ctx->args[2];
	const struct exec_settings *s = settings();
	struct look l = {};
	int refused;

	if (!s || never())
		return 0;
	look_at(&l, BPF_CORE_READ(bprm, file));
	if (!find_file(&l, s->generation)) {
		count(EXEC_UNKNOWN);
		ask_keeper(&l, BPF_CORE_READ(bprm, interp));
	}
	stop_begin(s);
	stop_for(s, &l, GATE_AT_EXEC, BPF_CORE_READ(bprm, interp));
	refused = check(bprm, &l, s, GATE_SIGNAL_EXEC);
	if (!refused && l.flags & EXEC_INTERPRETER)
		refused = check_script(ctx, s);
	if (!refused && l.starts)
		refused = check_names(ctx, s, l.starts);
	settle(s, refused);
	return 0;
}

/* Beside programs that have seen the image, and the script of a #! line, each by itself. */
SEC("raw_tp/sched_process_exec")
int exec_script(struct bpf_raw_tracepoint_args *ctx)
{
	struct linux_binprm *bprm = (void *)ctx->args[2];
	const struct exec_settings *s = settings();
	struct look l = {};
	int refused = 0;

	if (!s || never())
		return 0;
	look_at(&l, BPF_CORE_READ(bprm, file));
	find_file(&l, s->generation);
	stop_begin(s);
	stop_for(s, &l, GATE_AT_EXEC, BPF_CORE_READ(bprm, interp));
	if (l.flags & EXEC_INTERPRETER)
		refused = check_script(ctx, s);
	if (!refused && l.starts)
		refused = check_names(ctx, s, l.starts);
	settle(s, refused);
	return 0;
}

/* --- scripts and mappings ------------------------------------------------------------------------ */

SEC("lsm/file_open")
int BPF_PROG(exec_open, struct file *f)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	__u64 *since = bpf_map_lookup_elem(&exec_young, &tgid);
	const struct exec_settings *s;
	struct look l = {};

	if (!since || bpf_ktime_get_boot_ns() - *since > YOUNG_NS)
		return 0;
	s = settings();
	if (!s || BPF_CORE_READ(f, f_mode) & FMODE_WRITE || never())
		return 0;
	look_at(&l, f);
	if (!find_file(&l, s->generation) || !(l.flags & EXEC_SCRIPT))
		return 0;
	return verdict(&l, s, bits_on(&l, s, who_bits(s, &l)), GATE_AT_SCRIPT, GATE_LSM_OPEN,
		       BPF_CORE_READ(f, f_path.dentry, d_name.name))
		       ? -EACCES
		       : 0;
}

/* Only root could have put it there: a library of the system, which no list has to name. */
static __always_inline bool of_the_system(const struct look *l)
{
	return !l->uid && !(l->mode & S_IWGRP_OTH);
}

static __always_inline int check_mapping(struct file *f)
{
	const struct exec_settings *s = settings();
	struct look l = {};
	__u64 bits;

	if (!s || !f || never())
		return 0;
	look_at(&l, f);
	if (!find_file(&l, s->generation))
		bits = l.bits | (of_the_system(&l) ? 0 : s->allowlist);
	else if (l.flags & EXEC_ALWAYS)
		return 0;
	else
		bits = l.flags & EXEC_LIBRARY && of_the_system(&l) ? l.bits & ~s->allowlist
								   : l.bits;
	if (!bits)
		return 0;
	return verdict(&l, s, bits & who_bits(s, &l), GATE_AT_MAP, GATE_LSM_MMAP,
		       BPF_CORE_READ(f, f_path.dentry, d_name.name))
		       ? -EACCES
		       : 0;
}

SEC("lsm/mmap_file")
int BPF_PROG(exec_map, struct file *f, unsigned long reqprot, unsigned long prot)
{
	return prot & PROT_EXEC ? check_mapping(f) : 0;
}

SEC("lsm/file_mprotect")
int BPF_PROG(exec_protect, struct vm_area_struct *vma, unsigned long reqprot, unsigned long prot)
{
	return prot & PROT_EXEC ? check_mapping(BPF_CORE_READ(vma, vm_file)) : 0;
}
