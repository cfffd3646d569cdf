// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: a struct tls_found of the resolver or of the cache file. Flows out: the same, checked
 * and packed into one allocation. Invariant: what is in a struct facts can be used without another
 * look; a text ends in its field, a site lies in the file and has a kind the BPF program knows.
 * Whether an offset lies in an executable mapping is seen when it is attached: the kernel tells.
 */
#include "facts.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "proto/event.h"

#define SITES_OF_ONE(f) ((f)->first + (f)->n)

static bool ends(const char *s, size_t cap)
{
	return memchr(s, '\0', cap);
}
#define ENDS(field) ends(field, sizeof(field))

static const char *function_fault(const struct tls_found *t, const struct tls_function *f)
{
	if (f->stack <= TLS_STACK_NONE || f->stack >= TLS_STACK__MAX)
		return "a function of no known stack";
	if (!ENDS(f->name) || !ENDS(f->method) || !ENDS(f->why))
		return "a text without its end";
	if (f->confidence > 100 || !f->n || SITES_OF_ONE(f) > t->sites_n)
		return "a function without its sites";
	return NULL;
}

static int by_offset(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static const char *sites_fault(const struct tls_found *t, uint64_t file_size)
{
	uint64_t offset[TLS_SITES_MAX];

	for (size_t i = 0; i < t->sites_n; i++) {
		uint64_t cookie = t->sites[i].cookie, site = TLS_COOKIE_SITE(cookie);

		offset[i] = t->sites[i].offset;
		if (offset[i] >= file_size)
			return "a site outside of the file";
		if (!site || site >= TLS_SITE__MAX || TLS_COOKIE_IMAGE(cookie) ||
		    TLS_COOKIE_STACK(cookie))
			return "a site of no known kind";
	}
	qsort(offset, t->sites_n, sizeof(offset[0]), by_offset);
	for (size_t i = 1; i < t->sites_n; i++)
		if (offset[i] == offset[i - 1])
			return "a site twice";
	return NULL;
}

static const char *fault(const struct tls_found *t, uint64_t file_size)
{
	const char *f = NULL;

	if (!t->functions_n || t->functions_n > TLS_FUNCTIONS_MAX || !t->sites_n ||
	    t->sites_n > TLS_SITES_MAX || t->notes_n > TLS_NOTES_MAX)
		return "counts out of bounds";
	if (!ENDS(t->build_id) || !ENDS(t->arch))
		return "a text without its end";
	for (size_t i = 0; i < TLS_STACK__MAX; i++)
		if (!ENDS(t->version[i]))
			return "a text without its end";
	for (size_t i = 0; i < t->notes_n; i++)
		if (!ENDS(t->notes[i]))
			return "a text without its end";
	for (size_t i = 0; !f && i < t->functions_n; i++)
		f = function_fault(t, &t->functions[i]);
	return f ?: sites_fault(t, file_size);
}

static void copy(struct facts *f, const struct tls_found *t)
{
	memcpy(f->arch, t->arch, sizeof(f->arch));
	memcpy(f->version, t->version, sizeof(f->version));
	memcpy(f->functions, t->functions, t->functions_n * sizeof(*f->functions));
	memcpy(f->notes, t->notes, t->notes_n * sizeof(*f->notes));
	for (size_t i = 0; i < t->sites_n; i++) {
		f->vaddr[i] = t->sites[i].vaddr;
		f->offset[i] = t->sites[i].offset;
		f->cookie[i] = t->sites[i].cookie;
	}
}

int facts_of(const struct tls_found *t, uint64_t file_size, struct facts **ret, char *why,
	     size_t cap)
{
	const char *bad = fault(t, file_size);
	size_t functions, sites;
	struct facts *f;
	char *p;

	if (bad) {
		snprintf(why, cap, "the resolver's answer has %s", bad);
		return -EBADMSG;
	}
	functions = t->functions_n * sizeof(*f->functions);
	sites = t->sites_n * sizeof(uint64_t);
	p = calloc(1, sizeof(*f) + functions + 3 * sites + t->notes_n * sizeof(*f->notes));
	if (!p)
		return -ENOMEM;
	f = (void *)p;
	f->signatures = t->signatures;
	f->functions_n = t->functions_n;
	f->sites_n = t->sites_n;
	f->notes_n = t->notes_n;
	p += sizeof(*f);
	f->functions = (void *)p;
	p += functions;
	f->vaddr = (void *)p;
	f->offset = (void *)(p + sites);
	f->cookie = (void *)(p + 2 * sites);
	f->notes = (void *)(p + 3 * sites);
	copy(f, t);
	*ret = f;
	return 0;
}

void facts_found(const struct facts *f, const char *build_id, struct tls_found *t)
{
	memset(t, 0, sizeof(*t));
	snprintf(t->build_id, sizeof(t->build_id), "%s", build_id);
	memcpy(t->arch, f->arch, sizeof(t->arch));
	memcpy(t->version, f->version, sizeof(t->version));
	t->signatures = f->signatures;
	t->functions_n = f->functions_n;
	t->sites_n = f->sites_n;
	t->notes_n = f->notes_n;
	memcpy(t->functions, f->functions, f->functions_n * sizeof(*f->functions));
	memcpy(t->notes, f->notes, f->notes_n * sizeof(*f->notes));
	for (size_t i = 0; i < f->sites_n; i++)
		t->sites[i] = (struct tls_site_at){f->vaddr[i], f->offset[i], f->cookie[i]};
}

void facts_free(struct facts *f)
{
	free(f);
}

void facts_stacks(const struct facts *f, char *ret, size_t cap)
{
	uint32_t seen = 0;
	size_t at = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < f->functions_n; i++) {
		const char *name = tls_stack_name(f->functions[i].stack);

		if (seen & 1u << f->functions[i].stack || at + strlen(name) + 3 > cap)
			continue;
		seen |= 1u << f->functions[i].stack;
		at += snprintf(ret + at, cap - at, "%s%s", at ? ", " : "", name);
	}
}
