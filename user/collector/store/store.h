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
#include "record/checkpoint.h"
#include "record/segment.h"

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
	uint8_t state[CHAIN_STATE_MAX]; /* chain_state_save behind the last record */
	size_t state_len;
	uint64_t covered; /* records below are under a signature or a cosigned checkpoint */
	bool stopped;	  /* the agent ended in order */
	int64_t due_ns;	  /* silent until then is no finding */
	bool seeded;	  /* mac_seed is K_0, mac the key of the last record's epoch */
	uint8_t mac_seed[MAC_LEN];
	struct mac_key mac;
};

struct store_record {
	uint8_t chain[16];
	uint64_t seq, wall_ns;
	uint32_t schema;
	int64_t received_ns;
	uint8_t leaf[RECORD_HASH_LEN];
	const uint8_t *bytes, *signature, *mac;
	size_t len, signature_len, mac_len; /* of what is not there: 0 */
};

/* Records that are gone for good, or were before the chain was first heard of, and what proves the rest. */
struct store_hole {
	uint8_t chain[16];
	uint64_t first_seq, last_seq;
	int64_t at_ns;
	const uint8_t *proof,
		*edge; /* a Batch without records; hashes as in Batch.edge, in one piece */
	size_t proof_len, edge_len;
};

/* The largest tree of a log that was cosigned. */
#define STORE_NOTE_MAX 4096
struct store_witness {
	char name[ORIGIN_MAX]; /* chain in hex, or a foreign log's origin */
	uint8_t origin_sha256[32], chain[16];
	bool has_chain;
	struct tree_edge edge; /* of a chain; else only its size is set */
	struct tree_hash root;
	int64_t unix_s;
	uint64_t wall_ns;
	char note[STORE_NOTE_MAX]; /* with the cosignature */
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
	int64_t closed_ns; /* 0: open; only what can pass is ever closed */
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
int store_chains_of(struct store *s, const char *cn, int64_t *ret); /* how many */
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
/* The first that begins at first_seq or behind it. */
int store_hole_from(struct store *s, const uint8_t chain[static 16], uint64_t first_seq,
		    int (*cb)(void *ctx, const struct store_hole *h), void *ctx);
/*
 * The same finding again (cn, kind, chain, seq, evidence) adds to its count. A cn has at most
 * STORE_FINDINGS_MAX findings of one kind; what comes after is counted in one last finding of
 * that kind, without evidence, so that a mad host cannot fill the disk.
 */
#define STORE_FINDINGS_MAX 1000
int store_finding_add(struct store *s, const struct store_finding *f);

/* Closes the open finding of this kind; *ret: there was one. */
int store_finding_close(struct store *s, const uint8_t chain[static 16], const char *kind,
			int64_t now_ns, bool *ret);
/* Chains that are silent for too long and have no open finding of that: at most `max`. */
int store_overdue(struct store *s, int64_t now_ns, struct store_chain *out, size_t max,
		  size_t *ret_n);

struct store_key {
	uint32_t epoch;
	uint64_t seq; /* of the first record it signs */
	uint8_t public[RECORD_PUBKEY_LEN];
};
int store_key_add(struct store *s, const uint8_t chain[static 16], const struct store_key *k);
/* By the id a record names. */
int store_key_by_id(struct store *s, const uint8_t chain[static 16], const uint8_t id[static 8],
		    struct store_key *ret);
/* Of the epochs that may sign a tree of `size`: the one open then and those behind it, at most `max`. */
int store_keys_from(struct store *s, const uint8_t chain[static 16], uint64_t size, unsigned max,
		    int (*cb)(void *ctx, const struct store_key *k), void *ctx);
/* The tree's right edge at some sizes; the largest one kept that is not above `size`, the smallest not below. */
int store_edge_add(struct store *s, const uint8_t chain[static 16], const struct tree_edge *e);
int store_edge_before(struct store *s, const uint8_t chain[static 16], uint64_t size,
		      struct tree_edge *ret);
int store_edge_from(struct store *s, const uint8_t chain[static 16], uint64_t size,
		    struct tree_edge *ret);
/* Leaves of records first to below end, in order; where one is not held: -ENODATA. */
int store_leaves(struct store *s, const uint8_t chain[static 16], uint64_t first, uint64_t end,
		 int (*cb)(void *ctx, const struct tree_hash *leaf), void *ctx);
/* The last hole that ends below `size`. */
int store_hole_before(struct store *s, const uint8_t chain[static 16], uint64_t size,
		      int (*cb)(void *ctx, const struct store_hole *h), void *ctx);

int store_witness_get(struct store *s, const char *name, struct store_witness *ret);
int store_witness_put(struct store *s, const struct store_witness *w);
int store_witness_by_origin(struct store *s, const uint8_t sha256[static 32],
			    struct store_witness *ret);
int store_witnesses(struct store *s, int (*cb)(void *ctx, const struct store_witness *w),
		    void *ctx);

/* name: of the witness row it is of. */
int store_ledger_add(struct store *s, const char *name, const char *entry, size_t n);
/* The newest entry of that name below `end`, NUL-terminated. */
int store_ledger_newest(struct store *s, const char *name, uint64_t end, uint64_t *ret_index,
			char ret_entry[static STORE_NOTE_MAX]);
int store_ledger_count(struct store *s, uint64_t *ret);
/* Entries first to below end, in order. */
int store_ledger(struct store *s, uint64_t first, uint64_t end,
		 int (*cb)(void *ctx, const struct tree_hash *leaf, const void *entry, size_t n),
		 void *ctx);

/* Each calls back row by row until it answers non-zero, and returns that. */
int store_chains(struct store *s, int (*cb)(void *ctx, const struct store_chain *c), void *ctx);
/* By id, those behind `after`; NULL: from the first. */
int store_chains_after(struct store *s, const uint8_t *after, unsigned max,
		       int (*cb)(void *ctx, const struct store_chain *c), void *ctx);
int store_records(struct store *s, const uint8_t chain[static 16], uint64_t from,
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
