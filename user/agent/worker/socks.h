/* SPDX-License-Identifier: Apache-2.0 */
/* TCP sockets by their kernel cookie: what their first packets said, and who speaks over them. */
#ifndef PROBITY_AGENT_WORKER_SOCKS_H
#define PROBITY_AGENT_WORKER_SOCKS_H

#include "agent/worker/worker.h"

#define SOCKS_MAX 32768

struct conn;
struct first_bytes;
struct sock {
	struct sock *next, *next_of_pid;
	struct sock *newer, *older; /* by last use */
	uint64_t cookie, start_ns, cgroup;
	uint32_t pid, uid;
	struct event_addr peer;
	uint64_t first_ns, hello_ns, answer_ns, closed_ns; /* 0 = not seen */
	int64_t sent;					   /* bytes, told at the end; -1 unknown */
	uint32_t hello_len;	   /* of the ClientHello, as its record header says */
	struct first_bytes *first; /* a flight in parts */
	char *sni, *alpn;	   /* NULL: none */
	uint16_t tls;		   /* version the server chose; 0 = not seen */
	bool greeted;		   /* its hello was told to evidence.c */
	bool retried;		   /* the server asked for another hello */
	bool ech;		   /* the name in the ClientHello may be a front's */
	bool bound;		   /* a connection is known to speak over it */
	bool seen;		   /* plaintext of it came up */
	bool handle;   /* a TLS handle speaks over it, so keys on it are the same bytes again */
	bool judged;   /* not AI */
	bool declared; /* the call nobody saw has its record */
	bool old;      /* it was looked at for being silent */
	struct conn *conns;
	struct inflight_sock *kept; /* for the next worker; NULL: nothing is */
};

struct socks *socks_new(struct worker *w);
void socks_free(struct socks *s);
struct sock *socks_find(const struct socks *s, uint64_t cookie);
/* Made if it is new; e: an event of the process that uses it. NULL: out of memory. */
struct sock *socks_get(struct socks *s, uint64_t cookie, const struct event *e);
void socks_connected(struct socks *s, const struct event_conn *e);
/* sent: payload bytes the socket sent, -1 unknown. */
void socks_closed(struct socks *s, const struct event_conn *e, int64_t sent);
void socks_sweep(struct socks *s, uint64_t now_ns);
/* The worker ends: those that are closed have had their last word. */
void socks_end(struct socks *s, uint64_t now_ns);
/* Plaintext of it came up. */
void socks_seen(struct sock *s);
/* Whether a socket of that process said hello and nobody knows yet to whom it speaks. */
bool socks_open(const struct socks *s, uint32_t pid, uint64_t start_ns);
unsigned socks_count(const struct socks *s);

/* hellos.c: the first bytes of either side. */
void hellos_told(struct worker *w, const struct event_hello *e);
void hellos_free(struct sock *s);

/* kept.c: what the next worker has to know if this one dies. Something of it may have changed. */
void kept_note(struct worker *w, struct sock *s);
void kept_drop(struct sock *s);
void kept_again(struct worker *w); /* at the start */

/* late.c: calls of which nothing, or not the beginning, could be seen. */
/* The socket closed, or lived long enough: declares the call that must have been made over it. */
void late_socket(struct worker *w, struct sock *s, uint64_t ns);
/* A connection turned out to be AI, or ends without a request: was something of it before? */
void late_bytes(struct conn *c, const char *host, uint64_t ns);

#endif
