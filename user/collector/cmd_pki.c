// SPDX-License-Identifier: Apache-2.0
/*
 * `init` and `agent-cert`: which certificates to make where. Making and checking is pki.c's; run
 * again, both keep what is there, check it and say so.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "commands.h"
#include "pki.h"
#include "witness.h"

static int agent_dir(const struct collector_config *c, const char *given, const char *name,
		     char out[static PATH_MAX])
{
	int n = given ? snprintf(out, PATH_MAX, "%s", given)
		      : snprintf(out, PATH_MAX, "%s/agents/%s", c->pki_dir, name);

	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int report(int r, int made, const char *what, const char *where, const char *err)
{
	if (r) {
		log_err("%s", err);
		return EXIT_FAILED;
	}
	printf("%s: %s: %s\n", where, what,
	       made ? "made" : "kept, checked: key, issuer, purpose and dates are right");
	return EXIT_FINE;
}

/* The collector's own keys: what it cosigns with, and its log's. */
static int make_witness(const struct collector_config *c)
{
	_cleanup_(witness_freep) struct witness *w = NULL;
	char name[PKI_NAME_MAX + 1], err[512];
	int r = 0;

	if (c->name)
		snprintf(name, sizeof(name), "%s", c->name);
	else
		r = pki_file_name(c->cert, name, err, sizeof(err));
	if (!r)
		r = witness_open(c->pki_dir, name, &w, err, sizeof(err));
	if (r)
		log_err("%s", err);
	else if (!strcmp(c->command, "vkey"))
		printf("%s\n", c->log_key ? witness_log_vkey(w) : witness_vkey(w));
	else
		printf("%s: witness key: %s\n", c->pki_dir, witness_vkey(w));
	return r ? EXIT_FAILED : EXIT_FINE;
}

int collector_vkey(const struct collector_config *c)
{
	return make_witness(c);
}

int collector_operator_cert(const struct collector_config *c)
{
	char out[PATH_MAX], name[PKI_NAME_MAX + 1], err[512] = "path too long";
	int made = 0, n, r;

	n = snprintf(name, sizeof(name), PKI_OPERATOR_PREFIX "%s", c->operand);
	if (n >= (int)sizeof(name) || !pki_name_ok(c->operand)) {
		log_err("operator-cert: a name has 1 to 55 letters, digits, '.', '_' or '-'");
		return EXIT_USAGE;
	}
	n = c->out ? snprintf(out, sizeof(out), "%s", c->out)
		   : snprintf(out, sizeof(out), "%s/operators/%s", c->pki_dir, c->operand);
	r = n < (int)sizeof(out) ? 0 : -ENAMETOOLONG;
	if (!r)
		r = pki_make_leaf(c->pki_dir, out, PKI_OPERATOR, name, &made, err, sizeof(err));
	return report(r, made, "operator certificate", out, err);
}

static int make_agent(const struct collector_config *c, const char *given, const char *name)
{
	char out[PATH_MAX], err[512] = "path too long";
	int made = 0, r = agent_dir(c, given, name, out);

	if (!r)
		r = pki_make_leaf(c->pki_dir, out, PKI_AGENT, name, &made, err, sizeof(err));
	return report(r, made, "agent certificate", out, err);
}

int collector_agent_cert(const struct collector_config *c)
{
	if (!pki_name_ok(c->operand)) {
		log_err("agent-cert: a name has 1 to 64 letters, digits, '.', '_' or '-'");
		return EXIT_USAGE;
	}
	return make_agent(c, c->out, c->operand);
}

int collector_init(const struct collector_config *c)
{
	char host[PKI_NAME_MAX + 2] = "", err[512] = "";
	const char *name = c->name;
	int made = 0, r;

	if (!name) {
		/* A cut name has no NUL: the last byte stays 0 and pki_name_ok sees the length. */
		gethostname(host, sizeof(host) - 1);
		name = host;
	}
	if (!pki_name_ok(name)) {
		log_err("init: %s is no name for a certificate (1 to 64 letters, digits, '.', '_'"
			" or '-'); give one with --name",
			name);
		return EXIT_USAGE;
	}
	r = fs_mkdirs(c->state_dir, 0750);
	if (r) {
		log_err("%s: folder cannot be made: %s", c->state_dir, strerror(-r));
		return EXIT_FAILED;
	}
	r = pki_make_ca(c->pki_dir, &made, err, sizeof(err));
	if (report(r, made, "local CA", c->pki_dir, err))
		return EXIT_FAILED;
	made = 0;
	r = pki_make_leaf(c->pki_dir, c->pki_dir, PKI_SERVER, name, &made, err, sizeof(err));
	if (report(r, made, "server certificate", c->pki_dir, err))
		return EXIT_FAILED;
	if (make_agent(c, c->out_agent, name))
		return EXIT_FAILED;
	return make_witness(c);
}
