// SPDX-License-Identifier: Apache-2.0
/*
 * What recovery does with what it cannot go on from. In: a segment and where its good beginning ends, or a
 * whole chain. Out: the evidence under another name, byte for byte, and a note for a signed REPAIR record.
 * Only an end that was never durable is cut. Behind damage the furthest record of this chain that its key
 * signed is looked for, so that no number is given twice.
 */
#include "spool_recover_int.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"

struct spool_repair *recovery_note(struct recovery *v, const char *file, uint64_t offset,
				   uint64_t bytes, const char *fmt, ...)
{
	struct spool_state *st = &v->s->st;
	struct spool_repair *r;
	va_list ap;

	/* More than a few means a wrecked directory; the last slot then speaks for the rest. */
	if (st->repairs_count < SPOOL_REPAIRS_MAX)
		st->repairs_count++;
	r = &st->repairs[st->repairs_count - 1];
	*r = (struct spool_repair){.offset = offset, .bytes = bytes};
	snprintf(r->file, sizeof(r->file), "%s", file);
	va_start(ap, fmt);
	vsnprintf(r->reason, sizeof(r->reason), fmt, ap);
	va_end(ap);
	log_warn("spool %s: %s: %s", v->s->path, file, r->reason);
	return r;
}

/* Everything of a chain that cannot go on goes into a folder of its own, for verify. */
int recovery_set_aside(struct recovery *v, const char *why)
{
	static const char *const beside[] = {"head",	"seals",  "checkpoint", "witnessed",
					     "erasing", "leaves", "tiled",	"tile"};
	struct spool *s = v->s;
	char dir[64], file[SEGMENT_NAME_LEN + 1];
	_cleanup_close_ int to = -1;
	int k = 0;

	do
		snprintf(dir, sizeof(dir), "chain-before.%d", k);
	while (mkdirat(s->dir, dir, 0700) < 0 && errno == EEXIST && ++k < 1000);
	to = openat(s->dir, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (to < 0)
		return -errno;
	for (size_t i = 0; i < v->n; i++) {
		segment_name(v->names[i], file);
		if (renameat(s->dir, file, to, file) < 0)
			return -errno;
	}
	for (size_t i = 0; i < ARRAY_SIZE(beside); i++)
		renameat(s->dir, beside[i], to, beside[i]);
	unlinkat(s->dir, "acked", 0);
	if (fsync(to) < 0 || fsync(s->dir) < 0)
		return -errno;
	if (s->head >= 0)
		close(TAKE_FD(s->head));
	v->n = 0;
	v->have_head = v->ahead = false;
	chain_state_done(&v->c);
	v->c = (struct chain_state){0};
	s->seals_n = s->seals_tail_n = s->seals_bytes = s->segs_n = 0;
	s->seals_new = false;
	s->st.segments = s->st.bytes = s->st.last_id = 0;
	s->st.hole.valid = false;
	recovery_note(v, dir, 0, 0, "%s; kept here, a new chain begins", why);
	return 0;
}

static bool signed_by(const uint8_t public[static RECORD_PUBKEY_LEN], const struct frame *f)
{
	struct verifier *v = NULL;
	bool ok = !verifier_new(public, &v) && verifier_ok(v, f->record, RECORD_HEADER_LEN, f->sig);

	verifier_free(v);
	return ok;
}

/* By the key of its place in the chain, or that of the open epoch, whose SEAL may be what is damaged; or,
 * without a signature, by the MAC of the open epoch. */
static bool is_signed(const struct spool *s, const struct record *r, const struct frame *f)
{
	uint8_t public[RECORD_PUBKEY_LEN];
	struct tree_hash leaf;
	uint32_t epoch;

	record_leaf(f->record, leaf.b);
	if (!f->sig)
		return r->epoch == epochs_now(s->epochs) &&
		       mac_ok(epochs_mac(s->epochs), &leaf, f->mac);
	return (!spool_key_at(s, r->seq, public, &epoch) && signed_by(public, f)) ||
	       (r->epoch == epochs_now(s->epochs) &&
		signed_by(signer_public(epochs_signer(s->epochs)), f));
}

/* Behind damage: the furthest record of this chain that our key signed. */
static void look_ahead(struct recovery *v)
{
	struct segment_reader *in = v->s->in;
	enum segment_answer a;
	struct record r;
	const char *why;

	segment_resync(in);
	while ((a = segment_next(in)) != SEGMENT_END && a != SEGMENT_IO) {
		const struct frame *f = &in->frame;

		if (a != SEGMENT_FRAME) {
			segment_resync(in);
			continue;
		}
		if (record_decode(f->record, f->record_len, &r, &why) ||
		    (v->c.started && memcmp(r.chain, v->c.chain, sizeof(r.chain))) ||
		    r.seq < v->c.next_seq || (v->ahead && r.seq <= v->ahead_seq) ||
		    !is_signed(v->s, &r, f))
			continue;
		v->ahead = v->c.started = true;
		memcpy(v->c.chain, r.chain, sizeof(r.chain));
		v->ahead_seq = r.seq;
		if (r.id > v->ahead_id)
			v->ahead_id = r.id;
		record_leaf(f->record, v->ahead_leaf);
	}
}

static int copy_beginning(struct recovery *v, int from, const char *file, uint64_t n)
{
	_cleanup_close_ int to = -1;
	uint8_t b[65536];

	unlinkat(v->s->dir, "salvage.tmp", 0);
	to = openat(v->s->dir, "salvage.tmp", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0)
		return -errno;
	for (uint64_t at = 0; at < n;) {
		ssize_t k = pread(from, b, n - at < sizeof(b) ? n - at : sizeof(b), at);

		if (k <= 0 || pwrite(to, b, k, at) != k)
			return errno ? -errno : -EIO;
		at += k;
	}
	if (fsync(to) < 0 || renameat(v->s->dir, "salvage.tmp", v->s->dir, file) < 0)
		return -errno;
	return 0;
}

int recovery_quarantine(struct recovery *v, int fd, const char *file, uint64_t good,
			const char *why)
{
	char bad[64];
	struct stat st;
	int k = 0, r;

	if (fstat(fd, &st) < 0)
		return -errno;
	snprintf(bad, sizeof(bad), "%s.bad", file);
	while (faccessat(v->s->dir, bad, F_OK, 0) == 0 && ++k < 1000)
		snprintf(bad, sizeof(bad), "%s.%d.bad", file, k);
	recovery_note(v, bad, good, st.st_size - good,
		      "damaged (%s); kept under this name, its good beginning as %s", why, file);
	look_ahead(v);
	if (renameat(v->s->dir, file, v->s->dir, bad) < 0)
		return -errno;
	r = good ? copy_beginning(v, fd, file, good) : 0;
	return r ? r : fsync(v->s->dir) < 0 ? -errno : 0;
}

int recovery_cut(struct recovery *v, int fd, const char *file, uint64_t good)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || ftruncate(fd, good) < 0 || fsync(fd) < 0)
		return -errno;
	recovery_note(v, file, good, st.st_size - good, "torn tail cut: %" PRIu64 " bytes",
		      (uint64_t)st.st_size - good);
	return 0;
}
