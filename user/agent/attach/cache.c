// SPDX-License-Identifier: Apache-2.0
/*
 * What is known of files, over restarts. Flows out: one file, written whole beside the old one and
 * renamed. Flows in: the same. It begins with the build of the agent that wrote it (version, and
 * size and time of its program: the signatures are compiled in) and ends with a SHA-256, so a file
 * that is damaged, cut, or of another build is refused whole and made anew. Each entry is checked
 * like an answer of the resolver. At most IMAGES_MAX entries, CACHE_MAX bytes.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/attach/attach_int.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"

#define CACHE_MAX (64 << 20)
#define DIGEST 32
#define MAGIC "PRBIMG1"

struct cache_head {
	char magic[8];
	char version[64];
	uint64_t exe_size, exe_s, exe_ns;
	uint64_t entries;
};
struct cache_entry {
	uint64_t dev, ino, size, mtime_s, mtime_ns;
	uint32_t uid, state;
	uint32_t found; /* bytes of struct tls_found that follow, 0 or all */
	uint32_t took_ms;
	char build_id[65], path[256], reason[TLS_WHY_MAX];
};

static void head_make(struct cache_head *h)
{
	struct stat st;

	memset(h, 0, sizeof(*h));
	memcpy(h->magic, MAGIC, sizeof(h->magic));
	snprintf(h->version, sizeof(h->version), "%s", PROBITY_VERSION);
	if (stat("/proc/self/exe", &st))
		return;
	h->exe_size = st.st_size;
	h->exe_s = st.st_mtim.tv_sec;
	h->exe_ns = st.st_mtim.tv_nsec;
}

static void digest(const void *p, size_t n, uint8_t ret[static DIGEST])
{
	if (!EVP_Digest(p, n, ret, NULL, EVP_sha256(), NULL))
		memset(ret, 0, DIGEST);
}

/* --- writing ------------------------------------------------------------------------------------ */

struct out {
	FILE *f;
	uint64_t entries;
};

static void write_image(void *ctx, struct image *im)
{
	_cleanup_free_ struct tls_found *found = NULL;
	struct out *o = ctx;
	struct cache_entry e = {
		.dev = im->dev,
		.ino = im->ino,
		.size = im->size,
		.mtime_s = im->mtime.tv_sec,
		.mtime_ns = im->mtime.tv_nsec,
		.uid = im->uid,
		.state = im->state,
		.took_ms = im->took_ms,
	};

	if (im->state == IMAGE_NEW || im->state == IMAGE_PENDING)
		return;
	if (im->facts) {
		found = malloc(sizeof(*found));
		if (!found)
			return;
		facts_found(im->facts, im->build_id, found);
		e.found = sizeof(*found);
	}
	memcpy(e.build_id, im->build_id, sizeof(e.build_id));
	memcpy(e.path, im->path, sizeof(e.path));
	if (im->state == IMAGE_REFUSED)
		memcpy(e.reason, im->reason, sizeof(e.reason));
	fwrite(&e, sizeof(e), 1, o->f);
	if (found)
		fwrite(found, sizeof(*found), 1, o->f);
	o->entries++;
}

int cache_save(struct images *t, const char *path)
{
	_cleanup_free_ char *text = NULL;
	uint8_t sum[DIGEST];
	struct cache_head h;
	struct out o = {};
	size_t n = 0;

	o.f = open_memstream(&text, &n);
	if (!o.f)
		return -ENOMEM;
	head_make(&h);
	fwrite(&h, sizeof(h), 1, o.f);
	images_each(t, true, write_image, &o);
	fflush(o.f);
	h.entries = o.entries;
	if (!ferror(o.f)) {
		memcpy(text, &h, sizeof(h));
		digest(text, n, sum);
	}
	fwrite(sum, sizeof(sum), 1, o.f);
	if (fclose(o.f))
		return -ENOMEM;
	return n > CACHE_MAX ? -EFBIG : fs_write_atomic(path, text, n, 0600);
}

/* --- reading ------------------------------------------------------------------------------------ */

static const char *load_entry(struct images *t, const struct cache_entry *e, const uint8_t *found)
{
	_cleanup_free_ struct tls_found *f = NULL;
	struct stat st = {
		.st_dev = e->dev,
		.st_ino = e->ino ?: ~0ull,
		.st_size = e->size,
		.st_mtim = {e->mtime_s, e->mtime_ns},
		.st_uid = e->uid,
	};
	struct image *im;
	char why[TLS_WHY_MAX];

	if (!memchr(e->build_id, 0, sizeof(e->build_id)) || !memchr(e->path, 0, sizeof(e->path)) ||
	    !memchr(e->reason, 0, sizeof(e->reason)) || e->state < IMAGE_NONE ||
	    e->state > IMAGE_REFUSED || (e->state == IMAGE_SITES) != (e->found != 0))
		return "an entry that cannot be";
	im = images_get(t, &st, e->path);
	if (!im || im->state != IMAGE_NEW)
		return "an entry twice";
	if (e->found) {
		f = malloc(sizeof(*f));
		if (!f ||
		    facts_of(memcpy(f, found, sizeof(*f)), e->size, &im->facts, why, sizeof(why)))
			return "sites that cannot be";
	}
	im->state = e->state;
	im->cached = true;
	im->took_ms = e->took_ms;
	memcpy(im->build_id, e->build_id, sizeof(im->build_id));
	memcpy(im->reason, e->reason, sizeof(im->reason));
	if (!e->ino)
		images_gone(t, im);
	return NULL;
}

static const char *load_all(struct images *t, const uint8_t *p, size_t n)
{
	struct cache_head want, have;
	uint8_t sum[DIGEST];
	size_t at = sizeof(have);

	if (n < sizeof(have) + DIGEST)
		return "it is cut";
	memcpy(&have, p, sizeof(have));
	head_make(&want);
	want.entries = have.entries;
	if (memcmp(&have, &want, sizeof(have)))
		return "another build of the agent wrote it";
	n -= DIGEST;
	digest(p, n, sum);
	if (memcmp(p + n, sum, DIGEST) || have.entries > IMAGES_MAX)
		return "it is damaged";
	for (uint64_t i = 0; i < have.entries; i++) {
		struct cache_entry e;
		const char *bad;

		if (n - at < sizeof(e))
			return "it is cut";
		memcpy(&e, p + at, sizeof(e));
		at += sizeof(e);
		if (e.found && (e.found != sizeof(struct tls_found) || n - at < e.found))
			return "it is cut";
		bad = load_entry(t, &e, p + at);
		if (bad)
			return bad;
		at += e.found;
	}
	return NULL;
}

void cache_load(struct images *t, const char *path)
{
	_cleanup_free_ char *text = NULL;
	const char *bad;
	size_t n = 0;
	int r = fs_read(path, CACHE_MAX, &text, &n);

	if (r == -ENOENT)
		return;
	bad = r ? strerror(-r) : load_all(t, (const uint8_t *)text, n);
	if (bad)
		log_info("%s is made anew: %s", path, bad);
}
