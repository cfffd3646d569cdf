// SPDX-License-Identifier: Apache-2.0
/*
 * A spool directory in, its records into the tally, one segment and one window at a time, beside the
 * agent that may be writing. Damage is told and reading goes on behind it. Where old segments are gone
 * the keys of epochs come from `seals`, or, for the first epoch, from ../keys/chain.pub.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "policy/pack.h"
#include "read.h"
#include "record/segment_io.h"

static int open_in(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

/* --- keys of epochs that began before what is kept ------------------------------------------------- */

static bool names_key(const struct frame *f, uint32_t epoch, uint8_t ret[static RECORD_PUBKEY_LEN])
{
	_cleanup_sealed_ struct sealed s = {0};
	const char *why;

	if (sealed_open(f->record, f->record_len, f->sig, &s, &why) || !s.control ||
	    s.control->kind != PROBITY__V1__CONTROL__KIND__SEAL || s.control->epoch + 1 != epoch ||
	    s.control->next_public_key.len != RECORD_PUBKEY_LEN)
		return false;
	memcpy(ret, s.control->next_public_key.data, RECORD_PUBKEY_LEN);
	return true;
}

struct place {
	const char *dir;
	int fd;
};

static int key_of_epoch(void *ctx, uint32_t epoch, uint8_t ret[static RECORD_PUBKEY_LEN])
{
	const struct place *p = ctx;
	_cleanup_free_ struct segment_reader *r = malloc(sizeof(*r));
	_cleanup_close_ int fd = open_in(p->fd, "seals");
	char path[4096], err[256];

	if (!epoch) {
		snprintf(path, sizeof(path), "%s/../keys/chain.pub", p->dir);
		return public_read(path, ret, err, sizeof(err));
	}
	if (!r || fd < 0)
		return -ENOENT;
	segment_read(r, fd, 0);
	while (segment_next(r) == SEGMENT_FRAME)
		if (names_key(&r->frame, epoch, ret))
			return 0;
	return -ENOENT;
}

/* --- segments ------------------------------------------------------------------------------------ */

/* The host's name, of the first START in a segment. False: there is none. */
static bool host_in(int dir, uint64_t segment, struct segment_reader *r, char *out, size_t cap)
{
	char name[SEGMENT_NAME_LEN + 1];
	_cleanup_close_ int fd = -1;

	segment_name(segment, name);
	fd = open_in(dir, name);
	if (fd < 0)
		return false;
	segment_read(r, fd, 0);
	while (segment_next(r) == SEGMENT_FRAME) {
		_cleanup_sealed_ struct sealed s = {0};
		const char *why;

		if (record_erased(r->frame.record, r->frame.record_len) ||
		    sealed_open(r->frame.record, r->frame.record_len, r->frame.sig, &s, &why))
			continue;
		if (s.control && s.control->kind == PROBITY__V1__CONTROL__KIND__START &&
		    s.control->host[0]) {
			snprintf(out, cap, "%s", s.control->host);
			return true;
		}
	}
	return false;
}

static int read_segment(struct feed *f, int dir, uint64_t segment, bool last,
			struct segment_reader *r)
{
	char name[SEGMENT_NAME_LEN + 1];
	_cleanup_close_ int fd = -1;

	segment_name(segment, name);
	fd = open_in(dir, name);
	if (fd == -ENOENT) /* pruned since we looked */
		return 0;
	if (fd < 0)
		return fd;
	segment_read(r, fd, 0);
	for (;;) {
		switch (segment_next(r)) {
		case SEGMENT_FRAME:
			feed_record(f, &r->frame, name, r->offset);
			continue;
		case SEGMENT_END:
			return 0;
		case SEGMENT_IO:
			return -r->error;
		case SEGMENT_TORN:
			/* At the very end: a record that is being written, or was never durable. */
			if (!last)
				tally_broken(f->t, name, r->offset, f->chain.next_seq, "torn tail");
			return 0;
		case SEGMENT_BAD:
			tally_broken(f->t, name, r->offset, f->chain.next_seq, r->why);
			segment_resync(r);
			feed_restart(f);
		}
	}
}

static int read_all(struct tally *t, const struct place *p, const uint64_t *segs, size_t n,
		    struct segment_reader *r, unsigned *twice)
{
	struct feed f = {.t = t, .key = key_of_epoch, .ctx = (void *)p};
	int k = 0;

	for (size_t i = 0; i < n && !k; i++)
		k = read_segment(&f, p->fd, segs[i], i + 1 == n, r);
	feed_done(&f);
	return k ?: tally_end(t, twice);
}

int read_dir(struct tally *t, const char *dir, const char *hosts, char *err, size_t err_len)
{
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ struct segment_reader *r = malloc(sizeof(*r));
	_cleanup_free_ uint64_t *segs = NULL;
	struct place p = {dir, fd};
	char host[128] = "(host not known)";
	unsigned twice = 0;
	size_t n = 0;
	int k = fd < 0 ? -errno : !r ? -ENOMEM : segment_list(fd, &segs, &n, NULL);

	if (!k && !n)
		k = -ENODATA;
	for (size_t i = 0; !k && i < n && !host_in(fd, segs[i], r, host, sizeof(host)); i++)
		;
	if (!k && hosts && !glob_match(hosts, host))
		return 0;
	k = k ?: tally_begin(t, host, dir);
	k = k ?: read_all(t, &p, segs, n, r, &twice);
	if (k == -EEXIST)
		snprintf(err, err_len, "%s: holds records of the same chain as %s", dir,
			 t->source[twice].name);
	else if (k == -E2BIG)
		snprintf(err, err_len, "%s: more than %d chains", dir, TALLY_SOURCES_MAX);
	else if (k)
		snprintf(err, err_len, "%s: %s", dir,
			 k == -ENODATA ? "holds no segments of records" : strerror(-k));
	return k;
}
