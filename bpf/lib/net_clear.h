/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Clear HTTP of a marked socket: told from its first word to its end, each byte once, in offsets from
 * the first byte of payload. */
#ifndef PROBITY_BPF_NET_CLEAR_H
#define PROBITY_BPF_NET_CLEAR_H

#include "net_copy.h"

/* The beginning of a request, or of HTTP/2. CONNECT is not among them: what follows it is not HTTP. */
static __always_inline bool is_http(const __u8 *b, __u32 n)
{
	static const char words[][4] = {"GET ", "POST", "PUT ", "PATC", "DELE",
					"HEAD", "OPTI", "PRI ", "QUER"};

	for (int i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (b[0] == words[i][0] && (n < 2 || b[1] == words[i][1]) &&
		    (n < 3 || b[2] == words[i][2]) && (n < 4 || b[3] == words[i][3]))
			return true;
	return false;
}

static __always_inline __u32 clear_verdict(const struct net_sock *s)
{
	__u64 id = CONN_ID_PLAIN | s->cookie;
	__u32 slot = id & (VERDICT_SLOTS - 1);
	struct verdict_slot *v = bpf_map_lookup_elem(&verdicts, &slot);

	return v && v->conn == id ? v->verdict : VERDICT_NONE;
}

/* How many of the bytes [off, off + n) are told. Each direction looks at how far the other is, and
 * writes nothing of it. */
static __always_inline __u32 clear_wanted(struct net_sock *s, __u32 dir, __u64 off, __u32 n)
{
	struct net_stream *st = &s->stream[dir];
	__u64 other = s->stream[!dir].next, most;

	if (st->other != other) {
		st->other = other;
		st->turn = off;
	}
	if (!was_read(s->asked) || clear_verdict(s) != VERDICT_QUIET)
		return n;
	most = st->turn + QUIET_TURN;
	most = off < most ? most - off : 0;
	if (dir == EVENT_WRITE && most < QUIET_CALL)
		most = QUIET_CALL;
	return n < most ? n : most;
}

/* Cuts [*off, *end) to what was not told before. */
static __always_inline bool is_new(struct net_stream *st, __u64 *off, __u64 end)
{
	bool fills = *off < st->hole_to && end > st->hole_from;

	if (fills && *off <= st->hole_from)
		st->hole_from = end < st->hole_to ? end : st->hole_to;
	else if (fills && end >= st->hole_to)
		st->hole_to = *off;
	if (*off > st->next) {
		if (st->hole_from >= st->hole_to)
			st->hole_from = st->next;
		st->hole_to = *off;
	}
	if (end <= st->next)
		return fills;
	if (*off < st->next && !fills)
		*off = st->next;
	st->next = end;
	return true;
}

static __always_inline void clear_data(struct __sk_buff *skb, struct net_sock *s,
				       const struct packet *p, __u32 dir)
{
	struct net_stream *st = &s->stream[dir];
	__s64 at = (__s64)st->next + (__s32)(p->seq - (st->base + (__u32)st->next));
	struct net_copy c = {.s = s, .dir = dir};
	__u64 off = at, end = at + p->len;

	if (at < 0 || !is_new(st, &off, end))
		return; /* before the first byte: a keep-alive */
	c.offset = off;
	c.at = p->off + (__u32)(off - at);
	c.left = clear_wanted(s, dir, off, end - off);
	net_copy(skb, &c);
	if (dir == EVENT_WRITE && off - st->turn < QUIET_TURN)
		s->asked = bpf_ringbuf_query(&events, BPF_RB_PROD_POS);
}

static __always_inline void clear_begin(struct __sk_buff *skb, struct net_sock *s)
{
	struct net_live *live = bpf_map_lookup_elem(&net_live, &s->cookie);
	struct event_conn *e;

	net_count(NET_PLAIN);
	if (live)
		live->clear = 1;
	e = reserve(sizeof(*e));
	if (!e)
		return;
	net_head(&e->h, s, EVENT_CONN, sizeof(*e), EVENT_F_PLAIN);
	e->h.conn = CONN_ID_PLAIN | s->cookie;
	e->cookie = s->cookie;
	net_addrs(skb, &e->local, &e->peer);
	commit(e);
}

static __always_inline void tell_end(const struct net_live *l, __u64 cookie)
{
	struct net_sock s = {.start_ns = l->start_ns,
			     .cgroup = l->cgroup,
			     .tgid = l->tgid,
			     .tid = l->tid,
			     .uid = l->uid};
	struct event *e = reserve(sizeof(*e));

	if (!e)
		return;
	net_head(e, &s, EVENT_CLOSE, sizeof(*e), EVENT_F_PLAIN);
	e->conn = CONN_ID_PLAIN | cookie;
	commit(e);
}

#endif
