/* SPDX-License-Identifier: Apache-2.0 */
/* What the benches of the chain share: a payload, a spool, clocks, and how a ratio is said. */
#ifndef PROBITY_BENCH_EVIDENCE_RIG_H
#define PROBITY_BENCH_EVIDENCE_RIG_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/epochs.h"
#include "agent/notes.h"
#include "agent/recorder.h"
#include "agent/spool.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "proto/record.pb-c.h"

#define ROUNDS 7
#define SECOND 1000000000ull

static uint8_t payload[4096];
static size_t payload_n;

static inline void die(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

static inline uint64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

static inline uint64_t now_cpu(void) /* of this thread: other processes' time does not count */
{
	return now(CLOCK_THREAD_CPUTIME_ID);
}

static inline int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static inline void report(const char *what, double *share, double *rate, double *limit,
			  double target)
{
	qsort(share, ROUNDS, sizeof(*share), by_value);
	qsort(rate, ROUNDS, sizeof(*rate), by_value);
	qsort(limit, ROUNDS, sizeof(*limit), by_value);
	printf("%-42s %5.2f  (%.2f to %.2f; %.0f of %.0f a second; target >= %.2f)%s\n", what,
	       share[ROUNDS / 2], share[0], share[ROUNDS - 1], rate[ROUNDS / 2], limit[ROUNDS / 2],
	       target, share[ROUNDS / 2] >= target ? "" : "  MISSED");
	fflush(stdout);
}

static inline void make_payload(void)
{
	static char *argv[] = {"node", "/usr/lib/node_modules/@anthropic-ai/claude-code/cli.js"};
	static char *groups[] = {"alice", "dev"}, *ancestry[] = {"/usr/bin/bash", "/usr/sbin/sshd"};
	static uint8_t sha[32] = {7};
	Probity__V1__AiCall c = PROBITY__V1__AI_CALL__INIT;
	Probity__V1__Process p = PROBITY__V1__PROCESS__INIT;
	Probity__V1__Tool t = PROBITY__V1__TOOL__INIT;
	Probity__V1__Service s = PROBITY__V1__SERVICE__INIT;
	Probity__V1__Usage u = PROBITY__V1__USAGE__INIT;
	Probity__V1__Decision d = PROBITY__V1__DECISION__INIT;
	Probity__V1__RuleResult r = PROBITY__V1__RULE_RESULT__INIT, *rules[] = {&r, &r, &r};

	p.pid = 4711;
	p.uid = 1000;
	p.user = p.login_user = "alice";
	p.groups = groups;
	p.n_groups = 2;
	p.exe = "/usr/bin/node";
	p.exe_sha256 = "6c11e2cbd1a4a8a3b1d5f6d8f7a0a3c5e1b2d4f6a8c0e2f4a6b8d0c2e4f60718";
	p.argv = argv;
	p.n_argv = 2;
	p.ancestry = ancestry;
	p.n_ancestry = 2;
	p.cgroup = "/user.slice/user-1000.slice/session-3.scope";
	t.id = t.name = "claude_code";
	t.vendor = "anthropic";
	s.id = s.name = s.vendor = s.provider_name = "anthropic";
	s.known = true;
	u.has_input_tokens_case = PROBITY__V1__USAGE__HAS_INPUT_TOKENS_INPUT_TOKENS;
	u.input_tokens = 1200;
	u.has_output_tokens_case = PROBITY__V1__USAGE__HAS_OUTPUT_TOKENS_OUTPUT_TOKENS;
	u.output_tokens = 34;
	r.id = "shadow-ai";
	r.disposition = "alert";
	r.severity = "medium";
	d.policy_set = "observe";
	d.policy_version = "1.1.0";
	d.policy_sha256 = (ProtobufCBinaryData){32, sha};
	d.mode = "monitor";
	d.disposition = "allow";
	d.effect = "none";
	d.rules = rules;
	d.n_rules = 3;
	c.process = &p;
	c.tool = &t;
	c.service = &s;
	c.usage = &u;
	c.decision = &d;
	c.operation = c.operation_name = "chat";
	c.dialect = "anthropic_messages";
	c.request_model = "claude-sonnet-4-5";
	c.response_model = "claude-sonnet-4-5-20250929";
	c.response_id = "msg_01XFDUDYJgAACzvnptvVoYEL";
	c.server_address = c.sni = "api.anthropic.com";
	c.server_port = c.peer_port = 443;
	c.peer_address = "160.79.104.10";
	c.http_method = "POST";
	c.http_path = "/v1/messages";
	c.http_status = 200;
	c.user_agent = "anthropic-sdk-typescript/0.40";
	c.request_sha256 = c.response_sha256 = (ProtobufCBinaryData){32, sha};
	c.start_unix_ns = 1795248000000000000;
	c.completeness = "complete";
	payload_n = probity__v1__ai_call__pack(&c, payload);
}

/* --- a spool ------------------------------------------------------------------------------------ */

struct rig {
	char dir[300], keys[320], spool_dir[320];
	struct epochs *epochs;
	struct spool *spool;
	uint64_t id;
};

static inline void rig_open(struct rig *r, const char *dir, const char *name, bool by_checkpoint,
			    const struct spool_io *io)
{
	const struct recorder_config start = {.host = "bench",
					      .agent_version = "",
					      .kernel = "",
					      .config_sha256 = ""};
	struct spool_config c = {.dir = r->spool_dir,
				 .segment_bytes = RECORDER_SEGMENT,
				 .origin = "bench/host",
				 .by_checkpoint = by_checkpoint,
				 .io = io};
	uint8_t note[NOTE_BYTES_MAX];
	char err[512];
	size_t n;

	snprintf(r->dir, sizeof(r->dir), "%s/%s", dir, name);
	snprintf(r->keys, sizeof(r->keys), "%s/keys", r->dir);
	snprintf(r->spool_dir, sizeof(r->spool_dir), "%s/spool", r->dir);
	r->id = 0;
	if (mkdir(r->dir, 0700) || epochs_open(r->keys, &r->epochs, err, sizeof(err)))
		die("keys cannot be made");
	c.epochs = r->epochs;
	if (spool_open(&c, &r->spool, err, sizeof(err)))
		die(err);
	n = note_start(&start, signer_public(epochs_signer(r->epochs)), (const uint8_t *)"n", 1,
		       SPOOL_EPOCH_NS, 0, note);
	if (spool_seal(r->spool, RECORD_CONTROL, 0, note, n, true))
		die("no record is sealed");
}

static inline void seal_one(struct rig *r)
{
	int e = spool_seal(r->spool, RECORD_AI_CALL, ++r->id, payload, payload_n, false);

	if (e == -ENOBUFS && !spool_commit(r->spool))
		e = spool_seal(r->spool, RECORD_AI_CALL, r->id, payload, payload_n, false);
	if (e)
		die("the spool does not take records");
}

#endif
