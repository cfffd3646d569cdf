// SPDX-License-Identifier: Apache-2.0
/*
 * In: a spool directory as a crash, a full disk or someone's hand left it. Out: the chain's end,
 * from which sealing goes on, and a list of what had to be done, for signed REPAIR records.
 *
 * Invariant: no byte of evidence is overwritten. Behind the record the signed head names, an
 * unreadable end was never reported durable: it is cut. At or before it, it is damage: the file is
 * kept as NAME.seg.bad, its good beginning stays as NAME.seg, and the chain goes on behind the last
 * record known from the head or from the damaged file, so that it never forks. A spool of another
 * key is moved into a folder of its own and a new chain begins.
 *
 * Only the last segment is read in full; `verify` reads all. Memory is one window.
 */
#include "spool_recover_int.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"

/* A key of this chain. */
static bool is_ours(const struct spool *s, const uint8_t public[static RECORD_PUBKEY_LEN])
{
	uint8_t first[RECORD_PUBKEY_LEN];

	for (size_t i = 0; i < s->seals_n; i++)
		if (!memcmp(s->seals[i].next_public, public, RECORD_PUBKEY_LEN))
			return true;
	return (!epochs_chain_public(s->epochs, first) &&
		!memcmp(first, public, RECORD_PUBKEY_LEN)) ||
	       !memcmp(signer_public(epochs_signer(s->epochs)), public, RECORD_PUBKEY_LEN);
}

static int head_load(struct recovery *v, bool *ret_foreign)
{
	struct spool *s = v->s;
	uint8_t b[HEAD_LEN + 1];
	const char *why;
	ssize_t n;

	s->head = openat(s->dir, "head", O_RDWR | O_CLOEXEC);
	if (s->head < 0)
		return errno == ENOENT ? 0 : -errno;
	n = pread(s->head, b, sizeof(b), 0);
	if (n < 0 || head_decode(b, n, &v->head, &why)) {
		log_warn("spool %s: head is not valid and will be made anew", s->path);
		close(TAKE_FD(s->head));
		return 0;
	}
	v->have_head = is_ours(s, v->head.public);
	*ret_foreign = !v->have_head;
	return 0;
}

/* The first record of a segment, for its chain, key and predecessor; false if not readable. */
static bool first_record(struct recovery *v, uint64_t name, struct record *ret)
{
	char file[SEGMENT_NAME_LEN + 1];
	_cleanup_close_ int fd = -1;
	const char *why;

	segment_name(name, file);
	fd = openat(v->s->dir, file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	segment_read(v->s->in, fd, 0);
	return segment_next(v->s->in) == SEGMENT_FRAME &&
	       !record_decode(v->s->in->frame.record, v->s->in->frame.record_len, ret, &why);
}

static void walk_base(struct recovery *v, uint64_t name)
{
	struct record r;

	chain_state_done(&v->c);
	v->c = (struct chain_state){.next_seq = name};
	spool_key_at(v->s, name, v->c.public, &v->c.epoch);
	for (size_t i = 0; i < v->s->seals_n && v->s->seals[i].seq < name; i++) {
		const struct seal_note *n = &v->s->seals[i];

		v->c.epoch_first = n->seq + 1;
		v->c.sealed = n->seq + 1 == name;
		if (!v->c.sealed)
			continue;
		v->c.epoch = n->epoch;
		memcpy(v->c.next_public, n->next_public, RECORD_PUBKEY_LEN);
	}
	if (!first_record(v, name, &r))
		return;
	memcpy(v->c.chain, r.chain, sizeof(r.chain));
	if (name)
		memcpy(v->c.prev, r.prev, sizeof(r.prev));
	v->c.started = true;
	/* A head of another chain says nothing about this one. */
	if (v->have_head && memcmp(v->head.chain, r.chain, sizeof(r.chain)))
		v->have_head = false;
}

/* Reads the segment up to its end or to what is wrong, which is cut or kept apart. */
static int walk(struct recovery *v, uint64_t name, uint64_t *ret_good)
{
	struct segment_reader *in = v->s->in;
	char file[SEGMENT_NAME_LEN + 1];
	_cleanup_close_ int fd = -1;
	enum segment_answer a;
	struct record rec;
	const char *why = "";
	uint64_t first, last, count;

	walk_base(v, name);
	segment_name(name, file);
	fd = openat(v->s->dir, file, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	segment_read(in, fd, 0);
	while ((a = segment_next(in)) == SEGMENT_FRAME) {
		if (chain_append(&v->c, in->frame.record, in->frame.record_len,
				 &(struct chain_sealed){.sig = in->frame.sig}, &rec, &why))
			break;
		if (spool_loss_of(&rec, &first, &last, &count))
			spool_note_hole(v->s, first, last, rec.seq);
	}
	*ret_good = in->offset;
	if (a == SEGMENT_END)
		return 0;
	if (a == SEGMENT_IO)
		return -in->error;
	if (a != SEGMENT_FRAME && (v->have_head ? v->c.next_seq > v->head.seq : a == SEGMENT_TORN))
		return recovery_cut(v, fd, file, *ret_good);
	return recovery_quarantine(v, fd, file, *ret_good,
				   a == SEGMENT_FRAME ? why
				   : a == SEGMENT_BAD ? in->why
						      : "cut short");
}

/* A failed fsync may have left records behind that were then written again into the next one. */
static int overlap_cut(struct recovery *v, uint64_t name, uint64_t next)
{
	struct segment_reader *in = v->s->in;
	char file[SEGMENT_NAME_LEN + 1];
	_cleanup_close_ int fd = -1;
	struct record r;
	const char *why;

	segment_name(name, file);
	fd = openat(v->s->dir, file, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	segment_read(in, fd, 0);
	while (segment_next(in) == SEGMENT_FRAME)
		if (record_decode(in->frame.record, in->frame.record_len, &r, &why) == 0 &&
		    r.seq >= next)
			return recovery_cut(v, fd, file, in->offset);
	return 0;
}

static void drop_declared(struct recovery *v, uint64_t below)
{
	char file[SEGMENT_NAME_LEN + 1];
	size_t k = 0;

	while (k + 1 < v->n && v->names[k + 1] <= below) {
		segment_name(v->names[k++], file);
		unlinkat(v->s->dir, file, 0);
	}
	if (!k)
		return;
	v->n -= k;
	memmove(v->names, v->names + k, v->n * sizeof(*v->names));
}

static int index_make(struct recovery *v, uint64_t last_bytes)
{
	for (size_t i = 0; i < v->n; i++) {
		bool last = i + 1 == v->n;
		char file[SEGMENT_NAME_LEN + 1];
		struct stat st;
		int r;

		segment_name(v->names[i], file);
		if (fstatat(v->s->dir, file, &st, 0) < 0)
			return -errno;
		r = spool_segment_add(v->s, v->names[i], last ? v->c.next_seq : v->names[i + 1],
				      last ? last_bytes : (uint64_t)st.st_size);
		if (r)
			return r;
	}
	return 0;
}

/* The newest id in the segments before the last, which had none. */
static uint64_t older_id(struct recovery *v)
{
	uint64_t id = 0;

	for (size_t i = v->n - 1; !id && i-- > 0;) {
		char file[SEGMENT_NAME_LEN + 1];
		_cleanup_close_ int fd = -1;
		struct record r;
		const char *why;

		segment_name(v->names[i], file);
		fd = openat(v->s->dir, file, O_RDONLY | O_CLOEXEC);
		segment_read(v->s->in, fd, 0);
		while (fd >= 0 && segment_next(v->s->in) == SEGMENT_FRAME)
			if (!record_decode(v->s->in->frame.record, v->s->in->frame.record_len, &r,
					   &why) &&
			    r.id)
				id = r.id;
	}
	return id;
}

static int chain_begin(struct spool *s)
{
	char err[512];
	int r = epochs_begin(s->epochs, err, sizeof(err));

	if (r)
		log_err("%s", err);
	memset(s->prev, 0, sizeof(s->prev));
	s->st.next_seq = 0;
	return r ? r : RAND_bytes(s->st.chain, sizeof(s->st.chain)) == 1 ? 0 : -EIO;
}

/* The last record cannot be read. The keys that the last known SEAL names, else those of the head, else
 * those at hand; the recorder ends their epoch at once. */
static void keys_behind_damage(struct recovery *v)
{
	uint8_t public[RECORD_PUBKEY_LEN];
	uint32_t epoch;

	if (!spool_key_at(v->s, UINT64_MAX, public, &epoch) &&
	    !epochs_resume_public(v->s->epochs, public))
		return;
	if (v->have_head)
		epochs_resume_public(v->s->epochs, v->head.public);
}

/* The keys of where the chain ends. */
static int keys_resume(struct recovery *v)
{
	struct epochs_at at = {.epoch = v->c.epoch, .sealed = v->c.sealed};
	char err[512] = "";
	int r;

	memcpy(at.next_public, v->c.next_public, RECORD_PUBKEY_LEN);
	key_id(v->c.public, at.key_id);
	r = epochs_resume(v->s->epochs, &at, err, sizeof(err));
	if (r && *err)
		log_err("%s", err);
	return r;
}

/* Where sealing goes on, and what is known to have been there and is not readable any more. */
static int resume(struct recovery *v)
{
	struct spool *s = v->s;
	uint64_t next = v->n ? v->c.next_seq : 0, readable = next;

	if (v->n || v->ahead) {
		memcpy(s->st.chain, v->c.chain, sizeof(s->st.chain));
		if (v->n)
			memcpy(s->prev, v->c.prev, sizeof(s->prev));
	} else if (v->have_head) {
		memcpy(s->st.chain, v->head.chain, sizeof(s->st.chain));
		readable = v->head.first_seq;
	} else {
		return chain_begin(s);
	}
	if (v->ahead && v->ahead_seq >= next) {
		next = v->ahead_seq + 1;
		memcpy(s->prev, v->ahead_leaf, sizeof(s->prev));
	}
	if (v->have_head && v->head.seq >= next) {
		next = v->head.seq + 1;
		memcpy(s->prev, v->head.leaf, sizeof(s->prev));
	}
	if (next > readable) {
		struct spool_repair *r = recovery_note(v, "head", 0, 0,
						       "records %" PRIu64 " to %" PRIu64
						       " were sealed and are not readable",
						       readable, next - 1);
		r->lost = true;
		r->lost_first = readable;
		r->lost_last = next - 1;
	}
	s->st.next_seq = next;
	if (next == readable && v->n) {
		int r = keys_resume(v);

		if (r)
			return r;
	} else {
		keys_behind_damage(v);
	}
	s->st.last_id = v->c.last_id > v->ahead_id ? v->c.last_id : v->ahead_id;
	if (!s->st.last_id && v->n)
		s->st.last_id = older_id(v);
	return 0;
}

/* The last segment is written on when the chain continues right behind it. */
static int reopen(struct spool *s)
{
	const struct segment *g = s->segs_n ? &s->segs[s->segs_n - 1] : NULL;
	char file[SEGMENT_NAME_LEN + 1];

	if (!g || g->next != s->st.next_seq || g->bytes >= s->segment_bytes)
		return 0;
	segment_name(g->first, file);
	s->fd = openat(s->dir, file, O_WRONLY | O_CLOEXEC);
	return s->fd < 0 ? -errno : 0;
}

static int last_segment(struct recovery *v, uint64_t *ret_bytes)
{
	while (v->n) {
		char file[SEGMENT_NAME_LEN + 1];
		int r = walk(v, v->names[v->n - 1], ret_bytes);

		if (r || *ret_bytes)
			return r;
		segment_name(v->names[--v->n], file);
		unlinkat(v->s->dir, file,
			 0); /* empty: no record of it was ever durable or is left */
	}
	return 0;
}

static bool key_fits(const struct spool *s, const struct record *r)
{
	uint8_t public[RECORD_PUBKEY_LEN], id[8];
	uint32_t epoch;

	if (spool_key_at(s, r->seq, public, &epoch))
		return false;
	key_id(public, id);
	return !memcmp(id, r->key_id, sizeof(id));
}

static void epoch_state(struct recovery *v)
{
	struct spool_state *st = &v->s->st;
	bool same_boot = v->c.timed && !memcmp(v->c.boot_id, v->s->boot_id, sizeof(v->c.boot_id));

	st->epoch = epochs_now(v->s->epochs);
	st->epoch_first = v->s->seals_n ? v->s->seals[v->s->seals_n - 1].seq + 1 : 0;
	st->last_wall_ns = v->c.wall_ns;
	if (!same_boot)
		return;
	st->wall_ns = v->c.wall_ns;
	st->boot_ns = st->epoch_boot_ns = v->c.boot_ns;
}

static int recover(struct recovery *v)
{
	struct spool *s = v->s;
	bool foreign = false;
	struct record rec;
	uint64_t bytes = 0;
	int r;

	spool_replaced_check(s);
	r = spool_seals_load(s);
	if (!r)
		r = segment_list(s->dir, &v->names, &v->n, NULL);
	if (!r)
		r = head_load(v, &foreign);
	if (!r &&
	    (foreign || (v->n && first_record(v, v->names[v->n - 1], &rec) && !key_fits(s, &rec))))
		r = recovery_set_aside(v, "sealed with another key");
	if (!r)
		r = last_segment(v, &bytes);
	if (!r && v->n > 1)
		r = overlap_cut(v, v->names[v->n - 2], v->names[v->n - 1]);
	if (r)
		return r;
	if (v->have_head)
		drop_declared(v, v->head.first_seq);
	if (s->st.hole.valid)
		drop_declared(v, s->st.hole.last + 1);
	r = resume(v);
	if (!r)
		r = index_make(v, bytes);
	if (!r)
		r = spool_tree_load(s, s->st.next_seq, s->prev, &s->tree);
	if (r == -ENOKEY || r == -ENODATA) {
		const char *why =
			r == -ENOKEY ? "its key is not here" : "its tree cannot be made again";

		r = recovery_set_aside(v, why);
		if (!r)
			r = chain_begin(s);
		if (!r)
			r = spool_tree_load(s, 0, s->prev, &s->tree);
	}
	if (r)
		return r;
	epoch_state(v);
	s->st.first_seq = v->n ? v->names[0] : s->st.next_seq;
	s->st.durable_seq = s->st.next_seq;
	s->st.durable_id = s->st.last_id;
	memcpy(s->durable_leaf, s->prev, sizeof(s->prev));
	return reopen(s);
}

int spool_recover(struct spool *s, char *err, size_t err_len)
{
	struct recovery v = {.s = s};
	int r = recover(&v);

	if (r)
		snprintf(err, err_len, "spool %s: recovery: %s", s->path, strerror(-r));
	chain_state_done(&v.c);
	free(v.names);
	return r;
}
