/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking away from a process what it does not need: user, capabilities, network, file tree,
 * system calls. Called once, after everything privileged is open. There is no way back.
 */
#ifndef PROBITY_AGENT_CONFINE_H
#define PROBITY_AGENT_CONFINE_H

#include <stdbool.h>
#include <sys/types.h>

#define CONFINE_USER "probity" /* else "nobody" */

struct confine {
	const char *name; /* of the role, for the log */
	uid_t uid;	  /* from confine_user */
	gid_t gid;
	const char *const
		*syscalls;  /* NULL-terminated allow-list; names unknown here are skipped */
	bool unshare_net;   /* an empty network namespace of its own */
	const char *chroot; /* or NULL */
	bool no_seccomp;    /* only for sanitizer builds, whose runtime needs more calls */
};

/* The user to run as: `wanted` if not NULL or "", else CONFINE_USER if it exists, else nobody.
 * 0, or -ENOENT with nothing found. ret_name: static text. */
int confine_user(const char *wanted, uid_t *ret_uid, gid_t *ret_gid, const char **ret_name);

/*
 * In order: network namespace, chroot, supplementary groups, gid, uid, all capabilities and the
 * bounding set, no_new_privs, no core dumps, not dumpable, seccomp (kill the process on any other
 * call). Not root: user, groups, network and chroot are left as they are. 0, or -errno with
 * *ret_what (static text) naming the step that failed; the caller must then exit.
 */
int confine(const struct confine *c, const char **ret_what);

#endif
