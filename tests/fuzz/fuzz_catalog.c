// SPDX-License-Identifier: Apache-2.0
// covers: user/classify/catalog*.c user/classify/command.c
/* Lines: host, method, path, dialect, model, program; the rest, with NULs between, is its arguments. */
#include <stdlib.h>
#include <string.h>

#include "classify/catalog.h"
#include "fuzz.h"

static void text_ok(const char *s)
{
	if (!s || strlen(s) > 4096)
		abort();
}

static void each(void *ctx, const char *pattern)
{
	text_ok(pattern);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct catalog *c;
	struct catalog_service s;
	struct catalog_tool t;
	struct catalog_process pr[2] = {};
	char *copy = malloc(n + 1), *line[6], *at = copy, *nl;

	if (!c && !(c = catalog_new()))
		abort();
	memcpy(copy, p, n);
	copy[n] = '\0';
	for (int i = 0; i < 6; i++) {
		line[i] = at;
		nl = memchr(at, '\n', copy + n - at);
		if (nl)
			*nl = '\0';
		at = nl ? nl + 1 : copy + n;
	}
	catalog_service(c, line[0], n & 0xffff, line[1], line[2], line[3], &s);
	text_ok(s.id);
	text_ok(s.operation);
	catalog_host(c, line[0], &s);
	catalog_service_hosts(c, line[0], each, NULL);
	text_ok(catalog_model_vendor(line[4]));
	pr[0] = (struct catalog_process){line[5], "x", at, copy + n - at};
	pr[1] = pr[0];
	pr[1].exe = "/usr/bin/node";
	catalog_tool(c, pr, 2, &t);
	text_ok(t.id);
	free(copy);
	return 0;
}
