// SPDX-License-Identifier: Apache-2.0
/*
 * Build-time program: policies/tls-signatures.yaml in, its rows as a C table out on stdout. What
 * the loader refuses stops the build, so the compiled-in copy needs no check at run time.
 */
#include <stdio.h>
#include <stdlib.h>

#include "signatures.h"

const struct tls_signatures tls_signatures_compiled; /* this program makes the real one */

static void text(const char *field, const char *s)
{
	if (!*s)
		return;
	printf(" .%s = \"", field);
	for (; *s; s++)
		printf(*s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
	printf("\",");
}

static void texts(const char *field, const char (*t)[SIG_TEXT_MAX])
{
	if (!t[0][0])
		return;
	printf(" .%s = {", field);
	for (int i = 0; i < SIG_TEXTS && t[i][0]; i++)
		printf("\"%s\", ", t[i]);
	printf("},");
}

static void codes(const char *field, const uint16_t *c)
{
	if (c[0])
		printf(" .%s = {%u, %u, %u, %u},", field, c[0], c[1], c[2], c[3]);
}

static void bytes(const char *field, const uint8_t *p, unsigned n)
{
	printf(" .%s = {", field);
	for (unsigned i = 0; i < n; i++)
		printf("%u, ", p[i]);
	printf("},");
}

static void pattern(const char *field, const struct pattern *p)
{
	if (!p->n)
		return;
	printf(" .%s = {.n = %u,", field, p->n);
	bytes("byte", p->byte, p->n);
	bytes("mask", p->mask, p->n);
	printf("},");
}

static void row(const struct signature *s)
{
	printf("\t{.method = %u, .stack = %u, .role = %u, .confidence = %u, .machine = %u,"
	       " .cookie = %lluull, .returns = %u, .many = %u, .longest = %u, .after = %u, .abi = %u,"
	       " .member = %u, .reads = %u, .unused = %u, .sites_min = %u, .sites_max = %u, .nth = %u, .of = %u,"
	       " .unless_stacks = %u,",
	       s->method, s->stack, s->role, s->confidence, s->machine,
	       (unsigned long long)s->cookie, s->returns, s->many, s->longest, s->after, s->abi,
	       s->member, s->reads, s->unused, s->sites_min, s->sites_max, s->nth, s->of,
	       s->unless_stacks);
	codes("codes_all", s->codes_all);
	codes("codes_any", s->codes_any);
	codes("codes_none", s->codes_none);
	text("name", s->name);
	texts("texts", s->texts);
	texts("refs", s->refs);
	texts("norefs", s->norefs);
	text("calls", s->calls);
	text("unless_called_by", s->unless_called_by);
	text("unless_found", s->unless_found);
	text("through", s->through);
	text("near", s->near);
	pattern("pattern", &s->pattern);
	pattern("witness", &s->witness);
	puts("},");
}

int main(int argc, char **argv)
{
	static char yaml[256 << 10];
	FILE *f = argc == 2 ? fopen(argv[1], "re") : NULL;
	struct tls_signatures *s;
	char err[256] = "";
	size_t n;

	if (!f) {
		fprintf(stderr,
			"usage: gen_signatures TLS-SIGNATURES.yaml > tls_signatures_data.c\n");
		return 2;
	}
	n = fread(yaml, 1, sizeof(yaml), f);
	if (ferror(f) || n == sizeof(yaml)) {
		fprintf(stderr, "%s: not readable, or too large\n", argv[1]);
		return 1;
	}
	fclose(f);
	if (tls_signatures_load(yaml, n, &s, err, sizeof(err)) < 0) {
		fprintf(stderr, "%s: %s\n", argv[1], err);
		return 1;
	}
	printf("/* Made from %s. */\n#include \"agent/discover/signatures.h\"\n\n"
	       "static const struct signature rows[] = {\n",
	       argv[1]);
	for (size_t i = 0; i < s->n; i++)
		row(&s->rows[i]);
	printf("};\n\nconst struct tls_signatures tls_signatures_compiled = {.version = %u, .n = %zu,"
	       " .rows = rows};\n",
	       s->version, s->n);
	tls_signatures_free(s);
	return fflush(stdout) ? 1 : 0;
}
