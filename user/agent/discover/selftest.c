// SPDX-License-Identifier: Apache-2.0
/*
 * The signatures' own test. In: a table. Out: a verdict for each image made from each row: right
 * (found, at its address, with its cookie and returns, of its stack), nearly right (not found), twice
 * (not found, unless the row takes the longest), each with and without unwind entries.
 */
#include "selftest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "arch.h"
#include "base/cleanup.h"
#include "fixture.h"
#include "proto/event.h"

static const char *const flaws[FIXTURE__FLAWS] = {"right", "nearly", "twice"};

static const struct tls_function *find(const struct tls_found *f, const struct signature *s,
				       uint64_t entry)
{
	for (int i = 0; i < f->functions_n; i++)
		if (!strcmp(f->functions[i].name, s->name) && f->functions[i].vaddr == entry)
			return &f->functions[i];
	return NULL;
}

static bool has_stack(const struct tls_found *f, enum tls_stack s)
{
	for (int i = 0; i < f->functions_n; i++)
		if (f->functions[i].stack == s)
			return true;
	return false;
}

static const char *check_function(const struct tls_found *f, const struct signature *s,
				  const struct fixture *x)
{
	const struct tls_function *fn = find(f, s, x->entry);
	bool by_return = TLS_COOKIE_SITE(s->cookie) == TLS_NSS_IMPORT;

	if (!fn)
		return "not found";
	if (fn->stack != s->stack)
		return "of another stack";
	if (fn->cookie != s->cookie || f->sites[fn->first].cookie != s->cookie ||
	    (f->sites[fn->first].vaddr == x->entry) == by_return)
		return "another layout or entry";
	if (strcmp(fn->method, sig_methods[s->method]))
		return "by another method";
	if (s->returns && fn->n < 2u - by_return)
		return "without returns";
	return NULL;
}

/* NULL: as it should be. Helper rows, marks and versions have an effect, not a function. */
static const char *verdict(const struct tls_found *f, const struct signature *s,
			   const struct fixture *x, enum fixture_flaw flaw)
{
	bool right = flaw == FIXTURE_RIGHT;

	switch (s->method) {
	case SIG_VERSION:
		return (*f->version[s->stack] != 0) == right ? NULL : "the version is wrong";
	case SIG_MARK:
		return has_stack(f, s->stack) == right ? NULL : "the mark does not tell";
	default:
		if (s->role == SIG_ROLE_HELPER)
			return find(f, s, x->entry) ? "a helper is probed" : NULL;
		if (right)
			return check_function(f, s, x);
		if (flaw == FIXTURE_TWICE && s->longest)
			return NULL; /* of equal ones none, but the row may find either by length */
		return find(f, s, x->entry) ? "found" : NULL;
	}
}

static bool one(const struct tls_signatures *s, size_t row, unsigned machine,
		enum fixture_flaw flaw, bool unwind, struct fixture *x, struct tls_found *f,
		selftest_each *each, void *arg)
{
	const struct signature *r = &s->rows[row];
	char what[SELFTEST_WHAT_MAX], why[TLS_WHY_MAX] = "";
	const char *wrong;
	int found;

	if (!arch_of(sig_machines[machine]) || !fixture_make(s, row, machine, flaw, unwind, x))
		return true;
	memset(f, 0, sizeof(*f));
	found = tls_resolve(x->bytes, sizeof(x->bytes), s, f, why, sizeof(why));
	if (found == -ENOMEM)
		return false;
	wrong = found < 0 ? why : verdict(f, r, x, flaw);
	if (wrong && f->notes_n && !*why)
		snprintf(why, sizeof(why), "%.30s (%.120s)", wrong, f->notes[0]);
	snprintf(what, sizeof(what), "row %zu: %s %s %s%s, %s, %s%s", row + 1,
		 tls_stack_name(r->stack), sig_methods[r->method],
		 r->name[0] ? r->name : r->texts[0], r->abi == GO_ABI_STACK ? " (stack)" : "",
		 flaws[flaw], sig_machine_names[machine], unwind ? "" : ", no unwind table");
	each(arg, what, !wrong, wrong ? (*why ? why : wrong) : "");
	return true;
}

int selftest_run(const struct tls_signatures *s, selftest_each *each, void *arg)
{
	_cleanup_free_ struct fixture *x = malloc(sizeof(*x));
	_cleanup_free_ struct tls_found *f = malloc(sizeof(*f));

	if (!x || !f)
		return -ENOMEM;
	for (size_t row = 0; row < s->n; row++)
		for (unsigned k = 0; k < 4 * FIXTURE__FLAWS; k++)
			if (!one(s, row, k & 1, k / 4, k & 2, x, f, each, arg))
				return -ENOMEM;
	return 0;
}
