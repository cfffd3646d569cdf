// SPDX-License-Identifier: Apache-2.0
/* Flows in: a request object. Flows out: the agent's answer, or one line on stderr that says what to do.
 * The agent is trusted no more than a file: its texts are made safe before they are shown. */
#include "ask.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli.h"
#include "control.h"
#include "record/printable.h"

static int no_answer(const char *run_dir, int err)
{
	char dir[1024];

	printable_copy(dir, sizeof(dir), run_dir);
	if (err == -ENOENT || err == -ECONNREFUSED)
		fprintf(stderr,
			"probity: probityd is not running (%s/control.sock: %s); start it, or name "
			"its --run-dir\n",
			dir, strerror(-err));
	else
		fprintf(stderr, "probity: no answer from %s/control.sock: %s\n", dir,
			err == -EBADMSG ? "it is no JSON object" : strerror(-err));
	return CLI_UNREACHABLE;
}

int cli_ask(const char *run_dir, json_t *request, json_t **ret)
{
	_cleanup_free_ char *text = request ? json_dumps(request, JSON_COMPACT) : NULL,
			    *line = NULL;
	char safe[1024];
	json_t *o;
	int r;

	json_decref(request);
	if (!text || asprintf(&line, "%s\n", text) < 0)
		return no_answer(run_dir, -ENOMEM);
	r = control_call(run_dir, line, ASK_TIMEOUT_MS, &o);
	if (r)
		return no_answer(run_dir, r);
	if (!json_object_get(o, "error")) {
		*ret = o;
		return CLI_OK;
	}
	fprintf(stderr, "probity: %s\n", ask_text(o, "error", safe, sizeof(safe)));
	json_decref(o);
	return CLI_NEGATIVE;
}

const char *ask_text(const json_t *o, const char *key, char *dst, size_t cap)
{
	printable_copy(dst, cap, json_string_value(json_object_get(o, key)) ?: "");
	return dst;
}
