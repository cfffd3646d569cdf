/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layouts of the guard's maps, shared by bpf/guard.bpf.c and user/agent/guard.c. */
#ifndef PROBITY_GUARD_H
#define PROBITY_GUARD_H

#include "proto/event.h"

/* In the map `guard_now`: one entry. The keeper writes it, the kernel counts. */
struct guard_now {
	__event_u64 until_ns; /* CLOCK_BOOTTIME: unlocked as long; all ones: not locked yet */
	__event_u64 refused;
	__event_u64 gone_ns;  /* the keeper ended, CLOCK_BOOTTIME; 0 = it did not */
	__event_u64 pins_dev; /* the file system of the pins, as in exec_key; 0 = none */
	__event_u32 keeper;   /* tgid */
	__event_u32 signed_;  /* an operator's key is known: to unlock takes its signature */
};

/* An agent's process: tgid → start, KRULE_TICK_NS. Children are by fork, and so is their end. */

/* `guard_exe`: a program that becomes an agent's process when root starts it. */
struct guard_exe {
	__event_u64 dev, ino;
	__event_u32 generation; /* of the inode; 0 = its file system tells none */
	__event_u32 pad;
};
#define GUARD_EXES 2
#define GUARD_ENV_MAX 128 /* variables; more than these are not looked at, and so not trusted */

/* `guard_objects`: who may have a descriptor of it. */
enum guard_kind { GUARD_MAP = 1, GUARD_PROG, GUARD_LINK };
#define GUARD_OBJECT(kind, id) ((__event_u64)(kind) << 32 | (__event_u32)(id))

/* `guard_inodes` */
struct guard_inode {
	__event_u64 dev, ino;
};
#define GUARD_TREE 1	 /* nothing in it or below it is written, renamed or removed */
#define GUARD_SECRET 2	 /* a file that is not read either */
#define GUARD_ANCESTOR 4 /* above one: stays where it is */
#define GUARD_DEPTH 5	 /* folders below a GUARD_TREE */

#endif
