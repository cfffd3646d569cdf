// SPDX-License-Identifier: Apache-2.0
/*
 * argv in, a checked struct out. All commands share one option table, so `--json status` and
 * `status --json` are the same; each command lists the letters it takes and any other option is
 * refused rather than ignored. Paths that were not given follow from --state-dir.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define DEFAULT_LISTEN "127.0.0.1"
#define DEFAULT_PORT 8460
#define DEFAULT_STATE "/var/lib/probity-collector"
#define DEFAULT_LIMIT 20

/* The letters are names for collector_command.options only; there are no short options but -h. */
static const struct option options[] = {
	{"listen", required_argument, NULL, 'l'},
	{"state-dir", required_argument, NULL, 's'},
	{"ca", required_argument, NULL, 'a'},
	{"cert", required_argument, NULL, 'c'},
	{"key", required_argument, NULL, 'k'},
	{"ready-fd", required_argument, NULL, 'r'},
	{"name", required_argument, NULL, 'n'},
	{"out", required_argument, NULL, 'o'},
	{"out-agent", required_argument, NULL, 'A'},
	{"limit", required_argument, NULL, 'm'},
	{"json", no_argument, NULL, 'j'},
	{"witness-listen", required_argument, NULL, 'w'},
	{"witness-logs", required_argument, NULL, 'L'},
	{"tsa", required_argument, NULL, 't'},
	{"tsa-ca", required_argument, NULL, 'T'},
	{"log", no_argument, NULL, 'g'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{0},
};

static int wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int wrong(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(stderr, "probity-collector: %s; see --help\n", text);
	return -EINVAL;
}

static int number(const char *text, uint64_t max, uint64_t *ret)
{
	char *end;
	unsigned long long v;

	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno || *end || v > max)
		return -EINVAL;
	*ret = v;
	return 0;
}

/* ADDR:PORT, [ADDR6]:PORT, ADDR or :PORT. */
static int read_listen(const char *option, const char *text, char (*addr)[64], uint16_t *ret_port)
{
	const char *colon = strrchr(text, ':'), *from = text;
	size_t n = colon ? (size_t)(colon - text) : strlen(text);
	uint64_t port = DEFAULT_PORT;

	if (text[0] == '[') {
		const char *end = strchr(text, ']');

		if (!end || (end[1] && end[1] != ':'))
			return wrong("--%s %s: no address and port", option, text);
		from = text + 1;
		n = end - from;
		colon = end[1] ? end + 1 : NULL;
	}
	if (n >= sizeof(*addr))
		return wrong("--%s %s: address too long", option, text);
	if (colon && number(colon + 1, 65535, &port))
		return wrong("--%s %s: no port", option, text);
	if (n) {
		memcpy(*addr, from, n);
		(*addr)[n] = '\0';
	}
	*ret_port = port;
	return 0;
}

static int read_path(const char *option, const char *value, char out[static PATH_MAX])
{
	if (snprintf(out, PATH_MAX, "%s", value) >= PATH_MAX)
		return wrong("--%s: path too long", option);
	return 0;
}

static int read_option(int letter, const char *value, struct collector_config *c)
{
	uint64_t v;

	switch (letter) {
	case 'l':
		return read_listen("listen", value, &c->listen, &c->port);
	case 'w':
		snprintf(c->witness_listen, sizeof(c->witness_listen), DEFAULT_LISTEN);
		return read_listen("witness-listen", value, &c->witness_listen, &c->witness_port);
	case 'L':
		c->logs = value;
		return 0;
	case 't':
		c->tsa = value;
		return 0;
	case 'T':
		c->tsa_ca = value;
		return 0;
	case 'g':
		c->log_key = true;
		return 0;
	case 's':
		c->state_dir = value;
		return 0;
	case 'a':
		return read_path("ca", value, c->ca);
	case 'c':
		return read_path("cert", value, c->cert);
	case 'k':
		return read_path("key", value, c->key);
	case 'r':
		if (number(value, 65535, &v))
			return wrong("--ready-fd %s: not a file descriptor", value);
		c->ready_fd = v;
		return 0;
	case 'n':
		c->name = value;
		return 0;
	case 'o':
		c->out = value;
		return 0;
	case 'A':
		c->out_agent = value;
		return 0;
	case 'm':
		if (number(value, INT64_MAX, &c->limit) || !c->limit)
			return wrong("--limit %s: not a number above 0", value);
		return 0;
	case 'j':
		c->json = true;
		return 0;
	case 'h':
		c->help = true;
		return 0;
	case 'V':
		c->version = true;
		return 0;
	default:
		return -EINVAL; /* getopt_long has said which */
	}
}

static int follow(struct collector_config *c)
{
	const struct {
		char *out;
		const char *tail;
	} path[] = {
		{c->pki_dir, "pki"},	     {c->db, "probity.db"},	 {c->ca, "pki/ca.pem"},
		{c->cert, "pki/server.pem"}, {c->key, "pki/server.key"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(path); i++)
		if (!path[i].out[0] && snprintf(path[i].out, PATH_MAX, "%s/%s", c->state_dir,
						path[i].tail) >= PATH_MAX)
			return wrong("--state-dir: path too long");
	return 0;
}

static int pick_command(const struct collector_command *commands, int argc, char **argv,
			struct collector_config *c, const struct collector_command **ret)
{
	bool takes_operand;

	c->command = optind < argc ? argv[optind++] : commands[0].name;
	for (*ret = NULL; commands->name; commands++)
		if (!strcmp(commands->name, c->command))
			*ret = commands;
	if (!*ret)
		return wrong("%s: no such command", c->command);
	takes_operand = strchr((*ret)->options, '=');
	if (takes_operand && optind < argc)
		c->operand = argv[optind++];
	if (takes_operand && !c->operand && !c->help && !c->version)
		return wrong("%s: needs a name", c->command);
	return optind < argc ? wrong("%s: too many arguments", argv[optind]) : 0;
}

int collector_config_read(int argc, char **argv, const struct collector_command *commands,
			  struct collector_config *ret, const struct collector_command **ret_cmd)
{
	struct collector_config c = {
		.listen = DEFAULT_LISTEN,
		.port = DEFAULT_PORT,
		.state_dir = DEFAULT_STATE,
		.limit = DEFAULT_LIMIT,
		.ready_fd = -1,
	};
	const struct collector_command *cmd;
	char used[32] = "";
	int letter, index = -1, r;

	while ((letter = getopt_long(argc, argv, "h", options, &index)) != -1) {
		r = read_option(letter, optarg, &c);
		if (r)
			return r;
		if (!strchr(used, letter) && strlen(used) + 1 < sizeof(used))
			used[strlen(used)] = letter;
	}
	r = pick_command(commands, argc, argv, &c, &cmd);
	if (r)
		return r;
	for (const struct option *o = options; o->name; o++)
		if (strchr(used, o->val) && !strchr("hV", o->val) && !strchr(cmd->options, o->val))
			return wrong("%s: takes no --%s", cmd->name, o->name);
	r = follow(&c);
	if (r)
		return r;
	*ret = c;
	*ret_cmd = cmd;
	return 0;
}

void collector_command_help(const struct collector_command *cmd)
{
	printf("usage: probity-collector %s\n\n%s", cmd->usage, cmd->help);
}
