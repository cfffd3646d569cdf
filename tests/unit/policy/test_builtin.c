// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "policy/builtin.h"

static void kinds(void **state)
{
	static const struct {
		const char *path;
		enum builtin_kind want;
	} rows[] = {
		{"/usr/sbin/probityd", BUILTIN_AGENT},
		{"/usr/bin/probity", BUILTIN_AGENT},
		{"/usr/bin/dpkg", BUILTIN_PACKAGES},
		{"/bin/dpkg", BUILTIN_PACKAGES},
		{"/usr/bin/apt-get", BUILTIN_PACKAGES},
		{"/usr/lib/apt/methods/http", BUILTIN_PACKAGES},
		{"/usr/bin/rpm", BUILTIN_PACKAGES},
		{"/usr/bin/dnf5", BUILTIN_PACKAGES},
		{"/usr/sbin/sshd", BUILTIN_REMOTE},
		{"/usr/lib/openssh/sshd-session", BUILTIN_REMOTE},
		{"/usr/libexec/openssh/sftp-server", BUILTIN_REMOTE},
		{"/usr/bin/login", BUILTIN_REMOTE},
		{"/bin/login", BUILTIN_REMOTE},
		{"/usr/bin/sudo", BUILTIN_REMOTE},
		{"/usr/bin/su", BUILTIN_REMOTE},
		{"/sbin/reboot", BUILTIN_SHUTDOWN},
		{"/usr/sbin/shutdown", BUILTIN_SHUTDOWN},
		{"/usr/bin/systemctl", BUILTIN_SHUTDOWN},
		{"/sbin/init", BUILTIN_INIT},
		{"/usr/lib/systemd/systemd", BUILTIN_INIT},
		{"/lib/systemd/systemd-logind", BUILTIN_INIT},
		/* nearly */
		{"", BUILTIN_NONE},
		{"dpkg", BUILTIN_NONE},
		{"/usr/local/bin/dpkg", BUILTIN_NONE},
		{"/home/a/usr/bin/dpkg", BUILTIN_NONE},
		{"/usr/bin/dpkg2", BUILTIN_NONE},
		{"/usr/bin/dpkg/x", BUILTIN_NONE},
		{"/usr/bin/", BUILTIN_NONE},
		{"/usr/bin/ssh", BUILTIN_NONE}, /* away from this host, not to it */
		{"/usr/bin/node", BUILTIN_NONE},
		{"/usr/bin/claude", BUILTIN_NONE},
		{"/usr/lib/apt/", BUILTIN_NONE},
		{"/usr/lib/apt/../../../tmp/x", BUILTIN_NONE},
		{"/usr/bin/./dpkg", BUILTIN_NONE},
		{"/usr//bin/dpkg", BUILTIN_NONE},
		{"/usr/usr/bin/dpkg", BUILTIN_NONE},
		{"/proc/self/root/usr/bin/dpkg", BUILTIN_NONE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (builtin_kind(rows[i].path) != rows[i].want)
			print_error("%s\n", rows[i].path);
		assert_int_equal(builtin_kind(rows[i].path), rows[i].want);
		assert_int_equal(builtin_allowed(rows[i].path), rows[i].want != BUILTIN_NONE);
		assert_string_not_equal(builtin_name(rows[i].want),
					rows[i].want == BUILTIN_NONE ? "x" : "");
	}
}

static void files(void **state)
{
	assert_true(builtin_file("/usr/bin/dpkg", 0, 0100755));
	assert_true(builtin_file("/usr/bin/sudo", 0, 0104755));
	assert_false(builtin_file("/usr/bin/dpkg", 1000, 0100755));
	assert_false(builtin_file("/usr/bin/dpkg", 0, 0100775));
	assert_false(builtin_file("/usr/bin/dpkg", 0, 0100757));
	assert_false(builtin_file("/usr/bin/node", 0, 0100755));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(kinds), cmocka_unit_test(files)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
