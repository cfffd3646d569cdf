/* SPDX-License-Identifier: Apache-2.0 */
/* What one line of `ls` or `watch` shows of a record; and counts of such things. */
#ifndef PROBITY_CLI_ROW_H
#define PROBITY_CLI_ROW_H

#include "record/render.h"
#include "text.h"

struct row {
	uint64_t seq, wall_ns;
	bool control;	   /* then only note is set */
	bool mcp;	   /* no call to a model: a request to a tool server, a denial */
	bool loss, shadow; /* a LOSS record; a service nobody knows */
	int64_t in, out;   /* tokens, -1 unknown */
	/* all printable */
	char user[40], tool[56], service[56], model[72], operation[40], classes[120];
	char verdict[16], completeness[20];
	char cost[16]; /* "$0.0054", "$0.0054+" when part of it is not known; empty: unknown */
	char note[256];
};
void row_from(const struct sealed *s, struct row *ret);
enum style row_verdict_style(const struct row *r);
enum style row_completeness_style(const struct row *r);

/* Counts by name; names past the room are counted as "other". */
#define TALLY_MAX 64
struct tally {
	size_t n;
	uint64_t other;
	struct tally_entry {
		char name[56];
		uint64_t count;
	} e[TALLY_MAX];
};
void tally_add(struct tally *t, const char *name); /* kept in descending order */

#endif
