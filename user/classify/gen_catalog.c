/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Build-time program: policies/catalog.yaml in, C tables out on stdout.
 *
 * Strict on purpose: the catalog is edited by hand, and an entry that silently falls out of the
 * tables would be AI use nobody sees. Any unknown key, double id or bad pattern stops the build
 * with `catalog.yaml:LINE: what`.
 */
#include <errno.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "gen_load.h"

static char *read_all(const char *path, size_t *ret_n)
{
	FILE *f = fopen(path, "re");
	char *p = NULL;
	size_t n = 0;

	if (!f)
		return NULL;
	for (;;) {
		char *q = realloc(p, n + 65536);

		if (!q)
			break;
		p = q;
		size_t got = fread(p + n, 1, 65536, f);

		n += got;
		if (got == 0)
			break;
	}
	if (ferror(f)) {
		free(p);
		p = NULL;
	}
	fclose(f);
	*ret_n = n;
	return p;
}

int main(int argc, char **argv)
{
	unsigned char sum[SHA256_DIGEST_LENGTH];
	char hex[2 * SHA256_DIGEST_LENGTH + 1], err[512];
	struct catalog_source src;
	char *text;
	size_t n;
	int r;

	if (argc != 2) {
		fprintf(stderr, "usage: gen_catalog CATALOG.yaml > catalog_data.c\n");
		return 2;
	}
	text = read_all(argv[1], &n);
	if (!text) {
		fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	SHA256((unsigned char *)text, n, sum);
	for (size_t i = 0; i < sizeof(sum); i++)
		sprintf(hex + 2 * i, "%02x", sum[i]);
	const char *base = strrchr(argv[1], '/');

	r = catalog_source_load(base ? base + 1 : argv[1], text, n, &src, err, sizeof(err));
	if (r == 0) {
		r = catalog_source_emit(&src, hex, stdout, err, sizeof(err));
		catalog_source_free(&src);
	}
	free(text);
	if (r == 0 && fflush(stdout) != 0)
		r = snprintf(err, sizeof(err), "stdout: %s", strerror(errno));
	if (r != 0)
		fprintf(stderr, "%s\n", err);
	return r != 0;
}
