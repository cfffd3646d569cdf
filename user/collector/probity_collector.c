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
	{"run", collector_run, "lsackrnwL",
	 "[run] [--listen ADDR:PORT] [--state-dir DIR] [--ca FILE --cert FILE --key FILE]"
	 " [--witness-listen ADDR:PORT [--witness-logs FILE]] [--name NAME]",
	 "Takes sealed records from agents over mutual TLS 1.3, verifies and stores them.\n"
	 "  --listen ADDR:PORT  default 127.0.0.1:8460\n" STATE_TEXT
	 "  --ca FILE           who may send; default DIR/pki/ca.pem\n"
	 "  --cert FILE         default DIR/pki/server.pem\n"
	 "  --key FILE          default DIR/pki/server.key\n"
	 "  --witness-listen ADDR:PORT  serve the collector's own log and C2SP add-checkpoint, plain"
	 " HTTP\n"
	 "  --witness-logs FILE foreign logs to cosign: lines \"log VKEY [URL]\"\n"
	 "  --name NAME         of the witness; default: the certificate's common name\n"
	 "  --ready-fd N        write a newline there once requests are taken\n" EXIT_TEXT},
	{"init", collector_init, "snA", "init [--state-dir DIR] [--name HOST] [--out-agent DIR2]",
	 "Makes a local CA, this server's certificate and one agent's; keeps and checks what is"
	 " there.\n" STATE_TEXT "  --name HOST         default: this host's name\n"
	 "  --out-agent DIR2    default DIR/pki/agents/HOST\n" EXIT_TEXT},
	{"agent-cert", collector_agent_cert,
	 "so=", "agent-cert NAME [--out DIR2] [--state-dir DIR]",
	 "Makes a client certificate for a further host: DIR2/{ca.pem,agent.pem,agent.key}.\n"
	 "  --out DIR2          default DIR/pki/agents/NAME\n" STATE_TEXT EXIT_TEXT},
	{"operator-cert", collector_operator_cert,
	 "so=", "operator-cert NAME [--out DIR2] [--state-dir DIR]",
	 "Makes a certificate for a person's program, which may read chains and send nothing:\n"
	 "DIR2/{ca.pem,operator.pem,operator.key}.\n"
	 "  --out DIR2          default DIR/pki/operators/NAME\n" STATE_TEXT EXIT_TEXT},
	{"vkey", collector_vkey, "sncg", "vkey [--log] [--name NAME] [--state-dir DIR]",
	 "Prints the key this collector cosigns with, as a C2SP vkey.\n"
	 "  --log               the key of its own log instead\n"
	 "  --name NAME         of the witness; default: the certificate's common name\n" STATE_TEXT
		 EXIT_TEXT},
	{"stamp", collector_stamp, "stT", "stamp --tsa URL --tsa-ca FILE [--state-dir DIR]",
	 "Has the newest checkpoint of the collector's own log stamped by an RFC 3161 authority.\n"
	 "  --tsa URL           of the authority, http or https\n"
	 "  --tsa-ca FILE       its CA, in PEM; an answer it does not vouch for is not kept\n" STATE_TEXT
		 EXIT_TEXT},
	{"status", collector_status, "sj", "status [--json] [--state-dir DIR]",
	 "Chains, records, last sequence numbers and findings in the store.\n"
	 "  --json              one JSON object\n" STATE_TEXT EXIT_TEXT},
	{"check", collector_check, "sjT", "check [--json] [--tsa-ca FILE] [--state-dir DIR]",
	 "Verifies the whole store again from the stored bytes: every chain, its seals, MACs and tree,\n"
	 "what was cosigned, the collector's own log, every count and column.\n"
	 "  --tsa-ca FILE       the CA of the time stamps; without it they are only compared\n"
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
