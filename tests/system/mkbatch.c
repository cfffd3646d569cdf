// SPDX-License-Identifier: Apache-2.0
/*
 * Makes batches as a host would send them, and reads answers, for shell tests.
 *
 *   mkbatch make DIR BATCHES RECORDS   DIR/00000.batch … : one chain, a start and then AI calls;
 *                                      DIR/fork.batch: its last record once more, otherwise
 *   mkbatch hole DIR EPOCHS            DIR/0.batch: a start and calls; DIR/1.batch: what comes behind a hole
 *                                      over so many seals, with its proof and a checkpoint; DIR/late.batch:
 *                                      the same for who never had the chain; DIR/key.pub
 *   mkbatch empty FILE                 "what do you hold of this chain?"
 *   mkbatch ack FILE                   prints fault=… empty=… last=… fault_seq=… error=…
 */
#include "base/fs.h"
#include "tests/unit/collector/host.h"

#define CHAIN 0xaa
#define RECORDS_MAX 4096

static int usage(void)
{
	fprintf(stderr, "usage: mkbatch make DIR BATCHES RECORDS | hole DIR EPOCHS | empty FILE | "
			"ack FILE\n");
	return 2;
}

static int save(const char *dir, const char *name, const uint8_t *b, size_t n)
{
	char path[4096];
	int r;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	r = fs_write_atomic(path, b, n, 0644);
	if (r)
		fprintf(stderr, "%s: %s\n", path, strerror(-r));
	return r;
}

static int write_batch(const char *dir, const char *name, const struct host *h,
		       const struct host_record *rec, size_t count)
{
	const struct host_record *list[RECORDS_MAX];
	uint8_t *b;
	size_t n;
	int r;

	for (size_t i = 0; i < count; i++)
		list[i] = &rec[i];
	b = host_batch(h->chain, sizeof(h->chain), NULL, 1, list, count, NULL, &n);
	r = save(dir, name, b, n);
	free(b);
	return r;
}

static int make(const char *dir, unsigned batches, unsigned records)
{
	static struct host_record rec[RECORDS_MAX];
	char path[4096], name[32];
	static struct host h, before;
	int r = 0;

	if (!batches || !records || records > RECORDS_MAX)
		return usage();
	snprintf(path, sizeof(path), "%s/key", dir);
	h = host_new(path, CHAIN);
	for (unsigned i = 0; i < batches && !r; i++) {
		for (unsigned k = 0; k < records; k++) {
			before = h;
			/* A second a record: an epoch of 900 s must end. */
			rec[k] = h.seq - h.epoch_first == 800 ? host_end_epoch(&h)
				 : h.seq		      ? host_call(&h, "ann")
					 : host_start(&h, signer_public(h.signer));
		}
		snprintf(name, sizeof(name), "%05u.batch", i);
		r = write_batch(dir, name, &h, rec, records);
		for (unsigned k = 0; k < records; k++)
			free(rec[k].bytes);
	}
	if (!r) {
		rec[0] = host_call(&before, "mallory");
		r = write_batch(dir, "fork.batch", &h, rec, 1);
		free(rec[0].bytes);
	}
	host_free(&h);
	return r ? 1 : 0;
}

static int write_more(const char *dir, const char *name, const struct host *h,
		      const struct host_record *const *list, size_t count,
		      const struct host_more *more)
{
	size_t n;
	uint8_t *b = host_batch(h->chain, sizeof(h->chain), signer_public(h->keys[0]), 1, list,
				count, more, &n);
	int r = save(dir, name, b, n);

	free(b);
	return r;
}

static int hole(const char *dir, unsigned epochs)
{
	const struct host_record *list[8], *seals[HOST_EPOCHS];
	static struct host_record rec[8], gone[3 * HOST_EPOCHS];
	char path[4096], note[1024];
	uint8_t seed[MAC_LEN];
	static struct host h;
	struct host_more more = {.seed = seed};
	uint64_t first, end;
	size_t n = 0;
	int r;

	if (epochs > HOST_EPOCHS - 2)
		return usage();
	snprintf(path, sizeof(path), "%s/key", dir);
	h = host_new(path, CHAIN);
	host_seed(&h, seed);
	for (int i = 0; i < 4; i++) {
		rec[i] = i ? host_call(&h, "ann") : host_start(&h, signer_public(h.signer));
		list[i] = &rec[i];
	}
	r = write_more(dir, "0.batch", &h, list, 4, &more);
	first = h.seq;
	for (unsigned i = 0; i < epochs; i++) {
		gone[n++] = host_call(&h, "bob");
		gone[n++] = host_end_epoch(&h);
		seals[i] = &gone[n - 1];
	}
	gone[n++] = host_call(&h, "bob");
	end = h.seq;
	rec[4] = host_call(&h, "cat");
	rec[5] = host_loss(&h, "records", end - first, first, end - 1);
	rec[6] = host_end_epoch(&h);
	rec[7] = host_call(&h, "cat");
	host_checkpoint(&h, h.seq, note, sizeof(note));
	more = (struct host_more){.loss = &rec[5],
				  .seals = seals,
				  .seals_n = epochs,
				  .tree = &h,
				  .edge_at = end,
				  .edge_from = first,
				  .seed = seed,
				  .checkpoint = note,
				  .size = h.seq};
	for (int i = 0; i < 4; i++)
		list[i] = &rec[4 + i];
	if (!r)
		r = write_more(dir, "1.batch", &h, list, 4, &more);
	more.loss = NULL;
	more.edge_from = 0;
	if (!r)
		r = write_more(dir, "late.batch", &h, list, 4, &more);
	for (size_t i = 0; i < 8; i++)
		free(rec[i].bytes);
	while (n)
		free(gone[--n].bytes);
	host_free(&h);
	return r ? 1 : 0;
}

static int empty(const char *path)
{
	uint8_t chain[16], *b;
	size_t n;
	int r;

	memset(chain, CHAIN, sizeof(chain));
	b = host_batch(chain, sizeof(chain), NULL, 1, NULL, 0, NULL, &n);
	r = fs_write_atomic(path, b, n, 0644);
	free(b);
	return r ? 1 : 0;
}

static int ack(const char *path)
{
	const ProtobufCEnumValue *fault;
	Probity__V1__Ack *a = NULL;
	char *b;
	size_t n;

	if (!fs_read(path, 1 << 20, &b, &n)) {
		a = probity__v1__ack__unpack(NULL, n, (uint8_t *)b);
		free(b);
	}
	if (!a) {
		fprintf(stderr, "%s: not an answer\n", path);
		return 1;
	}
	fault = protobuf_c_enum_descriptor_get_value(&probity__v1__ack__fault__descriptor,
						     a->fault);
	printf("fault=%s empty=%d last=%llu fault_seq=%llu error=%s\n", fault ? fault->name : "?",
	       a->empty, (unsigned long long)a->last_seq, (unsigned long long)a->fault_seq,
	       a->error);
	probity__v1__ack__free_unpacked(a, NULL);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "make"))
		return make(argv[2], strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10));
	if (argc == 4 && !strcmp(argv[1], "hole"))
		return hole(argv[2], strtoul(argv[3], NULL, 10));
	if (argc == 3 && !strcmp(argv[1], "empty"))
		return empty(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "ack"))
		return ack(argv[2]);
	return usage();
}
