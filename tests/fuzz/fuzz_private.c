// SPDX-License-Identifier: Apache-2.0
// covers: user/record/private.c
// covers: user/record/private_text.c
/* First byte: the kind of record; second: what is to be left out. What comes out is a message of that
 * kind again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "record/private.h"
#include "record/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static uint8_t one[RECORD_PAYLOAD_MAX], two[RECORD_PAYLOAD_MAX];
	struct private how = {.users = true, .key = {1}};
	size_t len, again;

	if (n < 2)
		return 0;
	for (int f = 0; f < PRIVATE_FIELDS; f++)
		how.how[f] = (p[1] >> (f % 4 * 2)) & 3;
	if (private_apply(&how, p[0] % 6, p + 2, n - 2, one, sizeof(one), &len))
		return 0;
	if (len > sizeof(one) ||
	    private_apply(&how, p[0] % 6, one, len, two, sizeof(two), &again) == -EBADMSG)
		abort();
	return 0;
}
