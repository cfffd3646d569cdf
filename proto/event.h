/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Kernel → agent: the layout of every ring record. Shared by bpf/ (which defines __bpf__ via
 * vmlinux.h types) and user/. All integers are host byte order; nothing here is ever stored.
 *
 * A record is `struct event` followed, for some kinds, by `len - sizeof` bytes of its own struct.
 * A data record carries the absolute stream offset of its first byte, so a chunk the kernel could
 * not deliver is a visible gap, never a splice.
 */
#ifndef PROBITY_EVENT_H
#define PROBITY_EVENT_H

#ifndef __bpf__
#include <stdint.h>
typedef uint8_t __event_u8;
typedef uint16_t __event_u16;
typedef uint32_t __event_u32;
typedef uint64_t __event_u64;
#else
typedef __u8 __event_u8;
typedef __u16 __event_u16;
typedef __u32 __event_u32;
typedef __u64 __event_u64;
#endif

#define EVENT_VERSION 1

enum event_kind {
	EVENT_DATA = 1,	  /* plaintext of one TLS read or write (part) */
	EVENT_CONN,	  /* a TLS handle was bound to a socket: peer, first ciphertext */
	EVENT_HOST,	  /* the client named the server (SNI) before the handshake */
	EVENT_CLOSE,	  /* TLS handle freed or reset */
	EVENT_EXEC,	  /* a process started an image */
	EVENT_FORK,	  /* a process made another */
	EVENT_EXIT,	  /* a process ended */
	EVENT_KILL,	  /* an in-kernel rule killed the caller before the write */
	EVENT_CONNECT,	  /* TCP connect begun by a process */
	EVENT_ACCEPT,	  /* TCP connection accepted by a process */
	EVENT_SOCK_CLOSE, /* TCP connection of a CONNECT or ACCEPT ended */
};

enum event_dir { EVENT_WRITE = 0, EVENT_READ = 1 };

/* event.flags */
#define EVENT_F_LATE 0x1     /* handle seen first after its handshake: earlier bytes unknown */
#define EVENT_F_ADJACENT 0x2 /* EVENT_CONN: socket found by the send after the TLS call */
#define EVENT_F_REFUSED 0x4  /* EVENT_DATA: bytes of a write that was killed, they never left */
#define EVENT_F_SERVER 0x8   /* the handle accepted; it did not connect */
#define EVENT_F_SIGKILL 0x10 /* EVENT_EXIT: of that signal */

struct event {
	__event_u16 version; /* EVENT_VERSION */
	__event_u16 kind;    /* enum event_kind */
	__event_u32 len;     /* whole record in bytes, this header included */
	__event_u64 boot_ns; /* CLOCK_BOOTTIME */
	__event_u64
		conn; /* connection id, not 0 for connection kinds, unique while the agent runs */
	__event_u64 start_ns; /* start of the process, CLOCK_BOOTTIME: with pid its identity */
	__event_u64 cgroup;   /* cgroup v2 id */
	__event_u32 pid;      /* thread group, initial pid namespace */
	__event_u32 tid;
	__event_u32 uid;
	__event_u32 flags; /* EVENT_F_* */
};

struct event_data {
	struct event h;
	__event_u64 offset; /* of the first byte in this direction of the connection */
	__event_u32 size;   /* bytes that follow */
	__event_u8 dir;	    /* enum event_dir */
	__event_u8 pad[3];
	__event_u8 bytes[];
};

struct event_addr {
	__event_u16 family; /* AF_INET or AF_INET6 */
	__event_u16 port;   /* host byte order */
	__event_u32 pad;
	__event_u8 addr[16]; /* network order; IPv4 in the first 4 */
};

struct event_conn { /* EVENT_CONN, EVENT_CONNECT, EVENT_ACCEPT, EVENT_SOCK_CLOSE */
	struct event h;
	struct event_addr local, peer;
	__event_u64 cookie; /* the socket, unique per boot while it lives */
};

#define EVENT_HOST_MAX 256
struct event_host {
	struct event h;
	char host[EVENT_HOST_MAX]; /* NUL-terminated, as the program gave it */
};

#define EVENT_ARGV_MAX 2048
struct event_exec { /* EVENT_EXEC; EVENT_FORK and EVENT_EXIT use it with empty text */
	struct event h;
	__event_u32 ppid;     /* EVENT_FORK: the parent */
	__event_u32 loginuid; /* audit login uid, (u32)-1 when unset */
	__event_u32 gid;
	__event_u32 argv_len; /* bytes in text after filename: NUL-separated argv, may be cut */
	char comm[16];
	char filename[256]; /* as passed to execve */
	char text[];	    /* argv */
};

struct event_kill {
	struct event h;
	__event_u64 rules;  /* bit i: kernel rule i matched */
	__event_u64 bytes;  /* size of the write that did not happen */
	__event_u64 policy; /* generation of the kernel rules */
};

#define EVENT_HELLO_MAX 1024 /* bytes of a first TLS flight a parser can expect to be given */

/* Why the kernel could not do what it should; index of the `drops` array map. */
enum event_drop {
	DROP_RING_FULL,	 /* no room in the data ring: a gap */
	DROP_CTL_FULL,	 /* no room in the control ring */
	DROP_READ_FAULT, /* plaintext not readable (paged out): a gap */
	DROP_TOO_LARGE,	 /* one call moved more than 4 MiB: rest is a gap */
	DROP_CONN_FULL,	 /* connection table could not take an entry */
	DROP_STASH_MISS, /* a return without its entry: call not captured */
	DROP_NO_SOCKET,	 /* TLS handle whose socket could not be read */
	DROP_ARGV,	 /* argv not readable at exec */
	DROP_SIGNAL,	 /* bpf_send_signal failed: kill not carried out */
	DROP__MAX
};

/* What a probed address is; the attach cookie of its uprobe. */
enum tls_site {
	TLS_RETURN = 1, /* any RET of the five below */
	TLS_WRITE,	/* (ssl, buf, int len) → int */
	TLS_WRITE_EX,	/* (ssl, buf, len, size_t *written) → 1 */
	TLS_WRITE_EX2,	/* (ssl, buf, len, flags, size_t *written) → 1 */
	TLS_READ,
	TLS_READ_EX,
	TLS_HANDSHAKE, /* (ssl): may send */
	TLS_ACCEPT,
	TLS_CLIENT, /* (ssl): says only which side it will be */
	TLS_SERVER,
	TLS_FREE,  /* (ssl): the handle ends */
	TLS_CLEAR, /* (ssl): the handle will be another connection, if it was one already */
	TLS_CTRL,  /* (ssl, cmd, larg, parg): cmd 55 is the server's name */
};

#ifndef __bpf__
_Static_assert(sizeof(struct event) == 56, "event header has no hidden padding");
_Static_assert(sizeof(struct event_data) == 72, "event_data has no hidden padding");
_Static_assert(sizeof(struct event_addr) == 24, "event_addr has no hidden padding");
_Static_assert(sizeof(struct event_conn) == 112, "event_conn has no hidden padding");
_Static_assert(sizeof(struct event_kill) == 80, "event_kill has no hidden padding");
#endif

/*
 * Verdict slots: an mmapable array the worker writes without a system call. Slot = conn & mask.
 * A slot speaks only for the connection whose id it holds.
 */
#define VERDICT_SLOTS 65536 /* × 16 bytes = 1 MiB */
enum verdict { VERDICT_NONE = 0, VERDICT_IGNORE = 1, VERDICT_WATCH = 2 };
struct verdict_slot {
	__event_u64 conn;
	__event_u32 verdict; /* enum verdict */
	__event_u32 pad;
};

/*
 * In-kernel kill rules, at most 64, as bit sets: a write is killed when
 * host(SNI) & tool(process) & user(uid) has a bit. Each set holds the rules that name the value
 * and the rules that do not care.
 */
#define KRULE_MAX 64
#define KRULE_HOST_MAX 128
struct krule_host_key {	       /* LPM trie: reversed lower-case name */
	__event_u32 prefixlen; /* bits; "x.com" exact ends with '\0', "*.x.com" with '.' */
	__event_u8 name[KRULE_HOST_MAX];
};
/* The rules that concern a process's tool, for one process instance and one set of rules. */
struct krule_proc {
	__event_u64 rules;
	__event_u64 ticks;	/* start of the process, KRULE_TICK_NS */
	__event_u64 generation; /* of the rules */
};
#define KRULE_TICK_NS 10000000ull /* what /proc tells of a start time */
struct krule_any { /* rules without a constraint in that dimension; every rule has a host */
	__event_u64 tool, user;
	__event_u64 all;	/* bits in use; 0 = no kernel rules */
	__event_u64 generation; /* policy generation */
};

#endif
