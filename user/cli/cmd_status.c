// SPDX-License-Identifier: Apache-2.0
/* probity status: what the running agent says about itself, as a page or as it came. */
#include <errno.h>
#include <string.h>

#include "cli.h"
#include "cmd.h"
#include "control.h"
#include "record/printable.h"
#include "status_page.h"
#include "text.h"

#define TIMEOUT_MS 5000

static int not_running(const char *run_dir, int err)
{
	char dir[1024];

	printable_copy(dir, sizeof(dir), run_dir);
	if (err == -EACCES || err == -EPERM)
		fprintf(stderr,
			"probity: cannot reach %s/control.sock: %s; run as root or join group probity\n",
			dir, strerror(-err));
	else if (err == -ENOENT || err == -ECONNREFUSED)
		fprintf(stderr,
			"probity: probityd is not running (%s/control.sock: %s); start it, or name its "
			"--run-dir\n",
			dir, strerror(-err));
	else
		fprintf(stderr, "probity: no status from %s/control.sock: %s; see probityd's log\n",
			dir, err == -EBADMSG ? "the answer is no JSON object" : strerror(-err));
	return CLI_UNREACHABLE;
}

int cmd_status(int argc, char **argv)
{
	const char *run_dir = CLI_RUN_DIR;
	bool json = false;
	json_t *status = NULL;
	const struct cli_option options[] = {
		CLI_OPT_JSON(&json),
		CLI_OPT_RUN_DIR(&run_dir),
		{0},
	};
	const struct cli_usage u = {
		"status",
		"",
		"Shows the running agent: mode, policy, kernel features and backends, attached TLS\n"
		"libraries, drops by cause, chain, spool and forward lag.",
		options,
		"Exit code 3 when the agent does not answer.",
	};
	int first, r = cli_options(&u, argc, argv, &first);

	if (r >= 0)
		return r;
	if (first < argc)
		return cli_wrong(&u, "takes no argument '%s'", argv[first]);
	r = control_call(run_dir, "status\n", TIMEOUT_MS, &status);
	if (r)
		return not_running(run_dir, r);
	if (json)
		return cli_print_json(status, false, stdout) ? CLI_UNREACHABLE : CLI_OK;
	status_page(status, time_now(), cli_colour(stdout), stdout);
	json_decref(status);
	return CLI_OK;
}
