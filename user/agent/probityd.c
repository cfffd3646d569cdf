// SPDX-License-Identifier: Apache-2.0
/*
 * probityd: the host agent. This file reads the command line and becomes one of four roles: the
 * keeper (as started), or, started again by the keeper, the worker, the recorder or the resolver.
 *
 * Long because usage, options and what each sets stand together; half of it is their text.
 */
#include <errno.h>
#include <getopt.h>
#include <openssl/sha.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/config.h"
#include "agent/config_sum.h"
#include "agent/gate_stop.h"
#include "agent/pins.h"
#include "agent/recorder.h"
#include "agent/resolver.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"

#define STATE_DIR "/var/lib/probity"
#define PIN_DIR "/sys/fs/bpf/probity"

static const char usage[] =
	"usage: probityd [options]\n"
	"\n"
	"Watches this host for AI calls, judges each by a policy pack, and leaves a sealed record.\n"
	"Runs in the foreground until SIGTERM or SIGINT; SIGHUP reads the policy again.\n"
	"\n"
	"  --policy FILE          policy pack (default /etc/probity/policy.yaml)\n"
	"  --policy-key FILE      refuse packs that this key (PEM or vkey) has not signed\n"
	"  --allow-rollback       take a pack with a lower revision than one before\n"
	"  --mode MODE            monitor, enforce, or pack: as the pack says (default pack)\n"
	"  --state-dir DIR        keys and records (default /var/lib/probity)\n"
	"  --run-dir DIR          control socket (default /run/probity)\n"
	"  --collector HOST:PORT  forward records there (default: keep them here)\n"
	"  --tls-dir DIR          ca.pem, agent.pem, agent.key for it (default STATE-DIR/tls)\n"
	"  --witness-vkey KEY     the collector must cosign checkpoints with it (default: the first it\n"
	"                         names; probity-collector vkey prints it)\n"
	"  --users WORD           plain, or pseudonym: no record names a user (default plain)\n"
	"  --pseudonym-key FILE   key of the pseudonyms, made when absent (default\n"
	"                         STATE-DIR/pseudonym.key)\n"
	"  --key-encryption-key K encrypt the signing keys' files with it: a file of 32 bytes, or the\n"
	"                         name of a credential of the service (default: the credential\n"
	"                         probity-kek, if there is one)\n"
	"  --tpm TCTI             a TPM 2.0 signs checkpoints too, such as device:/dev/tpmrm0\n"
	"  --tpm-handle HANDLE    with this key of it, 0x81000000 to 0x81ffffff (default: one of its\n"
	"                         own, made at the first start)\n"
	"  --redact FIELD=HOW,... leave out of records: argv, home_path, peer_address,\n"
	"                         server_address, user_agent, http_path, groups, cgroup, each\n"
	"                         drop, hash, mask or keep\n"
	"  --epoch SECONDS        how long a signing key is in use, 1 to 86400 (default 900)\n"
	"  --spool-max MIB        most disk the records may take (default 1024)\n"
	"  --retain-days N        erase payloads that are older; hashes and proofs stay (default:\n"
	"                         keep them)\n"
	"  --ring MIB             memory between kernel and worker, a power of two (default 16)\n"
	"  --attach MODE          adaptive: probe a process alone, and keep the probes only while it\n"
	"                         talks to AI; all: probe each library for everybody (default adaptive)\n"
	"  --probation SECONDS    how long a new process has to show it (default 5)\n"
	"  --hold MS              longest wait of a first TLS packet for its probes, 0 = none\n"
	"                         (default 3000)\n"
	"  --gate on|off|stop     off: no write waits until its content is judged (default on);\n"
	"                         stop: none does inside of its probe, as before Linux 6.0\n"
	"  --host-id TEXT         names this host in staged rollouts (default: made from\n"
	"                         /etc/machine-id)\n"
	"  --user NAME            who worker and recorder run as (default probity, else nobody)\n"
	"  --pin-dir DIR          keep refusing there while the agent is away (default " PIN_DIR
	"\n"
	"                         with the default --state-dir, else none; \"\" = never)\n"
	"  --keep-enforcing       an orderly stop leaves what is refused in force as well\n"
	"  --unload               remove what an agent left in the pin folder, and end\n"
	"  --guard on|off         let no other process touch the agent (default on where the\n"
	"                         kernel takes LSM programs, but not with --mode monitor)\n"
	"  --ready-fd N           write a newline there when all probes are in place\n"
	"  --debug                say more\n"
	"  --version, --help\n"
	"\n"
	"Exit status: 0 stopped in order, 1 could not start or not stop in order, 2 wrong usage.\n";

enum {
	OPT_POLICY = 256,
	OPT_POLICY_KEY,
	OPT_ROLLBACK,
	OPT_GATE,
	OPT_HOST_ID,
	OPT_MODE,
	OPT_STATE,
	OPT_RUN,
	OPT_COLLECTOR,
	OPT_TLS,
	OPT_WITNESS,
	OPT_USERS,
	OPT_PSEUDONYM_KEY,
	OPT_KEK,
	OPT_TPM,
	OPT_TPM_HANDLE,
	OPT_REDACT,
	OPT_EPOCH,
	OPT_SPOOL,
	OPT_RETAIN,
	OPT_RING,
	OPT_ATTACH,
	OPT_PROBATION,
	OPT_HOLD,
	OPT_USER,
	OPT_PINS,
	OPT_KEEP,
	OPT_UNLOAD,
	OPT_GUARD,
	OPT_READY,
	OPT_DEBUG,
	OPT_VERSION,
	OPT_HELP,
	OPT_NO_SECCOMP,
	OPT_ROLE,
	OPT_FDS,
	OPT_RING_BYTES
};

static const struct option options[] = {
	{"policy", required_argument, NULL, OPT_POLICY},
	{"policy-key", required_argument, NULL, OPT_POLICY_KEY},
	{"allow-rollback", no_argument, NULL, OPT_ROLLBACK},
	{"gate", required_argument, NULL, OPT_GATE},
	{"host-id", required_argument, NULL, OPT_HOST_ID},
	{"mode", required_argument, NULL, OPT_MODE},
	{"state-dir", required_argument, NULL, OPT_STATE},
	{"run-dir", required_argument, NULL, OPT_RUN},
	{"collector", required_argument, NULL, OPT_COLLECTOR},
	{"tls-dir", required_argument, NULL, OPT_TLS},
	{"witness-vkey", required_argument, NULL, OPT_WITNESS},
	{"users", required_argument, NULL, OPT_USERS},
	{"pseudonym-key", required_argument, NULL, OPT_PSEUDONYM_KEY},
	{"key-encryption-key", required_argument, NULL, OPT_KEK},
	{"tpm", required_argument, NULL, OPT_TPM},
	{"tpm-handle", required_argument, NULL, OPT_TPM_HANDLE},
	{"redact", required_argument, NULL, OPT_REDACT},
	{"epoch", required_argument, NULL, OPT_EPOCH},
	{"spool-max", required_argument, NULL, OPT_SPOOL},
	{"retain-days", required_argument, NULL, OPT_RETAIN},
	{"ring", required_argument, NULL, OPT_RING},
	{"attach", required_argument, NULL, OPT_ATTACH},
	{"probation", required_argument, NULL, OPT_PROBATION},
	{"hold", required_argument, NULL, OPT_HOLD},
	{"user", required_argument, NULL, OPT_USER},
	{"pin-dir", required_argument, NULL, OPT_PINS},
	{"keep-enforcing", no_argument, NULL, OPT_KEEP},
	{"unload", no_argument, NULL, OPT_UNLOAD},
	{"guard", required_argument, NULL, OPT_GUARD},
	{"ready-fd", required_argument, NULL, OPT_READY},
	{"debug", no_argument, NULL, OPT_DEBUG},
	{"version", no_argument, NULL, OPT_VERSION},
	{"help", no_argument, NULL, OPT_HELP},
	{"no-seccomp", no_argument, NULL, OPT_NO_SECCOMP}, /* sanitizer builds */
	{"role", required_argument, NULL, OPT_ROLE},	   /* by the keeper only */
	{"fds", required_argument, NULL, OPT_FDS},
	{"ring-bytes", required_argument, NULL, OPT_RING_BYTES},
	{},
};

struct started {
	const char *role;
	int fds[8];
	unsigned nfds;
	uint32_t ring_bytes;
	bool unload;
};

static int bad(const char *option, const char *value, const char *want)
{
	fprintf(stderr, "probityd: --%s %s: expected %s\n", option, value, want);
	return 2;
}

/* A whole number in [min, max], or 0 with *ret untouched → false. */
static bool number(const char *s, unsigned long min, unsigned long max, unsigned long *ret)
{
	char *end;
	unsigned long v;

	errno = 0;
	v = strtoul(s, &end, 10);
	if (errno || end == s || *end || v < min || v > max)
		return false;
	*ret = v;
	return true;
}

static int set_collector(struct config *c, char *s)
{
	char *colon = strrchr(s, ':');
	unsigned long port;
	size_t n;

	if (!colon || colon == s || !number(colon + 1, 1, 65535, &port))
		return bad("collector", s, "HOST:PORT");
	n = colon - s;
	if (s[0] == '[' && n > 2 && s[n - 1] == ']') { /* [::1]:8460 */
		s++;
		n -= 2;
	}
	c->collector_host = strndup(s, n);
	c->collector_port = port;
	return 0;
}

static int set_mode(struct config *c, const char *s)
{
	static const char *const modes[] = {"monitor", "enforce", "pack"};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		if (!strcmp(s, modes[i])) {
			c->enforce = i;
			return 0;
		}
	return bad("mode", s, "monitor, enforce or pack");
}

static int set_attach(struct config *c, const char *s)
{
	if (strcmp(s, "all") && strcmp(s, "adaptive"))
		return bad("attach", s, "adaptive or all");
	c->attach_all = !strcmp(s, "all");
	return 0;
}

static int set_switch(const char *option, const char *s, bool *ret)
{
	if (strcmp(s, "on") && strcmp(s, "off"))
		return bad(option, s, "on or off");
	*ret = !strcmp(s, "on");
	return 0;
}

static int set_users(struct config *c, const char *s)
{
	if (strcmp(s, "plain") && strcmp(s, "pseudonym"))
		return bad("users", s, "plain or pseudonym");
	c->privacy.users = !strcmp(s, "pseudonym");
	return 0;
}

static int set_redact(struct config *c, const char *s)
{
	const char *wrong;
	char text[128];
	size_t n;

	if (!private_parse(s, &c->privacy, &wrong, &n))
		return 0;
	snprintf(text, sizeof(text), "%.*s", (int)n, wrong);
	return bad("redact", text, "FIELD=drop, hash, mask or keep; see probityd --help");
}

/* A persistent object's, in hexadecimal as every tool prints it. */
static int set_tpm_handle(struct config *c, const char *s)
{
	char *end;
	unsigned long v = strtoul(s, &end, 16);

	if (strncmp(s, "0x", 2) || *end || v >> 24 != 0x81 || v > UINT32_MAX)
		return bad("tpm-handle", s, "0x81000000 to 0x81ffffff");
	c->tpm_handle = v;
	return 0;
}

static int set_fds(struct started *st, char *s)
{
	for (char *t = strtok(s, ","); t && st->nfds < ARRAY_SIZE(st->fds); t = strtok(NULL, ","))
		st->fds[st->nfds++] = atoi(t);
	return 0;
}

static int set(struct config *c, struct started *st, int opt, char *arg)
{
	unsigned long n;

	switch (opt) {
	case OPT_POLICY:
		c->policy = arg;
		return 0;
	case OPT_POLICY_KEY:
		c->policy_key = arg;
		return 0;
	case OPT_ROLLBACK:
		c->allow_rollback = true;
		return 0;
	case OPT_GATE:
		c->gate_stop_only = !strcmp(arg, "stop");
		c->gate |= c->gate_stop_only;
		return c->gate_stop_only ? 0 : set_switch("gate", arg, &c->gate);
	case OPT_HOST_ID:
		c->host_id = arg;
		return 0;
	case OPT_MODE:
		return set_mode(c, arg);
	case OPT_STATE:
		c->state_dir = arg;
		return 0;
	case OPT_RUN:
		c->run_dir = arg;
		return 0;
	case OPT_COLLECTOR:
		return set_collector(c, strdup(arg)); /* argv itself goes on to the roles */
	case OPT_TLS:
		c->tls_dir = arg;
		return 0;
	case OPT_WITNESS:
		c->witness_vkey = arg;
		return 0;
	case OPT_USERS:
		return set_users(c, arg);
	case OPT_PSEUDONYM_KEY:
		c->pseudonym_key = arg;
		return 0;
	case OPT_KEK:
		c->kek = arg;
		return 0;
	case OPT_TPM:
		c->tpm = arg;
		return 0;
	case OPT_TPM_HANDLE:
		return set_tpm_handle(c, arg);
	case OPT_REDACT:
		return set_redact(c, arg);
	case OPT_EPOCH:
		if (!number(arg, 1, 86400, &n))
			return bad("epoch", arg, "seconds, 1 to 86400");
		c->epoch_s = n;
		return 0;
	case OPT_SPOOL:
		if (!number(arg, 1, 1ul << 30, &n))
			return bad("spool-max", arg, "MiB, at least 1");
		c->spool_max = (uint64_t)n << 20;
		return 0;
	case OPT_RETAIN:
		if (!number(arg, 1, 36500, &n))
			return bad("retain-days", arg, "days, at least 1");
		c->retain_days = n;
		return 0;
	case OPT_RING:
		if (!number(arg, 1, 1024, &n) || n & (n - 1))
			return bad("ring", arg, "MiB, a power of two up to 1024");
		c->ring_mib = n;
		return 0;
	case OPT_ATTACH:
		return set_attach(c, arg);
	case OPT_PROBATION:
		if (!number(arg, 1, 3600, &n))
			return bad("probation", arg, "seconds, 1 to 3600");
		c->probation_s = n;
		return 0;
	case OPT_HOLD:
		if (!number(arg, 0, 60000, &n))
			return bad("hold", arg, "milliseconds, up to 60000");
		c->hold_ms = n;
		return 0;
	case OPT_USER:
		c->user = arg;
		return 0;
	case OPT_PINS:
		c->pin_dir = arg;
		return 0;
	case OPT_KEEP:
		c->keep_enforcing = true;
		return 0;
	case OPT_UNLOAD:
		st->unload = true;
		return 0;
	case OPT_GUARD:
		if (strcmp(arg, "on") && strcmp(arg, "off"))
			return bad("guard", arg, "on or off");
		c->guard = !strcmp(arg, "on") ? GUARD_ON : GUARD_OFF;
		return 0;
	case OPT_READY:
		if (!number(arg, 0, 65535, &n))
			return bad("ready-fd", arg, "a descriptor");
		c->ready_fd = n;
		return 0;
	case OPT_DEBUG:
		c->debug = true;
		return 0;
	case OPT_NO_SECCOMP:
		c->no_seccomp = true;
		return 0;
	case OPT_ROLE:
		st->role = arg;
		return 0;
	case OPT_FDS:
		return set_fds(st, strdup(arg));
	case OPT_RING_BYTES:
		st->ring_bytes = number(arg, 0, UINT32_MAX, &n) ? n : 0;
		return 0;
	}
	return 2;
}

/* The machine id is not to leave the host as it stands (machine-id(5)). */
static const char *host_id(void)
{
	static const char salt[] = "probity/host-id/v1";
	static char hex[33];
	_cleanup_free_ char *id = NULL;
	uint8_t in[sizeof(salt) + 64] = {}, sum[SHA256_DIGEST_LENGTH];
	size_t n;

	if (fs_read("/etc/machine-id", 64, &id, &n))
		return "";
	memcpy(in, salt, sizeof(salt));
	n = strcspn(id, "\n");
	memcpy(in + sizeof(salt), id, n);
	SHA256(in, sizeof(salt) + n, sum);
	for (int i = 0; i < 16; i++)
		snprintf(hex + 2 * i, 3, "%02x", sum[i]);
	return hex;
}

static char *in_dir(const char *dir, const char *name)
{
	char *p;

	return asprintf(&p, "%s/%s", dir, name) < 0 ? NULL : p;
}

static int recorder(const struct config *c, const struct started *st)
{
	static struct utsname u;
	static char host[256], sum[CONFIG_SUM_SIZE];
	struct recorder_config r = {
		.state_dir = c->state_dir,
		.collector_host = c->collector_host,
		.collector_port = c->collector_port,
		.epoch_s = c->epoch_s,
		.spool_max_bytes = c->spool_max,
		.retain_days = c->retain_days,
		.ca_file = in_dir(c->tls_dir, "ca.pem"),
		.cert_file = in_dir(c->tls_dir, "agent.pem"),
		.key_file = in_dir(c->tls_dir, "agent.key"),
		.witness_vkey = c->witness_vkey,
		.privacy = &c->privacy,
		.pseudonym_key = c->pseudonym_key,
		.kek = c->kek,
		.tpm = c->tpm,
		.tpm_handle = c->tpm_handle,
		.user = c->user,
		.host = host,
		.agent_version = PROBITY_VERSION,
		.kernel = u.release,
		.config_sha256 = sum,
		.no_seccomp = c->no_seccomp,
	};

	if (st->nfds != 2)
		return 2;
	if (config_sum(c, sum))
		return 1;
	uname(&u);
	gethostname(host, sizeof(host) - 1);
	signal(SIGINT, SIG_IGN);
	return recorder_main(&r, st->fds[1], st->fds[0]);
}

static int worker(const struct config *c, const struct started *st)
{
	const int *f = st->fds;
	struct worker_fds fds = {f[0], f[1], f[2], f[3], f[4], f[5], f[6]};

	return st->nfds == 7 ? worker_main(c, &fds, st->ring_bytes) : 2;
}

static int unload(const struct config *c)
{
	int r = pins_unload(c->pin_dir);

	if (r == -ENOENT)
		fprintf(stderr, "probityd: nothing is left in %s\n", c->pin_dir);
	else if (r == -EBUSY)
		fprintf(stderr, "probityd: an agent is running with %s: stop it\n", c->pin_dir);
	else if (r)
		fprintf(stderr, "probityd: %s: %s; see probity unlock\n", c->pin_dir, strerror(-r));
	return r && r != -ENOENT;
}

int main(int argc, char **argv)
{
	struct config c = {.state_dir = STATE_DIR,
			   .guard = GUARD_AUTO,
			   .run_dir = "/run/probity",
			   .policy = "/etc/probity/policy.yaml",
			   .user = "",
			   .collector_host = "",
			   .enforce = 2,
			   .gate = true,
			   .probation_s = 5,
			   .hold_ms = 3000,
			   .ready_fd = -1,
			   .argv = argv,
			   .argc = argc};
	struct started st = {.role = ""};
	int opt, r = 0;

	while (!r && (opt = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (opt == OPT_HELP) {
			fputs(usage, stdout);
			return 0;
		}
		if (opt == OPT_VERSION) {
			puts("probityd " PROBITY_VERSION);
			return 0;
		}
		r = set(&c, &st, opt, optarg);
	}
	if (!r && optind < argc) {
		fprintf(stderr, "probityd: unexpected argument %s; see probityd --help\n",
			argv[optind]);
		r = 2;
	}
	if (r)
		return r;
	if (!c.host_id)
		c.host_id = host_id();
	if (!c.tls_dir)
		c.tls_dir = in_dir(c.state_dir, "tls");
	if (!c.pseudonym_key)
		c.pseudonym_key = in_dir(c.state_dir, "pseudonym.key");
	if (!c.pin_dir) /* agents of other folders are others: what they refuse is theirs */
		c.pin_dir = strcmp(c.state_dir, STATE_DIR) ? "" : PIN_DIR;
	log_init(st.role[0] ? st.role : "probityd", c.debug ? LOG_L_DEBUG : LOG_L_INFO);
	if (!strcmp(st.role, "worker"))
		return worker(&c, &st);
	if (!strcmp(st.role, "recorder"))
		return recorder(&c, &st);
	if (!strcmp(st.role, "releaser"))
		return st.nfds == 3 ? releaser_main(st.fds[0], st.fds[1], st.fds[2]) : 2;
	if (!strcmp(st.role, "resolver"))
		return st.nfds == 1 ? resolver_main(&c, st.fds[0]) : 2;
	if (geteuid() != 0) {
		fprintf(stderr, "probityd: needs root to load BPF programs\n");
		return 1;
	}
	return st.unload ? unload(&c) : keeper_main(&c);
}
