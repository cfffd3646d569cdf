// SPDX-License-Identifier: Apache-2.0
/* Which rules were in force when, and who answered for exceptions. */
#include <string.h>

#include "doc.h"

static int by_time(const void *a, const void *b)
{
	const struct tally_policy *x = *(const struct tally_policy *const *)a,
				  *y = *(const struct tally_policy *const *)b;

	if (x->source != y->source)
		return x->source < y->source ? -1 : 1;
	return x->from_ns < y->from_ns ? -1 : x->from_ns > y->from_ns;
}

static void policy(struct doc *d, json_t *list, const struct tally_policy *p)
{
	json_t *o = doc_add(d, list, json_object());

	doc_text(d, o, "host", d->t->source[p->source].host);
	doc_text(d, o, "set", p->set);
	doc_text(d, o, "version", p->version);
	doc_text(d, o, "mode", p->mode);
	if (p->hashed)
		doc_hex(d, o, "sha256", p->sha256, sizeof(p->sha256));
	else
		doc_text(d, o, "sha256", NULL);
	doc_bool(d, o, "refused", p->refused);
	doc_text(d, o, "reason", p->reason);
	doc_time(d, o, "from", p->from_ns);
	doc_time(d, o, "to", p->to_ns);
	doc_num(d, o, "seq", p->seq);
}

static void policies(struct doc *d)
{
	const struct tally_policy *v[TALLY_POLICIES_MAX];
	json_t *list = doc_put(d, d->root, "policies", json_array());
	uint64_t refused = 0;
	size_t n = 0;

	for (size_t i = 0; i < d->t->policies; i++) {
		const struct tally_policy *p = &d->t->policy[i];

		if (!p->from_ns || (p->to_ns && p->to_ns < d->t->from_ns))
			continue; /* ended before the period */
		v[n++] = p;
		refused += p->refused;
	}
	qsort(v, n, sizeof(*v), by_time);
	for (size_t i = 0; i < n; i++)
		policy(d, list, v[i]);
	if (refused)
		doc_finding(d, FINDING_MEDIUM, "policy", NULL, refused, "packs",
			    "refused: the one before stayed in force");
	if (n == refused)
		doc_finding(d, FINDING_HIGH, "policy", NULL, 0, "packs",
			    "known to have been in force in this period");
	if (d->t->policies_all > TALLY_POLICIES_MAX)
		doc_finding(d, FINDING_LOW, "report", "policies", d->t->policies_all, "changes",
			    "of policy in all: the table cannot show every one");
}

static void approvals(struct doc *d)
{
	json_t *o = doc_put(d, d->root, "approvals", json_object()), *list;
	const struct row **v = roll_by_key(d->t->dim[DIM_APPROVAL]);

	doc_num(d, o, "all", d->t->approvals_all);
	list = doc_put(d, o, "states", json_array());
	if (!v)
		d->oom = true;
	for (size_t i = 0; v && v[i]; i++) {
		json_t *s = doc_add(d, list, json_object());

		doc_text(d, s, "key", v[i]->key);
		doc_num(d, s, "records", v[i]->records);
	}
	free(v);
	list = doc_put(d, o, "list", json_array());
	for (size_t i = 0; i < d->t->approvals; i++) {
		const struct tally_approval *a = &d->t->approval[i];
		json_t *s = doc_add(d, list, json_object());

		doc_time(d, s, "time", a->wall_ns);
		doc_text(d, s, "host", d->t->source[a->source].host);
		doc_num(d, s, "seq", a->seq);
		doc_text(d, s, "id", a->id);
		doc_text(d, s, "state", a->state);
		doc_text(d, s, "operator", a->operator);
		doc_text(d, s, "scope", a->scope);
		doc_text(d, s, "rule", a->rule);
		doc_text(d, s, "subject", a->subject);
	}
}

void doc_policies(struct doc *d)
{
	policies(d);
	approvals(d);
}
