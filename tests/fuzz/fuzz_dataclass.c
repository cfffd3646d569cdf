// SPDX-License-Identifier: Apache-2.0
// covers: user/classify/dataclass*.c user/classify/checkdigit.c user/classify/idnumber.c
/* The counts of a text may not depend on how it is cut; the first byte chooses the cuts. */
#include <stdlib.h>
#include <string.h>

#include "classify/dataclass.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct dataclass_db *db;
	struct dataclass_scan whole, cut;
	size_t step = n ? 1 + *p % 67 : 1;
	char err[256];

	if (!db && !(db = dataclass_db_new(err, sizeof(err))))
		abort();
	dataclass_begin(&whole);
	dataclass_begin(&cut);
	dataclass_feed(db, &whole, p, n);
	for (size_t i = 0; i < n; i += step)
		dataclass_feed(db, &cut, p + i, step < n - i ? step : n - i);
	dataclass_end(db, &whole);
	dataclass_end(db, &cut);
	return !memcmp(whole.count, cut.count, sizeof(cut.count)) ? 0 : (abort(), 1);
}
