// SPDX-License-Identifier: Apache-2.0
/*
 * What control records say of the agent itself: when it ran, how it ended, what it lost, which pack
 * was in force, who approved what. A START that no STOP came before was a crash, and from the record
 * before it on the host was not watched: how long is known to within one record. Lists are bounded;
 * their counts are exact.
 */
#include <errno.h>
#include <string.h>

#include "record/printable.h"
#include "tally.h"

int tally_begin(struct tally *t, const char *host, const char *name)
{
	struct tally_source *s;

	if (t->sources == TALLY_SOURCES_MAX)
		return -E2BIG;
	if (!(t->sources & (t->sources - 1))) { /* 0 or a power of two: full */
		s = reallocarray(t->source, t->sources ? 2 * t->sources : 1, sizeof(*s));
		if (!s)
			return -ENOMEM;
		t->source = s;
	}
	s = &t->source[t->sources++];
	*s = (struct tally_source){0};
	printable_copy(s->host, sizeof(s->host), host);
	printable_copy(s->name, sizeof(s->name), name);
	return 0;
}

void tally_broken(struct tally *t, const char *file, uint64_t offset, uint64_t seq,
		  const char *kind)
{
	struct tally_source *s = &t->source[t->sources - 1];
	struct tally_break *b;

	if (s->breaks++ >= TALLY_BREAKS_MAX)
		return;
	b = &s->broken[s->breaks - 1];
	b->seq = seq;
	b->offset = offset;
	printable_copy(b->file, sizeof(b->file), file);
	printable_copy(b->kind, sizeof(b->kind), kind);
}

static uint64_t max_of(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t min_of(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static bool overlap(const struct tally_source *a, const struct tally_source *b)
{
	return a->known && b->known && !memcmp(a->chain, b->chain, sizeof(a->chain)) &&
	       a->first_seq <= b->last_seq && b->first_seq <= a->last_seq;
}

int tally_end(struct tally *t, unsigned *ret_other)
{
	struct tally_source *s = &t->source[t->sources - 1];
	uint64_t from = max_of(s->first_ns, t->from_ns), to = min_of(s->last_ns, t->to_ns);

	if (s->known && to > from)
		s->observed_ns = to - from;
	for (unsigned i = 0; i + 1 < t->sources; i++)
		if (overlap(s, &t->source[i])) {
			*ret_other = i;
			return -EEXIST;
		}
	return 0;
}

/* --- runs ---------------------------------------------------------------------------------------- */

static void down(struct tally *t, struct tally_source *s, const struct sealed *r, bool crash)
{
	uint64_t from = max_of(s->left_ns, t->from_ns), to = r->head.wall_ns;
	struct tally_gap *g = &t->gap[t->gaps];

	if (to < t->from_ns)
		return;
	from = min_of(from, to); /* wall time may have been set back meanwhile */
	s->down_ns += to - from;
	t->gaps_all++;
	if (t->gaps == TALLY_GAPS_MAX)
		return;
	t->gaps++;
	*g = (struct tally_gap){.source = s - t->source,
				.crash = crash,
				.from_ns = from,
				.to_ns = to,
				.seq = r->head.seq};
}

static void start(struct tally *t, struct tally_source *s, const struct sealed *r, bool within)
{
	const Probity__V1__Control *c = r->control;
	bool first = s->records == 1;

	if (c->host[0])
		printable_copy(s->host, sizeof(s->host), c->host);
	printable_copy(s->kernel, sizeof(s->kernel), c->kernel);
	printable_copy(s->agent, sizeof(s->agent), c->agent_version);
	if (c->public_key.len == RECORD_PUBKEY_LEN && r->head.seq == 0) {
		memcpy(s->public, c->public_key.data, RECORD_PUBKEY_LEN);
		s->public_known = true;
	}
	s->starts += within;
	if (!first) {
		s->crash_starts += within && s->running;
		down(t, s, r, s->running);
	}
	s->running = true;
}

/* --- packs --------------------------------------------------------------------------------------- */

static bool same(const struct tally_policy *p, const Probity__V1__Control *c)
{
	return !strcmp(p->set, c->policy_set) && !strcmp(p->version, c->policy_version) &&
	       !strcmp(p->mode, c->mode) && c->policy_sha256.len == sizeof(p->sha256) &&
	       !memcmp(p->sha256, c->policy_sha256.data, sizeof(p->sha256));
}

static struct tally_policy *new_policy(struct tally *t)
{
	size_t i;

	t->policies_all++;
	if (t->policies < TALLY_POLICIES_MAX)
		return &t->policy[t->policies++];
	/* What ended before the period goes first. */
	for (i = 0; i < t->policies; i++)
		if (t->policy[i].to_ns && t->policy[i].to_ns <= t->from_ns) {
			t->policy[i] = (struct tally_policy){0};
			return &t->policy[i];
		}
	return NULL;
}

static void policy(struct tally *t, struct tally_source *s, const struct sealed *r, bool within)
{
	struct tally_policy *was = s->policy ? &t->policy[s->policy - 1] : NULL, *p;
	const Probity__V1__Control *c = r->control;

	if ((c->refused && !within) || (!c->refused && was && same(was, c)))
		return;
	p = new_policy(t);
	if (!p)
		return;
	*p = (struct tally_policy){.source = s - t->source,
				   .refused = c->refused,
				   .from_ns = r->head.wall_ns,
				   .seq = r->head.seq};
	printable_copy(p->set, sizeof(p->set), c->policy_set);
	printable_copy(p->version, sizeof(p->version), c->policy_version);
	printable_copy(p->mode, sizeof(p->mode), c->mode);
	printable_copy(p->reason, sizeof(p->reason), c->reason);
	p->hashed = c->policy_sha256.len == sizeof(p->sha256);
	if (p->hashed)
		memcpy(p->sha256, c->policy_sha256.data, sizeof(p->sha256));
	if (c->refused) {
		p->to_ns = p->from_ns;
		return;
	}
	if (was)
		was->to_ns = r->head.wall_ns;
	s->policy = p - t->policy + 1;
}

/* --- the rest ------------------------------------------------------------------------------------ */

static void approval(struct tally *t, struct tally_source *s, const struct sealed *r)
{
	const Probity__V1__Control *c = r->control;
	struct row *row = roll_at(t->dim[DIM_APPROVAL], c->approval_state);
	struct tally_approval *a = &t->approval[t->approvals];

	if (row) {
		row->records++;
		row->events++;
	}
	t->approvals_all++;
	if (t->approvals == TALLY_APPROVALS_MAX)
		return;
	t->approvals++;
	a->source = s - t->source;
	a->seq = r->head.seq;
	a->wall_ns = r->head.wall_ns;
	printable_copy(a->id, sizeof(a->id), c->approval_id);
	printable_copy(a->state, sizeof(a->state), c->approval_state);
	printable_copy(a->operator, sizeof(a->operator), c->operator_);
	printable_copy(a->scope, sizeof(a->scope), c->scope);
	printable_copy(a->rule, sizeof(a->rule), c->rule);
	printable_copy(a->subject, sizeof(a->subject), c->subject);
}

static void loss(struct tally *t, const Probity__V1__Control *c)
{
	char key[ROLL_KEY_MAX];
	struct row *row;

	snprintf(key, sizeof(key), "%.80s: %.80s", c->what, c->cause);
	row = roll_at(t->dim[DIM_LOSS], key);
	if (!row)
		return;
	row->records++;
	row->events += c->count;
}

/* What people or damage did to the records or the agent; a SEAL only when it was late. */
static bool is_event(const Probity__V1__Control *c, enum item_sort s)
{
	static const uint32_t all = 1u << SORT_REPAIR | 1u << SORT_GUARD | 1u << SORT_CLOCK |
				    1u << SORT_ERASE | 1u << SORT_REVEAL | 1u << SORT_COLLECTOR |
				    1u << SORT_TPM;

	return s == SORT_SEAL ? c->late : s != SORTS && (all >> s & 1);
}

static void event(struct tally *t, const struct sealed *r)
{
	const Probity__V1__Control *c = r->control;
	enum item_sort sort = item_control_sort(c->kind);
	struct tally_event *e = &t->event[t->event_rows];

	if (!is_event(c, sort))
		return;
	t->events_all++;
	if (t->event_rows == TALLY_EVENTS_MAX)
		return;
	t->event_rows++;
	e->source = t->sources - 1;
	e->sort = sort;
	e->seq = r->head.seq;
	e->wall_ns = r->head.wall_ns;
	e->range = sort == SORT_ERASE || sort == SORT_COLLECTOR;
	e->first_seq = c->first_seq;
	e->last_seq = c->last_seq;
	printable_copy(e->by, sizeof(e->by), c->operator_);
	printable_copy(e->subject, sizeof(e->subject),
		       c->subject[0] ? c->subject
		       : c->file[0]  ? c->file
				     : c->cause);
	printable_copy(e->reason, sizeof(e->reason), c->reason);
}

void tally_control_record(struct tally *t, const struct sealed *r, bool within)
{
	struct tally_source *s = &t->source[t->sources - 1];
	const Probity__V1__Control *c = r->control;

	if (within)
		event(t, r);
	switch (c->kind) {
	case PROBITY__V1__CONTROL__KIND__START:
		start(t, s, r, within);
		break;
	case PROBITY__V1__CONTROL__KIND__STOP:
		s->stops += within;
		s->running = false;
		break;
	case PROBITY__V1__CONTROL__KIND__POLICY:
		policy(t, s, r, within);
		break;
	case PROBITY__V1__CONTROL__KIND__SEAL:
		s->seals += within;
		s->late_seals += within && c->late;
		break;
	case PROBITY__V1__CONTROL__KIND__APPROVAL:
		if (within)
			approval(t, s, r);
		break;
	case PROBITY__V1__CONTROL__KIND__LOSS:
		if (within)
			loss(t, c);
		break;
	default:
		break;
	}
}
