// SPDX-License-Identifier: Apache-2.0
/*
 * In: segment files. Out: their frames in order, each looked at already.
 *
 * The calling thread reads frames into blocks and hands them out; blocks between the two are checked by
 * whoever is free, the caller too while it waits. So signatures and hashes are spread over all threads and
 * order is kept by the ring. Memory is the ring: two blocks a thread and two more, whatever the size of
 * the files.
 *
 * Which key a record is under is only guessed here, from START and SEAL records as they are read; the rules
 * of the chain say later which key it must be, and a signature looked at under another counts for nothing.
 */
#include "verify_source.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "look.h"

#define BLOCK_ITEMS 64
#define BLOCK_BYTES (128 * 1024)
#define THREADS_MAX 64

struct block {
	struct source_item item[BLOCK_ITEMS];
	size_t n, used;
	bool taken, done;
	uint8_t bytes[BLOCK_BYTES];
};
struct source {
	struct source_config c;
	/* reading */
	size_t segment;
	int fd;
	bool open, held; /* held: the reader's frame is in no block yet */
	struct look_guess guess;
	struct segment_reader in;
	/* the ring: blocks head to below tail are in use, those below `work` have been taken by somebody */
	struct block **ring;
	size_t blocks;
	uint64_t head, tail, work;
	size_t at; /* in the block at head */
	bool end;  /* of all files */
	int error;
	struct look_keys keys;
	/* the threads */
	pthread_mutex_t lock;
	pthread_cond_t more, done;
	bool stop;
	pthread_t thread[THREADS_MAX];
	unsigned threads;
};

/* --- looking at a block ---------------------------------------------------------------------------- */

static void block_look(struct block *b, struct look_keys *k)
{
	for (struct source_item *it = b->item; it < b->item + b->n; it++)
		if (it->answer == SEGMENT_FRAME)
			look_at(k, it->frame.record, it->frame.record_len, it->frame.sig,
				&it->checked);
}

/* The next block nobody has taken; the lock is held. */
static struct block *take(struct source *s)
{
	struct block *b = s->work < s->tail ? s->ring[s->work % s->blocks] : NULL;

	s->work += b != NULL;
	return b;
}

static void *worker(void *arg)
{
	struct source *s = arg;
	struct look_keys k = {0};

	pthread_mutex_lock(&s->lock);
	while (!s->stop) {
		struct block *b = take(s);

		if (!b) {
			pthread_cond_wait(&s->more, &s->lock);
			continue;
		}
		pthread_mutex_unlock(&s->lock);
		block_look(b, &k);
		pthread_mutex_lock(&s->lock);
		b->done = true;
		pthread_cond_signal(&s->done);
	}
	pthread_mutex_unlock(&s->lock);
	look_keys_done(&k);
	return NULL;
}

/* --- reading into a block -------------------------------------------------------------------------- */

static void put_frame(struct source *s, struct block *b)
{
	const struct frame *f = &s->in.frame;
	uint8_t *to = b->bytes + b->used;
	struct source_item *it = &b->item[b->n++];

	memcpy(to, f->record - SEGMENT_FRAME_LEN, f->len);
	*it = (struct source_item){
		.answer = SEGMENT_FRAME,
		.segment = s->segment,
		.offset = s->in.offset,
		.bytes = s->in.offset + f->len,
		.frame = {.record = to + SEGMENT_FRAME_LEN,
			  .mac = to + (f->mac - f->record) + SEGMENT_FRAME_LEN,
			  .sig = f->sig ? to + (f->sig - f->record) + SEGMENT_FRAME_LEN : NULL,
			  .record_len = f->record_len,
			  .len = f->len},
	};
	b->used += f->len;
	look_guess(&s->guess, it->frame.record, it->frame.record_len, &it->checked);
}

static void put_end(struct source *s, struct block *b, enum segment_answer a, bool unopened)
{
	b->item[b->n++] = (struct source_item){
		.answer = a,
		.segment = s->segment++,
		.offset = s->in.offset,
		.bytes = s->in.bytes,
		.why = s->in.why,
		.error = s->in.error,
		.unopened = unopened,
	};
	if (s->open)
		close(TAKE_FD(s->fd));
	s->open = s->held = false;
}

static bool segment_open(struct source *s, struct block *b)
{
	char file[SEGMENT_NAME_LEN + 1];
	struct stat st;

	segment_name(s->c.names[s->segment], file);
	s->fd = openat(s->c.dir, file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	segment_read(&s->in, s->fd, 0);
	s->open = s->fd >= 0 && !fstat(s->fd, &st);
	if (!s->open) {
		s->in.error = errno;
		put_end(s, b, SEGMENT_IO, true);
	} else if (!S_ISREG(st.st_mode)) { /* a device has no end */
		s->in.why = "kind of file";
		put_end(s, b, SEGMENT_BAD, true);
		return false;
	} else if (s->c.key_at && s->c.key_at(s->c.ctx, s->c.names[s->segment], s->guess.key)) {
		s->guess.keyed = true;
	}
	return s->open;
}

/* Until the block is full or all is read. */
static void fill(struct source *s, struct block *b)
{
	b->n = b->used = 0;
	b->done = false;
	while (b->n < BLOCK_ITEMS && s->segment < s->c.n) {
		enum segment_answer a = SEGMENT_FRAME;

		if (!s->open && !segment_open(s, b))
			continue;
		if (!s->held)
			a = segment_next(&s->in);
		if (a != SEGMENT_FRAME) {
			put_end(s, b, a, false);
			continue;
		}
		s->held = b->used + s->in.frame.len > sizeof(b->bytes);
		if (s->held)
			return;
		put_frame(s, b);
	}
	s->end = s->segment == s->c.n;
}

/* --- the ring -------------------------------------------------------------------------------------- */

/* Threads begin with the second block: a small directory needs none. */
static void threads_start(struct source *s)
{
	while (s->threads + 1 < s->c.threads && s->threads < THREADS_MAX &&
	       !pthread_create(&s->thread[s->threads], NULL, worker, s))
		s->threads++;
	if (s->c.threads > s->threads + 1)
		s->c.threads = s->threads + 1; /* no more are to be had: the caller's does it */
}

static void read_ahead(struct source *s)
{
	while (!s->end && s->tail - s->head < s->blocks) {
		struct block **b = &s->ring[s->tail % s->blocks];

		if (!*b)
			*b = malloc(sizeof(**b));
		if (!*b) {
			s->error = -ENOMEM;
			return;
		}
		fill(s, *b);
		pthread_mutex_lock(&s->lock);
		s->tail++;
		pthread_cond_signal(&s->more);
		pthread_mutex_unlock(&s->lock);
		if (s->tail == 2 && !s->threads)
			threads_start(s);
	}
}

/* Until the first block is done; meanwhile any other. */
static void await(struct source *s)
{
	struct block *head = s->ring[s->head % s->blocks], *b;

	pthread_mutex_lock(&s->lock);
	while (!head->done) {
		b = take(s);
		if (!b) {
			pthread_cond_wait(&s->done, &s->lock);
			continue;
		}
		pthread_mutex_unlock(&s->lock);
		block_look(b, &s->keys);
		pthread_mutex_lock(&s->lock);
		b->done = true;
	}
	pthread_mutex_unlock(&s->lock);
}

const struct source_item *source_next(struct source *s)
{
	for (;;) {
		struct block *b = s->ring[s->head % s->blocks];

		if (s->head < s->tail && s->at < b->n)
			return &b->item[s->at++];
		if (s->head < s->tail)
			s->head++;
		s->at = 0;
		read_ahead(s);
		if (s->error || s->head == s->tail)
			return NULL;
		await(s);
	}
}

int source_error(const struct source *s)
{
	return s->error;
}

int source_new(const struct source_config *c, struct source **ret)
{
	struct source *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->c = *c;
	if (!s->c.threads)
		s->c.threads = 1;
	s->fd = -1;
	s->end = !c->n;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->more, NULL);
	pthread_cond_init(&s->done, NULL);
	s->blocks = 2 * (s->c.threads < THREADS_MAX ? s->c.threads : THREADS_MAX) + 2;
	s->ring = calloc(s->blocks, sizeof(*s->ring));
	if (!s->ring) {
		source_free(s);
		return -ENOMEM;
	}
	*ret = s;
	return 0;
}

void source_free(struct source *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_broadcast(&s->more);
	pthread_mutex_unlock(&s->lock);
	for (unsigned i = 0; i < s->threads; i++)
		pthread_join(s->thread[i], NULL);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->more);
	pthread_cond_destroy(&s->done);
	look_keys_done(&s->keys);
	for (size_t i = 0; s->ring && i < s->blocks; i++)
		free(s->ring[i]);
	free(s->ring);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}
