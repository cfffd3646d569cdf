// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: what the kernel noted of a waiting write, and the spans that the worker wants masked.
 * Flows out: MASK_CHAR in those bytes of that process, and nothing else.
 *
 * The worker is hostile here: it may only name places inside of the very buffer that waits, in
 * ascending order, without overlap. The pid is held by a pidfd from before the start time is read
 * until after the write, so it cannot have become another process's in between; a process that has
 * begun another program since has ended the wait, which the caller sees when it looks again.
 * process_vm_writev and not /proc/PID/mem, which would write to read-only pages as well: a constant
 * of the program would stay masked. Such a page is -EFAULT, and so is one that is gone: some spans may
 * be masked by then, and the write must be refused.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/uio.h>

#include "agent/gate.h"
#include "agent/procinfo.h"
#include "base/cleanup.h"

#define FILL 4096

int gate_mask_check(const struct gate_waiter *w, const struct role_mask *r,
		    const struct role_span *spans)
{
	uint64_t end = 0;

	if (w->tgid != r->pid || w->start_ns != r->start_ns)
		return -EPERM;
	if (!r->spans || r->spans > MASK_SPANS_MAX)
		return -EPERM;
	for (uint32_t i = 0; i < r->spans; i++) {
		if (!spans[i].n || spans[i].at < end || (uint64_t)spans[i].at + spans[i].n > w->len)
			return -EPERM;
		end = (uint64_t)spans[i].at + spans[i].n;
	}
	return 0;
}

/* One span, in pieces of FILL bytes. */
static int fill(const struct gate_waiter *w, const struct role_span *s, char *mask)
{
	for (uint32_t at = 0, n; at < s->n; at += n) {
		struct iovec from = {mask, 0}, to = {(void *)(w->buf + s->at + at), 0};
		ssize_t r;

		n = s->n - at < FILL ? s->n - at : FILL;
		from.iov_len = to.iov_len = n;
		r = process_vm_writev(w->tgid, &from, 1, &to, 1, 0);
		if (r != (ssize_t)n)
			return r < 0 ? -errno : -EFAULT;
	}
	return 0;
}

int gate_mask_write(const struct gate_waiter *w, const struct role_span *spans, size_t n)
{
	_cleanup_close_ int pidfd = pidfd_open(w->tgid, 0);
	char mask[FILL];
	int r = 0;

	if (pidfd < 0)
		return -errno;
	if (!procinfo_is(w->tgid, w->start_ns))
		return -ESRCH;
	memset(mask, MASK_CHAR, sizeof(mask));
	for (size_t i = 0; i < n && !r; i++)
		r = fill(w, &spans[i], mask);
	if (!r && pidfd_send_signal(pidfd, 0, NULL, 0))
		r = -errno; /* it ended meanwhile */
	return r;
}
