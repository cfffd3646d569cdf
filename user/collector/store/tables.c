// SPDX-License-Identifier: Apache-2.0
/*
 * The list tables as data: from the field lists of store.h come the names, kinds and offsets the
 * back ends bind and read by. A back end never names a column of these tables itself.
 */
#include <string.h>

#include "store.h"

#define CALL_T(n) {#n, STORE_TEXT, offsetof(struct store_call, n)},
#define CALL_I(n) {#n, STORE_INTEGER, offsetof(struct store_call, n)},
#define CALL_R(n) {#n, STORE_REAL, offsetof(struct store_call, n)},
static const struct store_field call_fields[] = {STORE_CALL_FIELDS(CALL_T, CALL_I, CALL_R)};

#define CONTROL_T(n) {#n, STORE_TEXT, offsetof(struct store_control, n)},
#define CONTROL_I(n) {#n, STORE_INTEGER, offsetof(struct store_control, n)},
#define CONTROL_R(n) {#n, STORE_REAL, offsetof(struct store_control, n)},
static const struct store_field control_fields[] = {
	STORE_CONTROL_FIELDS(CONTROL_T, CONTROL_I, CONTROL_R)};

const struct store_table store_call_table = {"ai_call", sizeof(struct store_call), call_fields,
					     ARRAY_SIZE(call_fields)};
const struct store_table store_control_table = {"control", sizeof(struct store_control),
						control_fields, ARRAY_SIZE(control_fields)};

bool store_row_equal(const struct store_table *t, const void *a, const void *b)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct store_field *f = &t->fields[i];
		const char *x = (const char *)a + f->offset, *y = (const char *)b + f->offset;

		if (f->kind == STORE_TEXT ? strcmp(x, y) != 0 : memcmp(x, y, sizeof(int64_t)) != 0)
			return false;
	}
	return true;
}

const char *store_severity_name(enum store_severity s)
{
	static const char *const name[] = {"?", "low", "medium", "high", "critical"};

	return (unsigned)s < ARRAY_SIZE(name) ? name[s] : name[0];
}
