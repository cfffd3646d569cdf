// SPDX-License-Identifier: Apache-2.0
// covers: user/record/tile.c
/* A path is taken only as it is written, and its parts are within their bounds. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "record/tile.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char *text = malloc(n + 1), again[TILE_PATH_MAX];
	unsigned level, width;
	uint64_t index;

	memcpy(text, p, n);
	text[n] = '\0';
	if (tile_path_parse(text, &level, &index, &width) &&
	    (level > 63 || !width || width > TILE_WIDTH ||
	     tile_path(level, index, width, again) != strlen(text) || strcmp(again, text)))
		abort();
	free(text);
	return 0;
}
