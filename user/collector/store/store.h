/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collector's memory: chains, their records byte for byte, what the payloads say in columns
 * that are easy to list, and findings with their evidence. Exactly once by (chain, seq): the
 * store refuses a second row, it never overwrites one.
 *
 * A caller writes between store_begin and store_commit; what store_commit has answered 0 for is
 * on the disk. All functions 0 or -errno; -ENOENT for what is not held. After a failure
 * store_error has one line that names the file. store/sqlite*.c implements it.
 */
#ifndef PROBITY_COLLECTOR_STORE_H
#define PROBITY_COLLECTOR_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "record/record.h"

#define STORE_TEXT_LEN 128
#define STORE_LINE_LEN 256
#define STORE_UNKNOWN INT64_MIN /* an integer the host did not know: NULL in the table */

struct store;

enum store_mode {
	STORE_READ,  /* must exist; never written to */
	STORE_WRITE, /* made when absent, migrated when older */
};

struct store_chain {
	uint8_t id[16], public[RECORD_PUBKEY_LEN];
	uint8_t cert_sha256[32];   /* certificate that introduced the chain */
	char host[STORE_TEXT_LEN]; /* as the host calls itself */
	char cn[65];		   /* as the CA calls it: only this name may add to the chain */
	uint64_t first_seq, last_seq, last_id, records;
	uint8_t last_leaf[RECORD_HASH_LEN];
	int64_t created_ns, updated_ns;
};

struct store_record {
	uint8_t chain[16];
	uint64_t seq, wall_ns;
	uint32_t schema;
	int64_t received_ns;
	uint8_t leaf[RECORD_HASH_LEN];
	const uint8_t *bytes, *signature; /* signature: RECORD_SIG_LEN when read by store_records */
	size_t len, signature_len;
};

/* Records the host declared gone for good, and the LOSS record that says so. */
struct store_hole {
	uint8_t chain[16];
	uint64_t first_seq, last_seq;
	int64_t at_ns;
	const uint8_t *loss, *signature;
	size_t loss_len, signature_len;
};

/*
 * The columns of a table beside (chain, seq). One list makes the struct, the table's columns, the
 * insert and the read-back; T text, I integer, R real.
 */
/* clang-format off */
#define STORE_CALL_FIELDS(T, I, R)                                                          \
	I(time_ns) T(host) T(user) I(uid) I(pid) T(exe) T(tool) T(service) I(service_known) \
	T(model) T(operation) T(dialect) T(server) I(http_status) I(input_tokens)           \
	I(output_tokens) I(tool_calls) T(data_classes) T(policy) T(disposition) T(effect)   \
	R(risk) T(completeness) T(incomplete_reason)
#define STORE_CONTROL_FIELDS(T, I, R) \
	T(kind) T(reason) T(what) I(count) T(cause)
/* clang-format on */

#define STORE_T(n) char n[STORE_TEXT_LEN];
#define STORE_I(n) int64_t n;
#define STORE_R(n) double n;
struct store_call {
	STORE_CALL_FIELDS(STORE_T, STORE_I, STORE_R)
};
struct store_control {
	STORE_CONTROL_FIELDS(STORE_T, STORE_I, STORE_R)
};
#undef STORE_T
#undef STORE_I
#undef STORE_R

enum store_kind { STORE_TEXT, STORE_INTEGER, STORE_REAL };
struct store_field {
	const char *name;
	enum store_kind kind;
	size_t offset;
};
struct store_table {
	const char *name;
	size_t size; /* of the struct */
	const struct store_field *fields;
	size_t count;
};
extern const struct store_table store_call_table, store_control_table;

enum store_severity { STORE_LOW = 1, STORE_MEDIUM, STORE_HIGH, STORE_CRITICAL };
const char *store_severity_name(enum store_severity s);

struct store_finding {
	int64_t id, at_ns, last_ns, count; /* id, last_ns and count are the store's */
	enum store_severity severity;
	char kind[32]; /* see the list in ingest.h */
	char cn[65];
	uint8_t chain[16];
	uint64_t seq;
	char detail[STORE_LINE_LEN];
	const uint8_t *evidence, *signature; /* the bytes as received; may be NULL */
	size_t evidence_len, signature_len;
};

/* The newest records as a person would list them. */
struct store_line {
	uint8_t chain[16];
	uint64_t seq;
	int64_t received_ns;
	uint64_t wall_ns;
	uint32_t schema;
	char host[STORE_TEXT_LEN], cn[65];
	bool has_call, has_control;
	struct store_call call;
	struct store_control control;
};

int store_open(const char *path, enum store_mode mode, struct store **ret, char *err,
	       size_t err_len);
void store_free(struct store *s);
DEFINE_CLEANUP(struct store, store_free)
const char *store_path(const struct store *s);
const char *store_error(const struct store *s);

int store_begin(struct store *s); /* one writer at a time: waits up to 5 s, then -EBUSY */
int store_commit(struct store *s);
void store_rollback(struct store *s); /* no transaction: nothing */
int store_snapshot(struct store *s);  /* read one state until store_rollback */

int store_chain_get(struct store *s, const uint8_t id[static 16], struct store_chain *ret);
int store_chain_put(struct store *s, const struct store_chain *c);
int store_record_add(struct store *s, const struct store_record *r);
int store_leaf_get(struct store *s, const uint8_t chain[static 16], uint64_t seq,
		   uint8_t ret[static RECORD_HASH_LEN]);
/* row: the struct that belongs to the table */
int store_row_add(struct store *s, const struct store_table *t, const uint8_t chain[static 16],
		  uint64_t seq, const void *row);
int store_row_get(struct store *s, const struct store_table *t, const uint8_t chain[static 16],
		  uint64_t seq, void *ret_row);
bool store_row_equal(const struct store_table *t, const void *a, const void *b);
int store_hole_add(struct store *s, const struct store_hole *h);
/* The hole that begins at first_seq, to cb, whose answer is returned; -ENOENT. */
int store_hole_get(struct store *s, const uint8_t chain[static 16], uint64_t first_seq,
		   int (*cb)(void *ctx, const struct store_hole *h), void *ctx);
/*
 * The same finding again (cn, kind, chain, seq, evidence) adds to its count. A cn has at most
 * STORE_FINDINGS_MAX findings of one kind; what comes after is counted in one last finding of
 * that kind, without evidence, so that a mad host cannot fill the disk.
 */
#define STORE_FINDINGS_MAX 1000
int store_finding_add(struct store *s, const struct store_finding *f);

/* Each calls back row by row until it answers non-zero, and returns that. */
int store_chains(struct store *s, int (*cb)(void *ctx, const struct store_chain *c), void *ctx);
int store_records(struct store *s, const uint8_t chain[static 16],
		  int (*cb)(void *ctx, const struct store_record *r), void *ctx); /* by seq */
int store_newest(struct store *s, uint64_t limit, int (*cb)(void *ctx, const struct store_line *l),
		 void *ctx); /* by arrival, newest first */
int store_findings(struct store *s, uint64_t limit,
		   int (*cb)(void *ctx, const struct store_finding *f), void *ctx);

struct store_counts {
	int64_t chains, records, calls, controls, findings, findings_by_severity[5];
	int64_t missing; /* records in declared holes and before the first one held */
};
int store_count(struct store *s, struct store_counts *ret);
/* What the hosts themselves declared lost in LOSS records, by unit; at most 32 units. */
int store_lost(struct store *s, int (*cb)(void *ctx, const char *what, int64_t count), void *ctx);
/* Rows that belong to no record and records that belong to no chain: how many. Reads all. */
int store_orphans(struct store *s, int64_t *ret);
/* SQLite's own check of the file. 0 or -EBADMSG, with the first complaint in store_error. */
int store_integrity(struct store *s);

#endif
