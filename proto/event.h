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
	EVENT_HELLO,	  /* first TLS flight of a client socket, or the server's answer to it */
	EVENT_PIPE,	  /* the standard input of a marked process is a pipe or Unix socket */
	EVENT_FILE,	  /* a marked process opened a file */
	/* of the gate, in gate.h */
	EVENT_DENY,	 /* a kernel program refused something, or would have */
	EVENT_GATE,	 /* a write waits for its verdict; its bytes were told just before */
	EVENT_GATE_END,	 /* it waits no more */
	EVENT_QUIC,	 /* a client's Initial packet */
	EVENT_EXEC_ASK,	 /* a file nobody has looked at is about to run */
	EVENT_GATE_STOP, /* a process was stopped; control ring (gate.h) */
	EVENT_EXEC_STOP, /* an image was stopped before it began; control ring (gate.h) */
};

enum event_dir { EVENT_WRITE = 0, EVENT_READ = 1 };

/* event.flags */
#define EVENT_F_LATE 0x1     /* handle seen first after its handshake: earlier bytes unknown */
#define EVENT_F_ADJACENT 0x2 /* EVENT_CONN: socket found by the send after the TLS call */
#define EVENT_F_REFUSED 0x4  /* EVENT_DATA: bytes of a write that was killed, they never left */
#define EVENT_F_SERVER 0x8   /* the handle accepted; it did not connect */
#define EVENT_F_SIGKILL 0x10 /* EVENT_EXIT: of that signal */
#define EVENT_F_HALF 0x20 /* one direction only (AEAD context); the other is joined by the socket */
#define EVENT_F_PLAIN 0x40  /* bytes of a TCP socket, no TLS */
#define EVENT_F_PIPE 0x80   /* bytes of a pipe or Unix socket */
#define EVENT_F_HELD 0x100  /* EVENT_HELLO: the packet was held back until probes are in place */
#define EVENT_F_TLS12 0x200 /* the record layer itself said which version */
#define EVENT_F_TLS13 0x400
#define EVENT_F_GATED 0x800 /* EVENT_DATA: of a write that has not begun (gate.h) */
/* Of a TLS handle or key: TLS_COOKIE_STACK of the functions that moved its bytes. */
#define EVENT_F_STACK_SHIFT 12
#define EVENT_F_STACK(flags) ((flags) >> EVENT_F_STACK_SHIFT & 0xf)

/* Connection ids: TLS handles count from 1; other sources have a bit of their own. */
#define CONN_ID_PLAIN (1ull << 62) /* | socket cookie */
#define CONN_ID_PIPE (1ull << 61)  /* | a number of pipe.bpf.c's own */

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
	struct event_addr local, peer; /* family 0: as EVENT_CONNECT told */
	__event_u64 cookie;	       /* the socket: its kernel cookie; never 0 */
};

/* EVENT_SOCK_CLOSE of a kernel side that counts; without the counts it is an event_conn. */
struct event_sock_end {
	struct event_conn c;
	__event_u64 sent, received; /* bytes of payload; all ones: not known */
};

#define EVENT_HELLO_MAX 4096 /* bytes of a first flight that are told; key shares make it long */
struct event_hello {	     /* EVENT_HELLO; h.pid and h.start_ns: who connected the socket */
	struct event h;
	struct event_addr local, peer;
	__event_u64 cookie;
	__event_u32 size; /* bytes that follow */
	__event_u8 dir;	  /* enum event_dir: write = ClientHello, read = the server's first bytes */
	__event_u8 pad;
	__event_u16 offset; /* of the first byte in the flight; one in several packets is several
			     * records, in order */
	__event_u8 bytes[];
};

#define EVENT_HOST_MAX 256
struct event_host {
	struct event h;
	char host[EVENT_HOST_MAX]; /* NUL-terminated, as the program gave it */
};

enum pipe_kind { PIPE_FIFO = 1, PIPE_SOCKET = 2 };
struct event_pipe { /* EVENT_PIPE: h is who reads it as its standard input */
	struct event h;
	__event_u64 channel;	   /* inode number of the pipe, or of the reader's socket */
	__event_u64 peer_start_ns; /* 0: not known */
	__event_u32 peer_pid;	   /* who writes the other end, or made the pair; 0: not known */
	__event_u32 kind;	   /* enum pipe_kind */
};

#define EVENT_PATH_MAX 256
struct event_file { /* EVENT_FILE */
	struct event h;
	__event_u32 flags; /* of open(2) */
	__event_u32 pad;
	char path[EVENT_PATH_MAX]; /* as given, cut; NUL-terminated */
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
	DROP_NO_OWNER,	 /* a connecting socket could not be marked: its bytes are nobody's */
	DROP_HELLO,	 /* a first TLS flight that could not be read: neither told nor held */
	DROP_WENT_ON,	 /* a process stopped at a gate was continued by somebody else */
	DROP_UNJUDGED, /* a write to a name with rules that went under none: they were being changed,
			  * the name is of earlier rules, or there was no room for its thread */
	DROP__MAX
};

/* What net.bpf.c did; index of `net_counts`. */
enum net_count {
	NET_CONNECTS, /* sockets marked */
	NET_HELLOS,
	NET_ANSWERS,
	NET_HELD,     /* ClientHellos held back */
	NET_RELEASED, /* ... until the probes were in place */
	NET_EXPIRED,  /* ... until the bound, or never because one retransmission is beyond it */
	NET_PLAIN,    /* connections in clear HTTP */
	NET_WAKES,    /* the packet programs were asked for, by a connect */
	NET_LATE,     /* ... and were not there in time: that hello may be missed */
	NET__MAX
};

/*
 * What a probed address is: the low byte of the attach cookie of its uprobe. The rest of the cookie
 * says where its values are, for functions that do not follow the C calling convention of the row
 * (0 = as the row says), and which image it belongs to.
 */
enum tls_site {
	TLS_RETURN = 1, /* any way out of the five below: a RET, or behind the call (see SKIP) */
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
	/* One TLS record through an AEAD. The handle is a key, of one direction. The additional data
	 * say whether it is a record: 5 bytes 17 03 03 len len (TLS 1.3, plaintext ends with its
	 * content type) or 13 bytes seq[8] type 03 03 len len (TLS 1.2). Anything else is not ours. */
	TLS_SEAL, /* plaintext is read at entry: it may be overwritten in place */
	TLS_OPEN, /* plaintext is read at return, when the function succeeded */
	/* Go: the handle is the *tls.Conn; a call is known by its goroutine, not by its thread. */
	TLS_GO_WRITE,
	TLS_GO_READ,
	TLS_GO_RETURN,
	/* NSS: PR_Read, PR_Write, PR_Send, PR_Recv also serve files and plain sockets. */
	TLS_NSS_IMPORT, /* SSL_ImportFD returns the descriptor that is a TLS one */
	TLS_SITE__MAX
};

/* Where a value is. 0 = where the site's row says. */
enum tls_loc {
	LOC_DEFAULT,
	LOC_ARG1, /* registers of the C calling convention, in order */
	LOC_ARG2,
	LOC_ARG3,
	LOC_ARG4,
	LOC_ARG5,
	LOC_ARG6,
	LOC_RET, /* the C return register */
	LOC_G1,	 /* registers of Go's convention (from 1.17): rax rbx rcx rdi rsi */
	LOC_G2,
	LOC_G3,
	LOC_G4,
	LOC_G5,
	LOC_GOROUTINE, /* r14; with LOC_STACK values Go's old convention, the goroutine from TLS */
	LOC_NONE,
	LOC_STACK = 16, /* LOC_STACK + k: the word at sp + 8·k at entry, k 1..15 */
};
#define TLS_COOKIE_SITE(c) ((c)&0xff)
#define TLS_COOKIE_HANDLE(c) ((c) >> 8 & 0x1f)
#define TLS_COOKIE_BUF(c) ((c) >> 13 & 0x1f)
#define TLS_COOKIE_LEN(c) ((c) >> 18 & 0x1f)
#define TLS_COOKIE_OUT(c) ((c) >> 23 & 0x1f) /* address of the length really moved, at return */
#define TLS_COOKIE_AAD(c) ((c) >> 28 & 0x1f)
#define TLS_COOKIE_AADLEN(c) ((c) >> 33 & 0x1f)
/* TLS_OPEN: bytes before the ciphertext in buf. TLS_RETURN: no location but a number, the words the
 * stack pointer is above the entry's: 1 behind the call of a function that leaves by a pointer.
 * Writes and TLS_SEAL: a number that the keeper gives, the bytes in front of the probe that do
 * nothing (agent/attach/reentry.h): from there the call can be made again. 0 = it cannot. */
#define TLS_COOKIE_SKIP(c) ((c) >> 38 & 0x1f)
#define TLS_COOKIE_FLAGS(c) ((c) >> 43 & 0x1f)
/* The two that the keeper gives: index into `hits`, and whose function it is. */
#define TLS_COOKIE_IMAGE(c) ((c) >> 48 & 0xfff)
#define TLS_COOKIE_STACK(c) ((c) >> 60 & 0xf) /* enum tls_stack; 0 = not said */
/* Those of enum tls_stack whose functions say differently that they failed (bpf/lib/fail.h). */
#define EVENT_STACK_GNUTLS 4
#define EVENT_STACK_AWS_LC 9
#define TLS_COOKIE(site, handle, buf, len, out, aad, aadlen, skip, flags)                 \
	((__event_u64)(site) | (__event_u64)(handle) << 8 | (__event_u64)(buf) << 13 |    \
	 (__event_u64)(len) << 18 | (__event_u64)(out) << 23 | (__event_u64)(aad) << 28 | \
	 (__event_u64)(aadlen) << 33 | (__event_u64)(skip) << 38 | (__event_u64)(flags) << 43)
#define TLS_L_LEN64 1 /* lengths and return value are 64 bit (ssize_t) */
#define TLS_L_ONE 2   /* returns 1 (or true in al) for success, not a length */
#define TLS_L_RUST \
	4	    /* TLS_OPEN: length moved = len - skip - 16 at entry; result is not looked at */
#define TLS_L_NSS 8 /* only on descriptors that TLS_NSS_IMPORT has shown */
#define TLS_L_BLIND \
	16 /* read or write of a stack whose handshake is not probed (stripped): late is not known */
/*
 * Rows, where a cookie says LOC_DEFAULT. Handle, buffer and length are arguments 1 to 3 but for:
 *   TLS_WRITE_EX, TLS_READ_EX   out = argument 4; TLS_WRITE_EX2: 5. Others have no out.
 *   TLS_CTRL        buf = command, out = the name (argument 4); buf LOC_NONE: a function that can
 *                   only name the server
 *   TLS_SEAL        buf LOC_STACK + 1, len + 2, aad + 3, aadlen + 4 (EVP_AEAD_CTX_seal). Its RETs
 *                   are not needed.
 *   TLS_OPEN        buf argument 2, out argument 3, aad LOC_STACK + 3, aadlen + 4
 *                   (EVP_AEAD_CTX_open). len and skip are looked at with TLS_L_RUST only: how long
 *                   the plaintext is, the additional data say; len - skip must agree, with or
 *                   without the tag. Otherwise success is 1 in al, whatever the flags say.
 *   TLS_GO_*        handle LOC_G1, buf LOC_G2, len LOC_G3. TLS_GO_RETURN: len = the result (LOC_G1;
 *                   in the old convention LOC_STACK + 5).
 *   TLS_NSS_IMPORT  handle = LOC_RET: stands on the RETs of SSL_ImportFD
 *   TLS_RETURN      the fields of its entry's cookie, but for SKIP
 * Where a library repeats a write with no buffer and no length (GnuTLS), the call before is meant.
 */

/* Per image: how often its sites fired. Index of `hits` is TLS_COOKIE_IMAGE. */
#define IMAGES_COUNTED 4096 /* as many as TLS_COOKIE_IMAGE can say */
struct image_hits {
	__event_u64 entries, returns; /* of reads and writes */
	__event_u64 bytes;
	__event_u64 last_ns;
};

/* What the keeper says of a process to net.bpf.c and pipe.bpf.c; key: tgid. */
struct proc_mark {
	__event_u64 ticks; /* its start, KRULE_TICK_NS */
	__event_u64 until; /* PROBES_NONE: as long, CLOCK_BOOTTIME; it may map a library any time */
	__event_u64 exec;  /* `probes` is of this image: its entry in proc_execs, 0 = none */
	__event_u32 probes; /* enum probe_state */
	__event_u32 marks;  /* MARK_* */
};
enum probe_state {
	PROBES_UNKNOWN = 0, /* nobody has looked: its ClientHello is held and told */
	PROBES_COMING,	    /* being resolved or attached: held */
	PROBES_IN_PLACE,    /* not held */
	PROBES_REMOVED,	    /* was not AI: told, and held until the worker has judged the name */
	PROBES_NONE,	    /* nothing to probe in it, or not wanted: told, not held */
};
#define MARK_AI_TREE 1 /* a tool or model client, or below one: its pipes and files are told */

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
enum verdict {
	VERDICT_NONE = 0,
	VERDICT_IGNORE = 1,
	VERDICT_WATCH = 2,
	VERDICT_QUIET =
		3, /* bytes are counted, but only those at the beginning of a turn are told */
};
/*
 * A turn is what goes in one direction until something goes in the other. Of a quiet connection the
 * first QUIET_TURN bytes of each are told, and the first QUIET_CALL of each later write, for a
 * request that comes without an answer before it. The rest is told as well until the worker has
 * read what was told of the last turn that wrote: before that it cannot have taken the verdict back
 * for a request in it.
 */
#define QUIET_TURN (64 << 10)
#define QUIET_CALL 1024
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
struct krule_host_key { /* reversed lower-case name; "*.x.com" ends with '.'; rest 0 */
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
