/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of probity-collector, read once and whole, before anything is touched. */
#ifndef PROBITY_COLLECTOR_CONFIG_H
#define PROBITY_COLLECTOR_CONFIG_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct collector_config {
	const char *command; /* "run" when none was named */
	const char *operand; /* agent-cert NAME */
	char listen[64];     /* address as given, without brackets */
	uint16_t port;
	char witness_listen[64]; /* "": not served */
	uint16_t witness_port;
	const char *logs, *tsa, *tsa_ca; /* NULL: none */
	bool log_key;			 /* vkey --log */
	const char *state_dir, *name, *out, *out_agent;
	char pki_dir[PATH_MAX], db[PATH_MAX];
	char ca[PATH_MAX], cert[PATH_MAX], key[PATH_MAX];
	bool json, help, version;
	uint64_t limit;
	int ready_fd; /* -1: none */
};

struct collector_command {
	const char *name;
	int (*run)(const struct collector_config *c); /* gives the exit code */
	const char *options;			      /* the short letters it takes, see config.c */
	const char *usage, *help;
};

/* 0; -EINVAL after one line on stderr. */
int collector_config_read(int argc, char **argv, const struct collector_command *commands,
			  struct collector_config *ret, const struct collector_command **ret_cmd);
void collector_command_help(const struct collector_command *cmd);

#endif
