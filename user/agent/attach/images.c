// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: files by their stat. Flows out: their entry. Invariant: at most one entry per (device,
 * inode, size, mtime); an entry with links or users is never thrown out. When the table is full the
 * one that was seen longest ago goes, and is looked at again when it comes by; when all are in use,
 * NULL, and the caller says so. Of files that are gone GHOSTS entries stay: the next copy with the
 * same build-id (an update rolled out to many folders, a container started again) needs no resolver.
 */
#include "images.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "proto/event.h"

#define BUCKETS 4096
#define GHOSTS 256

struct images {
	struct image *bucket[BUCKETS];
	struct image *by_index[IMAGES_COUNTED];
	bool reserved[IMAGES_COUNTED]; /* stand in cookies of a former keeper's probes */
	unsigned count, ghosts;
	uint16_t last_index;
	uint64_t tick;
};

struct images *images_new(void)
{
	return calloc(1, sizeof(struct images));
}

static void image_free(struct images *t, struct image *im)
{
	if (im->index)
		t->by_index[im->index] = NULL;
	if (!im->ino)
		t->ghosts--;
	t->count--;
	facts_free(im->facts);
	free(im);
}

void images_free(struct images *t)
{
	if (!t)
		return;
	for (unsigned b = 0; b < BUCKETS; b++)
		while (t->bucket[b]) {
			struct image *im = t->bucket[b];

			t->bucket[b] = im->next;
			image_free(t, im);
		}
	free(t);
}

unsigned images_count(const struct images *t)
{
	return t->count;
}

static unsigned bucket_of(dev_t dev, ino_t ino)
{
	return (((uint64_t)ino * 0x9e3779b97f4a7c15ull + dev) >> 52) % BUCKETS;
}

static bool same(const struct image *im, const struct stat *st)
{
	return im->ino && im->dev == st->st_dev && im->ino == st->st_ino &&
	       im->size == st->st_size && im->mtime.tv_sec == st->st_mtim.tv_sec &&
	       im->mtime.tv_nsec == st->st_mtim.tv_nsec;
}

struct image *images_find(const struct images *t, const struct stat *st)
{
	struct image *im = t->bucket[bucket_of(st->st_dev, st->st_ino)];

	while (im && !same(im, st))
		im = im->next;
	return im;
}

/* The entry seen longest ago of those that `may` go. */
static struct image **oldest(struct images *t, bool (*may)(const struct image *im))
{
	struct image **found = NULL;

	for (unsigned b = 0; b < BUCKETS; b++)
		for (struct image **p = &t->bucket[b]; *p; p = &(*p)->next)
			if (may(*p) && (!found || (*p)->used < (*found)->used))
				found = p;
	return found;
}

static bool idle(const struct image *im)
{
	return !im->links && !im->refs && im->state != IMAGE_PENDING;
}

static bool ghost(const struct image *im)
{
	return !im->ino;
}

static bool drop_oldest(struct images *t, bool (*may)(const struct image *im))
{
	struct image **p = oldest(t, may), *im;

	if (!p)
		return false;
	im = *p;
	*p = im->next;
	image_free(t, im);
	return true;
}

struct image *images_get(struct images *t, const struct stat *st, const char *path)
{
	struct image *im = images_find(t, st), **b = &t->bucket[bucket_of(st->st_dev, st->st_ino)];

	if (im)
		return im;
	if (t->count >= IMAGES_MAX && !drop_oldest(t, idle))
		return NULL;
	im = calloc(1, sizeof(*im));
	if (!im)
		return NULL;
	*im = (struct image){.next = *b,
			     .dev = st->st_dev,
			     .ino = st->st_ino,
			     .size = st->st_size,
			     .mtime = st->st_mtim,
			     .uid = st->st_uid,
			     .used = t->tick};
	snprintf(im->path, sizeof(im->path), "%s", path);
	*b = im;
	t->count++;
	return im;
}

const struct image *images_twin(const struct images *t, const char *build_id, uid_t uid)
{
	if (!build_id[0])
		return NULL;
	for (unsigned b = 0; b < BUCKETS; b++)
		for (const struct image *im = t->bucket[b]; im; im = im->next)
			if ((im->state == IMAGE_SITES || im->state == IMAGE_NONE) &&
			    (!im->uid || im->uid == uid) && !strcmp(im->build_id, build_id))
				return im;
	return NULL;
}

bool images_number(struct images *t, struct image *im)
{
	for (unsigned i = 1; !im->index && i < IMAGES_COUNTED; i++) {
		unsigned k = 1 + (t->last_index + i - 1) % (IMAGES_COUNTED - 1);

		if (t->by_index[k] || t->reserved[k])
			continue;
		t->by_index[k] = im;
		t->last_index = im->index = k;
	}
	return im->index;
}

void images_reserve(struct images *t, uint16_t index)
{
	if (index && index < IMAGES_COUNTED)
		t->reserved[index] = true;
}

void images_number_as(struct images *t, struct image *im, uint16_t index)
{
	if (im->index || !index || index >= IMAGES_COUNTED || t->by_index[index])
		return;
	t->by_index[index] = im;
	im->index = index;
}

struct image *images_by_index(const struct images *t, uint16_t index)
{
	return index < IMAGES_COUNTED ? t->by_index[index] : NULL;
}

static void take_out(struct images *t, struct image *im)
{
	struct image **p = &t->bucket[bucket_of(im->dev, im->ino)];

	while (*p && *p != im)
		p = &(*p)->next;
	if (*p)
		*p = im->next;
}

void images_gone(struct images *t, struct image *im)
{
	take_out(t, im);
	if (!im->build_id[0] || (im->state != IMAGE_SITES && im->state != IMAGE_NONE)) {
		image_free(t, im);
		return;
	}
	if (t->ghosts >= GHOSTS)
		drop_oldest(t, ghost);
	if (im->index)
		t->by_index[im->index] = NULL;
	im->index = 0;
	im->dev = 0;
	im->ino = 0;
	im->next = t->bucket[bucket_of(0, 0)];
	t->bucket[bucket_of(0, 0)] = im;
	t->ghosts++;
}

void images_each(struct images *t, bool gone, void (*fn)(void *ctx, struct image *im), void *ctx)
{
	_cleanup_free_ struct image **all = calloc(t->count + 1, sizeof(*all));
	unsigned n = 0;

	for (unsigned b = 0; all && b < BUCKETS; b++)
		for (struct image *im = t->bucket[b]; im; im = im->next)
			if (im->ino || gone)
				all[n++] = im;
	while (n)
		fn(ctx, all[--n]);
}

void images_tick(struct images *t)
{
	t->tick++;
}

uint64_t images_now(const struct images *t)
{
	return t->tick;
}
