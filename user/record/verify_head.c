// SPDX-License-Identifier: Apache-2.0
/*
 * In: the file `head` beside the segments. Out: what it promises: which record the chain reached, with which
 * leaf, and which is the oldest kept. It is read before anything else, so that it can only promise less than
 * there is. A live head is written in place; a reader may meet it half way and looks again.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#include "base/cleanup.h"
#include "verify_int.h"

#define LIVE_TRIES 3

/* Whether a recorder holds the directory's lock now. */
bool verify_live(const struct walk *w)
{
	_cleanup_close_ int fd = openat(w->dir, "lock", O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

static int head_read(const struct walk *w, struct head *ret, const char **ret_why)
{
	_cleanup_close_ int fd = openat(w->dir, "head", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint8_t b[HEAD_LEN + 1];
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = pread(fd, b, sizeof(b), 0);
	return n < 0 ? -errno : head_decode(b, n, ret, ret_why);
}

/* What is wrong for as long as a live one may be on its way (`wrong`) is looked at again. */
static int head_read_live(const struct walk *w, int wrong, struct head *ret, const char **ret_why)
{
	int r = head_read(w, ret, ret_why);

	for (int i = 0; r == wrong && i < LIVE_TRIES && verify_live(w); i++) {
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
		r = head_read(w, ret, ret_why);
	}
	return r;
}

void verify_head_load(struct walk *w)
{
	const char *why = "io";
	int r = head_read_live(w, -EBADMSG, &w->head, &why);

	w->have_head = r == 0;
	if (r == -EBADMSG)
		verify_found(w, "head", 0, 0, "head", "the signed head is not valid: %s", why);
	else if (r && r != -ENOENT)
		verify_found(w, "head", 0, 0, "io", "%s", strerror(-r));
}

/* The spool's bound takes the oldest segments of a live spool, after its head has said so. */
bool verify_pruned_meanwhile(const struct walk *w, uint64_t name)
{
	const char *why;
	struct head h;

	return head_read(w, &h, &why) == 0 && h.first_seq > name;
}

/* What the head promises about the beginning, before any segment is read. */
void verify_head_beginning(struct walk *w)
{
	char file[SEGMENT_NAME_LEN + 1];

	if (w->have_head && w->head.first_seq > w->tiles.must)
		w->tiles.must = w->head.first_seq;
	if (w->o->part || !w->have_head || (w->n && w->names[0] <= w->head.first_seq))
		return;
	if (w->n && verify_pruned_meanwhile(w, w->names[0] - 1))
		return; /* between our reading of the head and of the directory */
	segment_name(w->head.first_seq, file);
	verify_found(w, file, 0, w->head.first_seq, "missing segment",
		     "the signed head says that records from %llu on are kept",
		     (unsigned long long)w->head.first_seq);
}

/* By the key of the record it names, or of a later epoch: a SEAL hands over when it is sealed. */
static bool head_of_chain(const struct walk *w)
{
	uint8_t public[RECORD_PUBKEY_LEN];
	uint32_t epoch;

	if (!verify_key_at(w, w->head.seq, &epoch, public))
		return !w->o->expect_public &&
		       !memcmp(w->head.public, w->c.public, RECORD_PUBKEY_LEN);
	if (!memcmp(w->head.public, public, RECORD_PUBKEY_LEN))
		return true;
	for (size_t i = 0; i < w->ends.n; i++)
		if (w->ends.end[i].seq >= w->head.seq &&
		    !memcmp(w->head.public, w->ends.end[i].next_public, RECORD_PUBKEY_LEN))
			return true;
	return false;
}

void verify_head_check(struct walk *w)
{
	const char *why;
	struct head h;

	if (w->have_head && (w->o->expect_public || w->based) && !head_of_chain(w))
		verify_found(w, "head", 96, w->head.seq, "key id",
			     "the head is signed with another key");
	else if (w->head_seen && w->covered <= w->head.seq)
		w->covered = w->head.seq + 1;
	/* A new spool has none until its first records are durable. */
	if (!w->have_head && w->n && !w->o->part && !w->r->findings &&
	    head_read_live(w, -ENOENT, &h, &why) == -ENOENT)
		verify_found(w, "head", 0, w->c.next_seq, "head",
			     "no head: whether the tail was cut cannot be told");
}
