// SPDX-License-Identifier: Apache-2.0
/*
 * In: a directory of segments and its head, written by someone who may have had reasons. Out: what
 * does not hold, named by file, offset and expected sequence number. Invariant: reads only, in
 * chain order, with one bounded window whatever the size of the files.
 *
 * One finding per segment: behind a broken frame nothing has a proven predecessor, so reading goes
 * on with the next segment, whose first record's `prev` is then taken as given. Limits: a head and
 * segments that were rolled back together to an earlier state verify; only someone who remembers
 * (the collector) can tell.
 */
#include "verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#include "base/cleanup.h"
#include "segment_io.h"

#define LIVE_TRIES 3

struct walk {
	const struct verify_options *o;
	struct verify_result *r;
	int dir;
	uint64_t *names; /* first seq of each segment, ascending */
	size_t n;
	uint64_t all_bytes;
	struct head head;
	bool have_head, based, stop;
	struct chain_state c;
	char file[SEGMENT_NAME_LEN + 1]; /* the segment being read */
	uint64_t done;			 /* bytes of the segments before it */
	struct segment_reader in;
};

__attribute__((format(printf, 6, 7))) static void found(struct walk *w, const char *file,
							uint64_t offset, uint64_t seq,
							const char *kind, const char *fmt, ...)
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

/* Whether a recorder holds the directory's lock now. */
static bool live(const struct walk *w)
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

/* A live head is written in place; a reader may meet it half way and looks again. */
static void head_load(struct walk *w)
{
	const char *why = "io";
	int r = head_read(w, &w->head, &why);

	for (int i = 0; r == -EBADMSG && i < LIVE_TRIES && live(w); i++) {
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
		r = head_read(w, &w->head, &why);
	}
	w->have_head = r == 0;
	if (r == -EBADMSG)
		found(w, "head", 0, 0, "head", "the signed head is not valid: %s", why);
	else if (r && r != -ENOENT)
		found(w, "head", 0, 0, "io", "%s", strerror(-r));
}

/*
 * The state from which a segment is read when nothing before it is proven: its own name, and the
 * first record's word for its predecessor.
 */
static void base(struct walk *w, uint64_t name, const struct frame *f)
{
	struct record r;
	const char *why;

	if (record_decode(f->record, f->record_len, &r, &why))
		return; /* chain_append will say it */
	if (!w->based) {
		memcpy(w->c.chain, w->have_head ? w->head.chain : r.chain, sizeof(w->c.chain));
		if (w->o->expect_public)
			memcpy(w->c.public, w->o->expect_public, RECORD_PUBKEY_LEN);
		else if (name && w->have_head) /* the record that names the key is gone */
			memcpy(w->c.public, w->head.public, RECORD_PUBKEY_LEN);
		w->r->first_seq = name;
		w->r->pruned = w->names[0] > 0;
	}
	if (name)
		memcpy(w->c.prev, r.prev, sizeof(r.prev));
	else
		memset(w->c.prev, 0, sizeof(w->c.prev));
	w->c.next_seq = name;
	w->c.started = w->based = true;
}

/* An end that is no end of a frame, in the last segment. */
static void tail(struct walk *w, uint64_t offset)
{
	uint64_t seq = w->c.next_seq;

	if (w->have_head && seq <= w->head.seq)
		found(w, w->file, offset, seq, "tail cut",
		      "the signed head names record %llu; the file ends inside record %llu",
		      (unsigned long long)w->head.seq, (unsigned long long)seq);
	else if (live(w))
		w->r->live_tail = true;
	else
		found(w, w->file, offset, seq, "torn tail",
		      "incomplete last frame; the recorder cuts it at its next start");
}

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

static bool one_record(struct walk *w, const struct frame *f, uint64_t offset)
{
	uint64_t seq = w->c.next_seq;
	struct record r;
	const char *why;

	if (chain_append(&w->c, f->record, f->record_len, &(struct chain_sealed){f->sig, f->mac},
			 &r, &why)) {
		found(w, w->file, offset, seq, is_chain_kind(why) ? why : "record",
		      "record %llu: wrong %s", (unsigned long long)seq, why);
		return false;
	}
	if (w->have_head && r.seq == w->head.seq &&
	    memcmp(w->c.prev, w->head.leaf, sizeof(w->head.leaf))) {
		found(w, w->file, offset, seq, "head",
		      "record %llu is not the one the signed head names", (unsigned long long)seq);
		return false;
	}
	w->r->records++;
	w->r->last_seq = r.seq;
	w->r->by_schema[r.schema < ARRAY_SIZE(w->r->by_schema) ? r.schema : 0]++;
	if (w->o->record && w->o->record(w->o->ctx, &r, f))
		w->stop = true;
	return true;
}

/* What stopped the reading of a segment, other than its end. */
static void stopped(struct walk *w, enum segment_answer a, bool last)
{
	uint64_t offset = w->in.offset, seq = w->c.next_seq;
	bool crc = a == SEGMENT_BAD && !strcmp(w->in.why, "crc");

	if (a == SEGMENT_IO)
		found(w, w->file, offset, seq, "io", "%s", strerror(w->in.error));
	else if (a == SEGMENT_TORN && last)
		tail(w, offset);
	else if (a == SEGMENT_TORN)
		found(w, w->file, offset, seq, "frame",
		      "incomplete frame, and this is not the last segment");
	else if (crc)
		found(w, w->file, offset, seq, "crc", "the bytes are not the ones written");
	else
		found(w, w->file, offset, seq, "frame", "wrong %s", w->in.why);
}

/* Frames of a file until its end, a finding, or the caller's stop. True: whole. */
static bool frames(struct walk *w, int fd, uint64_t name, bool last)
{
	bool rebase = !w->based || !w->c.started;
	enum segment_answer a;

	segment_read(&w->in, fd, 0);
	while (!w->stop && (a = segment_next(&w->in)) == SEGMENT_FRAME) {
		if (rebase)
			base(w, name, &w->in.frame);
		rebase = false;
		if (!one_record(w, &w->in.frame, w->in.offset))
			return false;
		if (w->o->progress && w->r->bytes != w->done + w->in.bytes)
			w->o->progress(w->o->ctx, w->done + w->in.bytes, w->all_bytes);
		w->r->bytes = w->done + w->in.bytes;
	}
	if (!w->stop && a != SEGMENT_END)
		stopped(w, a, last);
	return w->stop || a == SEGMENT_END;
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
		found(w, before, before_end, want, "missing segment",
		      "records %llu to %llu are missing: this file was cut here, or %s is gone",
		      (unsigned long long)want, (unsigned long long)name - 1, gone);
	else
		found(w, w->file, 0, want, "sequence", "begins with record %llu, which was before",
		      (unsigned long long)name);
	return false;
}

/* The spool's bound takes the oldest segments of a live spool, after its head has said so. */
static bool pruned_meanwhile(const struct walk *w, uint64_t name)
{
	const char *why;
	struct head h;

	return head_read(w, &h, &why) == 0 && h.first_seq > name;
}

static void segments(struct walk *w)
{
	char before[SEGMENT_NAME_LEN + 1] = "";
	uint64_t end = 0;
	bool whole = true;

	for (size_t i = 0; i < w->n && !w->stop; i++) {
		_cleanup_close_ int fd = -1;

		segment_name(w->names[i], w->file);
		fd = openat(w->dir, w->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (fd < 0 && errno == ENOENT && pruned_meanwhile(w, w->names[i])) {
			whole = false;
			continue;
		}
		if (!i || !whole || !follows(w, w->names[i], before, end)) {
			w->c.started = false;
			w->c.next_seq = w->names[i];
		}
		if (fd < 0) {
			found(w, w->file, 0, w->names[i], "io", "%s", strerror(errno));
			whole = false;
			continue;
		}
		whole = frames(w, fd, w->names[i], i + 1 == w->n);
		w->done += w->in.bytes;
		w->r->bytes = w->done;
		w->r->segments++;
		memcpy(before, w->file, sizeof(before));
		end = w->in.offset;
	}
	if (whole && !w->stop && w->n && w->have_head && w->c.next_seq <= w->head.seq)
		found(w, w->file, end, w->c.next_seq, "tail cut",
		      "the signed head names record %llu; the last one here is before %llu",
		      (unsigned long long)w->head.seq, (unsigned long long)w->c.next_seq);
}

/* What the head promises about the beginning, before any segment is read. */
static void beginning(struct walk *w)
{
	char file[SEGMENT_NAME_LEN + 1];

	if (!w->n && !w->have_head && !w->r->findings)
		found(w, "", 0, 0, "empty", "no segment and no head here");
	if (!w->have_head || (w->n && w->names[0] <= w->head.first_seq))
		return;
	if (w->n && pruned_meanwhile(w, w->names[0] - 1))
		return; /* between our reading of the head and of the directory */
	segment_name(w->head.first_seq, file);
	found(w, file, 0, w->head.first_seq, "missing segment",
	      "the signed head says that records from %llu on are kept",
	      (unsigned long long)w->head.first_seq);
}

static void head_check(struct walk *w)
{
	const uint8_t *key = w->o->expect_public ? w->o->expect_public : w->c.public;

	if (w->have_head && (w->o->expect_public || w->c.verifier) &&
	    memcmp(w->head.public, key, RECORD_PUBKEY_LEN))
		found(w, "head", 96, w->head.seq, "key id", "the head is signed with another key");
	if (!w->have_head && w->n && !w->r->findings && !live(w))
		found(w, "head", 0, w->c.next_seq, "head",
		      "no head: whether the tail was cut cannot be told");
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
	w->o = o ? o : &none, w->r = &r, w->dir = fd;
	/* The head first: whatever it names is in the segments from then on. */
	head_load(w);
	e = segment_list(w->dir, &w->names, &w->n, &w->all_bytes);
	if (!e) {
		beginning(w);
		segments(w);
		if (!w->stop)
			head_check(w);
		memcpy(r.chain, w->c.chain, sizeof(r.chain));
		memcpy(r.public, w->c.public, sizeof(r.public));
		memcpy(r.last_leaf, w->c.prev, sizeof(r.last_leaf));
		r.ok = r.findings == 0;
		*ret = r;
	}
	chain_state_done(&w->c);
	free(w->names);
	return e;
}
