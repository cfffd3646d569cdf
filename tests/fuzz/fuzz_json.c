// SPDX-License-Identifier: Apache-2.0
// covers: user/flow/json.c
/* The scanner's answer and events may not depend on how the bytes are split. */
#include <stdlib.h>

#include "flow/json.h"

static void count(void *ctx, enum json_event ev, const char *p, size_t n)
{
	*(size_t *)ctx += ev == JSON_STRING ? n << 8 : 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	size_t events[2] = {0};
	struct json whole, single;

	json_init(&whole, count, &events[0], false);
	json_init(&single, count, &events[1], false);
	json_feed(&whole, p, n);
	for (size_t i = 0; i < n; i++)
		json_feed(&single, p + i, 1);
	return json_end(&whole) == json_end(&single) && events[0] == events[1] ? 0 : (abort(), 1);
}
