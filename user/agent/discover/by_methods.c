// SPDX-License-Identifier: Apache-2.0
/*
 * NSS: NSPR's read and write jump through the descriptor's table of methods and have no return of
 * their own, so the methods that libssl put there are probed: they serve TLS descriptors only, and
 * have the same arguments. In: an image with SSL_ImportFD. Out: the functions in its table.
 *
 * The table is filled by the one function that asks for NSPR's default methods. A run of code
 * addresses in it, from `close` on, is the table (the order of its members is NSPR's public ABI);
 * two of them are none.
 */
#include "work.h"

#define DEFAULTS "PR_GetDefaultIOMethods"
#define MEMBERS 18 /* close … send */
#define STORES_MAX 128

struct asker {
	struct work *w;
	uint64_t slots[4];
	unsigned slots_n;
	uint64_t start, end;
	unsigned n;
};

static void imported(void *arg, uint64_t slot, const char *name)
{
	struct asker *a = arg;

	if (!strcmp(name, DEFAULTS) && a->slots_n < 4)
		a->slots[a->slots_n++] = slot;
}

static void asks(void *arg, uint64_t from, uint64_t next, uint64_t to, bool slot)
{
	struct asker *a = arg;
	uint64_t start, end, at = slot ? to : a->w->arch->stub_slot(a->w->e, to);

	for (unsigned i = 0; i < a->slots_n; i++) {
		if (a->slots[i] != at || !elf_unwind(a->w->e, from, &start, &end) ||
		    (a->n && start == a->start))
			continue;
		a->start = start;
		a->end = end;
		a->n++;
	}
}

static uint64_t value_at(const struct store *s, size_t n, uint64_t at)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		if (s[i].at == at)
			v = s[i].value;
	return v;
}

/* The address of the table: its members are all there, and nothing is before them. */
static uint64_t table_of(const struct work *w, const struct store *s, size_t n)
{
	uint64_t found = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned k = 0;

		while (k < MEMBERS && elf_exec(w->e, value_at(s, n, s[i].at + 8 * k)))
			k++;
		if (k < MEMBERS || value_at(s, n, s[i].at - 8) || found == s[i].at - 8)
			continue;
		if (found)
			return 0;
		found = s[i].at - 8;
	}
	return found;
}

void by_methods(struct work *w)
{
	struct asker a = {.w = w};
	struct store s[STORES_MAX];
	uint64_t table, start, end;
	size_t n;

	if (!work_known(w, "SSL_ImportFD") || !w->arch->stores)
		return;
	elf_imports(w->e, imported, &a);
	if (a.slots_n)
		w->arch->calls(w->e, 0, UINT64_MAX, asks, &a);
	n = a.n == 1 ? w->arch->stores(w->e, a.start, a.end, s, STORES_MAX) : 0;
	table = n ? table_of(w, s, n) : 0;
	if (!table) {
		work_note(w, "NSS: the table of TLS methods was not found");
		return;
	}
	for (size_t i = 0; i < w->sigs->n; i++) {
		const struct signature *r = &w->sigs->rows[i];
		uint64_t fn = value_at(s, n, table + r->member);

		if (r->method != SIG_IO_METHODS || !sig_is_for(r, w) || !fn)
			continue;
		if (!elf_unwind(w->e, fn, &start, &end) || start != fn)
			end = 0;
		work_take(w, r, fn, end, "member %u of the table filled at %#llx", r->member,
			  (unsigned long long)a.start);
	}
}
