// SPDX-License-Identifier: Apache-2.0
/* Texts in, ranges out, strictly: bits behind a prefix are a mistake and not cut off in silence. */
#include "cidr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int address(const char *s, struct cidr *ret)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct cidr c = {.family = AF_INET, .prefix = 32};

	if (inet_pton(AF_INET, s, c.addr) != 1) {
		c = (struct cidr){.family = AF_INET6, .prefix = 128};
		if (inet_pton(AF_INET6, s, c.addr) != 1)
			return -EINVAL;
		if (!memcmp(c.addr, mapped, sizeof(mapped))) {
			memcpy(c.addr, c.addr + 12, 4);
			memset(c.addr + 4, 0, 12);
			c.family = AF_INET;
			c.prefix = 32;
		}
	}
	*ret = c;
	return 0;
}

/* Digits without sign, spaces or leading zeros. */
static int number(const char *s, const char *end, unsigned max, unsigned *ret)
{
	unsigned v = 0;

	if (s == end || end - s > 5 || (*s == '0' && end - s > 1))
		return -EINVAL;
	for (; s < end; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		v = v * 10 + (*s - '0');
	}
	if (v > max)
		return -EINVAL;
	*ret = v;
	return 0;
}

static bool bit(const uint8_t *p, unsigned i)
{
	return p[i / 8] >> (7 - i % 8) & 1;
}

int cidr_parse(const char *s, struct cidr *ret)
{
	const char *slash = strchr(s, '/');
	char text[INET6_ADDRSTRLEN];
	struct cidr c;
	size_t n = slash ? (size_t)(slash - s) : strlen(s);
	unsigned bits;

	if (n >= sizeof(text))
		return -EINVAL;
	memcpy(text, s, n);
	text[n] = '\0';
	if (address(text, &c))
		return -EINVAL;
	/* "::ffff:10.0.0.0/104": whose prefix that is, nobody can say for sure. */
	if (slash && c.family == AF_INET && strchr(text, ':'))
		return -EINVAL;
	bits = c.prefix;
	if (slash && number(slash + 1, s + strlen(s), bits, &c.prefix))
		return -EINVAL;
	for (unsigned i = c.prefix; i < bits; i++)
		if (bit(c.addr, i))
			return -ERANGE;
	*ret = c;
	return 0;
}

bool cidr_hit(const struct cidr *c, const char *s)
{
	struct cidr a;

	if (address(s, &a) || a.family != c->family)
		return false;
	for (unsigned i = 0; i < c->prefix; i++)
		if (bit(a.addr, i) != bit(c->addr, i))
			return false;
	return true;
}

bool address_valid(const char *s)
{
	struct cidr a;

	return !address(s, &a);
}

int port_range_parse(const char *s, struct port_range *ret)
{
	const char *dash = strchr(s, '-'), *end = s + strlen(s);
	unsigned from, to;

	if (number(s, dash ? dash : end, UINT16_MAX, &from))
		return -EINVAL;
	to = from;
	if (dash && number(dash + 1, end, UINT16_MAX, &to))
		return -EINVAL;
	if (!from || to < from)
		return -EINVAL;
	*ret = (struct port_range){from, to};
	return 0;
}
