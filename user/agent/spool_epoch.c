// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: records as they are sealed and become durable. Out: SEALs and handed-over keys, tiles, and
 * checkpoints of what is durable.
 *
 * A SEAL is sealed like any record; the next is under the next key already, in memory. The old key is
 * overwritten when the SEAL is durable, so at most one handover is on its way. `seals` beside the segments
 * keeps the SEAL records of the whole chain, a few hundred bytes an epoch: whoever begins to read behind
 * segments that have gone learns the keys from there. It is made again from the segments when it is
 * missing, as far as they go back.
 */
#include "spool_int.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "notes.h"
#include "proto/record.pb-c.h"

/* --- SEALs of the chain ---------------------------------------------------------------------------- */

static int seal_add(struct spool *s, const struct seal_note *n)
{
	if (s->seals_n && s->seals[s->seals_n - 1].seq >= n->seq)
		return 0;
	if (s->seals_n == s->seals_cap) {
		size_t cap = s->seals_cap ? 2 * s->seals_cap : 64;
		struct seal_note *more = realloc(s->seals, cap * sizeof(*more));

		if (!more)
			return -ENOMEM;
		s->seals = more;
		s->seals_cap = cap;
	}
	s->seals[s->seals_n++] = *n;
	return 0;
}

static bool seal_of(const struct frame *f, struct seal_note *ret)
{
	Probity__V1__Control *c;
	struct record r;
	const char *why;
	bool is;

	if (record_decode(f->record, f->record_len, &r, &why) || r.schema != RECORD_CONTROL ||
	    !r.payload)
		return false;
	c = probity__v1__control__unpack(NULL, r.payload_len, r.payload);
	is = c && c->kind == PROBITY__V1__CONTROL__KIND__SEAL &&
	     c->next_public_key.len == RECORD_PUBKEY_LEN && c->tree_root.len == TREE_HASH_LEN;
	if (is) {
		ret->seq = r.seq;
		ret->epoch = r.epoch;
		memcpy(ret->next_public, c->next_public_key.data, RECORD_PUBKEY_LEN);
		memcpy(ret->root.b, c->tree_root.data, TREE_HASH_LEN);
	}
	if (c)
		probity__v1__control__free_unpacked(c, NULL);
	return is;
}

/* A frame that `seals` does not have yet. */
static int tail_add(struct spool *s, const void *p, size_t n)
{
	uint8_t *more = realloc(s->seals_tail, s->seals_tail_n + n);

	if (!more)
		return -ENOMEM;
	memcpy(more + s->seals_tail_n, p, n);
	s->seals_tail = more;
	s->seals_tail_n += n;
	return 0;
}

/* All of `seals` anew: what is good of the old file, and the SEALs it does not have. */
static int seals_rewrite(struct spool *s)
{
	_cleanup_close_ int old = openat(s->dir, "seals", O_RDONLY | O_CLOEXEC);
	_cleanup_free_ uint8_t *b = malloc(FRAME_MAX);
	_cleanup_close_ int fd = -1;
	uint64_t at = 0;
	int r;

	unlinkat(s->dir, "seals.tmp", 0); /* one whose fsync failed is not asked again */
	fd = openat(s->dir, "seals.tmp", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	r = !b ? -ENOMEM : fd < 0 ? -errno : 0;
	while (!r && at < s->seals_bytes) {
		uint64_t left = s->seals_bytes - at;
		ssize_t got = pread(old, b, left < FRAME_MAX ? left : FRAME_MAX, at);

		r = got < 0 ? -errno : got ? fs_write_all(fd, b, got) : -EBADMSG;
		at += got > 0 ? got : 0;
	}
	if (!r)
		r = fs_write_all(fd, s->seals_tail, s->seals_tail_n);
	at += s->seals_tail_n;
	if (!r && (fsync(fd) < 0 || renameat(s->dir, "seals.tmp", s->dir, "seals") < 0 ||
		   fsync(s->dir) < 0))
		r = -errno;
	if (r)
		return r;
	s->seals_tail_n = 0;
	s->seals_bytes = at;
	s->seals_new = false;
	return 0;
}

int spool_seals_sync(struct spool *s)
{
	return s->seals_tail_n || s->seals_new ? seals_rewrite(s) : 0;
}

/* The one SEAL that is due. What fails here is made good by a file of its own. */
static int append(struct spool *s, const void *p, size_t n)
{
	_cleanup_close_ int fd = openat(s->dir, "seals", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : 0;

	if (!r && lseek(fd, s->seals_bytes, SEEK_SET) < 0)
		r = -errno;
	if (!r)
		r = fs_write_all(fd, p, n);
	if (!r && fdatasync(fd) < 0)
		r = -errno;
	if (!r && !s->seals_bytes && fsync(s->dir) < 0) /* its name */
		r = -errno;
	if (r) {
		s->seals_new = true; /* not this file again */
		return r;
	}
	s->seals_bytes += n;
	return 0;
}

/* Each SEAL in turn, as long as one follows the other. What is behind is damage, or the torn end of a
 * write: the segments may have it. */
static int seals_file_load(struct spool *s)
{
	_cleanup_close_ int fd = openat(s->dir, "seals", O_RDONLY | O_CLOEXEC);
	enum segment_answer a = SEGMENT_END;
	int r = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	segment_read(s->in, fd, 0);
	while (!r && (a = segment_next(s->in)) == SEGMENT_FRAME) {
		struct seal_note n;

		if (!seal_of(&s->in->frame, &n) || n.epoch != s->seals_n)
			break;
		r = seal_add(s, &n);
		if (!r)
			s->seals_bytes = s->in->offset + s->in->frame.len;
	}
	if (a == SEGMENT_IO)
		return -s->in->error;
	if (r || a == SEGMENT_END)
		return r;
	/* Kept for who wants to look; a torn end says nothing. */
	if (a != SEGMENT_TORN && linkat(s->dir, "seals", s->dir, "seals.bad", 0) < 0 &&
	    errno != EEXIST)
		return -errno;
	log_warn("spool %s: seals: damaged at offset %" PRIu64 "; made again from the segments",
		 s->path, s->seals_bytes);
	s->seals_new = true;
	return 0;
}

/* The SEALs of one segment, also behind what is damaged in it. */
static int seals_from(struct spool *s, const char *file)
{
	_cleanup_close_ int fd = openat(s->dir, file, O_RDONLY | O_CLOEXEC);
	enum segment_answer a;
	int r = 0;

	if (fd < 0)
		return -errno;
	segment_read(s->in, fd, 0);
	while (!r && (a = segment_next(s->in)) != SEGMENT_END && a != SEGMENT_IO) {
		const struct frame *f = &s->in->frame;
		size_t had = s->seals_n;
		struct seal_note n;

		if (a != SEGMENT_FRAME) {
			segment_resync(s->in);
			continue;
		}
		if (seal_of(f, &n))
			r = seal_add(s, &n);
		if (!r && s->seals_n > had)
			r = tail_add(s, f->record - SEGMENT_FRAME_LEN, f->len);
	}
	return r ? r : a == SEGMENT_IO ? -s->in->error : 0;
}

int spool_seals_load(struct spool *s)
{
	_cleanup_free_ uint64_t *names = NULL;
	char file[SEGMENT_NAME_LEN + 1];
	uint64_t from;
	size_t n;
	int r;

	s->seals_n = s->seals_tail_n = s->seals_bytes = 0;
	s->seals_new = false;
	r = seals_file_load(s);
	if (r)
		return r;
	from = s->seals_n ? s->seals[s->seals_n - 1].seq + 1 : 0;
	r = segment_list(s->dir, &names, &n, NULL);
	for (size_t i = 0; !r && i < n; i++) {
		if (i + 1 < n && names[i + 1] <= from)
			continue;
		segment_name(names[i], file);
		r = seals_from(s, file);
	}
	return r;
}

int spool_key_at(const struct spool *s, uint64_t seq, uint8_t ret[static RECORD_PUBKEY_LEN],
		 uint32_t *ret_epoch)
{
	for (size_t i = s->seals_n; i-- > 0;)
		if (s->seals[i].seq < seq) {
			memcpy(ret, s->seals[i].next_public, RECORD_PUBKEY_LEN);
			*ret_epoch = s->seals[i].epoch + 1;
			return 0;
		}
	*ret_epoch = 0;
	return epochs_chain_public(s->epochs, ret);
}

/* --- the end of an epoch --------------------------------------------------------------------------- */

static uint64_t boot_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

bool spool_epoch_due(const struct spool *s, uint64_t *ret_late_ns)
{
	uint64_t end = s->st.epoch_boot_ns + s->epoch_ns, now = boot_now();

	*ret_late_ns = now > end ? now - end : 0;
	return now >= end;
}

int spool_end_epoch(struct spool *s, const char *reason, bool late)
{
	struct note_seal n = {
		.epoch = epochs_now(s->epochs),
		.first_seq = s->st.epoch_first,
		.tree_size = s->st.next_seq,
		.epoch_ns = s->epoch_ns,
		.reason = reason,
		.late = late,
		.tpm_public = s->tpm_public,
	};
	uint8_t payload[NOTE_BYTES_MAX];
	size_t at = s->buf_len;
	int r;

	if (s->handover)
		return -EBUSY;
	r = epochs_prepare(s->epochs, n.next_public);
	if (r)
		return r;
	tree_root(&s->tree, &n.root);
	r = spool_seal(s, RECORD_CONTROL, 0, payload, note_seal(&n, payload), true);
	if (r)
		return r;
	s->seal_at = at;
	s->seal_n = s->buf_len - at;
	s->handover = true;
	epochs_switch(s->epochs);
	s->st.epoch = epochs_now(s->epochs);
	s->st.epoch_first = s->st.next_seq;
	s->st.epoch_boot_ns = s->st.boot_ns;
	return 0;
}

/* Before the buffer is given up. */
void spool_epoch_durable(struct spool *s)
{
	const char *why;
	struct seal_note n;
	struct frame f;
	int r = frame_parse(s->buf + s->seal_at, s->seal_n, &f, &why) > 0 && seal_of(&f, &n)
			? seal_add(s, &n)
			: -EIO;

	s->handover = false;
	if (!r && !s->seals_new && !s->seals_tail_n) {
		r = append(s, s->buf + s->seal_at, s->seal_n);
		if (r)
			log_warn("spool %s: seals: %s; made again", s->path, strerror(-r));
	}
	if (r || s->seals_new || s->seals_tail_n)
		r = tail_add(s, s->buf + s->seal_at, s->seal_n);
	if (r)
		log_err("spool %s: seals: %s; made again at the next start", s->path, strerror(-r));
	r = epochs_forget(s->epochs);
	if (r)
		log_err("spool %s: the key of epoch %u could not be overwritten: %s", s->path,
			s->st.epoch - 1, strerror(-r));
}

/* --- checkpoints ----------------------------------------------------------------------------------- */

int spool_checkpoint_make(struct spool *s, char *note, size_t cap, size_t *ret_n, size_t *ret_text,
			  uint64_t *ret_size)
{
	struct checkpoint c = {.size = s->st.durable_seq};
	char text[512];
	size_t k, n;
	int r;

	*ret_n = 0;
	if (!s->origin[0] || !c.size || c.size == s->st.checkpoint)
		return 0;
	/* Until its SEAL is durable nobody knows the key that would sign. */
	if (s->handover)
		return -EAGAIN;
	r = spool_seals_sync(s);
	if (!r)
		r = spool_tiles_write(s);
	if (r)
		return r;
	tree_root(tiles_edge(s->tiles), &c.root);
	checkpoint_origin_of(s->origin, s->st.chain, c.origin);
	k = checkpoint_text(&c, text, sizeof(text));
	n = k ? note_sign(text, k, c.origin, epochs_signer(s->epochs), note, cap) : 0;
	if (!n)
		return -EIO;
	*ret_n = n;
	*ret_text = k;
	*ret_size = c.size;
	return 0;
}

int spool_checkpoint_put(struct spool *s, const char *note, size_t n, uint64_t size)
{
	int r = spool_replace(s, "checkpoint", note, n);

	if (!r)
		s->st.checkpoint = size;
	return r;
}

int spool_checkpoint(struct spool *s)
{
	char note[1024];
	uint64_t size;
	size_t n, text;
	int r = spool_checkpoint_make(s, note, sizeof(note), &n, &text, &size);

	return r || !n ? r : spool_checkpoint_put(s, note, n, size);
}
