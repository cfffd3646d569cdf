// SPDX-License-Identifier: Apache-2.0
/* Every kind passes at its bounds and is refused outside them; hostile packets give -EPROTO. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/role.h"
#include "base/cleanup.h"
#include "policy/needs.h"
#include "record/record.h"

static uint64_t in[ROLE_BODY_MAX / 8], out[ROLE_BODY_MAX / 8];

static void ends_are_terminated(void *p, size_t n)
{
	memset(p, 0, n);
}

static void a_record(void *p, size_t n)
{
	struct role_record r = {.id = 7, .schema = 1, .len = n - sizeof(r)};

	memset(p, 0xa5, n);
	memcpy(p, &r, sizeof(r));
}

static void a_pack(void *p, size_t n)
{
	struct role_pack r = {.name = "x.yaml", .len = n - sizeof(r)};

	memset(p, 'y', n);
	memcpy(p, &r, sizeof(r));
}

static void some_krules(void *p, size_t n)
{
	struct role_krules r = {0};

	n -= sizeof(r);
	r.hosts = n / sizeof(struct role_krule_host);
	while (r.hosts &&
	       (n - r.hosts * sizeof(struct role_krule_host)) % sizeof(struct role_krule_user))
		r.hosts--;
	r.users = (n - r.hosts * sizeof(struct role_krule_host)) / sizeof(struct role_krule_user);
	memset(p, 0, sizeof(r) + n);
	memcpy(p, &r, sizeof(r));
}

static void a_policy(void *p, size_t n)
{
	struct role_policy r = {.set = "a", .rules = (n - sizeof(r)) / sizeof(struct policy_needs)};

	memset(p, 0, n);
	memcpy(p, &r, sizeof(r));
}

static void no_end(void *p, size_t n)
{
	a_policy(p, n);
	memset((char *)p + sizeof(struct role_policy), 'x', sizeof(struct policy_needs));
}

/* Ten bytes of a record, and names to the end. */
static void a_reveal(void *p, size_t n)
{
	struct role_reveal r = {.pseudonym = "u:aaaaaaaaaaaaaaaa",
				.control_len = 10,
				.names_len = n - sizeof(r) - 10};

	memset(p, 'n', n);
	if (r.names_len)
		((char *)p)[n - 1] = '\0';
	memcpy(p, &r, sizeof(r));
}

static void names_without_end(void *p, size_t n)
{
	a_reveal(p, n);
	((char *)p)[n - 1] = 'x';
}

static void other_lengths(void *p, size_t n)
{
	a_reveal(p, n);
	((struct role_reveal *)p)->names_len = UINT32_MAX - 9;
}

static void a_text(void *p, size_t n)
{
	memset(p, '{', n);
}

#define KRULES(h, u)                                                         \
	(sizeof(struct role_krules) + (h) * sizeof(struct role_krule_host) + \
	 (u) * sizeof(struct role_krule_user))
#define POLICY(n) (sizeof(struct role_policy) + (n) * sizeof(struct policy_needs))
#define REVEAL(n) (sizeof(struct role_reveal) + 10 + (n))
static const struct size_case {
	enum role_kind kind;
	size_t n;
	void (*fill)(void *p, size_t n);
	int send, recv; /* expected answers; recv < 0: the packet is sent past role_send */
} sizes[] = {
	{ROLE_RECORD, sizeof(struct role_record), a_record, 0, sizeof(struct role_record)},
	{ROLE_RECORD, sizeof(struct role_record) + RECORD_PAYLOAD_MAX, a_record, 0,
	 sizeof(struct role_record) + RECORD_PAYLOAD_MAX},
	{ROLE_RECORD, sizeof(struct role_record) + RECORD_PAYLOAD_MAX + 1, a_record, -EMSGSIZE,
	 -EPROTO},
	{ROLE_RECORD, sizeof(struct role_record) - 1, a_text, -EMSGSIZE, -EPROTO},
	{ROLE_SYNC, sizeof(struct role_sync), a_text, 0, sizeof(struct role_sync)},
	{ROLE_SYNC, 0, a_text, -EMSGSIZE, -EPROTO},
	{ROLE_ACK, 8, a_text, 0, 8},
	{ROLE_ACK, 7, a_text, -EMSGSIZE, -EPROTO},
	{ROLE_HELLO, 8, a_text, 0, 8},
	{ROLE_HELLO, 9, a_text, -EMSGSIZE, -EPROTO},
	{ROLE_PROC, sizeof(struct role_proc), ends_are_terminated, 0, sizeof(struct role_proc)},
	{ROLE_PROC, sizeof(struct role_proc) - 1, ends_are_terminated, -EMSGSIZE, -EPROTO},
	{ROLE_PACK, ROLE_BODY_MAX, a_pack, 0, ROLE_BODY_MAX},
	{ROLE_PACK, sizeof(struct role_pack), a_pack, 0, sizeof(struct role_pack)},
	{ROLE_DROPS, sizeof(struct role_drops), a_text, 0, sizeof(struct role_drops)},
	{ROLE_TOOL, sizeof(struct role_tool), a_text, 0, sizeof(struct role_tool)},
	{ROLE_KILL, sizeof(struct role_kill), ends_are_terminated, 0, sizeof(struct role_kill)},
	{ROLE_KRULES, KRULES(0, 0), some_krules, 0, KRULES(0, 0)},
	{ROLE_KRULES, KRULES(64, 3), some_krules, 0, KRULES(64, 3)},
	{ROLE_KRULES, KRULES(1, 0) + 1, some_krules, 0, -EPROTO},
	{ROLE_STATUS, 2, a_text, 0, 2},
	{ROLE_STATUS, 1, a_text, -EMSGSIZE, -EPROTO},
	{ROLE_STATUS, ROLE_BODY_MAX - 1, a_text, 0, ROLE_BODY_MAX - 1},
	{ROLE_JUDGE, sizeof(struct role_judge), a_text, 0, sizeof(struct role_judge)},
	{ROLE_REVEAL, REVEAL(0), a_reveal, 0, REVEAL(0)},
	{ROLE_REVEAL, REVEAL(6), a_reveal, 0, REVEAL(6)},
	{ROLE_REVEAL, REVEAL(6), names_without_end, 0, -EPROTO},
	{ROLE_REVEAL, REVEAL(6), other_lengths, 0, -EPROTO},
	{ROLE_REVEAL, REVEAL(6), a_text, 0, -EPROTO},
	{ROLE_REVEALED, sizeof(struct role_revealed), ends_are_terminated, 0,
	 sizeof(struct role_revealed)},
	{ROLE_REVEALED, sizeof(struct role_revealed), a_text, 0, -EPROTO},
	{ROLE_REVEALED, sizeof(struct role_revealed) - 1, a_text, -EMSGSIZE, -EPROTO},
	{ROLE_ERASE, sizeof(struct role_erase), ends_are_terminated, 0, sizeof(struct role_erase)},
	{ROLE_ERASE, sizeof(struct role_erase), a_text, 0, -EPROTO},
	{ROLE_ERASE, sizeof(struct role_erase) + 1, ends_are_terminated, -EMSGSIZE, -EPROTO},
	{ROLE_ERASED, sizeof(struct role_erased), ends_are_terminated, 0,
	 sizeof(struct role_erased)},
	{ROLE_ERASED, sizeof(struct role_erased), a_text, 0, -EPROTO},
	{ROLE_POLICY, POLICY(0), a_policy, 0, POLICY(0)},
	{ROLE_POLICY, POLICY(256), a_policy, 0, POLICY(256)},
	{ROLE_POLICY, POLICY(257), a_policy, 0, -EPROTO},
	{ROLE_POLICY, POLICY(1) + 8, a_policy, 0, -EPROTO},
	{ROLE_POLICY, POLICY(2), no_end, 0, -EPROTO},
	{ROLE_POLICY, POLICY(0), a_text, 0, -EPROTO},
	{ROLE_STOP, 0, a_text, 0, 0},
	{ROLE__MAX, 0, a_text, -EINVAL, -EPROTO},
	{0, 0, a_text, -EINVAL, -EPROTO},
};

static void raw_send(int fd, struct role_msg m, const void *body, size_t n)
{
	struct iovec iov[2] = {{&m, sizeof(m)}, {(void *)body, n}};
	struct msghdr h = {.msg_iov = iov, .msg_iovlen = 2};

	assert_int_equal(sendmsg(fd, &h, 0), (ssize_t)(sizeof(m) + n));
}

static void bounds_hold(void **state)
{
	_cleanup_close_ int a = -1, b = -1;
	int fds[2];

	assert_int_equal(role_pair(fds), 0);
	a = fds[0], b = fds[1];
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		const struct size_case *c = &sizes[i];
		struct role_msg m = {0};
		int r;

		c->fill(in, c->n);
		r = role_send(a, c->kind, in, c->n);
		assert_int_equal(r, c->send);
		if (r < 0)
			raw_send(a, (struct role_msg){ROLE_VERSION, c->kind, c->n}, in, c->n);
		r = role_recv(b, &m, out, sizeof(out));
		if (r != c->recv)
			fail_msg("case %zu: received %d, expected %d", i, r, c->recv);
		if (r >= 0) {
			assert_int_equal(m.kind, c->kind);
			assert_int_equal(m.len, c->n);
			assert_memory_equal(in, out, c->n);
		}
		assert_int_equal(role_recv(b, &m, out, sizeof(out)), -EAGAIN);
	}
}

static void texts_must_end(void **state)
{
	_cleanup_close_ int a = -1, b = -1;
	struct role_proc *p = (void *)in;
	struct role_kill *k = (void *)in;
	struct role_pack *y = (void *)in;
	struct role_msg m;
	struct {
		char *field;
		size_t cap;
	} texts[] = {
		{p->user, sizeof(p->user)},
		{p->login_user, sizeof(p->login_user)},
		{p->groups, sizeof(p->groups)},
		{p->exe, sizeof(p->exe)},
		{p->exe_sha256, sizeof(p->exe_sha256)},
		{p->cgroup_path, sizeof(p->cgroup_path)},
		{p->container, sizeof(p->container)},
	};
	int fds[2];

	assert_int_equal(role_pair(fds), 0);
	a = fds[0], b = fds[1];
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		memset(in, 0, sizeof(*p));
		memset(texts[i].field, 'x', texts[i].cap);
		assert_int_equal(role_send(a, ROLE_PROC, in, sizeof(*p)), 0);
		assert_int_equal(role_recv(b, &m, out, sizeof(out)), -EPROTO);
	}
	memset(in, 0, sizeof(*p));
	p->argv_len = sizeof(p->argv) + 1;
	assert_int_equal(role_send(a, ROLE_PROC, in, sizeof(*p)), 0);
	assert_int_equal(role_recv(b, &m, out, sizeof(out)), -EPROTO);
	p->argv_len = 3;
	memcpy(p->argv, "abc", 3);
	assert_int_equal(role_send(a, ROLE_PROC, in, sizeof(*p)), 0);
	assert_int_equal(role_recv(b, &m, out, sizeof(out)), -EPROTO);

	memset(in, 'x', sizeof(*k));
	assert_int_equal(role_send(a, ROLE_KILL, in, sizeof(*k)), 0);
	assert_int_equal(role_recv(b, &m, out, sizeof(out)), -EPROTO);
	memset(in, 0, sizeof(*y) + 4);
	y->len = 5;
	assert_int_equal(role_send(a, ROLE_PACK, in, sizeof(*y) + 4), 0);
	assert_int_equal(role_recv(b, &m, out, sizeof(out)), -EPROTO);
	y->len = 4, y->enforce = 3;
	assert_int_equal(role_send(a, ROLE_PACK, in, sizeof(*y) + 4), 0);
	assert_int_equal(role_recv(b, &m, out, sizeof(out)), -EPROTO);
	some_krules(in, KRULES(2, 0));
	memset((char *)in + KRULES(2, 0) - 128, 'x', 128);
	assert_int_equal(role_send(a, ROLE_KRULES, in, KRULES(2, 0)), 0);
	assert_int_equal(role_recv(b, &m, out, sizeof(out)), -EPROTO);
	some_krules(in, KRULES(2, 1));
	memset((char *)in + KRULES(2, 1) - 64, 'x', 64);
	assert_int_equal(role_send(a, ROLE_KRULES, in, KRULES(2, 1)), 0);
	assert_int_equal(role_recv(b, &m, out, sizeof(out)), -EPROTO);
	assert_int_equal(role_send(a, ROLE_STATUS, "{\0}", 3), 0);
	assert_int_equal(role_recv(b, &m, out, sizeof(out)), -EPROTO);
}

static void a_status_ends_with_or_without_nul(void **state)
{
	_cleanup_close_ int a = -1, b = -1;
	struct role_msg m;
	int fds[2];

	assert_int_equal(role_pair(fds), 0);
	a = fds[0], b = fds[1];
	for (size_t n = 2; n <= 3; n++) {
		memset(out, 'z', 16);
		assert_int_equal(role_send(a, ROLE_STATUS, "{}", n), 0);
		assert_int_equal(role_recv(b, &m, out, sizeof(out)), 2);
		assert_int_equal(m.len, 2);
		assert_string_equal((char *)out, "{}");
	}
}

static void hostile_packets(void **state)
{
	_cleanup_close_ int a = -1, b = -1;
	struct role_msg m;
	int fds[2];

	assert_int_equal(role_pair(fds), 0);
	a = fds[0], b = fds[1];
	raw_send(a, (struct role_msg){ROLE_VERSION + 1, ROLE_STOP, 0}, "", 0);
	assert_int_equal(role_recv(b, &m, out, sizeof(out)), -EPROTO);
	raw_send(a, (struct role_msg){ROLE_VERSION, 0xffff, 0}, "", 0);
	assert_int_equal(role_recv(b, &m, out, sizeof(out)), -EPROTO);
	raw_send(a, (struct role_msg){ROLE_VERSION, ROLE_ACK, 9}, "12345678", 8);
	assert_int_equal(role_recv(b, &m, out, sizeof(out)), -EPROTO);
	assert_int_equal(send(a, "abc", 3, 0), 3);
	assert_int_equal(role_recv(b, &m, out, sizeof(out)), -EPROTO);
	/* Longer than the receiver's buffer: cut by the kernel, so refused. */
	raw_send(a, (struct role_msg){ROLE_VERSION, ROLE_ACK, 8}, "12345678", 8);
	assert_int_equal(role_recv(b, &m, out, 4), -EPROTO);
	close(a);
	a = -1;
	assert_int_equal(role_recv(b, &m, out, sizeof(out)), -ECONNRESET);
	assert_true(role_send(b, ROLE_STOP, NULL, 0) < 0);
}

static void a_full_queue_is_eagain_and_loses_nothing(void **state)
{
	_cleanup_close_ int a = -1, b = -1;
	struct role_ack ack = {0};
	struct role_msg m;
	uint64_t sent = 0, got = 0;
	int fds[2], r;

	assert_int_equal(role_pair(fds), 0);
	a = fds[0], b = fds[1];
	for (;;) {
		ack.id = sent;
		r = role_send(a, ROLE_ACK, &ack, sizeof(ack));
		if (r)
			break;
		sent++;
	}
	assert_int_equal(r, -EAGAIN);
	assert_true(sent > 100);
	while (role_recv(b, &m, out, sizeof(out)) == sizeof(ack)) {
		memcpy(&ack, out, sizeof(ack));
		assert_int_equal(ack.id, got++);
	}
	assert_int_equal(got, sent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bounds_hold),
		cmocka_unit_test(texts_must_end),
		cmocka_unit_test(a_status_ends_with_or_without_nul),
		cmocka_unit_test(hostile_packets),
		cmocka_unit_test(a_full_queue_is_eagain_and_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
