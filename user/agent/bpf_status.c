// SPDX-License-Identifier: Apache-2.0
/* Flows in: the kernel's counters and what it was found to have. Flows out: rows of `probity status`. */
#include "bpf_int.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "agent/net.h"
#include "base/cleanup.h"

void bpf_drops(const struct bpf *b, uint64_t ret[static DROP__MAX])
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t v[cpus > 0 ? cpus : 1];

	for (uint32_t i = 0; i < DROP__MAX; i++) {
		ret[i] = 0;
		if (bpf_map_lookup_elem(bpf_map__fd(b->skel->maps.drops), &i, v))
			continue;
		for (int c = 0; c < cpus; c++)
			ret[i] += v[c];
	}
}

const char *bpf_drop_name(unsigned cause)
{
	static const char *const names[DROP__MAX] = {
		[DROP_RING_FULL] = "ring_full",	   [DROP_CTL_FULL] = "control_full",
		[DROP_READ_FAULT] = "read_fault",  [DROP_TOO_LARGE] = "too_large",
		[DROP_CONN_FULL] = "conn_full",	   [DROP_STASH_MISS] = "entry_missed",
		[DROP_NO_SOCKET] = "no_socket",	   [DROP_ARGV] = "argv_unreadable",
		[DROP_SIGNAL] = "signal_failed",   [DROP_NO_OWNER] = "no_owner",
		[DROP_HELLO] = "hello_unread",	   [DROP_WENT_ON] = "stopped_went_on",
		[DROP_UNJUDGED] = "went_unjudged",
	};

	return cause < DROP__MAX ? names[cause] : "";
}

static void row(json_t *a, const char *k1, const char *v1, const char *k2, const char *v2,
		const char *note)
{
	json_array_append_new(a, json_pack("{s:s, s:s, s:s}", k1, v1, k2, v2, "note", note));
}

json_t *bpf_features(const struct bpf *b)
{
	static const struct {
		const char *name;
		enum bpf_prog_type type;
		enum bpf_func_id id;
	} helpers[] = {
		{"bpf_send_signal", BPF_PROG_TYPE_KPROBE, BPF_FUNC_send_signal},
		{"bpf_loop", BPF_PROG_TYPE_KPROBE, BPF_FUNC_loop},
		{"attach cookies", BPF_PROG_TYPE_KPROBE, BPF_FUNC_get_attach_cookie},
	};
	static const struct {
		const char *name, *note;
		enum bpf_prog_type type;
	} progs[] = {
		{"BPF LSM", "exec, connect and send deny, guard", BPF_PROG_TYPE_LSM},
		{"cgroup sock_addr", "connect deny", BPF_PROG_TYPE_CGROUP_SOCK_ADDR},
	};
	json_t *a = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(helpers); i++)
		row(a, "name", helpers[i].name, "state",
		    libbpf_probe_bpf_helper(helpers[i].type, helpers[i].id, NULL) == 1 ? "yes"
										       : "no",
		    "");
	for (size_t i = 0; i < ARRAY_SIZE(progs); i++)
		row(a, "name", progs[i].name, "state",
		    libbpf_probe_bpf_prog_type(progs[i].type, NULL) == 1 ? "yes" : "no",
		    progs[i].note);
	row(a, "name", "tracepoint inet_sock_set_state", "state", b->state ? "yes" : "no", "");
	row(a, "name", "sleepable uprobes", "state", bpf_waits(b) ? "yes" : "no",
	    bpf_variant_note(b->variant));
	row(a, "name", "write gate", "state", bpf_waits(b) ? "yes" : "no",
	    bpf_fails_calls(b) ? "re-execution, any number waits; refused by an error"
	    : bpf_waits(b)     ? "bounded wait in the probe, CPUs less one at once"
			       : "in-kernel rules only");
	return a;
}

json_t *bpf_backends(const struct bpf *b, const char *tls_backend)
{
	json_t *a = json_array();

	row(a, "for", "TLS plaintext", "backend", tls_backend,
	    "entry and RET sites, no uretprobes");
	net_backends(b->net, a);
	row(a, "for", "processes", "backend", "raw tracepoints", "exec, fork, exit");
	row(a, "for", "peer of a TLS connection", "backend", b->send_backend, "");
	row(a, "for", "peer of TLS records opened", "backend", b->recv_backend, "");
	row(a, "for", "new libraries", "backend", "perf mmap records", "");
	row(a, "for", "kill before the write", "backend", "uprobe + bpf_send_signal",
	    "host, tool and user rules");
	row(a, "for", "kill after the request", "backend", "pidfd_send_signal",
	    "rules on content; late by nature");
	return a;
}
