// SPDX-License-Identifier: Apache-2.0
/*
 * The fields that can be redacted: their names in a configuration, and which texts of which messages
 * they are. In: "argv=drop,http_path=mask". Out: the table's places set, or the word that is wrong.
 *
 *                    mask leaves
 *   argv             the program's own name; of every other argument that there was one
 *   home_path        whose home, not what in it (programs, files, arguments)
 *   peer_address     /24 of IPv4, /48 of IPv6
 *   server_address   the name's last two labels; an address as above (SNI as well)
 *   user_agent       the product, no version
 *   http_path        its first part
 *   groups, cgroup   that there was one (cgroup: container id as well)
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "private_int.h"

static const char *const names[PRIVATE_FIELDS] = {
	[PRIVATE_ARGV] = "argv",
	[PRIVATE_HOME_PATH] = "home_path",
	[PRIVATE_PEER_ADDRESS] = "peer_address",
	[PRIVATE_SERVER_ADDRESS] = "server_address",
	[PRIVATE_USER_AGENT] = "user_agent",
	[PRIVATE_HTTP_PATH] = "http_path",
	[PRIVATE_GROUPS] = "groups",
	[PRIVATE_CGROUP] = "cgroup",
};
static const char *const hows[] = {
	[PRIVATE_KEEP] = "keep",
	[PRIVATE_DROP] = "drop",
	[PRIVATE_HASH] = "hash",
	[PRIVATE_MASK] = "mask",
};

static const struct place {
	const char *message, *field; /* message NULL: of any */
	enum private_field is;
} places[] = {
	{"Process", "argv", PRIVATE_ARGV},
	{"Process", "groups", PRIVATE_GROUPS},
	{"Process", "cgroup", PRIVATE_CGROUP},
	{"Process", "container_id", PRIVATE_CGROUP},
	{NULL, "peer_address", PRIVATE_PEER_ADDRESS},
	{NULL, "server_address", PRIVATE_SERVER_ADDRESS},
	{NULL, "sni", PRIVATE_SERVER_ADDRESS},
	{NULL, "user_agent", PRIVATE_USER_AGENT},
	{NULL, "http_path", PRIVATE_HTTP_PATH},
};

enum private_field private_field_of(const ProtobufCMessageDescriptor *m, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if ((!places[i].message || !strcmp(places[i].message, m->short_name)) &&
		    !strcmp(places[i].field, name))
			return places[i].is;
	return PRIVATE_FIELDS;
}

const char *private_field_name(enum private_field f)
{
	return names[f];
}

static size_t word(const char *const *list, size_t n, const char *p, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(list[i]) == len && !memcmp(list[i], p, len))
			return i;
	return n;
}

int private_parse(const char *spec, struct private *p, const char **ret_bad, size_t *ret_len)
{
	struct private as = *p;

	for (const char *at = spec;; at++) {
		size_t n = strcspn(at, ","), left = strcspn(at, "=,"), right, field, how;

		right = left < n ? n - left - 1 : 0;
		field = word(names, ARRAY_SIZE(names), at, left);
		how = right ? word(hows, ARRAY_SIZE(hows), at + left + 1, right) : ARRAY_SIZE(hows);
		if (field == ARRAY_SIZE(names) || how == ARRAY_SIZE(hows)) {
			*ret_bad = at;
			*ret_len = n;
			return -EINVAL;
		}
		as.how[field] = how;
		at += n;
		if (!*at)
			break;
	}
	*p = as;
	return 0;
}

bool private_keyed(const struct private *p)
{
	for (int f = 0; f < PRIVATE_FIELDS; f++)
		if (p->how[f] == PRIVATE_HASH)
			return true;
	return p->users;
}

bool private_any(const struct private *p)
{
	for (int f = 0; f < PRIVATE_FIELDS; f++)
		if (p->how[f])
			return true;
	return p->users;
}
