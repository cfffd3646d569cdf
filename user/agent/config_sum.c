// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: the configuration in force, defaults filled in. Flows out: its canonical text, an option a line
 * in a fixed order, and the hash of that. Whoever knows how an agent should be configured can tell from its
 * START record whether it was; whoever does not learns nothing from a hash that he could not guess.
 *
 * Every option that changes what is seen, judged, kept or told has a line, also those that are not given. A
 * value is one line whatever it holds. Of files named here only the name counts: the pack in force is told by
 * POLICY records.
 */
#include "config_sum.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/recorder.h"
#include "agent/spool.h"
#include "base/cleanup.h"

#define RING_MIB 16 /* of bpf_open_pinned() */

static void text(FILE *f, const char *name, const char *value)
{
	fprintf(f, "%s=", name);
	for (const char *s = value ?: ""; *s; s++)
		fprintf(f, *s > ' ' && *s <= '~' && *s != '%' ? "%c" : "%%%02X", (unsigned char)*s);
	fputc('\n', f);
}

static void number(FILE *f, const char *name, uint64_t value)
{
	fprintf(f, "%s=%llu\n", name, (unsigned long long)value);
}

static void flag(FILE *f, const char *name, bool on)
{
	text(f, name, on ? "on" : "off");
}

static void collector(FILE *f, const struct config *c)
{
	char target[300] = "";

	if (c->collector_host[0])
		snprintf(target, sizeof(target), "%s:%u", c->collector_host, c->collector_port);
	text(f, "collector", target);
}

static void redact(FILE *f, const struct private *p)
{
	static const char *const how[] = {
		[PRIVATE_KEEP] = "keep",
		[PRIVATE_DROP] = "drop",
		[PRIVATE_HASH] = "hash",
		[PRIVATE_MASK] = "mask",
	};

	fputs("redact=", f);
	for (int i = 0; i < PRIVATE_FIELDS; i++)
		fprintf(f, "%s%s=%s", i ? "," : "", private_field_name(i), how[p->how[i]]);
	fputc('\n', f);
}

static void lines(FILE *f, const struct config *c)
{
	static const char *const guard[] = {"off", "on", "auto"};
	static const char *const mode[] = {"monitor", "enforce", "pack"};

	fputs("probity/config/v1\n", f);
	flag(f, "allow-rollback", c->allow_rollback);
	text(f, "attach", c->attach_all ? "all" : "adaptive");
	collector(f, c);
	number(f, "epoch", c->epoch_s ?: SPOOL_EPOCH_NS / 1000000000);
	text(f, "gate", c->gate_stop_only ? "stop" : c->gate ? "on" : "off");
	text(f, "guard", guard[c->guard]);
	number(f, "hold", c->hold_ms);
	text(f, "host-id", c->host_id);
	flag(f, "keep-enforcing", c->keep_enforcing);
	text(f, "key-encryption-key", c->kek);
	text(f, "mode", mode[c->enforce]);
	text(f, "pin-dir", c->pin_dir);
	text(f, "policy", c->policy);
	text(f, "policy-key", c->policy_key);
	number(f, "probation", c->probation_s);
	text(f, "pseudonym-key", c->pseudonym_key);
	redact(f, &c->privacy);
	number(f, "retain-days", c->retain_days);
	number(f, "ring", c->ring_mib ?: RING_MIB);
	text(f, "run-dir", c->run_dir);
	flag(f, "seccomp", !c->no_seccomp);
	number(f, "spool-max", (c->spool_max ?: RECORDER_SPOOL_MAX) >> 20);
	text(f, "state-dir", c->state_dir);
	text(f, "tls-dir", c->tls_dir);
	text(f, "tpm", c->tpm);
	number(f, "tpm-handle", c->tpm_handle);
	text(f, "user", c->user);
	text(f, "users", c->privacy.users ? "pseudonym" : "plain");
	text(f, "witness-vkey", c->witness_vkey);
}

char *config_text(const struct config *c)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	if (!f)
		return NULL;
	lines(f, c);
	return fclose(f) ? NULL : text;
}

int config_sum(const struct config *c, char ret[static CONFIG_SUM_SIZE])
{
	_cleanup_free_ char *text = config_text(c);
	uint8_t sum[SHA256_DIGEST_LENGTH];

	if (!text)
		return -ENOMEM;
	SHA256((const uint8_t *)text, strlen(text), sum);
	for (size_t i = 0; i < sizeof(sum); i++)
		snprintf(ret + 2 * i, 3, "%02x", sum[i]);
	return 0;
}
