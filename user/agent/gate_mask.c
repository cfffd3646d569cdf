// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: what the kernel noted of a waiting write, and the spans that the worker wants masked.
 * Flows out: MASK_CHAR in those bytes of that process, and nothing else; in a WebSocket frame, what is
 * MASK_CHAR once its receiver has taken the key off.
 *
 * The worker is hostile here: it may only name places inside of the very buffer that waits, in
 * ascending order, without overlap. The pid is held by a pidfd from before the start time is read
 * until after the write, so it cannot have become another process's in between; a process that has
 * begun another program since has ended the wait, which the caller sees when it looks again.
 *
 * A frame's key is not taken from the worker, which could write anything by it: it stands in the
 * buffer, behind a head that must be a client's, not compressed, and have the span in its payload. So a
 * worker that lies gets no bytes written but the mask under a key that the program itself wrote there.
 *
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
#include "flow/ws_frame.h"

#define FILL 4096 /* a multiple of a key's length */

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
		if (spans[i].frame != SPAN_PLAIN && spans[i].frame >= spans[i].at)
			return -EPERM;
		end = (uint64_t)spans[i].at + spans[i].n;
	}
	return 0;
}

/* What to write, and for which spans it was made. */
struct mask {
	uint32_t frame, payload;
	uint64_t end; /* of the payload */
	uint8_t key[4];
	char bytes[FILL + 4]; /* from the key's first byte on */
};

static void mask_fill(struct mask *m)
{
	for (size_t i = 0; i < sizeof(m->bytes); i++)
		m->bytes[i] = MASK_CHAR ^ m->key[i & 3];
}

/* The key of the frame, from the buffer. -EBADMSG: no such frame is there, or the span is not in it. */
static int mask_key(const struct gate_waiter *w, const struct role_span *s, struct mask *m)
{
	uint8_t head[WS_HEAD_MAX];
	size_t room = s->at - s->frame, used;
	struct iovec to = {head, room < sizeof(head) ? room : sizeof(head)};
	struct iovec from = {(void *)(w->buf + s->frame), to.iov_len};
	struct ws_frame f;

	if (m->frame != s->frame) {
		if (process_vm_readv(w->tgid, &to, 1, &from, 1, 0) != (ssize_t)to.iov_len)
			return -EFAULT;
		if (ws_frame_parse(true, false, head, to.iov_len, &f, &used) != WS_OK ||
		    f.opcode > WS_BINARY)
			return -EBADMSG;
		m->frame = s->frame;
		m->payload = s->frame + used;
		m->end = m->payload + f.len;
		memcpy(m->key, f.mask, sizeof(m->key));
		mask_fill(m);
	}
	return s->at < m->payload || (uint64_t)s->at + s->n > m->end ? -EBADMSG : 0;
}

static int mask_for(const struct gate_waiter *w, const struct role_span *s, struct mask *m)
{
	if (s->frame != SPAN_PLAIN)
		return mask_key(w, s, m);
	if (m->frame != SPAN_PLAIN) {
		*m = (struct mask){.frame = SPAN_PLAIN};
		mask_fill(m);
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
	struct mask m = {.frame = SPAN_PLAIN};
	int r = 0;

	if (pidfd < 0)
		return -errno;
	if (!procinfo_is(w->tgid, w->start_ns))
		return -ESRCH;
	mask_fill(&m);
	for (size_t i = 0; i < n && !r; i++) {
		r = mask_for(w, &spans[i], &m);
		if (!r)
			r = fill(w, &spans[i], m.bytes + ((spans[i].at - m.payload) & 3));
	}
	if (!r && pidfd_send_signal(pidfd, 0, NULL, 0))
		r = -errno; /* it ended meanwhile */
	return r;
}
