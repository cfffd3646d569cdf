/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the approvals as they see each other: an entry (approvals_entry.c), the file
 * (approvals_store.c), what happens to them (approvals.c). */
#ifndef PROBITY_AGENT_APPROVALS_INT_H
#define PROBITY_AGENT_APPROVALS_INT_H

#include "agent/approvals.h"

/* --- approvals_entry.c: pure --- */
enum entry_state { ENTRY_PENDING, ENTRY_GRANTED, ENTRY_DENIED, ENTRY_GONE };
struct entry {
	struct role_pending p;
	enum entry_state state;
	char word[16]; /* of the record: pending, granted, denied, used, expired, revoked */
	uint32_t tries, by_uid, scope;
	uint64_t last_unix_ns; /* it was tried */
	char by[64], reason[256];
	uint64_t answered_unix_ns, until_unix_ns, until_boot_ns;
	char boot_id[40]; /* of until_boot_ns */
};
json_t *entry_json(const struct entry *e);
/* False: a field is missing, of another type, too long, or does not fit the others. */
bool entry_read(const json_t *j, struct entry *ret);
const char *scope_name(unsigned scope); /* "call", … */
int scope_of(const char *name);		/* or -1 */
bool id_valid(const char *id);
/* Packed probity.v1.Control; caller frees. 0 = out of memory. */
size_t entry_control(const struct entry *e, uint8_t **ret);

/* --- approvals_store.c --- */
struct astore;
struct astore_reader {
	/* False: what it says is no entry (the line is damaged). */
	bool (*line)(void *ctx, json_t *j);
	/* A line is unreadable: what it took back nobody knows. */
	void (*damaged)(void *ctx);
};
/* Reads all, cuts a torn tail, keeps damaged lines aside. 0 or -errno. */
int astore_open(const char *dir, const struct astore_reader *to, void *ctx, struct astore **ret);
void astore_close(struct astore *s);
/* One line, durable on 0 (unless `lazy`). After an error only astore_rewrite helps. */
int astore_append(struct astore *s, const json_t *j, bool lazy);
int astore_rewrite(struct astore *s, const json_t *lines); /* an array; all or nothing */
size_t astore_bytes(const struct astore *s);
bool astore_broken(const struct astore *s);
unsigned astore_damaged(const struct astore *s);

/* --- approvals.c --- */
#define ENTRIES_MAX (APPROVALS_PENDING_MAX + APPROVALS_GRANTS_MAX)
#define SECOND 1000000000ull
#define PENDING_S (24 * 3600) /* nobody answered */

struct unsealed {
	struct unsealed *next;
	uint64_t n; /* of the change */
	size_t size;
	uint8_t *control;
};

struct approvals {
	struct astore *store;
	struct approvals_ops ops;
	void *ctx;
	struct entry *v[ENTRIES_MAX];
	size_t n;
	uint64_t changes, sealed; /* numbers of the last change, and of the last sealed one */
	uint64_t latest_unix_ns;  /* of the store's lines: the wall clock was there */
	uint64_t skew_ns;	  /* how far it is behind that, at the start */
	uint64_t clock_ns;	  /* last time the store got a time */
	struct unsealed *first, **last;
	size_t unsealed;
	unsigned fresh; /* new ones in this second */
	uint64_t refused, lost_seals, bad, restored;
};

struct approvals_now approvals_clock(const struct approvals *a);
size_t approvals_count(const struct approvals *a, bool answered);
struct entry *approvals_by_id(const struct approvals *a, const char *id);
void approvals_tell(struct approvals *a); /* the grants in force */
/* One change of an entry: stored, to be sealed. 0 or -errno. */
int approvals_changed(struct approvals *a, struct entry *e, const char *word, bool lazy);
/* It ends, whatever the store says; e is freed. False: the store did not take it. */
bool approvals_gone(struct approvals *a, struct entry *e, const char *word);

/* --- approvals_seal.c --- */
void approvals_seal(struct approvals *a); /* what waits, as far as somebody takes it */
void approvals_to_seal(struct approvals *a, const struct entry *e, uint64_t n);
void approvals_drop_sealed(struct approvals *a); /* up to a->sealed */

#endif
