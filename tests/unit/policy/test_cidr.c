// SPDX-License-Identifier: Apache-2.0
/* Which ranges are taken, which addresses are in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "policy/cidr.h"

static const struct {
	const char *range, *address;
	bool hit;
} rows[] = {
	{"10.0.0.0/8", "10.255.0.1", true},
	{"10.0.0.0/8", "11.0.0.0", false},
	{"192.0.2.7", "192.0.2.7", true},
	{"192.0.2.7", "192.0.2.8", false},
	{"192.0.2.4/31", "192.0.2.5", true},
	{"192.0.2.4/31", "192.0.2.6", false},
	{"0.0.0.0/0", "255.255.255.255", true},
	{"0.0.0.0/0", "::1", false},
	{"::/0", "2001:db8::1", true},
	{"::/0", "192.0.2.1", false},
	{"2001:db8::/32", "2001:DB8:ffff::", true},
	{"2001:db8::/32", "2001:db9::", false},
	{"2001:db8::/33", "2001:db8:8000::", false},
	{"10.0.0.0/8", "::ffff:10.1.2.3", true}, /* mapped: the same address */
	{"::ffff:10.0.0.1", "10.0.0.1", true},
	{"::1", "::1", true},
	{"10.0.0.0/8", "", false},
	{"10.0.0.0/8", "10.0.0", false},
	{"10.0.0.0/8", "localhost", false},
};

static const struct {
	const char *range;
	int r;
} bad[] = {
	{"", -EINVAL},
	{"10.0.0.0/33", -EINVAL},
	{"10.0.0.0/", -EINVAL},
	{"10.0.0.0/-1", -EINVAL},
	{"10.0.0.0/+8", -EINVAL},
	{"10.0.0.0/08", -EINVAL},
	{"10.0.0.0/8 ", -EINVAL},
	{"10.0.0/8", -EINVAL},
	{"10.0.0.1/8", -ERANGE},
	{"2001:db8::1/64", -ERANGE},
	{"::/129", -EINVAL},
	{"::ffff:10.0.0.0/104", -EINVAL},
	{"fe80::1%eth0", -EINVAL},
	{"example.com", -EINVAL},
	{"10.0.0.0/8/8", -EINVAL},
	{"1:2:3:4:5:6:7:8:9:a:b:c:d:e:f:1:2:3:4:5:6:7:8:9", -EINVAL},
};

static void test_hits(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cidr c;

		if (cidr_parse(rows[i].range, &c) || cidr_hit(&c, rows[i].address) != rows[i].hit)
			fail_msg("%s and %s", rows[i].range, rows[i].address);
	}
}

static void test_bad(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct cidr c = {.family = 99};

		if (cidr_parse(bad[i].range, &c) != bad[i].r || c.family != 99)
			fail_msg("%s", bad[i].range);
	}
}

static void test_ports(void **state)
{
	static const struct {
		const char *s;
		uint16_t from, to; /* 0: refused */
	} port[] = {
		{"443", 443, 443}, {"1-65535", 1, 65535}, {"8000-8999", 8000, 8999},
		{"0", 0, 0},	   {"65536", 0, 0},	  {"", 0, 0},
		{"-", 0, 0},	   {"80-", 0, 0},	  {"-80", 0, 0},
		{"9-8", 0, 0},	   {"080", 0, 0},	  {"80 ", 0, 0},
		{"1-2-3", 0, 0},   {"99999999999", 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(port); i++) {
		struct port_range r = {};

		if (port_range_parse(port[i].s, &r) != (port[i].from ? 0 : -EINVAL) ||
		    r.from != port[i].from || r.to != port[i].to)
			fail_msg("%s", port[i].s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hits),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
