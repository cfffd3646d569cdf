/* SPDX-License-Identifier: Apache-2.0 */
/* What /proc and the user database tell about a process, as one message for the worker. */
#ifndef PROBITY_AGENT_PROCINFO_H
#define PROBITY_AGENT_PROCINFO_H

#include <stdbool.h>

#include "agent/role.h"
#include "proto/event.h"

/* Fills from /proc/PID. 0; -ESRCH when it is gone. */
int procinfo_read(uint32_t pid, struct role_proc *ret);
/* When it began, as /proc says it; and whether it is the process that the kernel said began then. */
int procinfo_start(uint32_t pid, uint64_t *ret_ns);
bool procinfo_is(uint32_t pid, uint64_t start_ns);
/* Fills from the exec event what /proc no longer tells. */
void procinfo_from_exec(const struct event_exec *e, size_t n, struct role_proc *p);
/* user, login_user and groups from the ids; answers are remembered for a minute. */
void procinfo_names(struct role_proc *p);
/* Of one user number: name and groups, those of its primary group included. */
void procinfo_user(uint32_t uid, char *user, size_t user_len, char *groups, size_t groups_len);
/* Container id in a cgroup path: 64 hex digits of docker, containerd, cri-o, podman; "" if none. */
void procinfo_container(const char *cgroup_path, char *ret, size_t n);

#endif
