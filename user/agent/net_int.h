/* SPDX-License-Identifier: Apache-2.0 */
/* The network's programs as net.c (links at the cgroup root, the push) and net_watch.c (packet programs,
 * attached only while they are wanted) see them. */
#ifndef PROBITY_AGENT_NET_INT_H
#define PROBITY_AGENT_NET_INT_H

#include <pthread.h>

#include "agent/net.h"
#include "agent/pins.h"
#include "agent/ring.h"

#define WATCHES 2

enum { CLOSED, CONNECT4, CONNECT6, FIXED };
enum { GATE4, GATE6, SEND4, SEND6, LSM_CONNECT, LSM_SEND, GATES };
struct net {
	struct bpf_link *fixed[FIXED];
	struct bpf_link *gates[GATES]; /* NULL: not here */
	struct pins *pins;
	struct bpf_program *egress, *ingress;
	struct bpf_link *out, *in; /* the thread's, once it runs */
	int root, counts, live, verdicts, wake, stop;
	struct ring *wakes;
	uint32_t *on; /* mapped */
	struct watch {
		struct net *net;
		pthread_t thread;
		int cpu; /* -1: not running */
	} watch[WATCHES];
	pthread_mutex_t lock;
	bool attached, whole, always;
	bool rules;    /* name rules are in force: attached all the time */
	bool keep;     /* written by the keeper's loop: attached also while nobody waits */
	char why[160]; /* not attached */
};

/* net_watch.c */
int net_packets_on(struct net *n);
void net_packets_off(struct net *n);
int net_watches_start(struct net *n);
void net_watches_stop(struct net *n);
int net_nth_cpu(int n); /* the nth CPU we may run on, or -1 */

#endif
