// SPDX-License-Identifier: Apache-2.0
/*
 * Classify, decide, compose and seal: records a second on one core, as a share of what that core
 * signs with Ed25519 alone (what `openssl speed ed25519` measures: a signature of a short message
 * with the key set up). The worker's and the recorder's own code, one after the other in one
 * process, which is the harder case: the agent runs them in two. Durable writing is left out by
 * putting the spool on memory; fsync is the disk's rate, not ours.
 *
 * Rounds are interleaved, the median ratio is printed. usage: bench_seal PACK DIR (on tmpfs)
 */
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/epochs.h"
#include "agent/spool.h"
#include "agent/worker/compose.h"
#include "agent/worker/judge.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"

#define ROUNDS 9
#define SECOND 1000000000ull
#define SLICE (SECOND / 4)

static struct worker w;
static struct spool *spool;

static uint64_t now_cpu(void) /* of this thread: other processes' time does not count */
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

static double sign_rate(EVP_PKEY *key)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	uint8_t msg[64] = {}, sig[64];
	uint64_t t = now_cpu(), n = 0;
	size_t len;

	while (now_cpu() - t < SLICE) {
		for (int i = 0; i < 100; i++, n++) {
			len = sizeof(sig);
			EVP_DigestSignInit(c, NULL, NULL, NULL, key);
			EVP_DigestSign(c, sig, &len, msg, sizeof(msg));
		}
	}
	t = now_cpu() - t;
	EVP_MD_CTX_free(c);
	return (double)n * SECOND / t;
}

static void fill(struct interaction *it)
{
	interaction_init(it);
	TEXT_SET(it->method, "POST", 4);
	TEXT_SET(it->host, "api.openai.com", 14);
	TEXT_SET(it->path, "/v1/chat/completions", 20);
	TEXT_SET(it->request_model, "gpt-4o", 6);
	TEXT_SET(it->response_model, "gpt-4o-2026-01-01", 17);
	it->dialect = DIALECT_OPENAI_CHAT;
	it->status = 200;
	it->tokens = (struct tokens){120, 48, 64, -1, 16, -1};
	names_add(&it->tools_offered, "get_weather", 11);
	it->tool_calls_count = 1;
	strcpy(it->tool_calls[0].name, "get_weather");
	strcpy(it->tool_calls[0].id, "call_1");
	it->request_body = it->request_wire = 2000;
	it->response_body = it->response_wire = 600;
}

/* What judge_done does, with the spool in place of the socket. */
static void one(uint64_t id)
{
	static uint8_t payload[RECORD_PAYLOAD_MAX];
	struct conn c = {.id = id, .pid = 1, .uid = 0, .worker = &w};
	struct verdict_text v = {"none", "", false};
	struct subject s = {.proc = procs_find(w.procs, 1, 0),
			    .pid = 1,
			    .user = "alice",
			    .groups = ""};
	struct watch watch = {};
	struct interaction it;
	struct decision d;
	struct facts f = {.stage = FACTS_DONE};
	size_t n;

	fill(&it);
	judge_service(&w, &c, &it, dialect_name(it.dialect), &watch.service);
	procs_tool(w.procs, w.catalog, s.proc, &s.tool);
	f.user = f.exe = f.cgroup = f.container = "";
	f.tool = s.tool.id;
	f.host = it.host;
	f.service = watch.service.id;
	f.vendor = watch.service.vendor;
	f.evidence = watch.service.evidence;
	f.service_known = watch.service.known;
	f.operation = watch.service.operation;
	f.model = it.response_model;
	f.dialect = dialect_name(it.dialect);
	f.completeness = "complete";
	pack_decide(w.pack, &f, &d);
	n = compose_call(&w, &c, &watch, &it, &s, &d, &v, payload, sizeof(payload));
	if (spool_seal(spool, RECORD_AI_CALL, id, payload, n, false) == -ENOBUFS) {
		if (spool_commit(spool) ||
		    spool_seal(spool, RECORD_AI_CALL, id, payload, n, false)) {
			fprintf(stderr, "the spool does not take records\n");
			exit(1);
		}
	}
}

static double record_rate(void)
{
	static uint64_t id;
	uint64_t t = now_cpu(), n = 0;

	while (now_cpu() - t < SLICE)
		for (int i = 0; i < 100; i++, n++)
			one(++id);
	t = now_cpu() - t;
	spool_commit(spool);
	return (double)n * SECOND / t;
}

static int prepare(const char *pack, const char *dir)
{
	struct role_proc p = {.pid = 1,
			      .user = "alice",
			      .groups = "alice,dev",
			      .exe = "/usr/bin/node",
			      .argv = "node\0app.js",
			      .argv_len = 12,
			      .start_ns = 1};
	struct spool_config c = {.segment_bytes = 8 << 20};
	_cleanup_free_ char *yaml = NULL;
	struct epochs *epochs;
	char err[256], keys[4200], records[4200];
	size_t n;

	snprintf(keys, sizeof(keys), "%s/keys", dir);
	snprintf(records, sizeof(records), "%s/spool", dir);
	w.catalog = catalog_new();
	w.classes = dataclass_db_new(err, sizeof(err));
	w.procs = procs_new();
	if (!w.catalog || !w.classes || !w.procs || !procs_told(w.procs, &p) ||
	    fs_read(pack, PACK_FILE_MAX, &yaml, &n) ||
	    pack_parse(pack, yaml, n, &w.pack, err, sizeof(err)) ||
	    epochs_open(keys, &epochs, err, sizeof(err)))
		return 1;
	c.dir = records;
	c.epochs = epochs;
	c.origin = "bench/host";
	return spool_open(&c, &spool, err, sizeof(err));
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	double share[ROUNDS], sign[ROUNDS], rate[ROUNDS];
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

	if (argc != 3 || !key || prepare(argv[1], argv[2]))
		return 1;
	for (int r = 0; r < ROUNDS; r++) {
		sign[r] = sign_rate(key);
		rate[r] = record_rate();
		share[r] = rate[r] / sign[r];
	}
	qsort(share, ROUNDS, sizeof(share[0]), by_value);
	qsort(sign, ROUNDS, sizeof(sign[0]), by_value);
	qsort(rate, ROUNDS, sizeof(rate[0]), by_value);
	printf("%-42s %5.2f  (%.2f to %.2f; %.0f of %.0f a second; target >= 0.80)%s\n",
	       "classify+decide+seal / Ed25519 signing", share[ROUNDS / 2], share[0],
	       share[ROUNDS - 1], rate[ROUNDS / 2], sign[ROUNDS / 2],
	       share[ROUNDS / 2] >= 0.8 ? "" : "  MISSED");
	return 0;
}
