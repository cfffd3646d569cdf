/* SPDX-License-Identifier: Apache-2.0 */
/* The programs and maps in the kernel, as bpf.c (load, attach), bpf_krules.c (kernel rules) and
 * bpf_status.c (counters, features, backends) see them. */
#ifndef PROBITY_AGENT_BPF_INT_H
#define PROBITY_AGENT_BPF_INT_H

#include "agent/bpf.h"
#include "agent/bpf_variant.h"
#include "probity.skel.h"
#include "proto/shared.h"

#define REFUSED_MAX 64

struct bpf {
	struct probity_bpf *skel;
	struct shared *shared;
	struct bpf_link *exec, *fork, *exit, *state, *send, *recv;
	const char *send_backend, *recv_backend;
	enum bpf_variant variant;
	bool loops;		       /* bpf_loop is there */
	char refused[REFUSED_MAX][64]; /* programs this kernel does not take */
	unsigned refused_n;
	struct net *net;
	struct pins *pins; /* the keeper's */
	bool guard;
	uint64_t krules_set; /* generation of the sets in the maps, of this keeper's */
};

#endif
