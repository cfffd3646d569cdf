/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What no pack can refuse: programs without which a host could not be repaired or reached. PURE.
 *
 * The list is of paths, so it holds only for files that nobody but root can put there: the caller
 * takes the path from the host's own mount namespace and asks builtin_file() with the owner and
 * mode of what stands there.
 */
#ifndef PROBITY_POLICY_BUILTIN_H
#define PROBITY_POLICY_BUILTIN_H

#include <stdbool.h>
#include <stdint.h>

enum builtin_kind {
	BUILTIN_NONE,
	BUILTIN_AGENT,	  /* the agent's own programs */
	BUILTIN_PACKAGES, /* dpkg, apt, rpm, dnf … */
	BUILTIN_REMOTE,	  /* sshd, login, sudo … */
	BUILTIN_SHUTDOWN, /* reboot, poweroff … */
	BUILTIN_INIT,	  /* systemd, init */
};

/* By resolved path: neither its exec nor its connections are ever denied. */
enum builtin_kind builtin_kind(const char *path);
bool builtin_allowed(const char *path);
/* The same for a file that was looked at: owned by root, and no others may write to it. */
bool builtin_file(const char *path, uint32_t uid, uint32_t mode);
const char *builtin_name(enum builtin_kind k); /* "agent", "package manager" …; "" for none */

#endif
