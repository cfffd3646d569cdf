// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: the bytes around a function's entry, as they are in the file. Flows out: how many bytes in
 * front of the probe the task may be sent back to (bpf/lib/fail.h), so that it runs an instruction
 * that does nothing and comes to the probe again.
 *
 * Such an instruction is padding between functions, or the endbr64 that a function begins with, with
 * the probe behind it. It is known by its bytes, the forms that the processors' manuals give for
 * padding, and not by decoding: code cannot be decoded backwards, and root need not decode a user's
 * file. What these bytes belonged to does not matter, because the task runs them as what they are.
 * Invariant: both lie in one page, so that where the probe is mapped they are, too. A site in front of
 * which nothing is known keeps 0: its calls wait in the kernel.
 */
#include "reentry.h"

#include <string.h>
#include <unistd.h>

#include "agent/discover/resolve.h"
#include "base/cleanup.h"
#include "proto/event.h"

_Static_assert((int)EVENT_STACK_GNUTLS == (int)TLS_STACK_GNUTLS &&
		       (int)EVENT_STACK_AWS_LC == (int)TLS_STACK_AWS_LC,
	       "the kernel's numbers are ours");

#define PAGE 4096
#define SKIP_AT 38
#define SKIP_BITS 0x1full
#define LONGEST 8

/* Shortest first: a longer one with further prefixes ends with one of these. */
static const struct {
	uint8_t n, bytes[LONGEST];
} idle[] = {
	{1, {0x90}},
	{3, {0x0f, 0x1f, 0x00}},
	{4, {0x0f, 0x1f, 0x40, 0x00}},
	{4, {0xf3, 0x0f, 0x1e, 0xfa}},
	{5, {0x0f, 0x1f, 0x44, 0x00, 0x00}},
	{7, {0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00}},
	{8, {0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00}},
};
static const uint8_t mark[4] = {0xf3, 0x0f, 0x1e, 0xfa};

unsigned reentry_before(const uint8_t *at, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(idle); i++)
		if (idle[i].n <= n && !memcmp(at - idle[i].n, idle[i].bytes, idle[i].n))
			return idle[i].n;
	return 0;
}

bool reentry_marked(const uint8_t *at, size_t n)
{
	return n >= sizeof(mark) && !memcmp(at, mark, sizeof(mark));
}

static bool is_write(uint64_t cookie)
{
	switch (TLS_COOKIE_SITE(cookie)) {
	case TLS_WRITE:
	case TLS_WRITE_EX:
	case TLS_WRITE_EX2:
	case TLS_SEAL:
		return true;
	}
	return false;
}

static void fit(int fd, uint64_t *offset, uint64_t *cookie)
{
	uint64_t room = *offset % PAGE, before = room < LONGEST ? room : LONGEST, step;
	uint8_t p[LONGEST + sizeof(mark)];
	ssize_t n = pread(fd, p, before + sizeof(mark), *offset - before);

	*cookie &= ~(SKIP_BITS << SKIP_AT);
	if (n < (ssize_t)before)
		return;
	step = reentry_before(p + before, before);
	if (!step && reentry_marked(p + before, n - before) && room + sizeof(mark) < PAGE) {
		step = sizeof(mark);
		*offset += step;
	}
	*cookie |= step << SKIP_AT;
}

void reentry_fit(int fd, uint64_t *offset, uint64_t *cookie, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is_write(cookie[i]))
			fit(fd, &offset[i], &cookie[i]);
}
