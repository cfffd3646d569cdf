/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* TAP for the programs that try the BPF side: one line a case, counted. */
#ifndef PROBITY_TESTS_TAP_H
#define PROBITY_TESTS_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned cases, failed;

static bool __attribute__((format(printf, 2, 3))) ok(bool holds, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %u - ", holds ? "" : "not ", ++cases);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	failed += !holds;
	return holds;
}

static void die(const char *what, int r)
{
	ok(false, "goes on: %s: %s", what, strerror(r < 0 ? -r : r));
	printf("1..%u\n", cases);
	exit(1);
}

#endif
