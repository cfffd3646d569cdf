// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * What: plaintext of TLS reads and writes, and the kill before a write.
 *
 * Each function is probed at its entry and at each of its RET instructions (no uretprobes: from
 * 6.11 on they make the target run a system call its own seccomp filter may kill it for). Entry
 * keeps the arguments by thread, innermost call last; the RET whose stack pointer equals the
 * entry's belongs to the same call, so neither tail calls nor calls within calls need a table of
 * who calls whom. SSL_write_ex2 in SSL_write_ex is the same write; a write in a callback of a read
 * is a call of its own. Bytes go up at return, with the length that was really moved: partial writes and
 * retries are never counted twice.
 *
 * A connection the worker does not want costs the probe and one look-up (conns). Everything the
 * kernel refuses is counted in `drops`, and shows as a gap because offsets go on.
 */
#include "lib/chunk.h"

#define SSL_CTRL_SET_TLSEXT_HOSTNAME 55

__u64 next_conn __attribute__((weak)); /* last id given out */

static __always_inline void key_of(struct conn_key *k, __u64 ssl, __u64 *start_ns)
{
	struct task_struct *t = bpf_get_current_task_btf();

	*start_ns = t->group_leader->start_boottime;
	k->ssl = ssl;
	k->tgid = bpf_get_current_pid_tgid() >> 32;
	k->start = *start_ns >> 20;
}

static __always_inline bool is_self(void)
{
	struct shared *s = shared_of();
	__u32 me = bpf_get_current_pid_tgid() >> 32;

	for (int i = 0; s && i < 8; i++)
		if (s->self[i] == me)
			return true;
	return false;
}

static __noinline struct conn *conn_new(struct conn_key *k, __u64 start_ns, __u32 flags)
{
	struct conn c = {};

	c.id = __sync_fetch_and_add(&next_conn, 1) + 1;
	c.start_ns = start_ns;
	c.flags = flags;
	c.ignored = is_self();
	if (bpf_map_update_elem(&conns, k, &c, BPF_ANY))
		drop(DROP_CONN_FULL);
	return bpf_map_lookup_elem(&conns, k);
}

static const struct call no_call; /* too large for the stack */

static __always_inline struct call *call_of(bool make)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct call *c = bpf_map_lookup_elem(&calls, &tid);

	if (!c && make) {
		if (bpf_map_update_elem(&calls, &tid, &no_call, BPF_ANY))
			drop(DROP_CONN_FULL);
		c = bpf_map_lookup_elem(&calls, &tid);
	}
	return c;
}

/* --- verdicts -------------------------------------------------------------------------------- */

static __always_inline bool unwanted(struct conn *conn)
{
	__u32 slot = conn->id & (VERDICT_SLOTS - 1);
	struct verdict_slot *v;

	if (conn->ignored)
		return true;
	v = bpf_map_lookup_elem(&verdicts, &slot);
	if (v && v->conn == conn->id && v->verdict == VERDICT_IGNORE && !conn->host_rules)
		conn->ignored = 1;
	return conn->ignored;
}

static __noinline bool killed(struct conn *conn, __u64 buf, __u64 len)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32, uid = (__u32)bpf_get_current_uid_gid();
	struct shared *s = shared_of();
	__u64 *user, tools, rules;
	struct krule_proc *tool;
	struct event_kill *e;

	if (!conn || !s || !s->krule.all || conn->host_generation != s->krule.generation)
		return false;
	tool = bpf_map_lookup_elem(&krule_procs, &tgid);
	user = bpf_map_lookup_elem(&krule_users, &uid);
	tools = s->krule.tool;
	if (tool && tool->ticks == conn->start_ns / KRULE_TICK_NS &&
	    tool->generation == s->krule.generation) /* of this very process, and these rules */
		tools |= tool->rules;
	rules = conn->host_rules & s->krule.all & tools & (s->krule.user | (user ? *user : 0));
	if (!rules)
		return false;
	if (bpf_send_signal(SIGKILL)) {
		drop(DROP_SIGNAL);
		return false;
	}
	emit(conn, EVENT_WRITE, buf, len, EVENT_F_REFUSED);
	e = reserve(sizeof(*e));
	if (e) {
		head(&e->h, EVENT_KILL, sizeof(*e));
		e->h.conn = conn->id;
		e->h.start_ns = conn->start_ns;
		e->rules = rules;
		e->bytes = len;
		e->policy = s->krule.generation;
		commit(e);
	}
	conn->ignored = 1;
	return true;
}

/* --- the server's name ----------------------------------------------------------------------- */

/*
 * The rules of the longest pattern that covers the name. The key is the name reversed, in lower
 * case, with a NUL in place of what would come before the first label. On the stack, because a
 * probe can be preempted by another one on the same CPU.
 */
static __noinline long rules_for(__u64 name, __u64 *ret)
{
	struct krule_host_key k = {};
	__u64 *rules;
	long n = bpf_probe_read_user_str(k.name, sizeof(k.name), (void *)name);
	__u32 len;

	if (n <= 1 || n >= KRULE_HOST_MAX)
		return n;
	len = n - 1;
	if (k.name[(len - 1) & (KRULE_HOST_MAX - 1)] == '.')
		k.name[--len & (KRULE_HOST_MAX - 1)] = 0;
	for (__u32 i = 0; i < KRULE_HOST_MAX / 2; i++) {
		__u32 a = i & (KRULE_HOST_MAX - 1), z = (len - 1 - i) & (KRULE_HOST_MAX - 1);
		__u8 x, y;

		if (i * 2 >= len)
			break;
		x = k.name[a];
		y = k.name[z];
		k.name[a] = y >= 'A' && y <= 'Z' ? y + 'a' - 'A' : y;
		k.name[z] = x >= 'A' && x <= 'Z' ? x + 'a' - 'A' : x;
	}
	k.prefixlen = (len + 1) * 8;
	rules = bpf_map_lookup_elem(&krule_hosts, &k);
	if (rules && ret)
		*ret = *rules;
	return n;
}

/* False when the name is not in memory. */
static __noinline bool learn(struct conn *conn, __u64 name)
{
	struct shared *sh = shared_of();
	struct event_host *e;
	__u64 rules = 0;

	if (!conn || !sh)
		return true;
	if (rules_for(name, &rules) < 0)
		return false;
	conn->host_generation = sh->krule.generation;
	conn->host_rules = sh->krule.all ? rules : 0;
	e = reserve(sizeof(*e));
	if (!e)
		return true;
	if (bpf_probe_read_user_str(e->host, sizeof(e->host), (void *)name) <= 1) {
		bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
		return true;
	}
	head(&e->h, EVENT_HOST, sizeof(*e));
	e->h.conn = conn->id;
	e->h.start_ns = conn->start_ns;
	commit(e);
	return true;
}

/*
 * A name nobody has read yet, a text in the program's file, may not be mapped; a probe cannot wait
 * for it. The library then copies it, so at the next call it is there.
 */
static __always_inline void learn_again(struct conn *conn)
{
	if (!conn->name)
		return;
	if (!learn(conn, conn->name))
		drop(DROP_READ_FAULT);
	conn->name = 0;
}

static __always_inline int named(__u64 ssl, int cmd, __u64 name)
{
	struct conn_key k = {};
	struct conn *conn;
	__u64 start_ns;

	if (cmd != SSL_CTRL_SET_TLSEXT_HOSTNAME || !name)
		return 0;
	key_of(&k, ssl, &start_ns);
	conn = bpf_map_lookup_elem(&conns, &k);
	if (!conn)
		conn = conn_new(&k, start_ns, 0);
	if (!conn || conn->ignored)
		return 0;
	conn->host_rules = 0;
	conn->name = learn(conn, name) ? 0 : name;
	return 0;
}

/* --- entries and returns --------------------------------------------------------------------- */

static __always_inline struct frame *frame_at(struct call *c, __u64 i)
{
	BOUND(i, CALL_DEPTH - 1);
	return &c->frame[i];
}

/* The innermost call that lies around the stack pointer. What lies below it has returned where no
 * probe was (longjmp, a replaced image), and is forgotten. */
static __always_inline struct frame *around(struct call *c, __u64 sp)
{
	for (int i = 0; i < CALL_DEPTH && c->depth; i++) {
		struct frame *f = frame_at(c, c->depth - 1);

		if (f->sp > sp && f->sp - sp < NEST_WINDOW)
			return f;
		c->depth--;
	}
	return NULL;
}

static __always_inline int enter(struct pt_regs *ctx, __u64 ssl, __u64 buf, __u64 len, __u64 out,
				 __u32 dir)
{
	__u64 sp = PT_REGS_SP(ctx), start_ns;
	struct conn_key k = {};
	struct frame *f;
	struct conn *conn;
	struct call *c;

	key_of(&k, ssl, &start_ns);
	conn = bpf_map_lookup_elem(&conns, &k);
	if (conn && unwanted(conn))
		return 0;
	if (!conn)
		conn = conn_new(&k, start_ns, EVENT_F_LATE);
	if (!conn || conn->ignored)
		return 0;
	learn_again(conn);
	if (dir == EVENT_WRITE && conn->host_rules && killed(conn, buf, len))
		return 0;
	c = call_of(true);
	if (!c)
		return 0;
	f = around(c, sp);
	if (f && f->key.ssl == ssl && f->dir == dir)
		return 0; /* one probed function in another: the outer return will tell */
	if (c->depth >= CALL_DEPTH) {
		drop(DROP_STASH_MISS);
		return 0;
	}
	f = frame_at(c, c->depth);
	f->key = k;
	f->buf = buf;
	f->out = out;
	f->sp = sp;
	f->dir = dir;
	c->depth++;
	/* A read sends only while it shakes hands. Later the thread's next send may be anyone's. */
	if (!(conn->flags & CONN_BOUND) &&
	    (dir == EVENT_WRITE ||
	     !(conn->flags & EVENT_F_LATE || conn->offset[0] || conn->offset[1]))) {
		c->key = k;
		c->sp = sp;
		c->pending = 1;
	}
	return 0;
}

static __always_inline int leave(struct pt_regs *ctx)
{
	struct call *c = call_of(false);
	__s64 moved = (int)PT_REGS_RC(ctx);
	struct conn *conn;
	struct frame *f;

	if (!c)
		return 0;
	f = around(c, PT_REGS_SP(ctx) - 1);
	if (!f || f->sp != PT_REGS_SP(ctx))
		return 0; /* of an ignored or nested call */
	c->depth--;
	if (moved <= 0)
		return 0;
	if (f->out) {
		__u64 n = 0;

		if (bpf_probe_read_user(&n, sizeof(n), (void *)f->out)) {
			drop(DROP_READ_FAULT);
			return 0;
		}
		moved = n;
	}
	conn = bpf_map_lookup_elem(&conns, &f->key);
	if (!conn) {
		drop(DROP_STASH_MISS);
		return 0;
	}
	if (moved > 0)
		emit(conn, f->dir, f->buf, moved, 0);
	return 0;
}

static __always_inline int shake(struct pt_regs *ctx, __u64 ssl, __u32 flags, bool sends)
{
	struct conn_key k = {};
	__u64 start_ns;
	struct conn *conn;
	struct call *c;

	key_of(&k, ssl, &start_ns);
	conn = bpf_map_lookup_elem(&conns, &k);
	/* A side is chosen once, on a new handle: bytes before that were another connection's (an
	 * image replaced by exec leaves its handles behind). */
	if (!conn || (!sends && (conn->offset[0] | conn->offset[1])))
		conn = conn_new(&k, start_ns, flags);
	if (!conn || conn->ignored)
		return 0;
	learn_again(conn);
	conn->flags |= CONN_SHAKEN | flags;
	if (!sends || conn->flags & CONN_BOUND)
		return 0;
	c = call_of(true);
	if (!c)
		return 0;
	around(c, PT_REGS_SP(ctx));
	c->key = k;
	c->sp = PT_REGS_SP(ctx);
	c->pending = 1;
	return 0;
}

/* The address may come back as another connection. */
static __always_inline int gone(__u64 ssl, bool cleared)
{
	__u64 start_ns, rules, generation;
	struct conn_key k = {};
	struct conn *conn;
	struct event *e;

	key_of(&k, ssl, &start_ns);
	conn = bpf_map_lookup_elem(&conns, &k);
	if (!conn)
		return 0;
	/* Every OpenSSL handshake begins with a clear: what is known so far, the name, is of the
	 * connection that begins. */
	if (cleared && !(conn->offset[0] | conn->offset[1]))
		return 0;
	if (!conn->ignored) {
		e = reserve(sizeof(*e));
		if (e) {
			head(e, EVENT_CLOSE, sizeof(*e));
			e->conn = conn->id;
			e->start_ns = start_ns;
			commit(e);
		}
	}
	rules = conn->host_rules;
	generation = conn->host_generation;
	bpf_map_delete_elem(&conns, &k);
	if (!cleared)
		return 0;
	conn = conn_new(&k, start_ns, 0); /* the handle keeps its name, and so its rules */
	if (conn) {
		conn->host_rules = rules;
		conn->host_generation = generation;
	}
	return 0;
}

/*
 * One program for all sites, told by the attach cookie what it stands on: an image then costs one
 * link, and one wait at detach.
 */
SEC("uprobe")
int tls(struct pt_regs *ctx)
{
	__u64 ssl = PT_REGS_PARM1(ctx), buf = PT_REGS_PARM2(ctx), len = PT_REGS_PARM3(ctx), out = 0;
	__u32 dir = EVENT_WRITE;

	switch (bpf_get_attach_cookie(ctx)) {
	case TLS_RETURN:
		return leave(ctx);
	case TLS_HANDSHAKE:
		return shake(ctx, ssl, 0, true);
	case TLS_ACCEPT:
		return shake(ctx, ssl, EVENT_F_SERVER, true);
	case TLS_CLIENT:
		return shake(ctx, ssl, 0, false);
	case TLS_SERVER:
		return shake(ctx, ssl, EVENT_F_SERVER, false);
	case TLS_FREE:
		return gone(ssl, false);
	case TLS_CLEAR:
		return gone(ssl, true);
	case TLS_CTRL:
		return named(ssl, (int)buf, PT_REGS_PARM4(ctx));
	case TLS_WRITE_EX:
		out = PT_REGS_PARM4(ctx);
		break;
	case TLS_WRITE_EX2:
		out = PT_REGS_PARM5(ctx);
		break;
	case TLS_READ_EX:
		out = PT_REGS_PARM4(ctx);
		dir = EVENT_READ;
		break;
	case TLS_READ:
		dir = EVENT_READ;
		/* fallthrough */
	case TLS_WRITE:
		len = (int)len < 0 ? 0 : (int)len;
		break;
	default:
		return 0;
	}
	return enter(ctx, ssl, buf, len, out, dir);
}
