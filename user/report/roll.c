// SPDX-License-Identifier: Apache-2.0
/*
 * A hash table of rows with open addressing, twice as large as it has room for rows, so a look-up
 * always ends. In: keys out of records, chosen by whoever was observed. Invariant: a row never
 * moves and its key never changes. Full: the caller gets no row and the table counts it; the report
 * says so. The hash is keyed with random bytes, so nobody can choose names that collide.
 */
#include "roll.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "record/printable.h"

struct roll {
	size_t room, n, mask;
	uint64_t left_out, seed;
	struct row *rows;
	uint32_t *slots; /* index of a row + 1; 0 = free */
};

int roll_new(size_t room, struct roll **ret)
{
	_cleanup_(roll_freep) struct roll *r = calloc(1, sizeof(*r));
	size_t slots = 4;

	if (!r)
		return -ENOMEM;
	while (slots < room * 2)
		slots *= 2;
	r->room = room;
	r->mask = slots - 1;
	r->rows = calloc(room ? room : 1, sizeof(*r->rows));
	r->slots = calloc(slots, sizeof(*r->slots));
	if (!r->rows || !r->slots)
		return -ENOMEM;
	if (getrandom(&r->seed, sizeof(r->seed), GRND_NONBLOCK) != sizeof(r->seed))
		r->seed = (uintptr_t)r;
	*ret = TAKE_PTR(r);
	return 0;
}

void roll_free(struct roll *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++)
		free((char *)r->rows[i].key);
	free(r->rows);
	free(r->slots);
	free(r);
}

static size_t place(const struct roll *r, const char *key)
{
	uint64_t h = r->seed ^ 0xcbf29ce484222325ull;

	for (; *key; key++)
		h = (h ^ (unsigned char)*key) * 0x100000001b3ull;
	h ^= h >> 32;
	return h & r->mask;
}

/* The slot of the key, or the free one where it belongs. */
static uint32_t *slot(const struct roll *r, const char *key)
{
	size_t at = place(r, key);

	while (r->slots[at] && strcmp(r->rows[r->slots[at] - 1].key, key) != 0)
		at = (at + 1) & r->mask;
	return &r->slots[at];
}

struct row *roll_at(struct roll *r, const char *key)
{
	char k[ROLL_KEY_MAX];
	uint32_t *at;
	char *copy;

	printable_copy(k, sizeof(k), key);
	at = slot(r, k);
	if (*at)
		return &r->rows[*at - 1];
	copy = r->n < r->room ? strdup(k) : NULL;
	if (!copy) {
		r->left_out++;
		return NULL;
	}
	r->rows[r->n].key = copy;
	*at = ++r->n;
	return &r->rows[r->n - 1];
}

const struct row *roll_find(const struct roll *r, const char *key)
{
	uint32_t at = *slot(r, key);

	return at ? &r->rows[at - 1] : NULL;
}

size_t roll_count(const struct roll *r)
{
	return r->n;
}

size_t roll_room(const struct roll *r)
{
	return r->room;
}

uint64_t roll_left_out(const struct roll *r)
{
	return r->left_out;
}

static int by_key(const void *a, const void *b)
{
	const struct row *x = *(const struct row *const *)a, *y = *(const struct row *const *)b;

	return strcmp(x->key, y->key);
}

static int by_events(const void *a, const void *b)
{
	const struct row *x = *(const struct row *const *)a, *y = *(const struct row *const *)b;

	if (x->events != y->events)
		return x->events < y->events ? 1 : -1;
	return strcmp(x->key, y->key);
}

static const struct row **sorted(const struct roll *r, int (*order)(const void *, const void *))
{
	const struct row **v = calloc(r->n + 1, sizeof(struct row *));

	for (size_t i = 0; v && i < r->n; i++)
		v[i] = &r->rows[i];
	if (v)
		qsort(v, r->n, sizeof(*v), order);
	return v;
}

const struct row **roll_by_events(const struct roll *r)
{
	return sorted(r, by_events);
}

const struct row **roll_by_key(const struct roll *r)
{
	return sorted(r, by_key);
}
