// SPDX-License-Identifier: Apache-2.0
// covers: user/report/form.c
// covers: user/report/soa.c
// covers: user/report/systems.c
/* Any bytes as a Statement of Applicability and as a register: taken whole, or refused with one clean
 * line that names the file and a line of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "report/soa.h"
#include "report/systems.h"

static struct framework *annex_a(void)
{
	static struct framework *f; /* made once, kept */
	char err[256];

	if (!f && framework_builtin("iso42001", &f, err, sizeof(err)))
		abort();
	return f;
}

static void refused(const char *err, size_t lines)
{
	char *end;
	unsigned long line = strncmp(err, "f:", 2) ? 0 : strtoul(err + 2, &end, 10);

	if (!line || line > lines || strncmp(end, ": ", 2))
		abort();
	for (const unsigned char *s = (const unsigned char *)end; *s; s++)
		if (*s < 0x20 || *s == 0x7f)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	_cleanup_(soa_freep) struct soa *soa = NULL;
	_cleanup_(systems_freep) struct systems *systems = NULL;
	char err[640] = "";
	size_t lines = 2; /* an end of file stands behind its last line */

	for (size_t i = 0; i < n;
	     i++) /* YAML has more breaks than these, each of some of these bytes */
		lines += p[i] == '\n' || p[i] == '\r' || p[i] >= 0x80;
	if (soa_parse("f", (const char *)p, n, annex_a(), &soa, err, sizeof(err)))
		refused(err, lines);
	else
		for (size_t i = 0; i < annex_a()->n; i++)
			if (!soa->entries[i].line || !soa->entries[i].justification ||
			    (soa->entries[i].applicable && !soa->entries[i].how))
				abort();
	if (systems_parse("f", (const char *)p, n, &systems, err, sizeof(err)))
		refused(err, lines);
	else if (!systems->n || !systems_find(systems, systems->entries[0].name))
		abort();
	return 0;
}
