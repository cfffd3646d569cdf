// SPDX-License-Identifier: Apache-2.0
/*
 * One image through all methods. In: the bytes of a file. Out: functions with their sites, and notes
 * on what was seen and cannot be used.
 *
 * Invariant: a function is in the result whole (its entry and every way out that is needed) or not
 * at all; a row that fits several functions finds none, unless it says which. Symbols come first,
 * and a family found by name is not searched for in other ways. Memory: the result, tables of fixed
 * size, and references (at most REFS_MAX). Time: a fixed number of passes over the file.
 */
#include "resolve.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "proto/event.h"
#include "search.h"
#include "work.h"

void work_note(struct work *w, const char *fmt, ...)
{
	char text[TLS_WHY_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (int i = 0; i < w->out->notes_n; i++)
		if (!strcmp(w->out->notes[i], text))
			return;
	if (w->out->notes_n < TLS_NOTES_MAX)
		memcpy(w->out->notes[w->out->notes_n++], text, sizeof(text));
}

const struct known *work_known(const struct work *w, const char *name)
{
	for (unsigned i = 0; i < w->known_n; i++)
		if (!strcmp(w->known[i].name, name))
			return &w->known[i];
	return NULL;
}

bool work_has_stack(const struct work *w, enum tls_stack s)
{
	for (int i = 0; i < w->out->functions_n; i++)
		if (w->out->functions[i].stack == s)
			return true;
	return false;
}

bool sig_is_for(const struct signature *s, const struct work *w)
{
	if (s->machine && sig_machines[s->machine - 1] != w->e->machine)
		return false;
	for (int i = 1; i < TLS_STACK__MAX; i++)
		if (s->unless_stacks & 1 << i && work_has_stack(w, i))
			return false;
	return !s->unless_found[0] || !work_known(w, s->unless_found);
}

/* --- taking a function ----------------------------------------------------------------------- */

static uint64_t return_cookie(uint64_t entry, unsigned above)
{
	unsigned site = TLS_COOKIE_SITE(entry);
	bool go = site == TLS_GO_READ || site == TLS_GO_WRITE;

	if (go) /* it says where the result is, and nothing else */
		return TLS_COOKIE(TLS_GO_RETURN, 0, 0, TLS_COOKIE_OUT(entry), 0, 0, 0, 0, 0);
	entry &= ~(0xffull | 0x1full << 38);
	return entry | (site == TLS_NSS_IMPORT ? TLS_NSS_IMPORT : TLS_RETURN) |
	       (uint64_t)above << 38;
}

/* An address stands for one thing: the first that was found there. */
static bool has_site(const struct tls_found *f, uint64_t vaddr)
{
	for (int i = 0; i < f->sites_n; i++)
		if (f->sites[i].vaddr == vaddr)
			return true;
	return false;
}

static bool add_site(struct work *w, struct tls_function *f, uint64_t vaddr, uint64_t cookie)
{
	struct tls_found *out = w->out;
	struct tls_site_at *s = &out->sites[out->sites_n];

	if (has_site(out, vaddr))
		return true;
	if (out->sites_n == TLS_SITES_MAX || !elf_exec(w->e, vaddr))
		return false;
	s->vaddr = vaddr;
	s->cookie = cookie;
	if (!elf_offset(w->e, vaddr, &s->offset))
		return false;
	out->sites_n++;
	f->n++;
	return true;
}

/* The RETs of the function it returns through by pointer, where the row names it. */
static void through(struct work *w, const struct signature *s, struct returns *r)
{
	const struct known *k = s->through[0] ? work_known(w, s->through) : NULL;
	struct returns more;

	if (!k)
		return;
	w->arch->returns(w->e, k->vaddr, k->end, &more);
	if (more.broken || more.pointer_tail)
		return;
	for (unsigned i = 0; i < more.n && r->n < RETURNS_MAX; i++)
		r->at[r->n++] = more.at[i];
	r->pointer_tail = r->n == RETURNS_MAX;
}

static bool add_returns(struct work *w, const struct signature *s, struct tls_function *f,
			uint64_t end)
{
	struct returns r;

	w->arch->returns(w->e, f->vaddr, end, &r);
	if (r.pointer_tail && !r.broken)
		through(w, s, &r);
	if (r.broken) {
		work_note(w, "%s at %#llx: %s", f->name, (unsigned long long)f->vaddr, r.broken);
		return false;
	}
	if (r.pointer_tail) {
		/* An exported function's callers are in other files. */
		if (s->method == SIG_SYMBOL || w->pending_n == PENDING_MAX) {
			work_note(w, "%s at %#llx: leaves by a jump through a pointer", f->name,
				  (unsigned long long)f->vaddr);
			return false;
		}
		w->pending[w->pending_n++] = (struct pending){f->vaddr, w->out->functions_n};
		return true;
	}
	for (unsigned i = 0; i < r.n; i++)
		if (!add_site(w, f, r.at[i], return_cookie(f->cookie, 0))) {
			work_note(w, "%s at %#llx: no room for its returns", f->name,
				  (unsigned long long)f->vaddr);
			return false;
		}
	return true;
}

static void remember(struct work *w, const struct signature *s, uint64_t vaddr, uint64_t end)
{
	struct known *k = &w->known[w->known_n];

	if (w->known_n == KNOWN_MAX)
		return;
	memcpy(k->name, s->name, sizeof(k->name));
	k->vaddr = vaddr;
	k->end = end;
	w->known_n++;
}

bool work_take(struct work *w, const struct signature *s, uint64_t vaddr, uint64_t end,
	       const char *fmt, ...)
{
	struct tls_found *out = w->out;
	struct tls_function *f = &out->functions[out->functions_n];
	uint16_t before = out->sites_n;
	va_list ap;

	if (s->role == SIG_ROLE_HELPER) {
		remember(w, s, vaddr, end);
		return true;
	}
	if (out->functions_n == TLS_FUNCTIONS_MAX) {
		work_note(w, "more functions than there is room for");
		return false;
	}
	*f = (struct tls_function){
		.stack = s->stack,
		.confidence = s->confidence,
		.vaddr = vaddr,
		.cookie = s->cookie,
		.first = before,
	};
	snprintf(f->name, sizeof(f->name), "%s", s->name);
	snprintf(f->method, sizeof(f->method), "%s", sig_methods[s->method]);
	va_start(ap, fmt);
	vsnprintf(f->why, sizeof(f->why), fmt, ap);
	va_end(ap);
	if (has_site(out, vaddr)) { /* an alias of a function already there */
		memset(f, 0, sizeof(*f));
		remember(w, s, vaddr, end);
		return true;
	}
	/* What a function gives back is looked at where it leaves, and only there. */
	if ((TLS_COOKIE_SITE(s->cookie) != TLS_NSS_IMPORT && !add_site(w, f, vaddr, s->cookie)) ||
	    (s->returns && !add_returns(w, s, f, end))) {
		out->sites_n = before;
		memset(f, 0, sizeof(*f));
		return false;
	}
	remember(w, s, vaddr, end);
	out->functions_n++;
	return true;
}

/* --- functions that leave by a pointer: where their callers go on ---------------------------- */

static void callers_return(void *arg, uint64_t from, uint64_t next, uint64_t to, bool slot)
{
	struct work *w = arg;

	for (unsigned i = 0; i < w->pending_n; i++) {
		struct tls_function *f;

		if (slot || w->pending[i].vaddr != to)
			continue;
		/* The last function's sites are the last ones; the others' are put together later. */
		f = &w->out->functions[w->pending[i].function];
		if (w->out->sites_n < TLS_SITES_MAX)
			add_site(w, f, next,
				 return_cookie(f->cookie, w->arch->call_push / 8) |
					 (uint64_t)(w->pending[i].function + 1) << 48);
	}
}

static int by_owner(const void *a, const void *b)
{
	const struct tls_site_at *x = a, *y = b;
	unsigned i = TLS_COOKIE_IMAGE(x->cookie), k = TLS_COOKIE_IMAGE(y->cookie);

	if (i != k)
		return i < k ? -1 : 1;
	return x->vaddr < y->vaddr ? -1 : x->vaddr > y->vaddr;
}

/* Sites by function, entry first. The image field of the cookie, 0 in a result, holds the owner. */
static void regroup(struct work *w)
{
	struct tls_found *out = w->out;
	uint16_t at = 0;

	for (int i = 0; i < out->functions_n; i++) {
		struct tls_function *f = &out->functions[i];

		for (int k = 0; k < out->sites_n; k++)
			if (!TLS_COOKIE_IMAGE(out->sites[k].cookie) && k >= f->first &&
			    (i + 1 == out->functions_n || k < out->functions[i + 1].first))
				out->sites[k].cookie |= (uint64_t)(i + 1) << 48;
	}
	qsort(out->sites, out->sites_n, sizeof(out->sites[0]), by_owner);
	for (int i = 0; i < out->functions_n; i++) {
		struct tls_function *f = &out->functions[i];

		f->first = at;
		for (f->n = 0;
		     at < out->sites_n && TLS_COOKIE_IMAGE(out->sites[at].cookie) == i + 1u;
		     at++, f->n++) {
			out->sites[at].cookie &= ~(0xffffull << 48);
			if (out->sites[at].vaddr == f->vaddr && f->n) {
				struct tls_site_at entry = out->sites[at];

				memmove(&out->sites[f->first + 1], &out->sites[f->first],
					f->n * sizeof(entry));
				out->sites[f->first] = entry;
			}
		}
	}
}

static void drop_function(struct work *w, unsigned i)
{
	struct tls_found *out = w->out;
	struct tls_function *f = &out->functions[i];
	unsigned n = f->n, after = f->first + n;

	memmove(&out->sites[f->first], &out->sites[after],
		(out->sites_n - after) * sizeof(out->sites[0]));
	out->sites_n -= n;
	memmove(f, f + 1, (out->functions_n - i - 1) * sizeof(*f));
	out->functions_n--;
	for (; i < out->functions_n; i++)
		out->functions[i].first -= n;
	memset(&out->functions[out->functions_n], 0, sizeof(*f));
	memset(&out->sites[out->sites_n], 0, n * sizeof(out->sites[0]));
}

void work_finish_pending(struct work *w)
{
	if (!w->pending_n)
		return;
	w->arch->calls(w->e, 0, UINT64_MAX, callers_return, w);
	regroup(w);
	for (unsigned i = w->pending_n; i--;) {
		struct tls_function *f = &w->out->functions[w->pending[i].function];

		if (f->n > 1)
			continue;
		work_note(w,
			  "%s at %#llx: leaves by a jump through a pointer, and nothing calls it",
			  f->name, (unsigned long long)f->vaddr);
		drop_function(w, w->pending[i].function);
	}
}

/* --- the whole ------------------------------------------------------------------------------- */

static int resolve(struct work *w)
{
	int r;

	by_symbol(w);
	by_methods(w);
	r = texts_find(w);
	if (r < 0)
		return r;
	by_gopclntab(w); /* before those that are not wanted in a Go program */
	by_reference(w);
	by_asm(w);
	work_finish_pending(w);
	versions_find(w);
	return 0;
}

/* A result without a read or write is no use to anyone. */
static bool moves_data(const struct tls_found *f)
{
	for (int i = 0; i < f->functions_n; i++)
		switch (TLS_COOKIE_SITE(f->functions[i].cookie)) {
		case TLS_HANDSHAKE:
		case TLS_ACCEPT:
		case TLS_CLIENT:
		case TLS_SERVER:
		case TLS_FREE:
		case TLS_CLEAR:
		case TLS_CTRL:
			break;
		default:
			return true;
		}
	return false;
}

int tls_resolve(const uint8_t *p, size_t n, const struct tls_signatures *s, struct tls_found *ret,
		char *why, size_t cap)
{
	_cleanup_free_ struct match *matches = NULL;
	_cleanup_free_ struct search *search = NULL;
	_cleanup_free_ struct tls_found *out = NULL;
	struct elf_image e;
	struct work w = {.e = &e, .sigs = s};
	int r = elf_image_open(p, n, &e, why, cap);

	if (r < 0)
		return r;
	w.arch = arch_of(e.machine);
	if (!w.arch)
		return -ENOEXEC;
	w.matches = matches = calloc(MATCHES_MAX, sizeof(*matches));
	w.search = search = calloc(1, sizeof(*search));
	w.out = out = calloc(1, sizeof(*out));
	if (!matches || !search || !out)
		return -ENOMEM;
	memcpy(out->build_id, e.build_id, sizeof(out->build_id));
	snprintf(out->arch, sizeof(out->arch), "%s", w.arch->name);
	out->signatures = s->version;
	r = resolve(&w);
	free(w.refs.v);
	if (r < 0)
		return r;
	if (!moves_data(out))
		out->functions_n = out->sites_n = 0;
	*ret = *out;
	return out->functions_n > 0;
}

int tls_relocate(const uint8_t *p, size_t n, struct tls_found *f, char *why, size_t cap)
{
	struct elf_image e;
	int r = elf_image_open(p, n, &e, why, cap);

	if (r < 0) {
		if (r == -ENOEXEC)
			snprintf(why, cap, "not an ELF file");
		return -EBADMSG;
	}
	if (strcmp(e.build_id, f->build_id)) {
		snprintf(why, cap, "another build-id");
		return -EBADMSG;
	}
	for (int i = 0; i < f->sites_n; i++)
		if (!elf_exec(&e, f->sites[i].vaddr)) {
			snprintf(why, cap, "no code at %#llx",
				 (unsigned long long)f->sites[i].vaddr);
			return -EBADMSG;
		}
	for (int i = 0; i < f->sites_n; i++)
		elf_offset(&e, f->sites[i].vaddr, &f->sites[i].offset);
	return 0;
}
