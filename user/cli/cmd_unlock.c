// SPDX-License-Identifier: Apache-2.0
/*
 * probity unlock, probity lock: the window in the agent's guard. Flows in: the agent's challenge, an
 * operator's private key. Flows out: a signed note to the agent; what came of it. The key stays here.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "cli.h"
#include "cmd.h"
#include "control.h"
#include "record/note.h"
#include "record/printable.h"
#include "record/unlock_note.h"

#define TIMEOUT_MS 5000
#define FOR_S 300

DEFINE_CLEANUP(struct signer, signer_free)

static const char notes[] =
	"While unlocked, other processes of root may touch the agent, its files and its programs.\n"
	"Each window, its end, and each refused request is a record in the chain.\n"
	"Make a key with `probity policy keygen`; the agent has its public half by --policy-key.\n"
	"Exit code 1 when the agent refuses, 3 when it does not answer.";

static int say_error(const char *text)
{
	char safe[512];

	printable_copy(safe, sizeof(safe), text);
	fprintf(stderr, "probity: %s\n", safe);
	return CLI_NEGATIVE;
}

/* One request, one answer. CLI_OK with *ret, or the exit code. */
static int ask(const char *run_dir, json_t *request, json_t **ret)
{
	_cleanup_free_ char *text = request ? json_dumps(request, JSON_COMPACT) : NULL,
			    *line = NULL;
	const char *error;
	int r;

	json_decref(request);
	if (!text || asprintf(&line, "%s\n", text) < 0)
		return CLI_UNREACHABLE;
	r = control_call(run_dir, line, TIMEOUT_MS, ret);
	if (r) {
		fprintf(stderr, "probity: no answer from %s/control.sock: %s\n", run_dir,
			strerror(-r));
		return CLI_UNREACHABLE;
	}
	error = json_string_value(json_object_get(*ret, "error"));
	r = error ? say_error(error) : CLI_OK;
	if (r) {
		json_decref(*ret);
		*ret = NULL;
	}
	return r;
}

/* "300", "90s", "5m", "2h" */
static bool seconds(const char *s, uint64_t *ret)
{
	char *end;
	unsigned long long v;

	errno = 0;
	v = strtoull(s, &end, 10);
	if (errno || end == s || s[0] == '-' || v > 24 * 3600)
		return false;
	if (!strcmp(end, "m"))
		v *= 60;
	else if (!strcmp(end, "h"))
		v *= 3600;
	else if (*end && strcmp(end, "s"))
		return false;
	*ret = v;
	return v > 0 && v <= 24 * 3600;
}

static int sign(const char *key, const char *name, const json_t *challenge, uint64_t for_s,
		char *out, size_t cap)
{
	const char *nonce = json_string_value(json_object_get(challenge, "nonce"));
	const char *host = json_string_value(json_object_get(challenge, "host"));
	_cleanup_(signer_freep) struct signer *s = NULL;
	char text[512], err[256];
	size_t n = unlock_note_text(nonce, host, for_s, text, sizeof(text));

	if (!n)
		return say_error("the agent's challenge is not one");
	if (signer_open(key, false, &s, err, sizeof(err))) {
		fprintf(stderr, "probity: %s\n", err);
		return CLI_UNREACHABLE;
	}
	return note_sign(text, n, name, s, out, cap) ? CLI_OK : say_error("cannot sign");
}

static int unlock(const char *run_dir, const char *key, const char *name, uint64_t for_s)
{
	json_t *challenge = NULL, *answer = NULL;
	char note[1024], when[64];
	struct tm tm;
	time_t until;
	bool want;
	int r = ask(run_dir, json_pack("{s:s}", "do", "guard_challenge"), &challenge);

	if (r)
		return r;
	want = json_is_true(json_object_get(challenge, "signed"));
	if (want && !key)
		r = say_error("this host has an operator's key: name its private half by --key");
	else if (want)
		r = sign(key, name, challenge, for_s, note, sizeof(note));
	json_decref(challenge);
	if (r)
		return r;
	r = ask(run_dir,
		json_pack("{s:s, s:I, s:s*}", "do", "unlock", "for_s", (json_int_t)for_s, "note",
			  want ? note : NULL),
		&answer);
	if (r)
		return r;
	until = json_integer_value(json_object_get(answer, "until_unix_ns")) / 1000000000;
	json_decref(answer);
	strftime(when, sizeof(when), "%F %T", localtime_r(&until, &tm));
	printf("unlocked until %s\n", when);
	return CLI_OK;
}

int cmd_unlock(int argc, char **argv)
{
	const char *run_dir = CLI_RUN_DIR, *key = NULL, *name = "operator", *window = NULL;
	uint64_t for_s = FOR_S;
	const struct cli_option options[] = {
		{"for", 0, CLI_TEXT, &window, "TIME", "how long: 90s, 5m, 2h (default 5m)"},
		{"key", 0, CLI_TEXT, &key, "FILE", "the operator's private key"},
		{"name", 0, CLI_TEXT, &name, "NAME",
		 "of the key, as keygen got it (default operator)"},
		CLI_OPT_RUN_DIR(&run_dir),
		{0},
	};
	const struct cli_usage u = {
		"unlock", "",	 "Opens a timed window in the agent's protection of itself.",
		options,  notes,
	};
	int first, r = cli_options(&u, argc, argv, &first);

	if (r >= 0)
		return r;
	if (first < argc)
		return cli_wrong(&u, "takes no argument '%s'", argv[first]);
	if (window && !seconds(window, &for_s))
		return cli_wrong(&u, "--for %s: 1s to 24h", window);
	return unlock(run_dir, key, name, for_s);
}

int cmd_lock(int argc, char **argv)
{
	const char *run_dir = CLI_RUN_DIR;
	const struct cli_option options[] = {
		CLI_OPT_RUN_DIR(&run_dir),
		{0},
	};
	const struct cli_usage u = {
		"lock", "", "Closes the window that probity unlock opened.", options, NULL,
	};
	json_t *answer = NULL;
	int first, r = cli_options(&u, argc, argv, &first);

	if (r >= 0)
		return r;
	if (first < argc)
		return cli_wrong(&u, "takes no argument '%s'", argv[first]);
	r = ask(run_dir, json_pack("{s:s}", "do", "lock"), &answer);
	if (r)
		return r;
	json_decref(answer);
	puts("locked");
	return CLI_OK;
}
