// SPDX-License-Identifier: Apache-2.0
/*
 * In: payloads to seal. Out: signed records on disk. A record is chained and signed the moment it
 * is sealed and lies in `buf` until a commit has written and synced it; only then are durable_seq
 * and head moved and may anyone be told.
 *
 * Invariant: files hold the chain in order without a hole; `buf` holds exactly the records from
 * durable_seq to below next_seq. When buf is full spool_seal says -ENOBUFS and the caller keeps
 * the payload. After a failed fsync the kernel has dropped the pages, so the same file is never
 * asked again: it is cut back to what was synced before and the records go into a new file.
 */
#include "spool_int.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"

#define BUFFER (SPOOL_BUFFER + URGENT_ROOM + FRAME_MAX)
#define LOCK_TRIES 40 /* × 50 ms: the recorder before us may be dying */

DEFINE_CLEANUP(struct spool, spool_free)

static uint64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static int hexval(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int boot_id_read(uint8_t ret[static 16])
{
	_cleanup_free_ char *text = NULL;
	int r = fs_read("/proc/sys/kernel/random/boot_id", 64, &text, NULL), n = 0;

	if (r)
		return r;
	for (const char *s = text; *s && n < 32; s++)
		if (hexval(*s) >= 0) {
			ret[n / 2] = ret[n / 2] << 4 | hexval(*s);
			n++;
		}
	return n == 32 ? 0 : -EBADMSG;
}

static int lock_take(struct spool *s)
{
	s->lock = openat(s->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock < 0)
		return -errno;
	for (int i = 0; flock(s->lock, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK || i == LOCK_TRIES)
			return errno == EWOULDBLOCK ? -EBUSY : -errno;
		nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
	}
	return 0;
}

static int prepare(struct spool *s, const struct spool_config *c, char *err, size_t err_len)
{
	int r = fs_mkdirs(c->dir, 0700);

	if (!r) {
		s->dir = open(c->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = s->dir < 0 ? -errno : boot_id_read(s->boot_id);
	}
	if (r) {
		snprintf(err, err_len, "spool %s: %s", c->dir, strerror(-r));
		return r;
	}
	r = lock_take(s);
	if (r)
		snprintf(err, err_len, "spool %s: %s", c->dir,
			 r == -EBUSY ? "another recorder holds its lock" : strerror(-r));
	return r;
}

int spool_open(const struct spool_config *c, struct spool **ret, char *err, size_t err_len)
{
	_cleanup_(spool_freep) struct spool *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->dir = s->lock = s->head = s->fd = -1;
	snprintf(s->path, sizeof(s->path), "%s", c->dir);
	s->epochs = c->epochs;
	s->epoch_ns = c->epoch_ns ? c->epoch_ns : SPOOL_EPOCH_NS;
	s->by_checkpoint = c->by_checkpoint;
	s->tpm_public = c->tpm_public;
	s->salts_used = sizeof(s->salts);
	snprintf(s->origin, sizeof(s->origin), "%s", c->origin ?: "");
	s->segment_bytes = c->segment_bytes;
	s->io = (struct spool_io){pwrite, fdatasync};
	if (c->io && c->io->pwrite)
		s->io.pwrite = c->io->pwrite;
	if (c->io && c->io->fdatasync)
		s->io.fdatasync = c->io->fdatasync;
	s->buf = malloc(BUFFER);
	s->in = malloc(sizeof(*s->in));
	if (!s->buf || !s->in)
		return -ENOMEM;
	r = prepare(s, c, err, err_len);
	if (!r)
		r = spool_recover(s, err, err_len);
	if (!r) {
		spool_erase_resume(s);
		*ret = TAKE_PTR(s);
	}
	return r;
}

void spool_free(struct spool *s)
{
	if (!s)
		return;
	for (int i = 0; i < 4; i++) {
		int fd = (int[]){s->dir, s->lock, s->head, s->fd}[i];

		if (fd >= 0)
			close(fd);
	}
	free(s->buf);
	free(s->in);
	free(s->segs);
	free(s->seals);
	free(s->seals_tail);
	free(s->leaves);
	tiles_free(s->tiles);
	free(s);
}

const struct spool_state *spool_state(const struct spool *s)
{
	return &s->st;
}

int spool_segment_add(struct spool *s, uint64_t first, uint64_t next, uint64_t bytes)
{
	if (s->segs_n == s->segs_cap) {
		size_t cap = s->segs_cap ? 2 * s->segs_cap : 64;
		struct segment *more = realloc(s->segs, cap * sizeof(*more));

		if (!more)
			return -ENOMEM;
		s->segs = more;
		s->segs_cap = cap;
	}
	s->segs[s->segs_n++] = (struct segment){first, next, bytes};
	s->st.segments = s->segs_n;
	s->st.bytes += bytes;
	return 0;
}

/* Sixteen random bytes as a protobuf field 1000 of any message. */
static int salt(struct spool *s, uint8_t *out)
{
	static const uint8_t tag[3] = {0xc2, 0x3e, 16};

	if (s->salts_used + 16 > sizeof(s->salts)) {
		if (RAND_bytes(s->salts, sizeof(s->salts)) != 1)
			return -EIO;
		s->salts_used = 0;
	}
	memcpy(out, tag, sizeof(tag));
	memcpy(out + sizeof(tag), s->salts + s->salts_used, 16);
	s->salts_used += 16;
	return 0;
}

static int leaf_room(struct spool *s)
{
	size_t cap = s->leaves_cap ? 2 * s->leaves_cap : 256;
	struct tree_hash *more;

	if (s->leaves_n < s->leaves_cap)
		return 0;
	more = realloc(s->leaves, cap * sizeof(*more));
	if (!more)
		return -ENOMEM;
	s->leaves = more;
	s->leaves_cap = cap;
	return 0;
}

/* The record at `record`, whose payload lies there already, and what seals it behind it. Length of both, 0
 * when the key does not sign. */
static size_t seal(struct spool *s, struct record *r, uint8_t *record)
{
	size_t len = RECORD_HEADER_LEN + r->payload_len;
	struct signer *key = epochs_signer(s->epochs);
	struct tree_hash leaf;

	r->epoch = epochs_now(s->epochs);
	memcpy(r->chain, s->st.chain, sizeof(r->chain));
	memcpy(r->boot_id, s->boot_id, sizeof(r->boot_id));
	memcpy(r->prev, s->prev, sizeof(r->prev));
	key_id(signer_public(key), r->key_id);
	if (record_encode(r, record, len) != len)
		return 0;
	record_leaf(record, leaf.b);
	mac_of(epochs_mac(s->epochs), &leaf, record + len);
	if (r->alg != RECORD_CHECKPOINT &&
	    signer_sign(key, record, RECORD_HEADER_LEN, record + len + MAC_LEN))
		return 0;
	memcpy(s->prev, leaf.b, sizeof(s->prev));
	s->leaves[s->leaves_n++] = leaf;
	tree_add(&s->tree, &leaf);
	return MAC_LEN + (r->alg == RECORD_CHECKPOINT ? 0 : RECORD_SIG_LEN);
}

int spool_seal(struct spool *s, uint32_t schema, uint64_t id, const void *payload, size_t n,
	       bool urgent)
{
	uint8_t *frame = s->buf + s->buf_len, *record = frame + SEGMENT_FRAME_LEN;
	struct record r = {
		/* Control records say who holds the chain: they are always signed themselves. */
		.alg = s->by_checkpoint && schema != RECORD_CONTROL ? RECORD_CHECKPOINT
								    : RECORD_ED25519,
		.seq = s->st.next_seq,
		.id = id,
		.wall_ns = now_ns(CLOCK_REALTIME),
		.boot_ns = now_ns(CLOCK_BOOTTIME),
		.schema = schema,
		.payload_len = SPOOL_SALT_LEN + n,
		.payload = record + RECORD_HEADER_LEN,
	};
	size_t all = SEGMENT_FRAME_LEN + RECORD_HEADER_LEN + SPOOL_SALT_LEN + n, sealed;

	if (n > SPOOL_PAYLOAD_MAX)
		return -EMSGSIZE;
	if (id && id <= s->st.last_id)
		return -EALREADY;
	if (s->buf_len + all + RECORD_SEAL_MAX > (urgent ? BUFFER : SPOOL_BUFFER))
		return -ENOBUFS;
	if (leaf_room(s))
		return -ENOMEM;
	if (salt(s, record + RECORD_HEADER_LEN))
		return -EIO;
	if (n)
		memcpy(record + RECORD_HEADER_LEN + SPOOL_SALT_LEN, payload, n);
	sealed = seal(s, &r, record);
	if (!sealed)
		return -EIO;
	frame_head(record, RECORD_HEADER_LEN + r.payload_len, sealed, frame);
	all += sealed;
	if (!s->st.pending++)
		s->buf_first = r.seq;
	s->buf_len += all;
	s->st.pending_bytes = s->buf_len;
	s->st.next_seq++;
	s->st.wall_ns = r.wall_ns;
	s->st.boot_ns = r.boot_ns;
	if (!r.seq) /* a new chain's first epoch begins now; that of another boot is due at once */
		s->st.epoch_boot_ns = r.boot_ns;
	if (id)
		s->st.last_id = id;
	return 0;
}

static int segment_begin(struct spool *s)
{
	char name[SEGMENT_NAME_LEN + 1];
	int r;

	segment_name(s->buf_first, name);
	s->reserved = s->reserve_next &&
		      renameat2(s->dir, "reserve", s->dir, name, RENAME_NOREPLACE) == 0;
	s->reserve_next = false;
	s->fd = openat(s->dir, name, O_WRONLY | O_CLOEXEC | (s->reserved ? 0 : O_CREAT | O_EXCL),
		       0600);
	if (s->fd < 0)
		return -errno;
	r = fsync(s->dir) < 0 ? -errno : spool_segment_add(s, s->buf_first, s->buf_first, 0);
	if (r) {
		unlinkat(s->dir, name, 0);
		close(TAKE_FD(s->fd));
	}
	return r;
}

void spool_segment_end(struct spool *s)
{
	if (s->reserved && ftruncate(s->fd, s->segs[s->segs_n - 1].bytes) < 0)
		log_warn("spool %s: reserved space is not given back: %s", s->path,
			 strerror(errno));
	close(TAKE_FD(s->fd));
	s->reserved = false;
}

/* The file whose fsync failed, or that has no room, keeps what was synced before; the rest is in buf. */
static void segment_abandon(struct spool *s)
{
	struct segment *g = &s->segs[s->segs_n - 1];
	char name[SEGMENT_NAME_LEN + 1];

	segment_name(g->first, name);
	if (!g->bytes) {
		unlinkat(s->dir, name, 0);
		s->st.segments = --s->segs_n;
	} else if (ftruncate(s->fd, g->bytes) < 0) {
		log_err("spool %s: cannot cut %s back to %" PRIu64 " bytes: %s; recovery will",
			s->path, name, g->bytes, strerror(errno));
	}
	close(TAKE_FD(s->fd));
	s->reserved = false;
	s->buf_written = 0;
}

void spool_reserve_use(struct spool *s)
{
	if (s->fd >= 0)
		segment_abandon(s);
	s->reserve_next = true;
}

static int write_out(struct spool *s)
{
	struct segment *g;
	int r = s->fd < 0 ? segment_begin(s) : 0;

	if (r)
		return r;
	g = &s->segs[s->segs_n - 1];
	while (s->buf_written < s->buf_len) {
		ssize_t k = s->io.pwrite(s->fd, s->buf + s->buf_written,
					 s->buf_len - s->buf_written, g->bytes + s->buf_written);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return k ? -errno : -EIO;
		s->buf_written += k;
	}
	if (s->io.fdatasync(s->fd) < 0) {
		r = -errno;
		log_err("spool %s: fdatasync failed: %s; its %" PRIu64
			" unsynced records go into a new segment",
			s->path, strerror(-r), s->st.pending);
		segment_abandon(s);
	}
	return r;
}

int spool_head_write(struct spool *s)
{
	struct head h = {
		.seq = s->st.durable_seq - 1,
		.first_seq = s->st.first_seq,
		.wall_ns = now_ns(CLOCK_REALTIME),
	};
	uint8_t b[HEAD_LEN];
	_cleanup_close_ int fd = -1;

	memcpy(h.chain, s->st.chain, sizeof(h.chain));
	memcpy(h.leaf, s->durable_leaf, sizeof(h.leaf));
	memcpy(h.public, signer_public(epochs_signer(s->epochs)), sizeof(h.public));
	if (head_encode(&h, epochs_signer(s->epochs), b))
		return -EIO;
	if (s->head >= 0 && pwrite(s->head, b, sizeof(b), 0) == sizeof(b) &&
	    fdatasync(s->head) == 0)
		return 0;
	if (s->head >= 0)
		close(TAKE_FD(s->head));
	unlinkat(s->dir, "head.tmp", 0); /* one whose fsync failed is not asked again */
	fd = openat(s->dir, "head.tmp", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || pwrite(fd, b, sizeof(b), 0) != sizeof(b) || fsync(fd) < 0 ||
	    renameat(s->dir, "head.tmp", s->dir, "head") < 0 || fsync(s->dir) < 0)
		return errno ? -errno : -EIO;
	s->head = TAKE_FD(fd);
	return 0;
}

static void committed(struct spool *s)
{
	struct segment *g = &s->segs[s->segs_n - 1];

	spool_leaves_durable(s);
	if (s->handover)
		spool_epoch_durable(s);
	g->bytes += s->buf_len;
	g->next = s->st.next_seq;
	s->st.bytes += s->buf_len;
	s->st.durable_seq = s->st.next_seq;
	s->st.durable_id = s->st.last_id;
	memcpy(s->durable_leaf, s->prev, sizeof(s->prev));
	s->st.pending = s->st.pending_bytes = s->buf_len = s->buf_written = 0;
	s->st.groups++;
	if (g->bytes >= s->segment_bytes)
		spool_segment_end(s);
}

int spool_commit(struct spool *s)
{
	int r;

	if (!s->st.pending)
		return 0;
	r = write_out(s);
	if (r && s->fd < 0 && r != -ENOSPC) { /* a new file may do what this one could not */
		s->st.failures++;
		r = write_out(s);
	}
	if (r) {
		s->st.failures++;
		return r;
	}
	committed(s);
	r = spool_head_write(s);
	if (r) { /* the records are durable all the same; verify misses only the cover of the tail */
		s->st.failures++;
		log_warn("spool %s: head: %s; tried again with the next records", s->path,
			 strerror(-r));
	}
	return 0;
}

uint64_t spool_oldest_end(const struct spool *s)
{
	return s->segs_n > 1 ? s->segs[1].first : 0;
}

int spool_drop(struct spool *s, uint64_t seq)
{
	char name[SEGMENT_NAME_LEN + 1];
	size_t n = 0;
	int r;

	while (n + 1 < s->segs_n && s->segs[n + 1].first <= seq)
		n++;
	if (!n)
		return 0;
	/* Until its SEAL is durable nobody knows the key that would sign the head. */
	r = s->handover ? spool_commit(s) : 0;
	/* Their leaves and SEALs stay, and so does every proof. */
	if (!r)
		r = spool_seals_sync(s);
	if (!r)
		r = spool_tiles_keep(s, s->segs[n].first);
	if (r)
		return r;
	s->st.first_seq = s->segs[n].first;
	r = spool_head_write(s);
	if (r) {
		s->st.first_seq = s->segs[0].first;
		return r;
	}
	for (size_t i = 0; i < n; i++) {
		segment_name(s->segs[i].first, name);
		if (unlinkat(s->dir, name, 0) < 0 && errno != ENOENT)
			log_warn("spool %s: %s: %s", s->path, name, strerror(errno));
		s->st.bytes -= s->segs[i].bytes;
	}
	s->segs_n -= n;
	memmove(s->segs, s->segs + n, s->segs_n * sizeof(*s->segs));
	s->st.segments = s->segs_n;
	return 0;
}

void spool_note_hole(struct spool *s, uint64_t first, uint64_t last, uint64_t seq)
{
	s->st.hole = (struct spool_hole){true, first, last, seq};
}
