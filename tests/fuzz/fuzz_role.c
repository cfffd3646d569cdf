// SPDX-License-Identifier: Apache-2.0
// covers: user/agent/role.c
/*
 * Any packet of another role: refused, or as long and as terminated as it says. A first byte 0: the
 * rest is the packet. Else it is the kind, of a size that may be right (give or take the second byte,
 * and eights of bytes of the third behind it), with triples of where and what laid over its zeros.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/discover/resolve.h"
#include "agent/role.h"
#include "fuzz.h"

#define ROOM (64 * 1024)

static const size_t sizes[ROLE__MAX] = {
	[ROLE_RECORD] = sizeof(struct role_record),
	[ROLE_SYNC] = sizeof(struct role_sync),
	[ROLE_ACK] = sizeof(struct role_ack),
	[ROLE_HELLO] = sizeof(struct role_ack),
	[ROLE_PROC] = sizeof(struct role_proc),
	[ROLE_PACK] = sizeof(struct role_pack),
	[ROLE_DROPS] = sizeof(struct role_drops),
	[ROLE_TOOL] = sizeof(struct role_tool),
	[ROLE_USER] = sizeof(struct role_user),
	[ROLE_ASK] = sizeof(struct role_ask),
	[ROLE_KILL] = sizeof(struct role_kill),
	[ROLE_KRULES] = sizeof(struct role_krules),
	[ROLE_STATUS] = 9,
	[ROLE_WATCH] = sizeof(struct role_watch),
	[ROLE_PROBES] = sizeof(struct role_probes),
	[ROLE_RESOLVE] = sizeof(struct role_resolve),
	[ROLE_RESOLVED] = sizeof(struct role_resolved),
	[ROLE_GATE] = sizeof(struct role_gate),
	[ROLE_REFUSE] = sizeof(struct role_refuse),
	[ROLE_MASK] = sizeof(struct role_mask),
	[ROLE_SOCK] = sizeof(struct role_sock),
	[ROLE_PENDING] = sizeof(struct role_pending),
	[ROLE_FILE_RULES] = sizeof(struct role_file_rules),
	[ROLE_EXEC_RULES] = sizeof(struct role_exec_rules),
	[ROLE_TREE] = sizeof(struct role_tree),
	[ROLE_REFUSED] = sizeof(struct role_done),
	[ROLE_MASKED] = sizeof(struct role_done),
	[ROLE_GRANTS] = sizeof(struct role_grants),
	[ROLE_SEAL] = sizeof(struct role_seal),
	[ROLE_FILE] = sizeof(struct role_file),
	[ROLE_JUDGE] = sizeof(struct role_judge),
	[ROLE_FOLDED] = sizeof(struct event_deny),
	[ROLE_JUDGED] = sizeof(struct role_judged),
	[ROLE_POLICY] = sizeof(struct role_policy),
};

static size_t make(uint8_t *b, const uint8_t *p, size_t n)
{
	struct role_msg m = {.version = ROLE_VERSION, .kind = p[0] % ROLE__MAX};

	m.len = sizes[m.kind] + (int8_t)p[1] + p[2] * 8;
	m.len = m.len < ROOM - sizeof(m) ? m.len : 0;
	memset(b, 0, sizeof(m) + m.len);
	memcpy(b, &m, sizeof(m));
	for (p += 3, n -= 3; n >= 3 && m.len; p += 3, n -= 3)
		b[sizeof(m) + ((size_t)p[0] << 8 | p[1]) % m.len] = p[2];
	return sizeof(m) + m.len;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static uint64_t body[ROLE_BODY_MAX / 8 + 1];
	static uint8_t packet[ROOM];
	static int fds[2];
	struct role_msg m;
	int r;

	if (!fds[1] && role_pair(fds))
		abort();
	if (n < 3)
		return 0;
	if (p[0])
		r = send(fds[0], packet, make(packet, p, n), MSG_DONTWAIT);
	else
		r = send(fds[0], p + 1, n - 1, MSG_DONTWAIT);
	if (r <= 0)
		return 0;
	r = role_recv(fds[1], &m, body, ROLE_BODY_MAX);
	assert(r != -EAGAIN);
	if (r < 0)
		return 0;
	assert((uint32_t)r == m.len && m.kind && m.kind < ROLE__MAX);
	if (m.kind == ROLE_STATUS)
		assert(strlen((char *)body) == m.len);
	if (m.kind == ROLE_PROC)
		assert(strlen(((struct role_proc *)body)->exe) < 512);
	return 0;
}
