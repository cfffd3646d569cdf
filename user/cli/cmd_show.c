// SPDX-License-Identifier: Apache-2.0
/*
 * probity show SEQ: one record in full, with the verdict on its own signature. Exit code 1 when that
 * signature does not hold or no key is known for it.
 */
#include <errno.h>

#include "cmd.h"
#include "record_arg.h"

static const char *signature_word(const struct record_arg *a)
{
	return a->signature_ok ? "valid" : a->has_public ? "INVALID" : "not checked: no public key";
}

static int print_page(const struct record_arg *a)
{
	_cleanup_free_ char *page = render_detail(&a->sealed);

	if (!page)
		return -1;
	printf("%s  %-18s %s\n", page, "signature is", signature_word(a));
	return 0;
}

static int print_json(const struct record_arg *a)
{
	json_t *o = render_json(&a->sealed);

	if (!o || json_object_set_new(o, "signature_valid", json_boolean(a->signature_ok))) {
		json_decref(o);
		return -1;
	}
	return cli_print_json(o, false, stdout);
}

int cmd_show(int argc, char **argv)
{
	_cleanup_(record_arg_done) struct record_arg a = {0};
	const char *state_dir = CLI_STATE_DIR;
	bool json = false;
	uint64_t seq;
	const struct cli_option options[] = {
		CLI_OPT_JSON(&json),
		CLI_OPT_STATE_DIR(&state_dir),
		{0},
	};
	const struct cli_usage u = {"show", "SEQ",
				    "Shows everything in the record with that number.", options,
				    NULL};
	int first, r = cli_options(&u, argc, argv, &first);

	if (r >= 0)
		return r;
	if (first + 1 != argc || !cli_number(argv[first], &seq))
		return cli_wrong(&u, "wants one sequence number");
	r = record_arg_open(&a, "show", state_dir, seq, NULL);
	if (r >= 0)
		return r;
	if (json ? print_json(&a) : print_page(&a))
		return cli_unreadable(a.dir, ENOMEM);
	return a.signature_ok ? CLI_OK : CLI_NEGATIVE;
}
