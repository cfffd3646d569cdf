/* SPDX-License-Identifier: Apache-2.0 */
/* The network side: net.bpf.c attached at the root of the cgroup v2 hierarchy. */
#ifndef PROBITY_AGENT_NET_H
#define PROBITY_AGENT_NET_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/gate.h"

struct net;
struct pins;
struct probity_bpf;

/* Before the programs are loaded: leaves out those this kernel has no use for. */
void net_prepare(struct probity_bpf *skel);
/* Attaches, what refuses by pins_attach(). 0, or -errno when nothing is attached (*ret is set all the same, for the status). */
int net_open(struct probity_bpf *skel, struct pins *pins, struct net **ret);
void net_close(struct net *n);

/* Rules on names come into force (before), or went out of it (after): the packet programs stay. */
void net_rules(struct net *n, bool on);
/* What marking a socket SOCK_DENY does: GATE_LSM_SENDMSG, GATE_EGRESS or GATE_NONE. */
enum gate_mechanism net_mark(const struct net *n);
/* Whether the packet programs stay attached while no socket waits for them. */
void net_keep(struct net *n, bool keep);
/* Sends what is held of a process whose mark has just changed: without it TCP's own timer does,
 * 200 ms later at best. Returns how many sockets were pushed, or -errno. */
int net_release(uint32_t pid);

void net_backends(const struct net *n, json_t *rows); /* appends {for, backend, note} */
json_t *net_counters(const struct net *n);	      /* {name: count} of enum net_count */

#endif
