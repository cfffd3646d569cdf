// SPDX-License-Identifier: Apache-2.0
/*
 * One batch of records at a time is open to all threads, which take a few of them each until none is left.
 * A thread owns what it took; the batch is the caller's again when nobody holds any. No thread knows a
 * private key, and none is ever asked for anything but this.
 */
#include "look.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "proto/record.pb-c.h"

#define THREADS_MAX 64
#define STEP 8
#define SCHEMA_AT 99 /* its lowest byte */

/* --- one record ------------------------------------------------------------------------------------ */

static void key_is(struct look_guess *g, const ProtobufCBinaryData *key)
{
	if (key->len != RECORD_PUBKEY_LEN)
		return;
	memcpy(g->key, key->data, RECORD_PUBKEY_LEN);
	g->keyed = true;
}

void look_guess(struct look_guess *g, const uint8_t *record, size_t n, struct chain_checked *ret)
{
	Probity__V1__Control *c = NULL;

	if (n > RECORD_HEADER_LEN && record[SCHEMA_AT] == RECORD_CONTROL)
		c = probity__v1__control__unpack(NULL, n - RECORD_HEADER_LEN,
						 record + RECORD_HEADER_LEN);
	if (c && !g->keyed)
		key_is(g, &c->public_key);
	memcpy(ret->key, g->key, RECORD_PUBKEY_LEN);
	ret->looked = g->keyed;
	if (c && c->kind == PROBITY__V1__CONTROL__KIND__SEAL)
		key_is(g, &c->next_public_key);
	if (c)
		probity__v1__control__free_unpacked(c, NULL);
}

static struct verifier *verifier_of(struct look_keys *k, const uint8_t *public)
{
	size_t i = k->next;

	for (size_t j = 0; j < LOOK_KEYS; j++)
		if (k->of[j].v && !memcmp(k->of[j].public, public, RECORD_PUBKEY_LEN))
			return k->of[j].v;
	verifier_free(TAKE_PTR(k->of[i].v));
	if (verifier_new(public, &k->of[i].v))
		return NULL;
	memcpy(k->of[i].public, public, RECORD_PUBKEY_LEN);
	k->next = (i + 1) % LOOK_KEYS;
	return k->of[i].v;
}

void look_at(struct look_keys *k, const uint8_t *record, size_t n, const uint8_t *sig,
	     struct chain_checked *c)
{
	struct verifier *v;
	const char *why;

	c->decoded = !record_decode(record, n, &c->record, &why);
	if (!c->decoded) {
		c->looked = false;
		return;
	}
	record_leaf(record, c->leaf.b);
	v = c->looked && sig ? verifier_of(k, c->key) : NULL;
	c->looked = v;
	c->holds = v && verifier_ok(v, record, RECORD_HEADER_LEN, sig);
}

void look_keys_done(struct look_keys *k)
{
	for (size_t i = 0; i < LOOK_KEYS; i++)
		verifier_free(k->of[i].v);
}

/* --- many at once ---------------------------------------------------------------------------------- */

struct looks {
	struct look_item item[LOOK_ITEMS];
	pthread_mutex_t lock;
	pthread_cond_t more, done;
	size_t n, next; /* of the items: how many, and which nobody took yet */
	unsigned busy;	/* threads that hold some */
	bool stop;
	struct look_keys keys; /* the caller's */
	pthread_t thread[THREADS_MAX];
	unsigned threads;
};

unsigned looks_cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);
}

/* The lock is held before and after. */
static void take_some(struct looks *l, struct look_keys *k)
{
	size_t from = l->next, to = from + STEP < l->n ? from + STEP : l->n;

	l->next = to;
	l->busy++;
	pthread_mutex_unlock(&l->lock);
	for (struct look_item *it = l->item + from; it < l->item + to; it++)
		look_at(k, it->record, it->n, it->sig, &it->checked);
	pthread_mutex_lock(&l->lock);
	if (!--l->busy)
		pthread_cond_signal(&l->done);
}

static void *worker(void *arg)
{
	struct look_keys k = {0};
	struct looks *l = arg;

	pthread_mutex_lock(&l->lock);
	while (!l->stop)
		if (l->next < l->n)
			take_some(l, &k);
		else
			pthread_cond_wait(&l->more, &l->lock);
	pthread_mutex_unlock(&l->lock);
	look_keys_done(&k);
	return NULL;
}

struct look_item *looks_items(struct looks *l)
{
	return l->item;
}

void looks_run(struct looks *l, size_t n)
{
	pthread_mutex_lock(&l->lock);
	l->n = n;
	l->next = 0;
	if (n > STEP)
		pthread_cond_broadcast(&l->more);
	while (l->next < l->n)
		take_some(l, &l->keys);
	while (l->busy)
		pthread_cond_wait(&l->done, &l->lock);
	pthread_mutex_unlock(&l->lock);
}

/* Signals are the caller's thread's. */
static void threads_start(struct looks *l, unsigned n)
{
	sigset_t all, was;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &was);
	while (l->threads < n && l->threads < THREADS_MAX &&
	       !pthread_create(&l->thread[l->threads], NULL, worker, l))
		l->threads++;
	pthread_sigmask(SIG_SETMASK, &was, NULL);
}

int looks_new(unsigned threads, struct looks **ret)
{
	struct looks *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->more, NULL);
	pthread_cond_init(&l->done, NULL);
	threads_start(l, threads ? threads - 1 : 0);
	*ret = l;
	return 0;
}

void looks_free(struct looks *l)
{
	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_cond_broadcast(&l->more);
	pthread_mutex_unlock(&l->lock);
	for (unsigned i = 0; i < l->threads; i++)
		pthread_join(l->thread[i], NULL);
	pthread_mutex_destroy(&l->lock);
	pthread_cond_destroy(&l->more);
	pthread_cond_destroy(&l->done);
	look_keys_done(&l->keys);
	free(l);
}
