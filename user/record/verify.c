// SPDX-License-Identifier: Apache-2.0
/*
 * In: a directory of segments and what lies beside them, written by someone who may have had reasons. Out:
 * what does not hold, named by file, offset and expected sequence number. Invariant: reads only, in chain
 * order, with memory bounded by the number of threads and epochs, not by the size of the files.
 *
 * Head, `seals` and checkpoints are read first: whatever they name is in the segments from then on, also
 * while a recorder goes on writing. Then one pass over the frames (verify_source.c reads ahead and checks
 * signatures on several threads; the rules of the chain are applied here, in order), the tree and the tiles
 * with it (verify_tiles.c). Keys come from SEALs (verify_seals.c), checkpoints are compared where their size
 * is passed (verify_notes.c).
 *
 * One finding per segment: behind a broken frame nothing has a proven predecessor, so reading goes on with
 * the next segment, whose first record's `prev` is then taken as given. Limits: files that were set back
 * together to an earlier state verify; only someone who remembers a later one (the collector, a cosigned
 * checkpoint) can tell.
 */
#include "verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>

#include "base/cleanup.h"
#include "proto/record.pb-c.h"
#include "look.h"
#include "verify_int.h"
#include "verify_source.h"

#define PROGRESS_BYTES (256 * 1024)

DEFINE_CLEANUP(struct source, source_free)

void verify_found(struct walk *w, const char *file, uint64_t offset, uint64_t seq, const char *kind,
		  const char *fmt, ...)
{
	struct verify_finding f = {.offset = offset, .seq = seq};
	va_list ap;

	snprintf(f.file, sizeof(f.file), "%s", file);
	snprintf(f.kind, sizeof(f.kind), "%s", kind);
	va_start(ap, fmt);
	vsnprintf(f.detail, sizeof(f.detail), fmt, ap);
	va_end(ap);
	if (!w->r->findings++)
		w->r->first = f;
	if (w->o->finding)
		w->o->finding(w->o->ctx, &f);
}

/* --- one record ------------------------------------------------------------------------------------ */

static bool is_chain_kind(const char *why)
{
	static const char *const kinds[] = {"sequence", "previous hash", "signature",
					    "chain id", "key id",	 "id order",
					    "epoch",	"seal",		 "seal overdue",
					    "tree",	"time",		 "boot",
					    "mac"};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(why, kinds[i]))
			return true;
	return false;
}

static int erasures(struct walk *w, const struct record *r, const struct frame *f)
{
	if (!record_erased(f->record, f->record_len))
		return erasures_record(&w->erasures, r->seq, r->schema, r->payload, r->payload_len);
	w->r->erased++;
	return erasures_erased(&w->erasures, r->seq);
}

/* What follows from a good record for what lies beside the segments. */
static int taken(struct walk *w, const struct record *r, const struct frame *f, bool first_of_epoch)
{
	struct verify_result *v = w->r;
	struct tree_hash leaf;
	int e = 0;

	v->records++;
	v->last_seq = r->seq;
	v->by_schema[r->schema < ARRAY_SIZE(v->by_schema) ? r->schema : 0]++;
	v->signatures += f->sig != NULL;
	v->epochs += first_of_epoch || v->records == 1;
	if (!w->first_known && !r->epoch) {
		memcpy(w->first_public, w->c.public, RECORD_PUBKEY_LEN);
		w->first_known = true;
	}
	if (f->sig)
		w->covered = r->seq + 1;
	memcpy(leaf.b, w->c.prev, sizeof(leaf.b));
	verify_tiles_leaf(w, &leaf);
	if (w->c.tree_known)
		verify_notes_at(w, &w->c.tree);
	verify_tpm_record(w, w->file, r);
	if (w->c.sealed)
		e = verify_ends_add(w, r, f);
	return e ? e : erasures(w, r, f);
}

static int one_record(struct walk *w, const struct source_item *it, bool *ret_good)
{
	const struct frame *f = &it->frame;
	uint64_t seq = w->c.next_seq;
	bool sealed = w->c.sealed;
	struct record r;
	const char *why;

	*ret_good = false;
	if (chain_append_checked(&w->c, f->record, f->record_len,
				 &(struct chain_sealed){f->sig, f->mac}, &it->checked, &r, &why)) {
		verify_found(w, w->file, it->offset, seq, is_chain_kind(why) ? why : "record",
			     "record %llu: wrong %s", (unsigned long long)seq, why);
		return 0;
	}
	if (w->have_head && r.seq == w->head.seq) {
		w->head_seen = !memcmp(w->c.prev, w->head.leaf, sizeof(w->head.leaf));
		if (!w->head_seen) {
			verify_found(w, w->file, it->offset, seq, "head",
				     "record %llu is not the one the signed head names",
				     (unsigned long long)seq);
			return 0;
		}
	}
	*ret_good = true;
	w->stop = w->o->record && w->o->record(w->o->ctx, &r, f);
	return taken(w, &r, f, sealed);
}

/* --- segments -------------------------------------------------------------------------------------- */

/* An end that is no end of a frame, in the last segment. */
static void tail(struct walk *w, uint64_t offset)
{
	uint64_t seq = w->c.next_seq;

	if (w->have_head && seq <= w->head.seq)
		verify_found(w, w->file, offset, seq, "tail cut",
			     "the signed head names record %llu; the file ends inside record %llu",
			     (unsigned long long)w->head.seq, (unsigned long long)seq);
	else if (verify_live(w))
		w->r->live_tail = true;
	else
		verify_found(w, w->file, offset, seq, "torn tail",
			     "incomplete last frame; the recorder cuts it at its next start");
}

/* What stopped the reading of a segment, other than its end. */
static void stopped(struct walk *w, const struct source_item *it)
{
	bool last = it->segment + 1 == w->n;
	uint64_t seq = w->c.next_seq;

	if (it->answer == SEGMENT_IO)
		verify_found(w, w->file, it->offset, seq, "io", "%s", strerror(it->error));
	else if (it->answer == SEGMENT_TORN && last)
		tail(w, it->offset);
	else if (it->answer == SEGMENT_TORN)
		verify_found(w, w->file, it->offset, seq, "frame",
			     "incomplete frame, and this is not the last segment");
	else if (!strcmp(it->why, "crc"))
		verify_found(w, w->file, it->offset, seq, "crc",
			     "the bytes are not the ones written");
	else
		verify_found(w, w->file, it->offset, seq, "frame", "wrong %s", it->why);
}

/* Whether the segment follows what was read: its name says where it begins. */
static bool follows(struct walk *w, uint64_t name, const char *before, uint64_t before_end)
{
	uint64_t want = w->c.next_seq;
	char gone[SEGMENT_NAME_LEN + 1];

	if (name == want)
		return true;
	segment_name(want, gone);
	if (name > want)
		verify_found(
			w, before, before_end, want, "missing segment",
			"records %llu to %llu are missing: this file was cut here, or %s is gone",
			(unsigned long long)want, (unsigned long long)name - 1, gone);
	else
		verify_found(w, w->file, 0, want, "sequence",
			     "begins with record %llu, which was before", (unsigned long long)name);
	return false;
}

static void progress(struct walk *w, uint64_t bytes)
{
	w->r->bytes = w->done + bytes;
	if (!w->o->progress || (w->r->bytes < w->told + PROGRESS_BYTES &&
				(w->r->bytes < w->all_bytes || w->told == w->r->bytes)))
		return;
	w->told = w->r->bytes;
	w->o->progress(w->o->ctx, w->told, w->all_bytes);
}

/* The walk over what the source gives; `cur` is the segment it is in. */
struct place {
	size_t cur; /* + 1; 0: none yet */
	bool whole, broken,
		base; /* the one before was read to its end; this one was not; verify_base() */
	char before[SEGMENT_NAME_LEN + 1];
	uint64_t end;
};

static void begin(struct walk *w, struct place *p, const struct source_item *it)
{
	uint64_t name = w->names[it->segment];

	p->cur = it->segment + 1;
	p->broken = it->unopened && it->error == ENOENT && verify_pruned_meanwhile(w, name);
	if (p->broken)
		return;
	segment_name(name, w->file);
	if (!it->segment || !p->whole || !follows(w, name, p->before, p->end)) {
		w->c.started = false;
		w->c.next_seq = name;
	}
	p->base = !w->based || !w->c.started;
}

static void finish(struct walk *w, struct place *p, const struct source_item *it)
{
	if (!p->broken && it->answer != SEGMENT_END)
		stopped(w, it);
	p->whole = !p->broken && it->answer == SEGMENT_END;
	progress(w, it->bytes);
	w->done += it->bytes;
	w->r->segments += !it->unopened;
	memcpy(p->before, w->file, sizeof(p->before));
	p->end = it->offset;
}

static int step(struct walk *w, struct place *p, const struct source_item *it)
{
	bool good = true;
	int r;

	if (p->cur != it->segment + 1)
		begin(w, p, it);
	if (it->answer != SEGMENT_FRAME) {
		finish(w, p, it);
		return 0;
	}
	if (p->broken)
		return 0;
	if (p->base)
		verify_base(w, w->names[it->segment], &it->frame);
	p->base = false;
	r = one_record(w, it, &good);
	p->broken = !good;
	p->end = it->bytes;
	progress(w, it->bytes);
	return r;
}

static bool key_at(void *ctx, uint64_t seq, uint8_t ret[static RECORD_PUBKEY_LEN])
{
	uint32_t epoch;

	return verify_key_at(ctx, seq, &epoch, ret);
}

static int segments(struct walk *w)
{
	const struct source_config cfg = {w->dir, w->names, w->n, w->o->threads ?: looks_cpus(),
					  key_at, w};
	_cleanup_(source_freep) struct source *s = NULL;
	const struct source_item *it;
	struct place p = {.whole = true};
	int r = source_new(&cfg, &s);

	while (!r && !w->stop && (it = source_next(s)))
		r = step(w, &p, it);
	if (!r)
		r = source_error(s);
	if (!r && p.whole && !w->stop && w->n && w->have_head && !w->o->part &&
	    w->c.next_seq <= w->head.seq)
		verify_found(w, w->file, p.end, w->c.next_seq, "tail cut",
			     "the signed head names record %llu; the last one here is before %llu",
			     (unsigned long long)w->head.seq, (unsigned long long)w->c.next_seq);
	w->done = p.end;
	return r;
}

/* --- all of it ------------------------------------------------------------------------------------- */

/* Records without a signature of their own, that nothing signed behind them covers. */
static void unsigned_tail(struct walk *w)
{
	if (w->o->covered > w->covered && w->o->covered_epoch == w->c.epoch)
		w->covered = w->o->covered;
	if (w->c.next_seq <= w->covered)
		return;
	w->r->unsigned_tail = w->c.next_seq - w->covered;
	if (!verify_live(w) && !w->r->findings)
		verify_found(w, w->file, w->done, w->covered, "uncovered",
			     "%llu records have no signature and none behind them",
			     (unsigned long long)w->r->unsigned_tail);
}

static void the_rest(struct walk *w)
{
	uint64_t to = w->o->part && w->c.tree_known ? verify_notes_largest(w) : 0;
	struct tree_edge edge = w->c.tree;

	if (to > w->c.next_seq && w->based)
		verify_tiles_fill(w, to, &edge);
	verify_tiles_end(w);
	verify_ends_check(w);
	verify_head_check(w);
	verify_notes_check(w);
	unsigned_tail(w);
	verify_erased_check(w);
	verify_tpm_check(w);
}

static void result(struct walk *w)
{
	struct verify_result *r = w->r;

	memcpy(r->chain, w->c.chain, sizeof(r->chain));
	memcpy(r->public, w->first_public, sizeof(r->public));
	memcpy(r->last_leaf, w->c.prev, sizeof(r->last_leaf));
	r->trusted = w->o->expect_public;
	r->seals = w->c.seals;
	r->late_seals = w->c.late_seals;
	r->macs += w->c.macs;
	r->tree_known = w->based && w->c.tree_known;
	if (r->tree_known)
		tree_root(&w->c.tree, &r->root);
	r->ok = r->findings == 0;
}

static int walk(struct walk *w)
{
	int e;

	if (w->o->expect_public) {
		memcpy(w->first_public, w->o->expect_public, RECORD_PUBKEY_LEN);
		w->first_known = true;
	}
	verify_head_load(w);
	e = verify_ends_load(w);
	if (!e)
		e = verify_notes_load(w);
	if (!e)
		e = segment_list(w->dir, &w->names, &w->n, &w->all_bytes);
	if (e)
		return e;
	verify_head_beginning(w);
	e = segments(w);
	if (!e && !w->r->records && !w->r->findings)
		verify_found(w, "", 0, 0, "empty", "no record is here");
	if (!e && !w->stop)
		the_rest(w);
	result(w);
	return e;
}

int verify_dir(const char *dir, const struct verify_options *o, struct verify_result *ret)
{
	static const struct verify_options none;
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ struct walk *w = calloc(1, sizeof(*w));
	struct verify_result r = {0};
	int e;

	if (fd < 0)
		return -errno;
	if (!w)
		return -ENOMEM;
	w->o = o ? o : &none;
	w->r = &r;
	w->dir = fd;
	w->path = dir;
	e = walk(w);
	if (!e)
		*ret = r;
	chain_state_done(&w->c);
	verify_ends_done(w);
	verify_notes_done(w);
	erasures_done(&w->erasures);
	free(w->names);
	return e;
}
