// SPDX-License-Identifier: Apache-2.0
// covers: user/agent/attach/cache.c user/agent/attach/facts.c user/agent/attach/images.c
/*
 * A cache whose seal is right and whose entries are not: the first byte says how many there are, the
 * rest are triples (where, what) laid over good ones. And the bytes themselves as a cache.
 */
#include <assert.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/attach/attach_int.h"
#include "tests/unit/agent/attach/made.h"
#include "base/fs.h"
#include "base/log.h"
#include "fuzz.h"

#define DIGEST 32
#define ENTRIES 3

static char *good;
static size_t good_n, entries_at;

static void check(void *ctx, struct image *im)
{
	/* The entry that was refused stays as a file nobody has looked at. */
	assert(im->state == IMAGE_NEW || (im->state >= IMAGE_NONE && im->state <= IMAGE_REFUSED));
	assert((im->state == IMAGE_SITES) == (im->facts != NULL));
	assert(strlen(im->path) < sizeof(im->path) && strlen(im->reason) < sizeof(im->reason));
	for (unsigned i = 0; im->facts && i < im->facts->sites_n; i++)
		assert(im->facts->offset[i] < (uint64_t)im->size);
}

static void load(const void *p, size_t n)
{
	int fd = memfd_create("cache", MFD_CLOEXEC);
	struct images *t = images_new();
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!t || fs_write_all(fd, p, n))
		abort();
	cache_load(t, path);
	images_each(t, true, check, NULL);
	images_free(t);
	close(fd);
}

static void make_good(void)
{
	char path[] = "/tmp/probity-fuzz-XXXXXX";
	struct images *t = images_new();
	int fd = mkstemp(path);

	log_init("fuzz", LOG_L_ERR);
	if (fd < 0 || !t || cache_save(t, path) || fs_read(path, 1 << 20, &good, &good_n))
		abort();
	entries_at = good_n - DIGEST;
	for (int i = 0; i < ENTRIES; i++) {
		struct stat st = made_stat(i + 1);
		struct image *im = images_get(t, &st, "/usr/bin/x");
		struct tls_found found;
		char why[TLS_WHY_MAX];

		im->state = i ? IMAGE_SITES : IMAGE_REFUSED;
		made_found(&found);
		if (i && facts_of(&found, st.st_size, &im->facts, why, sizeof(why)))
			abort();
	}
	free(good);
	if (cache_save(t, path) || fs_read(path, 1 << 20, &good, &good_n))
		abort();
	images_free(t);
	close(fd);
	unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	uint8_t *copy;

	if (!good)
		make_good();
	load(p, n);
	if (!n)
		return 0;
	copy = malloc(good_n);
	memcpy(copy, good, good_n);
	copy[entries_at - 8] = p[0] % 8; /* the count is the last of the head */
	for (p++, n--; n >= 3; p += 3, n -= 3) {
		/* Most of an entry is zeros: the first bytes of each part are where it matters. */
		size_t at = (size_t)p[0] << 8 | p[1];

		at = entries_at + at * 7 % (good_n - DIGEST - entries_at);
		copy[at] = p[2];
	}
	if (!EVP_Digest(copy, good_n - DIGEST, copy + good_n - DIGEST, NULL, EVP_sha256(), NULL))
		abort();
	load(copy, good_n);
	free(copy);
	return 0;
}
