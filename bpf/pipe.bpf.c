// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * What tool servers are told and answer: the standard input and output of processes of AI tools'
 * trees (MARK_AI_TREE), where those are pipes or Unix stream sockets; who holds the other end; and
 * which files such processes open.
 *
 * One end is told, the server's: each byte of a channel passes there once, whatever the client
 * uses, so nothing is told twice and nothing has to be matched. A process's ends are the open files
 * that were its descriptors 0 and 1 when its image was first seen, so a duplicate of them counts
 * too. The client's end says only who writes it (for sockets: who made the pair).
 *
 * The hook is the return of a system call: arguments and result are there at once, and bytes are
 * told with the length really moved. It costs every system call of the host a look-up, so the keeper
 * attaches these programs only while a marked process lives. Both directions begin at offset 0 when the
 * exec was seen; otherwise the end is LATE. Bytes moved by splice or io_uring are not seen here.
 */
#include "lib/pipe.h"

char LICENSE[] SEC("license") = "GPL"; /* the one of our two that the kernel asks for */

#define IOV_MAX 8 /* parts of one vectored call; what is beyond is a gap */

static __u64 next_pipe;

static __always_inline bool marked(struct task_struct *t, __u32 tgid, __u64 start)
{
	struct proc_mark *m = bpf_map_lookup_elem(&proc_marks, &tgid);

	return m && m->marks & MARK_AI_TREE && m->ticks == start / KRULE_TICK_NS;
}

/* --- ends ------------------------------------------------------------------------------------- */

static __always_inline __u64 end_of(struct task_struct *t, __u32 fd)
{
	struct file *f = file_of(t, fd);

	return f && pipe_kind(f) ? (__u64)f : 0;
}

static __noinline int fill(struct stdio *e, struct task_struct *t)
{
	if (!e)
		return 0;
	e->in = end_of(t, 0);
	e->out = end_of(t, 1);
	e->filled = 1;
	if (e->in || e->out)
		e->conn.id = CONN_ID_PIPE | (__sync_fetch_and_add(&next_pipe, 1) + 1);
	if (!e->fresh)
		e->conn.flags = EVENT_F_LATE;
	return 0;
}

/* Has a frame of its own: the chain of calls behind a system call may have 512 bytes in all. */
static __noinline int begin_stdio(__u32 tgid, __u64 start)
{
	struct stdio fresh = {.ticks = start / KRULE_TICK_NS};

	fresh.conn.start_ns = start;
	return bpf_map_update_elem(&stdios, &tgid, &fresh, BPF_ANY);
}

static __always_inline struct stdio *stdio_of(struct task_struct *t, __u32 tgid, __u64 start)
{
	struct stdio *e = bpf_map_lookup_elem(&stdios, &tgid);

	if (!e || e->ticks != start / KRULE_TICK_NS) {
		begin_stdio(tgid, start);
		e = bpf_map_lookup_elem(&stdios, &tgid);
	}
	if (e && !e->filled)
		fill(e, t);
	return e;
}

/* A new image: its ends are whatever it finds as 0 and 1. */
SEC("raw_tp/sched_process_exec")
int pipe_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *t = (void *)ctx->args[0];
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	__u64 start = task_start(t);
	struct stdio e = {.ticks = start / KRULE_TICK_NS, .fresh = 1};

	if (!marked(t, tgid, start))
		return 0;
	e.conn.start_ns = start;
	bpf_map_update_elem(&stdios, &tgid, &e, BPF_ANY);
	return 0;
}

static __always_inline bool ignored(struct conn *c)
{
	__u32 slot = c->id & (VERDICT_SLOTS - 1);
	struct verdict_slot *v;

	if (c->ignored)
		return true;
	v = bpf_map_lookup_elem(&verdicts, &slot);
	if (v && v->conn == c->id && v->verdict == VERDICT_IGNORE)
		c->ignored = 1;
	return c->ignored;
}

/* Who is at the other end of the standard input, once that is known. */
static __noinline int tell_peer(struct stdio *e, struct file *f)
{
	__u32 kind = pipe_kind(f);
	struct pipe_writer *w = NULL;
	struct pipe_key key = {};
	struct event_pipe *p;
	__u32 pid = 0;

	if (!e || e->peer_told)
		return 0;
	if (kind == PIPE_SOCKET) {
		struct pid *of = BPF_CORE_READ(unix_stream(f), sk_peer_pid);

		pid = of ? BPF_CORE_READ(of, numbers[0].nr) : 0;
	} else {
		pipe_key_of(f, &key);
		w = bpf_map_lookup_elem(&pipe_writers, &key);
		if (!w)
			return 0; /* perhaps the next time */
		pid = w->tgid;
	}
	p = reserve(sizeof(*p));
	if (!p)
		return 0;
	head(&p->h, EVENT_PIPE, sizeof(*p));
	p->h.conn = e->conn.id;
	p->h.start_ns = e->conn.start_ns;
	p->h.flags = EVENT_F_PIPE | e->conn.flags;
	p->channel = BPF_CORE_READ(f, f_inode, i_ino);
	p->peer_pid = pid;
	p->peer_start_ns = w ? w->start_ns : 0;
	p->kind = kind;
	commit(p);
	e->peer_told = 1;
	return 0;
}

/* --- bytes ------------------------------------------------------------------------------------ */

static __noinline int tell(struct stdio *e, __u32 dir, __u64 buf, __u64 len)
{
	if (e && len)
		emit(&e->conn, dir, buf, len, EVENT_F_PIPE);
	return 0;
}

static __noinline int tell_parts(struct stdio *e, __u32 dir, __u64 iov, __u64 left)
{
	struct iovec v;

	for (int i = 0; i < IOV_MAX && left; i++) {
		if (bpf_probe_read_user(&v, sizeof(v), (void *)(iov + i * sizeof(v)))) {
			drop(DROP_READ_FAULT);
			break;
		}
		if (v.iov_len > left)
			v.iov_len = left;
		tell(e, dir, (__u64)v.iov_base, v.iov_len);
		left -= v.iov_len;
	}
	if (!left || !e)
		return 0;
	drop(DROP_TOO_LARGE);
	__sync_fetch_and_add(&e->conn.offset[dir & 1], left);
	return 0;
}

struct moved { /* one system call that moved bytes */
	__u64 fd, buf, len;
	__u32 dir;
	__u32 parts; /* 1: buf is an iovec array, 2: a msghdr */
};

static __always_inline bool moved_by(__u64 nr, struct moved *m)
{
	m->parts = 0;
	switch (nr) {
	case SYS_READ:
	case SYS_RECVFROM:
		m->dir = EVENT_READ;
		return true;
	case SYS_WRITE:
	case SYS_SENDTO:
		m->dir = EVENT_WRITE;
		return true;
	case SYS_READV:
		m->dir = EVENT_READ;
		m->parts = 1;
		return true;
	case SYS_WRITEV:
		m->dir = EVENT_WRITE;
		m->parts = 1;
		return true;
	case SYS_RECVMSG:
		m->dir = EVENT_READ;
		m->parts = 2;
		return true;
	case SYS_SENDMSG:
		m->dir = EVENT_WRITE;
		m->parts = 2;
		return true;
	}
	return false;
}

/* Such bytes will be read again. */
static __always_inline bool peeked(__u64 nr, struct pt_regs *regs)
{
	if (nr == SYS_RECVFROM)
		return PT_REGS_PARM4_CORE_SYSCALL(regs) & MSG_PEEK;
	return nr == SYS_RECVMSG && PT_REGS_PARM3_CORE_SYSCALL(regs) & MSG_PEEK;
}

static __always_inline void note_writer(struct file *f, __u32 tgid, __u64 start)
{
	struct pipe_writer w = {.tgid = tgid, .start_ns = start};
	struct pipe_key key = {};

	if (pipe_kind(f) != PIPE_FIFO)
		return;
	pipe_key_of(f, &key);
	bpf_map_update_elem(&pipe_writers, &key, &w, BPF_ANY);
}

static __noinline int on_moved(struct stdio *e, struct task_struct *t, struct moved *m)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct user_msghdr msg;
	struct file *f;

	if (!e || !m)
		return 0;
	f = file_of(t, m->fd);
	if (!f)
		return 0;
	if ((__u64)f != (m->dir == EVENT_READ ? e->in : e->out)) {
		if (m->dir == EVENT_WRITE && m->fd > 2)
			note_writer(f, tgid, e->conn.start_ns);
		return 0;
	}
	if (ignored(&e->conn))
		return 0;
	if (m->dir == EVENT_READ)
		tell_peer(e, f);
	if (m->parts == 2) {
		if (bpf_probe_read_user(&msg, sizeof(msg), (void *)m->buf)) {
			drop(DROP_READ_FAULT);
			__sync_fetch_and_add(&e->conn.offset[m->dir & 1], m->len);
			return 0;
		}
		m->buf = (__u64)msg.msg_iov;
	}
	if (m->parts)
		tell_parts(e, m->dir, m->buf, m->len);
	else
		tell(e, m->dir, m->buf, m->len);
	return 0;
}

/* --- files ------------------------------------------------------------------------------------- */

static __always_inline bool begins(const char *path, const char *with, int n)
{
	for (int i = 0; i < n; i++)
		if (path[i] != with[i])
			return false;
	return true;
}

static __noinline int on_open(__u64 path, __u64 flags, __u64 start)
{
	struct event_file *e = reserve(sizeof(*e));

	if (!e)
		return 0;
	if (bpf_probe_read_user_str(e->path, sizeof(e->path), (void *)path) <= 0)
		e->path[0] = '\0';
	if (!e->path[0] || begins(e->path, "/proc/", 6) || begins(e->path, "/sys/", 5)) {
		bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
		return 0;
	}
	head(&e->h, EVENT_FILE, sizeof(*e));
	e->h.start_ns = start;
	e->flags = flags;
	e->pad = 0;
	commit(e);
	return 0;
}

static __always_inline __u64 open_how(__u64 how)
{
	__u64 flags = 0;

	bpf_probe_read_user(&flags, sizeof(flags), (void *)how);
	return flags;
}

SEC("raw_tp/sys_exit")
int pipe_sys_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct pt_regs *regs = (void *)ctx->args[0];
	struct task_struct *t = (void *)bpf_get_current_task();
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	long ret = ctx->args[1];
	struct moved by = {};
	struct proc_mark *m;
	struct stdio *e;
	__u64 start, nr;

	/* All that most system calls of the host pay for; who it is exactly is asked after it. */
	m = bpf_map_lookup_elem(&proc_marks, &tgid);
	if (ret < 0 || !m || !(m->marks & MARK_AI_TREE))
		return 0;
	start = task_start(t);
	if (!marked(t, tgid, start))
		return 0;
#ifdef TS_COMPAT
	if (BPF_CORE_READ(t, thread_info.status) & TS_COMPAT)
		return 0;
#endif
	nr = SYS_NR(regs);
	e = stdio_of(t, tgid, start);
	if (!e)
		return 0;
	if (nr == SYS_OPENAT) {
		on_open(PT_REGS_PARM2_CORE_SYSCALL(regs), PT_REGS_PARM3_CORE_SYSCALL(regs), start);
#ifdef SYS_OPEN
	} else if (nr == SYS_OPEN) {
		on_open(PT_REGS_PARM1_CORE_SYSCALL(regs), PT_REGS_PARM2_CORE_SYSCALL(regs), start);
#endif
	} else if (nr == SYS_OPENAT2) {
		on_open(PT_REGS_PARM2_CORE_SYSCALL(regs),
			open_how(PT_REGS_PARM3_CORE_SYSCALL(regs)), start);
	} else if (ret > 0 && moved_by(nr, &by) && !peeked(nr, regs)) {
		by.fd = (__u32)PT_REGS_PARM1_CORE_SYSCALL(regs);
		by.buf = PT_REGS_PARM2_CORE_SYSCALL(regs);
		by.len = ret;
		on_moved(e, t, &by);
	}
	return 0;
}
