/* SPDX-License-Identifier: Apache-2.0 */
/* What the collector gives up once it has bound its port and opened its files. */
#ifndef PROBITY_COLLECTOR_CONFINE_H
#define PROBITY_COLLECTOR_CONFINE_H

#include <stddef.h>
#include <sys/types.h>

/*
 * As root: the state folder and the store's files go to user "probity" (else "nobody"), then so
 * does the process, without groups. Not as root: nothing. *ret_user is the name, or NULL.
 */
int confine_drop(const char *state_dir, const char *db, const char **ret_user, char *err,
		 size_t err_len);
/* no_new_privs and the system call allow-list. After this no file outside open descriptors and
 * the store's own is of use, no program starts, no connection is made. */
int confine_syscalls(char *err, size_t err_len);

#endif
