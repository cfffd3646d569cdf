// SPDX-License-Identifier: Apache-2.0
/*
 * A fuzz target without libFuzzer: gives it each file named on the command line, and each file in
 * each folder named, as it is and with MUTATIONS changes that are the same on every machine. One
 * TAP line; no input at all is a failure, for then nothing was tested.
 *
 * Each input is in a block of its own size, so the sanitizer sees one byte too far.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "fuzz.h"

#define MUTATIONS 200
#define INPUT_MAX (1 << 20)

static unsigned inputs, mutations;
static bool failed;

static uint32_t rnd(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s >> 32;
}

static void give(const void *p, size_t n)
{
	_cleanup_free_ uint8_t *copy = malloc(n ? n : 1);

	if (n)
		memcpy(copy, p, n);
	LLVMFuzzerTestOneInput(copy, n);
}

/* Flips, cuts and doublings, a few at a time. p has room for twice n. */
static size_t mutate(uint64_t *seed, uint8_t *p, size_t n, size_t cap)
{
	for (unsigned i = 1 + rnd(seed) % 4; i && n; i--) {
		size_t at = rnd(seed) % n, len = rnd(seed) % 32;

		len = len < n - at ? len : n - at;
		switch (rnd(seed) % 5) {
		case 0:
			p[at] ^= 1 << rnd(seed) % 8;
			break;
		case 1:
			p[at] = rnd(seed);
			break;
		case 2:
			memmove(p + at, p + at + len, n - at - len);
			n -= len;
			break;
		case 3:
			if (n + len > cap)
				break;
			memmove(p + at + len, p + at, n - at);
			n += len;
			break;
		default:
			n = rnd(seed) % 8 ? n : at;
		}
	}
	return n;
}

static void run_file(const char *path)
{
	_cleanup_free_ char *bytes = NULL;
	_cleanup_free_ uint8_t *work = NULL;
	uint64_t seed = 1;
	size_t n;

	if (fs_read(path, INPUT_MAX, &bytes, &n)) {
		printf("# cannot read %s\n", path);
		failed = true;
		return;
	}
	give(bytes, n);
	inputs++;
	work = malloc(2 * n + 1);
	for (unsigned i = 0; work && n && i < MUTATIONS; i++, mutations++) {
		memcpy(work, bytes, n);
		give(work, mutate(&seed, work, n, 2 * n));
	}
}

static void run_path(const char *path)
{
	struct dirent **names;
	int n = scandir(path, &names, NULL, alphasort);

	if (n < 0) {
		run_file(path);
		return;
	}
	for (int i = 0; i < n; i++) {
		_cleanup_free_ struct dirent *e = names[i];
		char file[4096];

		if (e->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
		run_path(file);
	}
	free(names);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		run_path(argv[i]);
	printf("1..1\n%s 1 - %u inputs, %u changed ones\n", failed || !inputs ? "not ok" : "ok",
	       inputs, mutations);
	return failed || !inputs;
}
