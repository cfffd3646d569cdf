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

struct role_pack {
	uint64_t generation;
	char name[128]; /* file it came from */
	uint32_t
		enforce; /* 0 monitor, 1 enforce: command line wins over the pack; 2 = as the pack says */
	uint32_t len;
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

/* Variable: `hosts` × role_krule_host, then `users` × role_krule_user. */
struct role_krules {
	uint64_t generation;
	uint64_t any_tool, any_user, all;
	uint32_t hosts, users;
};
struct role_krule_host {
	uint64_t rules;
	char pattern[128]; /* exact name or "*.suffix" */
};
struct role_krule_user {
	uint64_t rules;
	char pattern[64]; /* glob on the login name, or a number: the keeper knows the users */
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
