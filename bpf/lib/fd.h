/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Descriptors of a task. */
#ifndef PROBITY_BPF_FD_H
#define PROBITY_BPF_FD_H

#include "emit.h"

#define S_IFMT 0170000
#define S_IFSOCK 0140000

static __always_inline struct file *file_of(struct task_struct *t, __u64 fd)
{
	struct fdtable *table = BPF_CORE_READ(t, files, fdt);
	struct file **fds = BPF_CORE_READ(table, fd), *file = NULL;

	if (fd >= BPF_CORE_READ(table, max_fds))
		return NULL;
	bpf_core_read(&file, sizeof(file), fds + fd);
	return file;
}

#endif
