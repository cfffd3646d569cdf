/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What a process was told by DNS. In: datagrams between its sockets and port 53. Out: `dns_names`, for
 * names that a rule has. A question is kept by its id and a hash of its bytes; an answer counts only
 * when its socket has asked that question under that id, and once. The name asked for counts,
 * however many CNAMEs lead to the addresses.
 *
 * Limits: names under 128 bytes, one question a message, ANSWERS_MAX records, LABELS_MAX labels of a
 * record's owner. What is beyond them is no evidence, and the name in the ClientHello tells. Not
 * read at all: DNS over TCP, TLS and HTTPS, resolvers in other processes (nscd, systemd-resolved over
 * D-Bus), address hints of HTTPS records.
 */
#ifndef PROBITY_BPF_DNS_H
#define PROBITY_BPF_DNS_H

#include "hostkey.h"
#include "net_copy.h"
#include "udp.h"

#define DNS_HEAD 12
#define DNS_WAITS 0x10000
#define ANSWERS_MAX 24
#define LABELS_MAX 12
#define DNS_MAX_NS 10000000000ull /* no evidence is older */
#define DNS_MIN_NS 1000000000ull  /* a TTL of 0 is for the connection that follows */
#define TYPE_A 1
#define TYPE_AAAA 28

struct dns_head {
	__be16 id, flags, questions, answers, rest[2];
};

static __always_inline struct dns_sock *dns_sock_of(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	sk = sk ? bpf_sk_fullsock(sk) : NULL;
	return sk ? bpf_sk_storage_get(&dns_socks, sk, 0, 0) : NULL;
}

/* Reads the name at `at` as text into d->key, and the hash of its bytes into d->hash. Returns the bytes
 * it takes, with its end, or 0. */
PACKET_FN(dns_name)(struct __sk_buff *skb, __u32 at)
{
	__u64 h = 0xcbf29ce484222325ull, n = skb->len > at ? skb->len - at : 0;
	struct dns_sock *d = dns_sock_of(skb);

	if (!d || !n)
		return 0;
	__builtin_memset(d->wire, 0, sizeof(d->wire));
	__builtin_memset(&d->key, 0, sizeof(d->key));
	d->left = d->key_n = 0;
	BOUND_FROM_1(n, KRULE_HOST_MAX);
	if (bpf_skb_load_bytes(skb, at, d->wire, n))
		return 0;
	for (__u32 i = 0; i < KRULE_HOST_MAX; i++) {
		__u32 to = (i - 1) & (KRULE_HOST_MAX - 1);
		__u8 c = d->wire[i];

		asm volatile("" : "+r"(to)); /* no address before the field is made of it */
		h = (h ^ c) * 0x100000001b3ull;
		if (d->left) {
			d->left--;
		} else if (!c) {
			d->key_n = i + 1;
			break;
		} else {
			if (c > 63)
				break; /* nobody asks by pointer */
			d->left = c;
			c = '.';
		}
		if (i)
			d->key.name[to & (KRULE_HOST_MAX - 1)] = c;
	}
	d->hash = h;
	return d->key_n;
}

/* A question leaves: kept when a rule has the name. */
PACKET_FN(dns_ask)(struct __sk_buff *skb)
{
	struct dns_sock *d = dns_sock_of(skb);
	struct shared *s = shared_of();
	__u32 at = udp_payload(skb), n;
	struct dns_asked *a;
	struct dns_head h;
	__u64 *rules;

	if (!d || !s || !s->krule.all || !at || bpf_skb_load_bytes(skb, at, &h, sizeof(h)))
		return 0;
	if (h.flags & bpf_htons(0x8000) || h.questions != bpf_htons(1))
		return 0;
	n = dns_name(skb, at + DNS_HEAD);
	if (n < 3)
		return 0;
	rules = host_rules(&d->key, n - 2);
	if (!rules)
		return 0;
	a = &d->asked[d->next++ & (DNS_ASKED - 1)];
	a->rules = *rules;
	a->generation = s->krule.generation;
	a->question = d->hash;
	a->id = h.id | DNS_WAITS;
	return 0;
}

/* Which question it answers, in d->at. In memory, so that what follows is one way and not four. */
static __always_inline bool dns_asked_of(struct dns_sock *d, __be16 id)
{
	d->at = DNS_ASKED;
	for (int i = DNS_ASKED - 1; i >= 0; i--)
		if (d->asked[i].id == (id | DNS_WAITS))
			d->at = i;
	return d->at < DNS_ASKED;
}

/* Behind the owner's name of a record; 0 = it cannot be read. */
PACKET_FN(dns_skip)(struct __sk_buff *skb, __u32 at)
{
	for (int i = 0; i < LABELS_MAX; i++) {
		__u8 c;

		if (bpf_skb_load_bytes(skb, at, &c, 1))
			return 0;
		if (c >= 0xc0)
			return at + 2;
		if (c > 63)
			return 0;
		at += 1 + c;
		if (!c)
			return at;
	}
	return 0;
}

struct dns_record {
	__be16 type, class;
	__u8 ttl[4];
	__be16 size;
} __attribute__((packed));

/* at: behind the head of a record with an address of n bytes. */
static __noinline int dns_put(struct __sk_buff *skb, const struct dns_sock *d, const __u8 *ttl,
			      __u32 at, __u32 n)
{
	struct dns_key k = {};
	struct dns_value v = {};
	__u64 life;

	if (!d || !ttl)
		return 0;
	life = ((__u32)ttl[0] << 24 | ttl[1] << 16 | ttl[2] << 8 | ttl[3]) * 1000000000ull;
	k.tgid = d->o.tgid;
	if (n == 4) {
		k.family = AF_INET;
		if (bpf_skb_load_bytes(skb, at, k.addr, 4))
			return 0;
	} else {
		k.family = AF_INET6;
		if (bpf_skb_load_bytes(skb, at, k.addr, 16))
			return 0;
	}
	v.rules = d->asked[d->at & (DNS_ASKED - 1)].rules;
	v.generation = d->asked[d->at & (DNS_ASKED - 1)].generation;
	life = life > DNS_MAX_NS ? DNS_MAX_NS : life < DNS_MIN_NS ? DNS_MIN_NS : life;
	v.until_ns = bpf_ktime_get_boot_ns() + life;
	bpf_probe_read_kernel(v.name, sizeof(v.name) - 1, d->key.name);
	if (bpf_map_update_elem(&dns_names, &k, &v, BPF_ANY))
		drop(DROP_CONN_FULL);
	return 0;
}

/* The record behind an owner's name, kept if it is an address. Behind it; 0 = it cannot be read. */
PACKET_FN(dns_record)(struct __sk_buff *skb, __u32 at)
{
	struct dns_sock *d = dns_sock_of(skb);
	struct dns_record r;
	__u32 size, type;

	if (!d || bpf_skb_load_bytes(skb, at, &r, sizeof(r)))
		return 0;
	at += sizeof(r);
	size = bpf_ntohs(r.size);
	type = bpf_ntohs(r.type);
	if ((type == TYPE_A && size == 4) || (type == TYPE_AAAA && size == 16))
		dns_put(skb, d, r.ttl, at, size);
	return at + size;
}

/* An answer arrives. */
PACKET_FN(dns_answer)(struct __sk_buff *skb)
{
	struct dns_sock *d = dns_sock_of(skb);
	__u32 at = udp_payload(skb), n, records;
	struct dns_asked *a;
	struct dns_head h;

	if (!d || !at || bpf_skb_load_bytes(skb, at, &h, sizeof(h)))
		return 0;
	if ((h.flags & bpf_htons(0x800f)) != bpf_htons(0x8000) || h.questions != bpf_htons(1))
		return 0;
	if (!dns_asked_of(d, h.id))
		return 0;
	at += DNS_HEAD;
	n = dns_name(skb, at);
	a = &d->asked[d->at & (DNS_ASKED - 1)];
	if (!n || d->hash != a->question)
		return 0;
	a->id = 0; /* a second answer is nobody's */
	at += n + 4;
	records = bpf_ntohs(h.answers);
	for (__u32 i = 0; i < ANSWERS_MAX && i < records; i++) {
		at = dns_skip(skb, at);
		if (at)
			at = dns_record(skb, at);
		if (!at)
			break;
	}
	return 0;
}

#endif
