// SPDX-License-Identifier: Apache-2.0
// covers: user/collector/ingest*.c user/collector/hole.c user/collector/witness.c user/collector/pbmem.c
/* Any bytes as a host's batch: always one of the answers, never a word about what is not held. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/ingest.h"
#include "fuzz.h"
#include "record/look.h"

static char dir[] = "/tmp/probity-fuzz-XXXXXX";

static void remove_all(void)
{
	static const char *const files[] = {
		"db",	   "db-wal",	  "db-shm", "witness.key", "witness.key.pub",
		"log.key", "log.key.pub",
	};
	char path[64];

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	rmdir(dir);
}

static struct store *open_store(struct witness **ret)
{
	struct store *st = NULL;
	char path[64], err[512];

	if (!mkdtemp(dir) || atexit(remove_all))
		abort();
	snprintf(path, sizeof(path), "%s/db", dir);
	if (store_open(path, STORE_WRITE, &st, err, sizeof(err)))
		abort();
	if (witness_open(dir, "col.example", ret, err, sizeof(err)))
		abort();
	return st;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct ingest_peer peer = {.cn = "alpha"};
	static struct ingest_result r;
	static struct witness *w;
	static struct looks *looks;
	static struct store *st;

	if (!st)
		st = open_store(&w);
	if (!looks && looks_new(1, &looks))
		abort();
	memset(&r, 0, sizeof(r));
	if (ingest_batch(st, w, looks, &peer, p, n, 1790000000000000000, &r) || !r.http ||
	    r.ack_len > INGEST_ACK_MAX || strpbrk(r.alarm, "\n\r\x1b"))
		abort();
	return 0;
}
