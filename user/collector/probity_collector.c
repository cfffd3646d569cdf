// SPDX-License-Identifier: Apache-2.0
/*
 * probity-collector: the central store of sealed records. This file is the table of its
 * commands; a new one is a row here and a cmd_*.c.
 */
#include <stdio.h>
#include <sys/stat.h>

#include "base/log.h"
#include "commands.h"

#define EXIT_TEXT "exit: 0 fine, 1 failed or a finding, 2 wrong usage\n"
#define STATE_TEXT "  --state-dir DIR     default /var/lib/probity-collector\n"

static const struct collector_command commands[] = {
	{"run", collector_run, "lsackr",
	 "[run] [--listen ADDR:PORT] [--state-dir DIR] [--ca FILE --cert FILE --key FILE]",
	 "Takes sealed records from agents over mutual TLS 1.3, verifies and stores them.\n"
	 "  --listen ADDR:PORT  default 127.0.0.1:8460\n" STATE_TEXT
	 "  --ca FILE           who may send; default DIR/pki/ca.pem\n"
	 "  --cert FILE         default DIR/pki/server.pem\n"
	 "  --key FILE          default DIR/pki/server.key\n"
	 "  --ready-fd N        write a newline there once requests are taken\n" EXIT_TEXT},
	{"init", collector_init, "snA", "init [--state-dir DIR] [--name HOST] [--out-agent DIR2]",
	 "Makes a local CA, this server's certificate and one agent's; keeps and checks what is"
	 " there.\n" STATE_TEXT "  --name HOST         default: this host's name\n"
	 "  --out-agent DIR2    default DIR/pki/agents/HOST\n" EXIT_TEXT},
	{"agent-cert", collector_agent_cert,
	 "so=", "agent-cert NAME [--out DIR2] [--state-dir DIR]",
	 "Makes a client certificate for a further host: DIR2/{ca.pem,agent.pem,agent.key}.\n"
	 "  --out DIR2          default DIR/pki/agents/NAME\n" STATE_TEXT EXIT_TEXT},
	{"status", collector_status, "sj", "status [--json] [--state-dir DIR]",
	 "Chains, records, last sequence numbers and findings in the store.\n"
	 "  --json              one JSON object\n" STATE_TEXT EXIT_TEXT},
	{"check", collector_check, "sj", "check [--json] [--state-dir DIR]",
	 "Verifies the whole store again from the stored bytes: every chain, count and column.\n"
	 "  --json              one JSON object\n" STATE_TEXT
	 "exit: 0 all verified, 1 a finding or the store cannot be read, 2 wrong usage\n"},
	{"list", collector_list, "sjm", "list [--json] [--limit N] [--state-dir DIR]",
	 "The newest records, newest first, one line each.\n"
	 "  --limit N           default 20\n"
	 "  --json              one JSON object a line\n" STATE_TEXT EXIT_TEXT},
	{0},
};

static void help(void)
{
	printf("probity-collector: stores and verifies sealed records of AI calls\n\nusage:\n");
	for (const struct collector_command *c = commands; c->name; c++)
		printf("  probity-collector %s\n", c->usage);
	printf("\nprobity-collector COMMAND --help tells more.\n" EXIT_TEXT);
}

int main(int argc, char **argv)
{
	const struct collector_command *cmd;
	struct collector_config c;

	log_init("probity-collector", LOG_L_INFO);
	umask(077);
	if (collector_config_read(argc, argv, commands, &c, &cmd))
		return EXIT_USAGE;
	if (c.version) {
		printf("probity-collector %s\n", PROBITY_VERSION);
		return EXIT_FINE;
	}
	if (c.help && cmd == commands) {
		help();
		printf("\n");
	}
	if (c.help) {
		collector_command_help(cmd);
		return EXIT_FINE;
	}
	return cmd->run(&c);
}
