/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The gate's layouts, shared by bpf/ and user/: what the kernel asks, what it is answered, and which
 * rules it decides by itself. Events of the gate go through the same ring as all others (event.h
 * lists their kinds). A verdict never depends on room in the ring: what cannot be told is counted
 * and denied or let through all the same.
 */
#ifndef PROBITY_GATE_H
#define PROBITY_GATE_H

#include "proto/event.h"

/* Goes up when a field of a kept map changes its meaning but not its place (user/agent/pins_dir.c):
 * an agent of another number fills maps of its own before it lets go of the old ones. */
#define PINS_LAYOUT 2

/* --- rules in the kernel ----------------------------------------------------------------------- */

/*
 * Kernel rules are bits, as in event.h: host(name) & tool(process) & user(uid). krule_do says what a
 * bit does, and from which stage on. A rule that is in none of the sets kills (as without a gate).
 */
struct krule_do {
	__event_u64 deny;      /* refuse; connect, ClientHello and write alike */
	__event_u64 kill;      /* end the process */
	__event_u64 no_kill;   /* of deny: never kill, also when nothing milder works here */
	__event_u64 watch;     /* monitor mode: tell what would have been, let it go */
	__event_u64 content;   /* decided by content: the write waits for the worker */
	__event_u64 fail_open; /* of content: without an answer in time the write goes */
	__event_u64 no_quic; /* Initial packets to this name are dropped: the client turns to TCP */
	__event_u64 unknown; /* of deny: also what shows no name at all (pack: unknown: deny) */
};

/* How a refusal was done; enum in `mechanism` of event_deny, names by gate_mechanism_name(). */
enum gate_mechanism {
	GATE_NONE,
	GATE_OVERRIDE,	     /* the TLS function returned an error without running */
	GATE_LSM_SENDMSG,    /* lsm/socket_sendmsg: -EPERM for a marked socket */
	GATE_EGRESS,	     /* cgroup_skb/egress: packets of a marked socket are dropped */
	GATE_SHUTDOWN,	     /* the socket was shut by the keeper while the write waited */
	GATE_SIGNAL,	     /* bpf_send_signal(SIGKILL) at the call */
	GATE_PIDFD,	     /* SIGKILL by the keeper */
	GATE_LSM_EXEC,	     /* lsm/bprm_check_security */
	GATE_FMOD_EXEC,	     /* fmod_ret/security_bprm_check */
	GATE_SIGNAL_EXEC,    /* SIGKILL at sched_process_exec, before the first user instruction */
	GATE_LSM_OPEN,	     /* lsm/file_open: an interpreter may not open that script */
	GATE_LSM_MMAP,	     /* lsm/mmap_file, lsm/file_mprotect */
	GATE_LSM_CONNECT,    /* lsm/socket_connect */
	GATE_CGROUP_CONNECT, /* cgroup/connect4|6, cgroup/sendmsg4|6 */
	GATE_CLIENTHELLO,    /* the ClientHello never left and the socket was destroyed */
	GATE_QUIC,	     /* Initial packets dropped */
	GATE_PROCESS_VM,     /* process_vm_writev: masked in the held buffer */
	GATE_LSM_GUARD,	     /* guard.bpf.c */
	GATE_STOP_EXEC,	     /* SIGSTOP at sched_process_exec, then SIGKILL by the keeper */
	GATE_MECHANISM__MAX
};

/* How a refusal may be done, mildest first; the pack's `refuse:`. */
#define REFUSE_ERROR 1	  /* the call fails: register override, send-deny */
#define REFUSE_SHUTDOWN 2 /* the connection ends */
#define REFUSE_KILL 4

/* Where a kernel program decided. */
enum gate_hook {
	GATE_AT_EXEC = 1,
	GATE_AT_SCRIPT,
	GATE_AT_MAP,
	GATE_AT_CONNECT,
	GATE_AT_SENDTO,
	GATE_AT_HELLO,
	GATE_AT_QUIC,
	GATE_AT_WRITE,
	GATE_AT_GUARD,
};

/* Why, when it was no name in a hello. */
enum gate_evidence {
	GATE_BY_SNI = 1,
	GATE_BY_DNS,  /* an answer this process asked for, not older than its TTL and 10 s */
	GATE_BY_IP,   /* a range that belongs to one service */
	GATE_BY_HOST, /* of a clear HTTP request */
	GATE_BY_FILE,
	GATE_BY_TREE, /* what a tool call of a model had forbidden to its agent's tree */
	GATE_BY_CONTENT,
	GATE_BY_NAME, /* of a package or module, in a command line */
};

#define EVENT_WHAT_MAX 256
/* EVENT_DENY: one per verdict, from the program that decided. Floods are folded: `count` verdicts
 * of the same kind on the same subject since the last one told, this one included. */
struct event_deny {
	struct event h;
	__event_u64 rules;  /* bits of krule or exec rules, by `hook` */
	__event_u64 policy; /* generation of the rules */
	__event_u64 cookie; /* of the socket, or 0 */
	__event_u64 count;
	__event_u64 dev, ino;
	struct event_addr peer;
	__event_u16 hook, mechanism, evidence; /* enum gate_* */
	__event_u8 watched;		       /* monitor mode: nothing was done */
	__event_u8 pad;
	char what[EVENT_WHAT_MAX]; /* name or path; NUL-terminated */
};

/* --- the write that waits ------------------------------------------------------------------------ */

/*
 * A gated write is told at its entry and not at its return: EVENT_DATA with EVENT_F_GATED for its
 * bytes (offset = where the connection is; what a partial write did not move comes again at the
 * same offset, and is skipped as seen), then one EVENT_GATE, then the program waits for
 * gate_slots[conn & mask] to hold {conn, seq, verdict}. At return only the offset moves.
 * EVENT_GATE always wakes the worker (BPF_RB_FORCE_WAKEUP).
 *
 * A write that is refused keeps its place in the stream: the offset moves over all of it, so what the
 * client tries next is new. A write of the same buffer and length at the same offset as the last one
 * that passed, with the same bytes, is that one, tried again: it is neither told nor held.
 *
 * Where no wait is possible (GATE_FULL) and the write goes, it is told at its return as without a
 * gate, and EVENT_GATE says told = 0. Where it is refused its bytes come before, as they do with a
 * deny rule: EVENT_F_REFUSED without EVENT_F_GATED.
 */
struct event_gate {
	struct event h;
	__event_u64 seq;    /* of this wait; unique while the agent runs */
	__event_u64 offset; /* of the first byte */
	__event_u64 size;   /* bytes of the write */
	__event_u64 cookie; /* of the socket if bound, or 0 */
	__event_u64 rules;  /* content rules that concern this host, tool and user */
	__event_u32 how;    /* enum gate_wait */
	__event_u32
		told; /* bytes that were told: all, or the call is too large or a page is gone */
};
enum gate_wait {
	GATE_REEXEC,  /* the call is made again until the verdict is there; any number waits */
	GATE_HELD,    /* a bounded wait inside of the probe */
	GATE_FULL,    /* no wait was possible (CPUs, 5.10): already let through or refused */
	GATE_STOPPED, /* its process is stopped (SIGSTOP) and goes on when the keeper says so */
	GATE_AWAY,    /* as GATE_FULL, because no agent is there to answer */
};
/* EVENT_GATE_END: the wait is over. Of GATE_STOPPED the keeper's ROLE_CONTINUED says that; this only that
 * somebody else continued it and nothing holds it any more (GATE_TIMEOUT). */
struct event_gate_end {
	struct event h;
	__event_u64 seq, waited_ns;
	__event_u32 verdict;   /* enum gate_verdict in force; GATE_TIMEOUT: nobody answered */
	__event_u32 mechanism; /* what the kernel did by itself: GATE_OVERRIDE, _SIGNAL, _NONE … */
	__event_u32 refused;   /* 1: it was not to go (by the verdict, or because there was none and
				* the rules fail closed); with GATE_NONE nothing here stopped it */
	__event_u32 pad;
};

enum gate_verdict {
	GATE_ASKED = 0,
	GATE_PASS,
	GATE_REFUSE, /* as the worker chose: the mildest mechanism that the keeper made ready */
	GATE_KILL,
	GATE_BLOCK, /* not yet: an operator is asked. Its process is stopped (GATE_STOPPED) if it can
		     * be; else, and if it has a terminal, the write is refused */
	GATE_TIMEOUT,
};
#define GATE_SLOTS 65536
struct gate_slot { /* mmapable array, written by the worker alone */
	__event_u64 conn, seq;
	__event_u32 verdict;
	__event_u32 pad;
};

/* Who waits, for the keeper: key = seq. The only memory the worker may ask to have masked. */
struct gate_wait_key {
	__event_u64 seq;
};
struct gate_waiter {
	__event_u64 conn, start_ns, cookie;
	__event_u64 buf, len; /* of the write, in the process's memory */
	__event_u32 tgid, tid;
	__event_u64 since_ns;
	__event_u32 cpu;   /* where it waits; of one that is made again: where it was first */
	__event_u16 how;   /* enum gate_wait */
	__event_u8 closed; /* WAITER_* */
	__event_u8
		answered; /* of GATE_STOPPED, by the keeper: it goes on because it was answered */
};
#define WAITER_CLOSED 1	  /* its rules fail closed */
#define WAITER_MAY_KILL 2 /* ... and may kill for it, where nothing milder works */
#define WAITER_AGAIN 4	  /* continued it looks at its slot, settles as it says and tells the end */
#define WAITER_RAN \
	8 /* somebody else continued it and its write ran: no byte of it can be
			   * masked any more, but its socket keeps them (SOCK_ASK) until it is judged */

/* Settings, in the map `gate`: one entry, written by the keeper. */
struct gate_settings {
	__event_u32 on;	     /* 0: no content rules in force; writes are told at return */
	__event_u32 hold_us; /* a write waits no longer */
	__event_u32 waiters; /* at once, of GATE_HELD */
	__event_u32 full;    /* enum gate_full: what when no wait is possible */
	__event_u64 generation;
	__event_u64 alive_ns; /* CLOCK_BOOTTIME, renewed every second: older than 3 s = no agent */
};
/* GATE_FULL_STOP: the process is stopped; where that is not possible either, as GATE_FULL_REFUSE. */
enum gate_full { GATE_FULL_PASS, GATE_FULL_REFUSE, GATE_FULL_STOP };

/*
 * A process that is stopped. The program notes the waiter (how = GATE_STOPPED), then looks into
 * `gate_going`: the keeper, about to continue that process, has its tgid there before it looks for
 * other waiters of it, and takes it out after the SIGCONT (which would also take a SIGSTOP that is on
 * its way). Whoever finds the other gives way: the program does not stop, the keeper waits for the
 * last of them. EVENT_GATE_STOP (control ring; conn = seq, start_ns, pid of the process) tells the
 * keeper, who alone bounds the wait; its room is reserved before the SIGSTOP (without it nothing is
 * stopped), and it is submitted after it: the keeper continues nothing that it has not been told of,
 * so no SIGCONT comes before the SIGSTOP it is for. A process with a
 * controlling terminal is never stopped: its shell would say so. While it is stopped its socket, if it
 * is known, is SOCK_ASK, so that a SIGCONT of somebody else lets no packet go but of what the socket was
 * given before (SOCK_UPTO_SEQ). A process may be stopped several times for one write, each time told:
 * one made again (WAITER_AGAIN) looks at its slot whenever it runs, and stops again at GATE_BLOCK.
 * A write whose waiter the program took back without a word was not stopped.
 * The keeper says `answered` in the waiter before the SIGCONT and takes it out of `gate_waits` after it:
 * one that runs, is still there and not answered was continued by somebody else. A waiter with
 * GATE_BLOCK in its slot has the verdict there before the SIGCONT (the keeper writes it as well).
 */
#define GATE_BLOCK_MAX_S 300

/* --- sockets ------------------------------------------------------------------------------------- */

/* sock_rules (maps.h) of a socket, besides its name's rules: may its packets go? */
enum sock_verdict {
	SOCK_NONE, /* nothing said */
	SOCK_ASK,  /* its name is not known to the kernel yet (hello in pieces, clear HTTP, QUIC):
		    * packets wait for the worker */
	SOCK_PASS,
	SOCK_DENY, /* none may leave; lsm/socket_sendmsg gives -EPERM */
};

/* In sock_upto, of a SOCK_ASK that is a stopped process's: the TCP sequence number up to which its
 * packets go all the same. */
#define SOCK_UPTO_SEQ (1ull << 63)

/* What a process was told by DNS. Key of `dns_names`. */
struct dns_key {
	__event_u32 tgid;
	__event_u32 family;
	__event_u8 addr[16];
};
struct dns_value {
	__event_u64 rules, generation, until_ns;
	char name[64]; /* the head of it, for the record */
};
/* Ranges that belong to one service: LPM trie `deny_nets`. */
struct net_key {
	__event_u32 prefix; /* bits, of family and address */
	__event_u32 family; /* network order */
	__event_u8 addr[16];
};

#define QUIC_FLOW(cookie, peer_hash) \
	((__event_u32)(cookie) | (__event_u64)((peer_hash) | 0x80000000u) << 32)
#define EVENT_QUIC_MAX 1500
struct event_quic { /* EVENT_QUIC: an Initial packet of a client, as it stands in the datagram */
	struct event h;
	struct event_addr local, peer;
	__event_u64
		cookie; /* of the flow, QUIC_FLOW(): one UDP socket may speak to many servers. The
			     * answer by ROLE_SOCK names it in place of a socket's. */
	__event_u32 size, pad;
	__event_u8 bytes[];
};

/* --- exec ---------------------------------------------------------------------------------------- */

/* One generation of one file. A write to it makes another. Key of `exec_files`. */
struct exec_key {
	__event_u64 dev, ino; /* as stat(2): dev major << 20 | minor in kernel form */
};
/* Of two generations of rules, so that the next can be written while the other is in force. */
struct exec_rules_of {
	__event_u64 rules, generation;
};
struct exec_value {
	struct exec_rules_of of[2]; /* exec rules that name this file: by path, digest, package */
	__event_u64 ctime_ns, size; /* of the file when it was looked at: another = not known */
	__event_u32 flags;	    /* EXEC_* */
	__event_u32 starts;	    /* state in which its command line is read (exec_names), or 0 */
};
struct exec_user {
	struct exec_rules_of of[2];
};
#define EXEC_KNOWN 1	   /* looked at, and judged: with a digest, if a rule asks for one */
#define EXEC_INTERPRETER 2 /* node, python, bun …: the scripts it opens are looked up as well */
#define EXEC_SCRIPT 4	   /* a script of a tool or a package */
#define EXEC_ALWAYS 8	   /* built-in allow: agent, package manager, remote access, shutdown */
#define EXEC_ALLOWED 16	   /* no allowlist refuses it */
#define EXEC_LIBRARY 32	   /* no program: mapping it is judged, running it cannot be */

/* Scripts where no hook sees them opened: the path as the caller gives it, in argv or to exec, and the
 * folder it is relative to. Key of `exec_paths`. */
#define EXEC_PATH_MAX 192
struct exec_path {
	struct exec_key dir;	  /* 0: the path is absolute */
	char path[EXEC_PATH_MAX]; /* the rest 0 */
};
struct exec_path_value {
	struct exec_value v; /* of the file it leads to */
	struct exec_key file;
};

/*
 * What a command line names: `python -m aider`, `npx -y @openai/codex@1`. The words behind a program
 * that starts others are read by a small state machine, whose grammar and whose names are the
 * entries of `exec_names`; exec.bpf.c and user/classify/launch.c read it alike. `space` is a state of
 * the grammar, for verbs, options and (word "") how the state takes a word that is no option; or an
 * enum exec_how, for packages and modules.
 */
#define EXEC_NAME_MAX 128  /* with its NUL; the rest 0 */
#define EXEC_LINE_WORDS 16 /* of a command line; a word longer than a name counts for several */
/* How a state takes a word; states are numbers above these. */
enum exec_how {
	EXEC_HOW_END,	 /* it ends the reading */
	EXEC_HOW_VERB,	 /* as it stands, in this state */
	EXEC_HOW_BASE,	 /* behind its last '/', in this state */
	EXEC_HOW_NPM,	 /* name@version */
	EXEC_HOW_DENO,	 /* npm:name@version/path */
	EXEC_HOW_PYPI,	 /* name[extra]==version; '_' and '.' are '-', runs of them one */
	EXEC_HOW_MODULE, /* name.name: the whole, and each part that ends before a '.' */
	EXEC_HOW__MAX
};
#define EXEC_WORD_SKIP 1    /* an option whose value is no package */
#define EXEC_WORD_ZERO 2    /* counts as argv[0] as well */
#define EXEC_WORD_CLUSTER 4 /* of a state: short options as Python has them, -Im module */
#define EXEC_WORD_BACK 8    /* of a state: the value of an option; then on in `next` */
#define EXEC_WORD_END 16    /* an option behind which code follows, or nothing */
struct exec_name {
	__event_u32 space;
	char word[EXEC_NAME_MAX];
};
struct exec_name_value {
	struct exec_rules_of of[2];
	struct exec_key file; /* one of the package that rules name, or 0 */
	__event_u32 next;     /* state that the word leads to, 0 = none */
	__event_u16 how;      /* enum exec_how, of a state */
	__event_u16 flags;    /* EXEC_WORD_* */
};

/* EVENT_EXEC_ASK, control ring only: a file that is not in exec_files is about to run. */
struct event_exec_ask {
	struct event h;
	__event_u64 dev, ino, ctime_ns, size;
	char path[EVENT_WHAT_MAX]; /* as given; NUL-terminated */
};

/* In the map `exec_settings`: one entry. */
struct exec_settings {
	__event_u64 all, any_user, any_tree; /* bits in use; those without that constraint */
	__event_u64 in_tree; /* hold below every AI tool; in neither: only where `trees` says so */
	__event_u64 deny, kill, watch;
	__event_u64 allowlist; /* rules that deny what they do not name: exec_value.rules has them
				* for each file that is not on the list */
	__event_u64 closed;    /* hold for files that nobody has looked at yet (fail: closed) */
	__event_u64 generation;
	__event_u64 then_exec; /* a tool call may yet forbid it below its agent */
	__event_u64 alive_ns;  /* CLOCK_BOOTTIME, renewed every second: older than 3 s = no agent */
	__event_u32 wait_us;   /* an exec of a file not looked at waits so long for the keeper */
	__event_u32 then_connect; /* not 0: also what is reached may yet be forbidden so */
};

/*
 * An image below an AI tool that a tool call may be about to forbid: the worker may not have read what
 * the agent did. Its process is stopped before its first instruction, until the worker has read all
 * that was told by then (`position`) and the keeper has heard it, EXEC_STOP_MS at most. Never one with a
 * controlling terminal, whose shell would say so, or a traced one. It stands in `exec_stops` (tgid →
 * start) until the keeper has continued or ended it, so that the next keeper can. EVENT_EXEC_STOP,
 * control ring; without room for it nothing is stopped.
 */
#define EXEC_STOP_MS 20
struct event_exec_stop {
	struct event h;
	__event_u64 position; /* of the ring's producer, then */
	__event_u64 rules;    /* of then_exec, on what it runs */
	__event_u64 dev, ino;
	__event_u32 hook, pad;	   /* GATE_AT_EXEC or GATE_AT_SCRIPT */
	char what[EVENT_WHAT_MAX]; /* path or name; NUL-terminated */
};

/* What a model's tool call has forbidden below one process: `trees`, key = tgid, spread at fork. */
struct tree_value {
	__event_u64 start_ticks; /* KRULE_TICK_NS: of this very process */
	__event_u64 exec_rules, connect_rules;
	__event_u64 generation, until_ns; /* 0 = as long as it lives */
};

#ifndef __bpf__
_Static_assert(sizeof(struct event_deny) % 8 == 0, "no hidden padding");
_Static_assert(sizeof(struct gate_slot) == 24, "gate_slot has no hidden padding");
_Static_assert(sizeof(struct gate_waiter) == 64, "gate_waiter has no hidden padding");
#endif

#endif
