// SPDX-License-Identifier: Apache-2.0
/*
 * What the chain costs, each as a ratio to a limit measured in the same run, rounds interleaved:
 *
 *   seal         records a second that the spool seals, to what this core signs with Ed25519 (the key set
 *                up once, 20 bytes, as `openssl speed ed25519` does); CPU time, no disk
 *   checkpoints  the same with records that have no signature of their own
 *   verify       records a second of verify_dir, to what the same number of threads reaches with nothing
 *                but each record's Ed25519 verification and its two SHA-256; wall time
 *   append       on a real disk, records coming at a steady pace: how long until a record is in the chain
 *                and until it is durable, next to what one commit takes. The recorder's own order: seal
 *                what has come, make it durable, and again.
 *
 * The payload is an AI call with all that one has. usage: bench_evidence MEMORY-DIR DISK-DIR
 */
#include <openssl/evp.h>
#include <pthread.h>

#include "evidence_rig.h"
#include "record/verify.h"

#define SLICE (SECOND / 4)
#define VERIFY_RECORDS 6000
#define PACE_NS 500000ull /* between two records of `append` */
#define PACE_RECORDS 4000

/* --- seal ---------------------------------------------------------------------------------------- */

static double sign_rate(EVP_PKEY *key)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	uint8_t msg[20] = {0}, sig[64];
	uint64_t t, n = 0;
	size_t len;

	if (!c || EVP_DigestSignInit(c, NULL, NULL, NULL, key) != 1)
		die("no Ed25519");
	t = now_cpu();
	while (now_cpu() - t < SLICE)
		for (int i = 0; i < 100; i++, n++) {
			len = sizeof(sig);
			if (EVP_DigestSign(c, sig, &len, msg, sizeof(msg)) != 1)
				die("does not sign");
		}
	t = now_cpu() - t;
	EVP_MD_CTX_free(c);
	return (double)n * SECOND / t;
}

/* Without what the disk does: commits are not counted. */
static double seal_rate(struct rig *r)
{
	uint64_t spent = 0, n = 0;

	while (spent < SLICE) {
		uint64_t t = now_cpu();

		for (int i = 0; i < 256; i++, n++)
			seal_one(r);
		spent += now_cpu() - t;
		if (spool_commit(r->spool))
			die("does not commit");
	}
	return (double)n * SECOND / spent;
}

static void bench_seal(const char *dir)
{
	double share[ROUNDS], rate[ROUNDS], limit[ROUNDS], share3[ROUNDS], rate3[ROUNDS],
		limit3[ROUNDS];
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	struct rig each, some;

	rig_open(&each, dir, "each", false, NULL);
	rig_open(&some, dir, "some", true, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		limit[i] = limit3[i] = sign_rate(key);
		rate[i] = seal_rate(&each);
		share[i] = rate[i] / limit[i];
		rate3[i] = seal_rate(&some);
		share3[i] = rate3[i] / limit3[i];
		/* Memory is small: what was sealed goes. */
		spool_drop(some.spool, spool_state(some.spool)->durable_seq);
		spool_drop(each.spool, spool_state(each.spool)->durable_seq);
	}
	report("seal / Ed25519 signing", share, rate, limit, 0.90);
	report("seal, checkpoints only / signing", share3, rate3, limit3, 20);
	spool_free(each.spool);
	spool_free(some.spool);
	epochs_free(each.epochs);
	epochs_free(some.epochs);
	EVP_PKEY_free(key);
}

/* --- verify -------------------------------------------------------------------------------------- */

static struct set {
	uint8_t (*header)[RECORD_HEADER_LEN];
	uint8_t (*sig)[RECORD_SIG_LEN];
	uint8_t *payload;
	size_t n, payload_n;
	uint8_t public[RECORD_PUBKEY_LEN];
} set;

/* Every record's work with nothing around it, a share a thread. */
static void *bare(void *ctx)
{
	size_t part = (size_t)ctx & 0xff, parts = (size_t)ctx >> 8;
	EVP_MD *sha = EVP_MD_fetch(NULL, "SHA256", NULL);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	struct verifier *v = NULL;
	uint8_t sum[32];

	if (!sha || !c || verifier_new(set.public, &v))
		die("no verifier");
	for (size_t i = part; i < set.n; i += parts) {
		EVP_DigestInit_ex(c, sha, NULL);
		EVP_DigestUpdate(c, set.payload, set.payload_n);
		EVP_DigestFinal_ex(c, sum, NULL);
		EVP_DigestInit_ex(c, sha, NULL);
		EVP_DigestUpdate(c, "", 1);
		EVP_DigestUpdate(c, set.header[i], RECORD_HEADER_LEN);
		EVP_DigestFinal_ex(c, sum, NULL);
		if (!verifier_ok(v, set.header[i], RECORD_HEADER_LEN, set.sig[i]))
			die("a signature does not hold");
	}
	verifier_free(v);
	EVP_MD_CTX_free(c);
	EVP_MD_free(sha);
	return NULL;
}

static double bare_rate(unsigned threads)
{
	pthread_t id[16];
	uint64_t t = now(CLOCK_MONOTONIC);

	for (size_t i = 0; i < threads; i++)
		if (pthread_create(&id[i], NULL, bare, (void *)(i | (size_t)threads << 8)))
			die("no thread");
	for (size_t i = 0; i < threads; i++)
		pthread_join(id[i], NULL);
	return (double)set.n * SECOND / (now(CLOCK_MONOTONIC) - t);
}

static int collect(void *ctx, const struct record *r, const struct frame *f)
{
	memcpy(set.header[set.n], f->record, RECORD_HEADER_LEN);
	memcpy(set.sig[set.n++], f->sig, RECORD_SIG_LEN);
	return 0;
}

static double verify_rate(const char *dir, unsigned threads, bool keep)
{
	struct verify_options o = {.threads = threads, .record = keep ? collect : NULL};
	struct verify_result res;
	uint64_t t = now(CLOCK_MONOTONIC);
	int e = verify_dir(dir, &o, &res);

	if (e || !res.ok) {
		fprintf(stderr, "%s %llu: %s %s\n", res.first.file,
			(unsigned long long)res.first.seq, res.first.kind, res.first.detail);
		die("the chain does not verify");
	}
	memcpy(set.public, res.public, sizeof(set.public));
	return (double)res.records * SECOND / (now(CLOCK_MONOTONIC) - t);
}

static void bench_verify(const char *dir, unsigned threads)
{
	double share[ROUNDS], rate[ROUNDS], limit[ROUNDS];
	char what[64], name[32];
	struct rig r;

	snprintf(name, sizeof(name), "verify%u", threads);
	rig_open(&r, dir, name, false, NULL);
	for (int i = 0; i < VERIFY_RECORDS; i++)
		seal_one(&r);
	if (spool_commit(r.spool) || spool_checkpoint(r.spool))
		die("does not commit");
	spool_free(r.spool);
	epochs_free(r.epochs);
	set.header = calloc(VERIFY_RECORDS + 1, RECORD_HEADER_LEN);
	set.sig = calloc(VERIFY_RECORDS + 1, RECORD_SIG_LEN);
	set.payload = payload;
	set.payload_n = payload_n + SPOOL_SALT_LEN;
	set.n = 0;
	if (!set.header || !set.sig)
		die("out of memory");
	verify_rate(r.spool_dir, threads, true);
	for (int i = 0; i < ROUNDS; i++) {
		limit[i] = bare_rate(threads);
		rate[i] = verify_rate(r.spool_dir, threads, false);
		share[i] = rate[i] / limit[i];
	}
	snprintf(what, sizeof(what), "verify / its hashes and signatures, %u thr.", threads);
	report(what, share, rate, limit, 0.80);
	free(set.header);
	free(set.sig);
}

/* --- append --------------------------------------------------------------------------------------- */

static double
	commits[PACE_RECORDS]; /* what each took: two fdatasync, of the segment and of its head */
static size_t commits_n;

static uint64_t commit(struct rig *r)
{
	uint64_t t = now(CLOCK_MONOTONIC), end;

	if (spool_commit(r->spool))
		die("does not commit");
	end = now(CLOCK_MONOTONIC);
	commits[commits_n++] = end - t;
	return end;
}

static void bench_append(const char *dir)
{
	static double chained[PACE_RECORDS], durable[PACE_RECORDS];
	static uint64_t came[PACE_RECORDS];
	size_t sealed = 0, most = 0;
	double sync50, sync99, bound;
	uint64_t begin;
	struct rig r;

	rig_open(&r, dir, "append", false, NULL);
	begin = now(CLOCK_MONOTONIC);
	for (size_t i = 0; i < PACE_RECORDS; i++)
		came[i] = begin + i * PACE_NS;
	while (sealed < PACE_RECORDS) {
		size_t from = sealed;
		uint64_t t = now(CLOCK_MONOTONIC);

		while (sealed < PACE_RECORDS && came[sealed] <= t &&
		       sealed - from < RECORDER_SYNC_RECORDS) {
			seal_one(&r);
			chained[sealed] = now(CLOCK_MONOTONIC) - came[sealed];
			sealed++;
		}
		if (sealed == from) {
			struct timespec wait = {.tv_nsec = came[sealed] - t};

			nanosleep(&wait, NULL);
			continue;
		}
		t = commit(&r);
		for (size_t i = from; i < sealed; i++)
			durable[i] = t - came[i];
		most = sealed - from > most ? sealed - from : most;
	}
	qsort(chained, PACE_RECORDS, sizeof(*chained), by_value);
	qsort(durable, PACE_RECORDS, sizeof(*durable), by_value);
	qsort(commits, commits_n, sizeof(*commits), by_value);
	sync50 = commits[commits_n / 2];
	sync99 = commits[commits_n * 99 / 100];
	bound = RECORDER_SYNC_MS * 1e6 + 2 * sync99;
	printf("  %u records, one each %.1f ms, in groups of at most %zu; %zu commits: p50 %.2f ms, p99 "
	       "%.2f ms\n",
	       PACE_RECORDS, PACE_NS / 1e6, most, commits_n, sync50 / 1e6, sync99 / 1e6);
	printf("%-42s %5.2f  p50 and %.2f p99 (multiples of one commit's p50 and p99)\n",
	       "until a record is in the chain", chained[PACE_RECORDS / 2] / sync50,
	       chained[PACE_RECORDS * 99 / 100] / sync99);
	printf("%-42s %5.2f  p50 and %.2f p99 (the same)\n", "until it is durable",
	       durable[PACE_RECORDS / 2] / sync50, durable[PACE_RECORDS * 99 / 100] / sync99);
	printf("%-42s %5.2f  p99 / (%d ms and two commits, the one that runs and its own) (target <= "
	       "1)%s\n",
	       "the stated bound", durable[PACE_RECORDS * 99 / 100] / bound, RECORDER_SYNC_MS,
	       durable[PACE_RECORDS * 99 / 100] <= bound ? "" : "  MISSED");
	spool_free(r.spool);
	epochs_free(r.epochs);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: bench_evidence MEMORY-DIR DISK-DIR\n");
		return 2;
	}
	log_init("bench_evidence", LOG_L_ERR);
	make_payload();
	printf("  payload of %zu bytes\n", payload_n);
	bench_seal(argv[1]);
	bench_verify(argv[1], 1);
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
		bench_verify(argv[1], sysconf(_SC_NPROCESSORS_ONLN) < 16
					      ? sysconf(_SC_NPROCESSORS_ONLN)
					      : 16);
	bench_append(argv[2]);
	return 0;
}
