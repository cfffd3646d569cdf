/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages between keeper, worker and recorder, over SOCK_SEQPACKET socketpairs: one message is
 * one packet `struct role_msg` + body. A packet with another version, an unknown kind, a size out
 * of the bounds in role.c's table, or a text without its NUL is refused and counted; the sender
 * is then restarted, because a role that speaks nonsense has been taken over or is broken.
 */
#ifndef PROBITY_AGENT_ROLE_H
#define PROBITY_AGENT_ROLE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/gate.h"

#define ROLE_VERSION 1
#define ROLE_BODY_MAX (256 * 1024)

enum role_kind {
	/* worker → recorder */
	ROLE_RECORD = 1, /* struct role_record + payload: seal this */
	ROLE_SYNC, /* struct role_sync: a worker began; whatever came before is of workers that
			  * are dead. Answered by the same with `id`, once that is durable. */
	/* recorder → worker */
	ROLE_ACK,   /* struct role_ack: durable up to id */
	ROLE_HELLO, /* struct role_ack: recorder (re)started, durable up to id; resend the rest.
		     * The worker answers with a ROLE_HELLO of its own before it resends: id = the
		     * last id it will resend, 0 = none. Until then, or a ROLE_SYNC, records wait:
		     * what was queued before must not overtake what is resent. */
	/* keeper → worker */
	ROLE_PROC,  /* struct role_proc: facts about a process */
	ROLE_USER,  /* struct role_user: answer to ROLE_ASK */
	ROLE_PACK,  /* struct role_pack + YAML: judge by this from now on */
	ROLE_DROPS, /* struct role_drops: kernel counters, once a second when changed */
	/* worker → keeper */
	ROLE_TOOL,   /* struct role_tool: rules that concern this process's tool */
	ROLE_ASK,    /* struct role_ask: who is that user? */
	ROLE_KILL,   /* struct role_kill: end this process */
	ROLE_KRULES, /* struct role_krules: in-kernel rules of the pack in force */
	ROLE_STATUS, /* JSON text: worker's or recorder's part of `probity status` */
	ROLE_WATCH,  /* struct role_watch: what is known of a process that uses TLS */
	/* keeper → worker */
	ROLE_PROBES, /* struct role_probes: whether a process's TLS can be seen, and since when */
	/* keeper → worker, recorder */
	ROLE_STOP, /* finish what is in flight, flush, exit 0 */
	/* keeper → resolver, with the open file; and back */
	ROLE_RESOLVE,  /* struct role_resolve, for RESOLVE_RELOCATE + struct tls_found */
	ROLE_RESOLVED, /* struct role_resolved, with result 1 + struct tls_found */

	/* --- the gate (proto/gate.h) --- */
	/* worker → keeper */
	ROLE_GATE,    /* struct role_gate: content rules of the pack in force, and how to wait */
	ROLE_REFUSE,  /* struct role_refuse: make this socket dead before a waiting write goes on */
	ROLE_MASK,    /* struct role_mask + role_span[]: mask these bytes of a waiting write */
	ROLE_SOCK,    /* struct role_sock: verdict on a socket whose name the kernel cannot read */
	ROLE_PENDING, /* struct role_pending: a call was refused and may be approved */
	ROLE_FILE_RULES, /* struct role_file_rules: which exec rules concern a file */
	ROLE_EXEC_RULES, /* struct role_exec_rules + role_exec_user[]: of the pack in force */
	ROLE_TREE,	 /* struct role_tree: what is forbidden below a process */
	ROLE_CONTINUE,	 /* struct role_continue: of a write whose process is stopped */
	/* keeper → worker */
	ROLE_REFUSED, /* struct role_done: answer to ROLE_REFUSE */
	ROLE_MASKED,  /* struct role_done: answer to ROLE_MASK */
	ROLE_CONTINUED, /* struct role_done: a stopped process goes on, or -ETIMEDOUT: as its rules say
			 * when nobody answers; mechanism: how it was refused, GATE_NONE if it was not */
	ROLE_GRANTS,	/* struct role_grants + role_grant[]: all that are in force; replaces */
	ROLE_SEAL,	/* struct role_seal + packed probity.v1.Control: to be sealed as a record */
	ROLE_FILE,	/* struct role_file: which exec rules concern this file? */
	ROLE_JUDGE,	/* struct role_judge: explain what the pack says of a process */
	ROLE_FOLDED,	/* struct event_deny: refusals that the kernel counted and did not tell */
	/* worker → keeper */
	ROLE_JUDGED, /* struct role_judged + JSON text: answer to ROLE_JUDGE */
	ROLE_POLICY, /* struct role_policy + policy_needs[]: answer to ROLE_PACK */
	/* keeper → recorder */
	ROLE_REVEAL, /* struct role_reveal + packed probity.v1.Control + names: whose pseudonym? */
	/* recorder → keeper */
	ROLE_ERASE,    /* struct role_erase: payloads that are to go */
	ROLE_ERASED,   /* struct role_erased: answer, after its ERASE record is durable */
	ROLE_REVEALED, /* struct role_revealed: answer, after that Control is durable */
	ROLE__MAX
};

struct role_msg {
	uint16_t version;
	uint16_t kind;
	uint32_t len; /* body bytes */
};

/* id: strictly increasing per host over restarts (wall ns at worker start, then +1), never 0. */
struct role_record {
	uint64_t id;
	uint64_t boot_ns;
	uint32_t schema; /* enum record_schema */
	uint32_t len;	 /* payload bytes that follow */
};

struct role_ack {
	uint64_t id;
};

struct role_sync {
	uint64_t nonce; /* of this worker: an answer to the one before may still be in the socket */
	uint64_t id;	/* answer: no other id up to the last one of dead workers will come */
};

/* One line of facts: NUL-terminated texts, each cut to its field. */
struct role_proc {
	uint64_t start_ns; /* CLOCK_BOOTTIME */
	uint64_t cgroup;
	uint32_t pid, ppid, uid, gid, loginuid;
	uint32_t argv_len; /* used bytes of argv */
	char user[64], login_user[64];
	char groups[256]; /* comma-separated */
	char exe[512];	  /* resolved path */
	char exe_sha256[65];
	char cgroup_path[256];
	char container[80]; /* container id, empty on the host */
	char argv[2048];    /* NUL-separated */
};

/* The answer is a ROLE_POLICY. */
struct role_pack {
	uint64_t generation;
	uint64_t min_revision; /* a pack that says a lower one is refused; 0 = none is */
	uint64_t revision;     /* of its signature, 0 = not signed: the pack may say no other */
	char name[128];	       /* file it came from */
	char signer[64];       /* name of the key that signed it, "" */
	char refused[256];     /* why there is no text: to be recorded as a refused pack; "" */
	uint32_t
		enforce; /* 0 monitor, 1 enforce: command line wins over the pack; 2 = as the pack says */
	uint32_t len;
};

/* A pack came into force, or was refused by the worker. Variable: `rules` x struct policy_needs. */
struct role_policy {
	uint64_t generation; /* of the ROLE_PACK */
	uint64_t revision;
	uint8_t sha256[32];
	char set[64], version[64], error[256];
	uint32_t refused, enforce, rules, pad;
};

struct role_drops {
	uint64_t count[16]; /* enum event_drop */
	uint64_t late_attach, sites, images;
};

struct role_tool {
	uint64_t start_ns;
	uint64_t rules;
	uint64_t generation; /* of the rules */
	uint32_t pid;
	uint32_t pad;
};

struct role_ask {
	uint32_t uid;
	uint32_t pad;
};

struct role_user { /* "" = no such name */
	uint32_t uid;
	uint32_t groups_len; /* of the text, commas or NULs between */
	char user[64];
	char groups[256];
};

struct role_kill {
	uint64_t start_ns;
	uint64_t conn;
	uint32_t pid;
	char rule[124];
};

/* Evidence for adaptive attachment. The latest word counts; AI is never taken back. */
enum role_evidence {
	WATCH_AI =
		1, /* an AI tool by the catalog, or it talked to AI: keep probes; mark its tree */
	WATCH_CLIENT, /* its ClientHello names a server that may be AI: attach, let it go */
	WATCH_NOT_AI, /* all it said so far was not AI: probes may go */
};
struct role_watch {
	uint64_t start_ns;
	uint32_t pid;
	uint32_t evidence; /* enum role_evidence */
	char name[128];	   /* the server's name, if that is why; "" */
};

struct role_probes {
	uint64_t start_ns; /* of the process */
	uint64_t since_ns; /* sites in place since, CLOCK_BOOTTIME; 0 = not */
	uint32_t pid;
	uint32_t state;	 /* enum probe_state */
	char stacks[64]; /* "boringssl, rustls-aws-lc" */
	char reason[96]; /* why not, or why late; "" */
};

enum resolve_what {
	RESOLVE_IDENTIFY = 1, /* only its build-id: quick, also for large files */
	RESOLVE_FIND,	      /* its functions */
	RESOLVE_RELOCATE,     /* the given functions, of another file with the same build-id */
};
struct role_resolve {
	uint64_t id; /* not to be guessed: who answers has been asked */
	uint32_t what;
	uint32_t pad;
};
struct role_resolved {
	uint64_t id, took_us;
	int32_t result; /* 1 functions, 0 none, -errno */
	uint32_t what;
	uint32_t signatures; /* version of the table in use */
	char build_id[65];   /* hex; "" = none */
	char why[163];	     /* when refused */
};

/* Variable: `hosts` × role_krule_host, `users` × role_krule_user, `nets` × role_krule_net. */
struct role_krules {
	uint64_t generation;
	uint64_t any_tool, any_user, all;
	uint32_t hosts, users, nets, pad;
};
struct role_krule_host {
	uint64_t rules;
	char pattern[128]; /* exact name or "*.suffix" */
};
struct role_krule_user {
	uint64_t rules;
	char pattern[64]; /* glob on the login name, or a number: the keeper knows the users */
};
struct role_krule_net {
	uint64_t rules;
	uint32_t prefix, family; /* bits of the address that count; AF_* */
	uint8_t addr[16];
};

/* --- the gate ---------------------------------------------------------------------------------- */

struct role_gate {
	uint64_t generation;
	uint32_t on;	      /* the pack has rules that need the content of a request */
	uint32_t hold_us;     /* as the pack says; 0 = the default */
	uint32_t full;	      /* enum gate_full */
	uint32_t blocks;      /* a rule of it may let a call wait for its operator */
	struct krule_do todo; /* what the bits of ROLE_KRULES do */
};

struct role_refuse {
	uint64_t seq;	 /* of the waiting write; 0 = none waits */
	uint64_t cookie; /* of the socket; 0 = not known */
	uint64_t conn, start_ns;
	uint32_t pid;
	uint32_t may; /* REFUSE_*; without REFUSE_KILL it fails rather than kill */
	char rule[64];
};
/* verdict: GATE_PASS, GATE_REFUSE (after ROLE_REFUSE was answered) and GATE_KILL end the wait;
 * GATE_BLOCK moves its end to block_ms from now, at most GATE_BLOCK_MAX_S from its beginning; also of
 * one that is not stopped yet, because it will be for that answer. */
struct role_continue {
	uint64_t seq, start_ns;
	uint32_t pid;
	uint32_t verdict; /* enum gate_verdict */
	uint32_t block_ms;
	uint32_t pad;
	char id[16]; /* of GATE_BLOCK: the pending approval it waits for; "" = none */
};
struct role_done {
	uint64_t seq, cookie;
	int32_t result;	    /* 0 or -errno */
	uint32_t mechanism; /* enum gate_mechanism */
};

/* Same length, so lengths told before stay true. The keeper takes only what lies in the buffer of a
 * write that waits (the kernel's own note of it), and writes nothing but the mask. In the payload of a
 * client's WebSocket frame that is the mask under the frame's key: the keeper reads head and key from
 * that buffer itself, and the span must lie in that frame. */
struct role_mask {
	uint64_t seq;
	uint64_t start_ns;
	uint32_t pid;
	uint32_t spans;
};
struct role_span {
	uint32_t at, n; /* in the write's buffer */
	uint32_t frame; /* where in it its WebSocket frame begins; SPAN_PLAIN: it is in none */
};
#define SPAN_PLAIN (~0u)
#define MASK_CHAR 'X'
#define MASK_SPANS_MAX 1024

struct role_sock {
	uint64_t cookie, start_ns;
	uint32_t pid;
	uint32_t verdict; /* enum sock_verdict: SOCK_PASS, SOCK_DENY */
	uint64_t rules;	  /* of a name: the kernel rules it has */
	uint32_t flags;	  /* SOCK_END: destroy it, so that the client fails at once */
	uint32_t pad;
	uint64_t upto; /* SOCK_PASS of a clear connection: bytes from its beginning that may go; 0:
			* all that will come */
};
#define SOCK_END 1

/* A call that was parked. The keeper keeps it (state-dir), shows it, and takes the answer. */
struct role_pending {
	uint64_t unix_ns;
	uint64_t start_ns;
	uint32_t pid, uid;
	uint8_t key[32]; /* SHA-256 of rule, user, tool, service, host: a retry is the same one */
	char id[16];	 /* short, for people: base32 of the key's head */
	char rule[64], user[64], tool[64], service[64], host[128], model[128];
	char exe[256], why[256];
	char pack[64], pack_version[64];
	uint64_t root_start_ns; /* the tool it is, or is below; else pid itself: GRANT_SESSION */
	uint32_t root_pid;
	uint32_t grant_s; /* the rule's hold: for how long, unless the operator says otherwise */
};
enum grant_scope { GRANT_CALL, GRANT_TOOL, GRANT_SERVICE, GRANT_SESSION };
struct role_grant {
	uint8_t key[32];
	char id[16];
	char rule[64], user[64], tool[64], service[64], host[128];
	char by[64];		   /* operator: login name */
	uint64_t until_unix_ns;	   /* 0 = used up by one call (GRANT_CALL) */
	uint64_t session_start_ns; /* GRANT_SESSION: of the process at the root of the tree */
	uint32_t session_pid;
	uint32_t scope;	 /* enum grant_scope */
	uint32_t denied; /* the operator said no: refuse without asking again until then */
	uint32_t pad;
};
struct role_grants {
	uint32_t n, pad;
};
struct role_seal {
	uint32_t len, pad;
};

/* A file that can be executed, or a script of an interpreter. */
struct role_file {
	uint64_t id; /* not to be guessed */
	uint64_t dev, ino, size, ctime_ns;
	uint32_t uid, mode;
	uint32_t script; /* a script */
	uint32_t flags;	 /* EXEC_LIBRARY; FILE_NAME: no file, only the package a launcher names */
	char path[512];
	char interpreter[64]; /* of a script: "node", "python3"; "" */
	char sha256[65];
	char package[127]; /* npm or Debian package it belongs to, "@openai/codex"; "" */
};
#define FILE_NAME 0x10000
struct role_file_rules {
	uint64_t id, generation;
	uint64_t rules; /* exec rules that name this file */
	uint32_t flags; /* EXEC_* */
	uint32_t pad;
	char tool[64]; /* catalog id, "" */
};
struct role_exec_rules {
	uint64_t generation;
	uint64_t all, any_user, any_tree, in_tree, deny, kill, watch, allowlist, closed;
	uint64_t then_exec;    /* a tool call may put them in force below its agent */
	uint32_t then_connect; /* ... or rules on what is reached */
	uint32_t pad;
	uint32_t users, wait_us;
	uint32_t wants; /* EXEC_WANTS_* */
	uint32_t places;
};
#define EXEC_WANTS_DIGEST 1  /* a rule asks for SHA-256 */
#define EXEC_WANTS_PACKAGE 2 /* ... for a package */
struct role_exec_user {
	uint64_t rules;
	char pattern[64];
};
/* Behind the users: paths that rules name, perhaps with * and ?, in lower case; and packages, "name"
 * behind ROLE_PLACE_PACKAGE. */
#define ROLE_PLACE_PACKAGE "package:"
struct role_exec_place {
	char path[256];
};
struct role_tree {
	uint64_t start_ns;
	uint64_t exec_rules, connect_rules, generation;
	uint64_t until_ns; /* CLOCK_BOOTTIME, 0 = while it lives */
	uint64_t since_ns; /* when the model asked: what ran below it since is looked at; or 0 */
	uint32_t pid, pad;
};

struct role_reveal {
	uint64_t id;
	uint32_t control_len, names_len; /* names: each with its NUL */
	char pseudonym[24];
};
/* Either first_seq to last_seq, or all before a time. */
struct role_erase {
	uint64_t id, first_seq, last_seq, before_unix_ns;
	uint32_t uid, force;
	char operator[64];
	char reason[400];
};
struct role_erased {
	uint64_t id, seq;	      /* of the ERASE record */
	uint64_t first_seq, last_seq; /* as they are in it */
	int32_t result;		      /* 0, or -errno and why */
	char why[156];
};
struct role_revealed {
	uint64_t id, seq; /* of the REVEAL record */
	int32_t result;	  /* 0, or -errno: nothing was sealed */
	uint32_t pad;
	char name[256]; /* "": of none of the names */
};

struct role_judge {
	uint64_t id;
	uint32_t pid, pad;
};
struct role_judged {
	uint64_t id;
	uint32_t len, pad;
};

/*
 * role_send: 0; -EAGAIN when the peer's queue is full (nothing was sent); -EMSGSIZE; -errno.
 * role_recv: body length ≥ 0 with *ret_msg set; -EAGAIN; -EPROTO for a malformed packet;
 *            -ECONNRESET at end. `buf` must hold ROLE_BODY_MAX bytes and be 8-aligned.
 * A ROLE_STATUS text may be sent with or without its NUL; received, the length is without it and
 * buf[length] is the NUL. Both ends of a pair are non-blocking and closed at exec.
 */
int role_pair(int ret_fds[static 2]);
int role_send(int fd, enum role_kind kind, const void *body, size_t n);
int role_sendv(int fd, enum role_kind kind, const void *head, size_t n, const void *tail, size_t m);
int role_recv(int fd, struct role_msg *ret_msg, void *buf, size_t cap);
/* The same with an open file beside the message. *ret_fd: -1 when there was none. */
int role_send_fd(int fd, enum role_kind kind, const void *head, size_t n, const void *tail,
		 size_t m, int pass);
int role_recv_fd(int fd, struct role_msg *ret_msg, void *buf, size_t cap, int *ret_fd);

#endif
