// SPDX-License-Identifier: Apache-2.0
/*
 * `run`: puts the parts together in the only safe order. Certificates and keys are read, the port
 * bound and the store opened while rights are there; then they are given up; then the first byte
 * of a stranger is read.
 */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "commands.h"
#include "confine.h"
#include "pki.h"
#include "server.h"

DEFINE_CLEANUP(SSL_CTX, SSL_CTX_free)
DEFINE_CLEANUP(struct server, server_free)

static int confine(const struct collector_config *c, char *err, size_t err_len)
{
	const char *user = NULL;
	int r = confine_drop(c->state_dir, c->db, &user, err, err_len);

	if (!r)
		r = confine_syscalls(err, err_len);
	if (!r && user)
		log_info("running as user %s", user);
	return r;
}

/* Many strangers at the second listener must not leave the first without descriptors. */
static void more_files(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l))
		return;
	l.rlim_cur = l.rlim_max;
	setrlimit(RLIMIT_NOFILE, &l);
}

/* Keys, and the collector's own log, while rights are there. */
static int open_witness(const struct collector_config *c, struct store *st, struct witness **ret_w,
			struct ledger **ret_l, char *err, size_t err_len)
{
	char name[PKI_NAME_MAX + 1];
	int r = 0;

	if (c->name)
		snprintf(name, sizeof(name), "%s", c->name);
	else
		r = pki_file_name(c->cert, name, err, err_len);
	if (!r && (r = fs_mkdirs(c->pki_dir, 0755))) /* a site's own certificates lie elsewhere */
		snprintf(err, err_len, "%.800s: %s", c->pki_dir, strerror(-r));
	if (!r)
		r = witness_open(c->pki_dir, name, ret_w, err, err_len);
	if (!r && c->logs)
		r = witness_logs_read(*ret_w, c->logs, err, err_len);
	return r ? r : ledger_open(c->state_dir, st, *ret_w, ret_l, err, err_len);
}

static void say_ready(const struct collector_config *c, const struct server *s)
{
	const char *open = strchr(c->listen, ':') ? "[" : "", *close_ = open[0] ? "]" : "";

	log_info("listening on %s%s%s:%u (mTLS 1.3), store %s", open, c->listen, close_,
		 server_port(s), c->db);
	if (c->witness_listen[0])
		log_info("witness and own log on %s:%u (HTTP)", c->witness_listen,
			 server_witness_port(s));
	if (c->ready_fd < 0)
		return;
	if (fs_write_all(c->ready_fd, "\n", 1))
		log_warn("--ready-fd %d: cannot be written", c->ready_fd);
	else
		close(c->ready_fd);
}

static int missing_hint(const struct collector_config *c, int r, const char *err)
{
	log_err("%s%s%s", err,
		r == -ENOENT ? "; to make a local CA: probity-collector init"
			       " --state-dir "
			     : "",
		r == -ENOENT ? c->state_dir : "");
	return EXIT_FAILED;
}

int collector_run(const struct collector_config *c)
{
	_cleanup_(SSL_CTX_freep) SSL_CTX *tls = NULL;
	_cleanup_(store_freep) struct store *store = NULL;
	_cleanup_(witness_freep) struct witness *witness = NULL;
	_cleanup_(ledger_freep) struct ledger *ledger = NULL;
	_cleanup_(server_freep) struct server *server = NULL;
	struct server_config sc;
	char err[1024] = "";
	int r = pki_server_context(c->ca, c->cert, c->key, &tls, err, sizeof(err));

	if (r)
		return missing_hint(c, r, err);
	r = fs_mkdirs(c->state_dir, 0750);
	if (r)
		snprintf(err, sizeof(err), "%s: %s", c->state_dir, strerror(-r));
	if (!r)
		r = store_open(c->db, STORE_WRITE, &store, err, sizeof(err));
	if (!r)
		r = open_witness(c, store, &witness, &ledger, err, sizeof(err));
	if (!r) {
		sc = (struct server_config){
			.address = c->listen,
			.port = c->port,
			.witness_address = c->witness_listen[0] ? c->witness_listen : NULL,
			.witness_port = c->witness_port,
			.tls = tls,
			.store = store,
			.witness = witness,
			.ledger = ledger,
		};
		more_files();
		r = server_open(&sc, &server, err, sizeof(err));
	}
	if (!r)
		r = confine(c, err, sizeof(err));
	if (r) {
		log_err("%s; not started", err);
		return EXIT_FAILED;
	}
	say_ready(c, server);
	r = server_run(server);
	if (r) {
		log_err("event loop failed: %s", strerror(-r));
		return EXIT_FAILED;
	}
	log_info("ended; every answered batch is in %s", c->db);
	return EXIT_FINE;
}
