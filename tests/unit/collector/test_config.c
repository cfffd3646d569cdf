// SPDX-License-Identifier: Apache-2.0
/* The command line: what is read, and what is refused before anything is touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "collector/config.h"

#define ARGS_MAX 12

static int nothing(const struct collector_config *c)
{
	return 0;
}

static const struct collector_command commands[] = {
	{"run", nothing, "lsackr", "", ""},
	{"agent-cert", nothing, "so=", "", ""},
	{"status", nothing, "sj", "", ""},
	{"list", nothing, "sjm", "", ""},
	{0},
};

static const struct {
	const char *argv[ARGS_MAX];
	int r;
	const char *command, *listen, *db;
	uint16_t port;
	bool json;
	uint64_t limit;
} rows[] = {
	{{NULL}, 0, "run", "127.0.0.1", "/var/lib/probity-collector/probity.db", 8460, false, 20},
	{{"run", "--listen", "0.0.0.0:1"},
	 0,
	 "run",
	 "0.0.0.0",
	 "/var/lib/probity-collector/probity.db",
	 1,
	 false,
	 20},
	{{"--listen", "[::1]:99", "--state-dir", "/s"},
	 0,
	 "run",
	 "::1",
	 "/s/probity.db",
	 99,
	 false,
	 20},
	{{"--listen", "[::1]"},
	 0,
	 "run",
	 "::1",
	 "/var/lib/probity-collector/probity.db",
	 8460,
	 false,
	 20},
	{{"--listen", "10.0.0.1"},
	 0,
	 "run",
	 "10.0.0.1",
	 "/var/lib/probity-collector/probity.db",
	 8460,
	 false,
	 20},
	{{"--listen", ":0"},
	 0,
	 "run",
	 "127.0.0.1",
	 "/var/lib/probity-collector/probity.db",
	 0,
	 false,
	 20},
	{{"--json", "status"},
	 0,
	 "status",
	 "127.0.0.1",
	 "/var/lib/probity-collector/probity.db",
	 8460,
	 true,
	 20},
	{{"status", "--json"},
	 0,
	 "status",
	 "127.0.0.1",
	 "/var/lib/probity-collector/probity.db",
	 8460,
	 true,
	 20},
	{{"list", "--limit", "7"},
	 0,
	 "list",
	 "127.0.0.1",
	 "/var/lib/probity-collector/probity.db",
	 8460,
	 false,
	 7},
	{{"agent-cert", "web1"},
	 0,
	 "agent-cert",
	 "127.0.0.1",
	 "/var/lib/probity-collector/probity.db",
	 8460,
	 false,
	 20},
	{{"agent-cert"}, -EINVAL, 0, 0, 0, 0, 0, 0},
	{{"agent-cert", "a", "b"}, -EINVAL, 0, 0, 0, 0, 0, 0},
	{{"nonsense"}, -EINVAL, 0, 0, 0, 0, 0, 0},
	{{"run", "more"}, -EINVAL, 0, 0, 0, 0, 0, 0},
	{{"run", "--json"}, -EINVAL, 0, 0, 0, 0, 0, 0},
	{{"status", "--listen", "x:1"}, -EINVAL, 0, 0, 0, 0, 0, 0},
	{{"--listen", "a:65536"}, -EINVAL, 0, 0, 0, 0, 0, 0},
	{{"--listen", "a:"}, -EINVAL, 0, 0, 0, 0, 0, 0},
	{{"--listen", "a:-1"}, -EINVAL, 0, 0, 0, 0, 0, 0},
	{{"--listen", "a:1x"}, -EINVAL, 0, 0, 0, 0, 0, 0},
	{{"--listen", "[::1"}, -EINVAL, 0, 0, 0, 0, 0, 0},
	{{"--listen", "[::1]8"}, -EINVAL, 0, 0, 0, 0, 0, 0},
	{{"--ready-fd", "x"}, -EINVAL, 0, 0, 0, 0, 0, 0},
	{{"--ready-fd"}, -EINVAL, 0, 0, 0, 0, 0, 0},
	{{"list", "--limit", "0"}, -EINVAL, 0, 0, 0, 0, 0, 0},
	{{"list", "--limit", "99999999999999999999"}, -EINVAL, 0, 0, 0, 0, 0, 0},
	{{"--no-such"}, -EINVAL, 0, 0, 0, 0, 0, 0},
};

static void test_rows(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *argv[ARGS_MAX + 2] = {"probity-collector"};
		const struct collector_command *cmd = NULL;
		struct collector_config c = {0};
		int argc = 1;

		for (; argc <= ARGS_MAX && rows[i].argv[argc - 1]; argc++)
			argv[argc] = (char *)rows[i].argv[argc - 1];
		optind = 0; /* getopt_long begins anew */
		print_message("# row %zu\n", i);
		assert_int_equal(collector_config_read(argc, argv, commands, &c, &cmd), rows[i].r);
		if (rows[i].r) {
			assert_null(cmd);
			continue;
		}
		assert_string_equal(cmd->name, rows[i].command);
		assert_string_equal(c.listen, rows[i].listen);
		assert_string_equal(c.db, rows[i].db);
		assert_int_equal(c.port, rows[i].port);
		assert_int_equal(c.json, rows[i].json);
		assert_int_equal(c.limit, rows[i].limit);
		assert_int_equal(c.ready_fd, -1);
	}
}

static void test_long_path(void **state)
{
	static char path[PATH_MAX + 10];
	char *argv[] = {"probity-collector", "--state-dir", path, NULL};
	const struct collector_command *cmd;
	struct collector_config c;

	memset(path, 'a', sizeof(path) - 1);
	optind = 0;
	assert_int_equal(collector_config_read(3, argv, commands, &c, &cmd), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_long_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
