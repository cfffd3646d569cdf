/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Every map, with the reason for its size. __weak: each hook family includes this header and the
 * linker keeps one. */
#ifndef PROBITY_BPF_MAPS_H
#define PROBITY_BPF_MAPS_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_endian.h>
#include "proto/event.h"
#include "proto/shared.h"

#define AF_INET 2
#define AF_INET6 10

/* events ↑ worker. 16 MiB holds four calls of the largest size (4 MiB). The keeper may enlarge it. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} events SEC(".maps") __weak;

/* exec and exit ↑ keeper, who has no priority unless rules on content are in force, and waits for
 * each process it looks at: an exec takes 2.4 KiB, so 4 MiB (never swapped) are 1,700, which a
 * flood on two CPUs makes in a second. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} control SEC(".maps") __weak;

/* Refusals by cause. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DROP__MAX);
	__type(key, __u32);
	__type(value, __u64);
} drops SEC(".maps") __weak;

/* One TLS handle of one process instance. The start time is in the key, so that a reused pid with
 * a handle at the same address is another connection. Handle of an AEAD: the key's address, its
 * direction in the lowest bit, because a freed key's place may be taken by one that reads. */
struct conn_key {
	__u64 ssl;
	__u32 tgid;
	__u32 start; /* start_boottime >> 20, about a millisecond */
};
struct conn {
	__u64 id;
	__u64 start_ns;
	__u64 offset[2]; /* next byte, by event_dir */
	__u64 host_rules;
	__u64 host_generation; /* of host_rules */
	__u64 sock_generation; /* of what its socket has added to them */
	__u64 name;	       /* where the server's name is, while it cannot be read; or 0 */
	__u64 sk;	       /* its socket, 0 = not known */
	__u64 seq; /* AEAD of TLS 1.2: of the last record. GnuTLS: the buffer of a write to repeat */
	__u64 turn;   /* bytes that went in turn_dir since any went in the other direction */
	__u64 asked;  /* where the ring was behind the beginning of the last turn that wrote */
	__u64 cookie; /* of its socket, 0 = not bound */
	__u64 passed, passed_buf;     /* the last write that the gate let go: offset, buffer */
	__u64 passed_sum, passed_key; /* of its bytes, if it is to come again; else 0 */
	__u32 passed_len;
	__u32 turn_dir;
	__u32 ignored;
	__u32 flags; /* EVENT_F_*, CONN_* */
};
#define CONN_BOUND 0x10000
#define CONN_SHAKEN 0x20000  /* a handshake site of its stack fired: its end will be told as well */
#define CONN_SHUT 0x40000    /* its socket takes no more: a write is another connection's */
#define CONN_DENIED 0x100000 /* a write on it was refused by a rule of the kernel */
#define CONN_NSS 0x80000     /* a descriptor that NSS has made a TLS one */

/* 32,768 live TLS handles; least recently used go first, and are seen as late again. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, struct conn_key);
	__type(value, struct conn);
} conns SEC(".maps") __weak;

/*
 * The calls a thread is in, outermost first. Calls lie in each other where a callback of one makes
 * another (a client that writes its request from inside the read that ended the handshake) and
 * where TLS runs over TLS. Entries go when the thread ends.
 */
#define CALL_DEPTH 4
#define NEST_WINDOW (256 << 10) /* a live outer call's frame is this near above us */
struct frame {
	struct conn_key key;
	__u64 buf, out; /* out: address of the length really moved, or 0 */
	__u64 len;	/* as asked for */
	__u64 seq;	/* of the TLS 1.2 record */
	__u64 sp; /* at entry; at the RET of the same call it is the same. Of a goroutine: less the
		   * end of its stack, because Go moves stacks */
	__u32 dir;
	__u32 how; /* TLS_L_* of its site, FRAME_OPEN, EVENT_F_TLS* << 8 */
};
#define FRAME_OPEN 0x80
#define FRAME_TOLD 0x40 /* at its entry */
/* A socket: its cookie and its address in the kernel, which `socks` has while it lives. */
struct named {
	__u64 cookie, sk;
};
/* A write that begins, and its wait (lib/gate.h). */
struct ask {
	__u64 ssl, sp, buf, len;
	__u64 cookie; /* of the site */
	__u64 ra;     /* where it fails to; 0 = it cannot */
	__u64 conn, start_ns, sock;
	__u64 seq;		  /* 0 = it does not wait */
	__u64 since_ns, until_ns; /* CLOCK_MONOTONIC */
	__u64 rules;
	__u32 how;     /* enum gate_wait */
	__u16 stopped; /* by GATE_BLOCK */
	__u16 marked;  /* its socket keeps what it is given (SOCK_ASK) */
};
struct call {
	struct ask ask;	     /* the one that begins; here because it is too large for the stack */
	struct ask hold;     /* one that waits by being made again, or whose process was stopped */
	struct conn_key key; /* of pending */
	__u64 sp;	     /* of pending: a send from deeper in the stack is inside the call */
	__u64 received;	     /* the socket this thread received from last */
	struct named named;  /* the socket it sent to last, if a rule has its name; or 0 */
	__u32 fresh;	     /* and nothing was opened since */
	__u32 pending;	     /* key has no socket yet: the next TCP send of this thread shows it */
	__u32 depth;
	__u32 pad;
	struct frame frame[CALL_DEPTH];
};
/* 16,384 threads that are or were in TLS calls. All memory is taken at the start, here and below:
 * programs that may sleep cannot use maps that allocate (6.1). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct call);
} calls SEC(".maps") __weak;
/* The same for goroutines, whose end nobody sees. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct conn_key); /* ssl = goroutine */
	__type(value, struct call);
} go_calls SEC(".maps") __weak;
/* Processes that opened or sealed TLS records through an AEAD: what their threads receive from is
 * kept. tgid → start. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u32);
} aead_procs SEC(".maps") __weak;

/* Verdicts ↓ worker, written through mmap. 1 MiB. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, VERDICT_SLOTS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct verdict_slot);
} verdicts SEC(".maps") __weak;

/* Sockets whose connect or accept was told, so that their end is told too; and which connections
 * end with them: two halves, and two more where TLS runs over TLS. */
#define SOCK_CONNS 4
struct sock_use {
	__u64 owner; /* pid << 32 */
	struct conn_key conn[SOCK_CONNS];
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, __u64); /* struct sock * */
	__type(value, struct sock_use);
} socks SEC(".maps") __weak;

/* Kill rules ↓ keeper: host names, users, processes by tool. 16,384 covers the catalog (about 840
 * patterns) for packs that name everything in it, with room. A hash and not a trie, which programs
 * that may sleep cannot use. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct krule_host_key);
	__type(value, __u64);
} krule_hosts SEC(".maps") __weak;
/* The socket a process sent to last whose name a rule has, for a write of another thread. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct conn_key); /* of no handle */
	__type(value, struct named);
} proc_named SEC(".maps") __weak;
/* Of the name in the ClientHello of a socket, and of its peer, for handles that are bound to it. Only
 * where a rule has them. */
struct sock_rules {
	__u64 rules, generation;
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64); /* socket cookie */
	__type(value, struct sock_rules);
} sock_rules SEC(".maps") __weak;
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32); /* uid */
	__type(value, __u64);
} krule_users SEC(".maps") __weak;
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32); /* tgid */
	__type(value, struct krule_proc);
} krule_procs SEC(".maps") __weak;

/* Processes that are being killed: tgid → start. No more at once than die within some milliseconds. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} kill_procs SEC(".maps") __weak;

/* Mapped by the keeper alone: whom not to capture, and the rules that do not care. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct shared);
} shared SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tally);
} tally SEC(".maps") __weak;

/* What the keeper says of processes. 16,384 is what krule_procs holds; least recently used go. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32); /* tgid */
	__type(value, struct proc_mark);
} proc_marks SEC(".maps") __weak;

/* When a process began its image, CLOCK_BOOTTIME; none: before the agent, or it never did. The
 * keeper's word on an image may come when another has taken its place. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32); /* tgid */
	__type(value, __u64);
} proc_execs SEC(".maps") __weak;

/* Liveness: what fired, by image. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, IMAGES_COUNTED);
	__type(key, __u32);
	__type(value, struct image_hits);
} hits SEC(".maps") __weak;

/* Mapped by the worker: 1 = asleep, wake me at the next record. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u32);
} asleep SEC(".maps") __weak;

#endif
