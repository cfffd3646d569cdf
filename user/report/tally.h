/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over the records of some hosts: everything a report counts. Bounded memory. PURE. */
#ifndef PROBITY_REPORT_TALLY_H
#define PROBITY_REPORT_TALLY_H

#include "framework.h"
#include "roll.h"
#include "systems.h"

enum dim {
	DIM_TOOL,
	DIM_SERVICE,
	DIM_MODEL,
	DIM_PROVIDER,
	DIM_SUPPLIER,
	DIM_HOST,
	DIM_USER,
	DIM_CLASS,
	DIM_SERVER,
	DIM_WEEK,
	DIM_RULE,
	DIM_EFFECT,   /* effects of decisions */
	DIM_APPROVAL, /* states */
	DIM_LOSS,     /* "what: cause"; events = units lost */
	DIM_UNDECLARED, /* tool, service, model, host, tool server; those that apply, between " · " */
	DIM_FLOW,	/* the same of all use: what went where */
	DIM_ACCESS,	/* account · service or tool server */
	DIM_SENT,	/* data class · supplier */
	DIM_VERSION,	/* tool · how it names itself; tool server · its version */
	DIMS
};
const char *tally_dim_name(enum dim d); /* "tools", "services", … as in report.json */

#define TALLY_SOURCES_MAX 4096
#define TALLY_BREAKS_MAX 16 /* told per source */
#define TALLY_GAPS_MAX 512  /* told in all; counted beyond */
#define TALLY_POLICIES_MAX 512
#define TALLY_APPROVALS_MAX 256
#define TALLY_EVENTS_MAX 256
#define TALLY_SAMPLES 3 /* per control */

struct tally_sample {
	unsigned source;
	uint64_t seq, wall_ns;
	uint8_t leaf[RECORD_HASH_LEN], score[32];
	const char *kind;
	char line[192];
};
struct tally_control {
	uint64_t records, events, denials, violations, attributed, refused, would, approvals,
		overrides, incomplete;
	size_t samples;
	struct tally_sample sample[TALLY_SAMPLES];
};
struct tally_break {
	uint64_t seq, offset;
	char file[64], kind[32];
};
struct tally_source {
	char host[128], name[256];
	char kernel[96], agent[48]; /* of its last START */
	uint8_t chain[16], public[RECORD_PUBKEY_LEN];
	bool known; /* chain, seqs and times stand */
	bool public_known;
	uint64_t first_seq, last_seq, first_ns, last_ns, records, in_period, erased;
	uint64_t newest_seq; /* also of what lies behind the period */
	bool cosigned;	     /* a store's word: */
	uint64_t cosigned_size, cosigned_s;
	uint8_t cosigned_root[32];
	uint64_t breaks;
	struct tally_break broken[TALLY_BREAKS_MAX];
	/* Of the agent's runs, in the period. */
	uint64_t starts, stops, crash_starts, seals, late_seals;
	uint64_t observed_ns, down_ns;
	bool running;		    /* started and not stopped, up to where it was read */
	uint64_t left_ns, left_seq; /* the last record before the next START */
	size_t policy;		    /* index + 1 of the one in force */
};
struct tally_gap {
	unsigned source;
	bool crash;
	uint64_t from_ns, to_ns, seq; /* seq: of the START behind it */
};
struct tally_policy {
	unsigned source;
	char set[64], version[64], mode[16], reason[128];
	uint8_t sha256[32];
	bool hashed; /* a refused one may not have got so far */
	bool refused;
	uint64_t from_ns, to_ns, seq; /* to: 0 = still */
};
struct tally_approval {
	unsigned source;
	uint64_t seq, wall_ns;
	char id[64], state[24], operator[96], scope[24], rule[64], subject[160];
};
/* What was done to the records or to the agent itself. */
struct tally_event {
	unsigned source;
	enum item_sort sort;
	uint64_t seq, wall_ns;
	bool range; /* of records */
	uint64_t first_seq, last_seq;
	char by[96], subject[160], reason[192];
};

struct tally {
	uint64_t from_ns, to_ns; /* [from, to) */
	const struct framework *fw;
	struct systems *systems;	 /* NULL: no register */
	const struct system_entry *only; /* NULL: all */
	void (*tick)(void *ctx, uint64_t records);
	void *ctx;
	struct roll *dim[DIMS];
	struct tally_control control[FRAMEWORK_CONTROLS_MAX];

	uint64_t read, in_period, sorts[SORTS]; /* records */
	uint64_t out_of_scope;			/* uses of other systems, with `only` */
	uint64_t other;				/* of an unknown schema or unreadable payload */
	uint64_t events, judged, violations, refused, would, failed, overrides;
	uint64_t input_tokens, output_tokens, tokens_unknown;
	uint64_t cost_nano_usd, cost_partial, cost_unknown;
	uint64_t whole_calls[WHOLES], whole_requests[WHOLES];
	uint64_t undeclared;

	size_t sources, gaps, policies, approvals, event_rows;
	uint64_t gaps_all, policies_all, approvals_all, events_all;
	struct tally_source *source; /* moves when one begins */
	struct tally_gap gap[TALLY_GAPS_MAX];
	struct tally_policy policy[TALLY_POLICIES_MAX];
	struct tally_approval approval[TALLY_APPROVALS_MAX];
	struct tally_event event[TALLY_EVENTS_MAX];
};
struct tally_options {
	uint64_t from_ns, to_ns;
	const struct framework *framework;
	struct systems *systems;
	const struct system_entry *only;
	void (*tick)(void *ctx, uint64_t records); /* now and then; NULL */
	void *ctx;
};
int tally_new(const struct tally_options *o, struct tally **ret);
void tally_free(struct tally *t);
DEFINE_CLEANUP(struct tally, tally_free)

/* Records of one chain follow, in order. 0, -E2BIG, -ENOMEM. */
int tally_begin(struct tally *t, const char *host, const char *name);
void tally_record(struct tally *t, const struct sealed *s);
void tally_erased(struct tally *t, const struct record *head);
/* The chain does not hold there: what was read behind it counts, but follows from nothing. */
void tally_broken(struct tally *t, const char *file, uint64_t offset, uint64_t seq,
		  const char *kind);
/* 0; -EEXIST with *ret_other: that source holds some of the same records, so they were counted twice. */
int tally_end(struct tally *t, unsigned *ret_other);

/* --- its parts ----------------------------------------------------------------------------------- */

bool tally_within(const struct tally *t, uint64_t wall_ns);
/* One event of an item in one row; within: of the period. NULL: no room. */
struct row *tally_count(struct tally *t, enum dim d, const char *key, const struct item *it,
			bool within);
/* "tool · service · model · host · tool server", those that apply. */
void tally_flow(const struct item *it, const char *host, char ret[static ROLL_KEY_MAX]);
/* What went with what. */
void tally_pairs(struct tally *t, const struct item *it, const char *host, bool within);
/* A control record of the source that is being read. */
void tally_control_record(struct tally *t, const struct sealed *s, bool within);
/* An item of the period against each of the framework's controls. */
void tally_controls(struct tally *t, const struct item *it);

#endif
