// SPDX-License-Identifier: Apache-2.0
/*
 * Build-time program: the catalog and policies/prices.yaml in, the prices as a C table out on
 * stdout. What the reader refuses stops the build, so the table needs no check at run time.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "price_load.h"

static char *read_all(const char *path, size_t *ret_n)
{
	FILE *f = fopen(path, "re");
	char *p = NULL;
	long n = -1;

	if (f && !fseek(f, 0, SEEK_END))
		n = ftell(f);
	if (n > 0)
		p = malloc((size_t)n);
	if (p && (fseek(f, 0, SEEK_SET) || fread(p, 1, (size_t)n, f) != (size_t)n)) {
		free(p);
		p = NULL;
	}
	if (!p)
		fprintf(stderr, "%s: %s\n", path, strerror(errno ?: EIO));
	if (f)
		fclose(f);
	*ret_n = (size_t)n;
	return p;
}

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void rates(const struct price_rates *r)
{
	const int64_t v[] = {r->input,	r->cached,   r->write,	  r->write_1h,
			     r->output, r->thinking, r->reasoning};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++)
		printf("%s%" PRId64, i ? ", " : "{", v[i]);
	fputs("}", stdout);
}

/* Names hold neither quotes nor backslashes: the reader saw to it. */
static void row(const struct price *p)
{
	printf("\t{\"%s\", \"%s\", ", p->service, p->model);
	printf(p->hosts ? "\"%s\"" : "0", p->hosts);
	printf(", %u, %u, %u, ", p->from, p->to, p->above);
	rates(&p->rates);
	fputs(", ", stdout);
	rates(&p->large);
	puts("},");
}

int main(int argc, char **argv)
{
	char err[512] = "";
	struct catalog_source catalog;
	struct price_source s;
	char *text[2];
	size_t n[2];

	if (argc != 3) {
		fprintf(stderr, "usage: price_gen CATALOG.yaml PRICES.yaml > prices_data.c\n");
		return 2;
	}
	for (int i = 0; i < 2; i++)
		if (!(text[i] = read_all(argv[i + 1], &n[i])))
			return 1;
	if (catalog_source_load(base_of(argv[1]), text[0], n[0], &catalog, err, sizeof(err)) ||
	    price_source_load(base_of(argv[2]), text[1], n[1], &catalog, &s, err, sizeof(err))) {
		fprintf(stderr, "%s\n", err);
		return 1;
	}
	printf("/* Made from %s. */\n#include \"classify/price.h\"\n\n"
	       "static const struct price rows[] = {\n",
	       base_of(argv[2]));
	for (size_t i = 0; i < s.n; i++)
		row(&s.rows[i]);
	printf("};\n\nconst struct price_table price_table_compiled = {rows, %zu};\n", s.n);
	price_source_free(&s);
	catalog_source_free(&catalog);
	free(text[0]);
	free(text[1]);
	return fflush(stdout) ? 1 : 0;
}
