// SPDX-License-Identifier: Apache-2.0
/* Tables only: what the kernel counts by number is a word for people. */
#include "mechanism.h"

#include "base/cleanup.h"

static const char *of(const char *const *names, size_t n, unsigned i)
{
	return i < n && names[i] ? names[i] : "";
}

const char *gate_mechanism_name(unsigned m)
{
	static const char *const names[GATE_MECHANISM__MAX] = {
		[GATE_OVERRIDE] = "uprobe_override",
		[GATE_LSM_SENDMSG] = "lsm_socket_sendmsg",
		[GATE_EGRESS] = "cgroup_egress",
		[GATE_SHUTDOWN] = "socket_shutdown",
		[GATE_SIGNAL] = "uprobe_send_signal",
		[GATE_PIDFD] = "pidfd_send_signal",
		[GATE_LSM_EXEC] = "lsm_bprm_check_security",
		[GATE_FMOD_EXEC] = "fmod_ret_security_bprm_check",
		[GATE_SIGNAL_EXEC] = "exec_send_signal",
		[GATE_LSM_OPEN] = "lsm_file_open",
		[GATE_LSM_MMAP] = "lsm_mmap_file",
		[GATE_LSM_CONNECT] = "lsm_socket_connect",
		[GATE_CGROUP_CONNECT] = "cgroup_connect",
		[GATE_CLIENTHELLO] = "clienthello_drop",
		[GATE_QUIC] = "quic_initial_drop",
		[GATE_PROCESS_VM] = "process_vm_writev",
		[GATE_LSM_GUARD] = "lsm_guard",
		[GATE_STOP_EXEC] = "exec_stop_pidfd",
	};

	return of(names, ARRAY_SIZE(names), m);
}

const char *gate_hook_name(unsigned hook)
{
	static const char *const names[] = {
		[GATE_AT_EXEC] = "exec",     [GATE_AT_SCRIPT] = "script",
		[GATE_AT_MAP] = "map",	     [GATE_AT_CONNECT] = "connect",
		[GATE_AT_SENDTO] = "sendto", [GATE_AT_HELLO] = "hello",
		[GATE_AT_QUIC] = "quic",     [GATE_AT_WRITE] = "write",
		[GATE_AT_GUARD] = "guard",
	};

	return of(names, ARRAY_SIZE(names), hook);
}

const char *gate_evidence_name(unsigned evidence)
{
	static const char *const names[] = {
		[GATE_BY_SNI] = "sni",	       [GATE_BY_DNS] = "dns",	[GATE_BY_IP] = "address",
		[GATE_BY_HOST] = "host",       [GATE_BY_FILE] = "file", [GATE_BY_TREE] = "tree",
		[GATE_BY_CONTENT] = "content", [GATE_BY_NAME] = "name",
	};

	return of(names, ARRAY_SIZE(names), evidence);
}

const char *effect_name(enum disposition d, enum effect_outcome o)
{
	static const char *const names[][3] = {
		[DISPOSITION_HOLD] = {"held", "would_hold", "hold_failed"},
		[DISPOSITION_REDACT] = {"redacted", "would_redact", "redact_failed"},
		[DISPOSITION_DENY] = {"denied", "would_deny", "deny_failed"},
		[DISPOSITION_KILL] = {"killed", "would_kill", "kill_failed"},
	};

	return d >= DISPOSITION_HOLD && d < ARRAY_SIZE(names) ? names[d][o] : "none";
}
