/* SPDX-License-Identifier: Apache-2.0 */
// covers: user/classify/redact.c
/* First byte: how long the runs are. Whatever is masked stands inside of the write and may be. */
#include <stdlib.h>
#include <string.h>

#include "classify/redact.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static uint8_t kind[4096];
	static struct redact_run run[4096];
	struct redact_span span[64];
	struct redact_text t = {0};
	size_t step = n ? p[0] % 64 + 1 : 1, runs = 0, spans = 0;

	if (n < 2 || n > sizeof(kind))
		return 0;
	for (size_t at = 0; at < n; at += 2 * step) { /* every other run is of the text */
		size_t k = n - at < step ? n - at : step;

		run[runs] = (struct redact_run){runs * step, at, k};
		runs++;
		redact_feed(&t, p + at, k, kind + at);
	}
	const struct redact_write w = {p, kind, n, run, runs, p[1] & 1};

	for (unsigned class = 0; class < dataclass_count(); class ++) {
		uint64_t end = p[1] % 64 + n / 4;

		redact_value(&w, class, p[1] % 64, &end, span, 64, &spans);
	}
	for (size_t i = 0; i < spans; i++)
		for (uint32_t k = 0; k < span[i].n; k++)
			if (span[i].at + k >= n || kind[span[i].at + k] != REDACT_MAY)
				abort();
	return 0;
}
