// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: what was attached, and what could not be and why, from whoever tried. Flows out: whether a
 * need is met here. One table of the keeper, OFFERS_MAX mechanisms a need; one more is a mistake of
 * ours and is logged. A need nobody ever spoke of is not met, and says so.
 */
#include "backends.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "policy/mechanism.h"

#define OFFERS_MAX 6

struct offer {
	enum gate_mechanism m;
	unsigned rank;
	char text[64];
};
static struct met {
	struct offer offers[OFFERS_MAX];
	size_t n;
	char would[64], why[160];
	const char *forbidden; /* why; NULL: it is not */
} table[NEED__MAX];

static const struct offer *best(const struct met *t)
{
	const struct offer *o = NULL;

	for (size_t i = 0; i < t->n; i++)
		if (!o || t->offers[i].rank > o->rank)
			o = &t->offers[i];
	return o;
}

void backend_offer(enum policy_need need, unsigned rank, enum gate_mechanism m, const char *text)
{
	struct met *t = &table[need];
	size_t i = 0;

	text = text ?: gate_mechanism_name(m);
	while (i < t->n && (t->offers[i].m != m || strcmp(t->offers[i].text, text)))
		i++;
	if (i == OFFERS_MAX) {
		log_err("backends: no room for %s", text);
		return;
	}
	t->offers[i].m = m;
	t->offers[i].rank = rank;
	snprintf(t->offers[i].text, sizeof(t->offers[i].text), "%s", text);
	t->n += i == t->n;
}

void backend_withdraw(enum policy_need need, enum gate_mechanism m)
{
	struct met *t = &table[need];
	size_t kept = 0;

	for (size_t i = 0; i < t->n; i++)
		if (t->offers[i].m != m)
			t->offers[kept++] = t->offers[i];
	t->n = kept;
}

void backend_lack(enum policy_need need, const char *backend, const char *why)
{
	struct met *t = &table[need];

	snprintf(t->would, sizeof(t->would), "%s", backend);
	snprintf(t->why, sizeof(t->why), "%s", why);
}

void backend_forbid(enum policy_need need, const char *why)
{
	table[need].forbidden = why;
}

bool backend_can(enum policy_need need, const char **ret_backend, const char **ret_why)
{
	const struct met *t = &table[need];
	const struct offer *o = best(t);

	if (t->forbidden) {
		*ret_backend = o ? o->text : t->would;
		*ret_why = t->forbidden;
		return false;
	}
	*ret_backend = o ? o->text : t->would;
	*ret_why = o ? "" : t->why[0] ? t->why : "this build has no mechanism for it";
	return o;
}

bool backend_has(enum policy_need need, enum gate_mechanism m)
{
	const struct met *t = &table[need];

	for (size_t i = 0; i < t->n; i++)
		if (t->offers[i].m == m)
			return true;
	return false;
}

static void add_lacks(json_t *list, const struct policy_needs *v)
{
	for (unsigned n = 0; n < NEED__MAX; n++) {
		const char *backend, *why;

		if (!(v->needs & NEED_BIT(n)) || backend_can(n, &backend, &why))
			continue;
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s, s:s}", "rule", v->rule, "need",
						policy_need_name(n), "why", why, "needs", backend));
	}
}

json_t *backends_unenforceable(const struct policy_needs *v, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		add_lacks(list, &v[i]);
	return list;
}

json_t *backends_json(void)
{
	json_t *list = json_array();

	for (unsigned n = 0; n < NEED__MAX; n++) {
		const char *backend, *why;
		bool can = backend_can(n, &backend, &why);

		json_array_append_new(list, json_pack("{s:s, s:b, s:s, s:s, s:s}", "need",
						      policy_need_name(n), "can", (int)can,
						      "backend", backend, "why", why, "about",
						      policy_need_about(n)));
	}
	return list;
}
