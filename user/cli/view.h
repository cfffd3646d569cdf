/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the live view shows, and how it looks. PURE: (state, width, height) gives a text of that many
 * lines; whoever draws it compares it with the last one and writes what changed.
 */
#ifndef PROBITY_CLI_VIEW_H
#define PROBITY_CLI_VIEW_H

#include <jansson.h>

#include "row.h"

#define VIEW_ROWS 512
#define VIEW_COLUMNS 13

enum view_agent { AGENT_ASKED /* no answer yet */, AGENT_UP, AGENT_DOWN };
struct view {
	/* from the control socket */
	enum view_agent agent;
	char host[72], mode[24], policy[96], forward[32];
	int64_t seq, lag; /* -1 unknown */
	uint64_t drops, lost;
	/* from the spool */
	struct row rows[VIEW_ROWS]; /* a ring of the newest; newest is total - 1 */
	uint64_t total;
	unsigned widest[VIEW_COLUMNS]; /* columns only grow, so the table does not jump */
	uint64_t calls, shadow;
	struct tally service, tool, verdict, completeness;
	char note[160]; /* the last trouble, shown until the end; printable */
	/* keys */
	bool paused;
	uint64_t held; /* rows that came since the pause */
};

void view_init(struct view *v);
void view_add(struct view *v, const struct row *r);
void view_status(struct view *v, const json_t *status); /* NULL: the agent does not answer */
void view_pause(struct view *v, bool on);
/* Exactly `height` lines of at most `width` columns, joined by newlines. */
void view_render(const struct view *v, unsigned width, unsigned height, bool colour, FILE *f);
/* The counts, for the end. */
void view_summary(const struct view *v, FILE *f);
json_t *view_summary_json(const struct view *v);

#endif
