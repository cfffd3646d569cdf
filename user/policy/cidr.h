/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges of addresses, "10.0.0.0/8", "2001:db8::/32", "192.0.2.7", and of ports, "8000-8999". PURE. */
#ifndef PROBITY_POLICY_CIDR_H
#define PROBITY_POLICY_CIDR_H

#include <stdbool.h>
#include <stdint.h>

struct cidr {
	int family; /* AF_INET, AF_INET6 */
	unsigned prefix;
	uint8_t addr[16];
};

/* 0; -EINVAL; -ERANGE: bits are set behind the prefix. */
int cidr_parse(const char *s, struct cidr *ret);
/* An address as text; one mapped into IPv6 is the IPv4 address. */
bool cidr_hit(const struct cidr *c, const char *address);
bool address_valid(const char *s);

struct port_range {
	uint16_t from, to;
};
int port_range_parse(const char *s, struct port_range *ret); /* 1 to 65535; 0 or -EINVAL */

#endif
