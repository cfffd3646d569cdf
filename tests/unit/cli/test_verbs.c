// SPDX-License-Identifier: Apache-2.0
/* The verbs as a user meets them: exit code, and what stands on standard output and error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fs.h"
#include "cli/cli.h"
#include "cli/cmd.h"
#include "fixture.h"

static struct fixture fix;
static char out_path[128], err_path[128];

/* start, plain, alert, shadow | killed, a call whose signature is another's */
static int setup(void **state)
{
	static struct sealed_bytes b, last;

	fixture_open(&fix);
	snprintf(out_path, sizeof(out_path), "%s/out", fix.state);
	snprintf(err_path, sizeof(err_path), "%s/err", fix.state);
	fixture_start(&fix, &b);
	fixture_append(&fix, &b);
	fixture_write(&fix, &fixture_plain);
	fixture_write(&fix, &fixture_alert);
	fixture_write(&fix, &fixture_shadow);
	fixture_rotate(&fix);
	fixture_call(&fix, &fixture_killed, &last);
	fixture_append(&fix, &last);
	fixture_call(&fix, &fixture_plain, &b);
	memcpy(b.sig, last.sig, sizeof(b.sig));
	fixture_append(&fix, &b);
	fixture_head(&fix);
	fixture_call(&fix, &fixture_plain,
		     &b); /* 6: not covered by the checkpoint, signature is right */
	fixture_log(&fix, 6);
	fixture_append(&fix, &b);
	return 0;
}
static int teardown(void **state)
{
	fixture_close(&fix);
	return 0;
}

/* Sends a descriptor to a file; gives what it was. */
static int redirect(int fd, const char *path)
{
	int was = dup(fd), to = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(was >= 0 && to >= 0);
	dup2(to, fd);
	close(to);
	return was;
}

static int run(int (*verb)(int, char **), const char *line)
{
	char words[512], *argv[16] = {NULL}, *save = NULL;
	int argc = 0, out, err, rc;

	snprintf(words, sizeof(words), "%s", line);
	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	fflush(stdout);
	out = redirect(1, out_path);
	err = redirect(2, err_path);
	rc = verb(argc, argv);
	fflush(stdout);
	dup2(out, 1);
	dup2(err, 2);
	close(out);
	close(err);
	return rc;
}

/* S in a line stands for the state directory. */
static void with_state(const char *line, char *ret, size_t cap)
{
	size_t n = 0;

	for (; *line && n + 1 < cap; line++) {
		if (*line == 'S')
			n += snprintf(ret + n, cap - n, "%s", fix.state);
		else
			ret[n++] = *line;
	}
	ret[n < cap ? n : cap - 1] = '\0';
}

static void test_verbs(void **state)
{
	static const struct {
		int (*verb)(int, char **);
		const char *line;
		int rc;
		const char *out, *err; /* must be in it; "" = must be empty; NULL = any */
	} rows[] = {
		{cmd_ls, "ls --state-dir S", CLI_OK, "  4  ", ""},
		{cmd_ls, "ls --state-dir S --user nobody", CLI_OK, "", "no record matches"},
		{cmd_ls, "ls --state-dir S --json --user nobody", CLI_OK, "", ""},
		{cmd_ls, "ls --state-dir S --json --user bob", CLI_OK, "{\"seq\":2,", ""},
		{cmd_ls, "ls --state-dir S --control", CLI_OK, "start on web-01", ""},
		{cmd_ls, "ls --since soon", CLI_USAGE, "", "'soon' is no time"},
		{cmd_ls, "ls 7", CLI_USAGE, "", "takes no argument '7'"},
		{cmd_ls, "ls --state-dir /nonexistent", CLI_UNREACHABLE, "",
		 "cannot read /nonexistent/spool: No such file"},
		{cmd_ls, "ls --help", CLI_OK, "usage: probity ls", ""},
		{cmd_show, "show 2 --state-dir S", CLI_OK, "signature is       valid", ""},
		{cmd_show, "show 5 --state-dir S", CLI_NEGATIVE, "signature is       INVALID", ""},
		{cmd_show, "show 5 --state-dir S --json", CLI_NEGATIVE,
		 "\"signature_valid\": false", ""},
		{cmd_show, "show 7 --state-dir S", CLI_NEGATIVE, "", "no record 7 in "},
		{cmd_show, "show", CLI_USAGE, "", "wants one sequence number"},
		{cmd_show, "show 1 2", CLI_USAGE, "", "wants one sequence number"},
		{cmd_cert, "cert 4 --state-dir S", CLI_OK, "\"certificate_id\": \"pcert-", ""},
		{cmd_cert, "cert 4 --json --state-dir S --key S/keys/chain.pub", CLI_OK, "pcert-",
		 ""},
		{cmd_cert, "cert 5 --state-dir S", CLI_NEGATIVE, "", "does not hold"},
		{cmd_cert, "cert 0 --state-dir S", CLI_OK, "\"kind\": \"control\"", ""},
		{cmd_cert, "cert 4 --state-dir S --key S/none", CLI_UNREACHABLE, "", "none"},
		{cmd_cert, "cert 4 --state-dir /nonexistent", CLI_UNREACHABLE, "", "cannot read"},
		{cmd_cert, "cert 6 --state-dir S", CLI_NEGATIVE, "", "not covered by a checkpoint"},
		{cmd_prove, "prove 4 --state-dir S", CLI_OK, "c2sp.org/tlog-proof@v1\nextra ", ""},
		{cmd_prove, "prove 5 --dir S/spool", CLI_OK, "\nindex 5\n", ""},
		{cmd_prove, "prove 4 --state-dir S -o S/proof", CLI_OK, "", ""},
		{cmd_prove, "prove 4 --state-dir S -o S/none/proof", CLI_UNREACHABLE, "",
		 "none/proof"},
		{cmd_prove, "prove 6 --state-dir S", CLI_NEGATIVE, "",
		 "record 6 is not covered by a checkpoint yet: the newest is of the first 6 "
		 "records; the next comes in "},
		{cmd_prove, "prove 4 --state-dir /nonexistent", CLI_UNREACHABLE, "", "cannot read"},
		{cmd_prove, "prove x", CLI_USAGE, "", "wants one sequence number"},
		{cmd_prove, "prove", CLI_USAGE, "", "wants one sequence number"},
		{cmd_cert, "cert x", CLI_USAGE, "", "wants one sequence number"},
		{cmd_verify, "verify S/spool", CLI_NEGATIVE, "seq 5: signature", ""},
		{cmd_verify, "verify --json S/spool", CLI_NEGATIVE, "\"kind\": \"signature\"", ""},
		{cmd_verify, "verify /nonexistent", CLI_UNREACHABLE, "",
		 "cannot read /nonexistent"},
		{cmd_verify, "verify a b", CLI_USAGE, "", "takes one folder"},
		{cmd_watch, "watch --state-dir /nonexistent", CLI_UNREACHABLE, "", "cannot read"},
		{cmd_watch, "watch --since x", CLI_USAGE, "", "'x' is not a number"},
		{cmd_status, "status --run-dir S", CLI_UNREACHABLE, "", "probityd is not running"},
		{cmd_status, "status --run-dir S --json", CLI_UNREACHABLE, "",
		 "probityd is not running"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *out = NULL, *err = NULL;
		char line[512];
		int rc;

		with_state(rows[i].line, line, sizeof(line));
		rc = run(rows[i].verb, line);
		assert_int_equal(fs_read(out_path, 1 << 20, &out, NULL), 0);
		assert_int_equal(fs_read(err_path, 1 << 20, &err, NULL), 0);
		if (rc != rows[i].rc || (*rows[i].out ? !strstr(out, rows[i].out) : *out) ||
		    (*rows[i].err ? !strstr(err, rows[i].err) : *err))
			fail_msg("%s: exit %d\n%s\n%s", line, rc, out, err);
	}
}

/* A whole spool, without the call that is wrong. */
static void test_verify_good(void **state)
{
	struct fixture good;
	char line[256];
	_cleanup_free_ char *out = NULL;

	fixture_open(&good);
	{
		static struct sealed_bytes b;

		fixture_start(&good, &b);
		fixture_append(&good, &b);
	}
	fixture_write(&good, &fixture_plain);
	fixture_head(&good);
	snprintf(line, sizeof(line), "verify --key %s/host.key.pub --state-dir %s", good.state,
		 good.state);
	assert_int_equal(run(cmd_verify, line), CLI_OK);
	assert_int_equal(fs_read(out_path, 1 << 20, &out, NULL), 0);
	assert_non_null(strstr(out, "verified  "));
	assert_non_null(strstr(out, "\n  records    2 in 1 segment, "));
	assert_non_null(strstr(out, "\n  AI calls   1\n  control    1\n  seq        0 to 1\n"));
	fixture_close(&good);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verbs),
		cmocka_unit_test(test_verify_good),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
