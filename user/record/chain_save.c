// SPDX-License-Identifier: Apache-2.0
/*
 * In: where a chain stands. Out: bytes of our own, and back. They are kept by who wrote them (the collector's
 * store), so nothing in them is signed; but they may be of another version or damaged, and then nothing is
 * loaded: the bytes end with a CRC-32C, flags have no other value than 0 and 1, and the tree brings exactly
 * the subtrees its size calls for. Verifier and MAC key are not in them: the first is made again from
 * `public`, the second is the caller's.
 */
#include <errno.h>
#include <string.h>

#include "base/reader.h"
#include "segment.h"

#define VERSION 1
#define FIXED (4 + 1 + 16 + 32 + 32 + 8 + 8 + 4 + 32 + 8 + 8 + 8 + 8 + 8 + 16 + 8 + 8 + 8 + 4)
_Static_assert(FIXED + 64 * TREE_HASH_LEN <= CHAIN_STATE_MAX, "the largest state fits");

enum { STARTED = 1, SEALED = 2, TIMED = 4, TREE_KNOWN = 8 };

struct writer {
	uint8_t *p;
};

static void put(struct writer *w, uint64_t v, size_t bytes)
{
	put_be(w->p, bytes, v);
	w->p += bytes;
}

static void put_bytes(struct writer *w, const void *p, size_t n)
{
	memcpy(w->p, p, n);
	w->p += n;
}

static size_t peaks(uint64_t size)
{
	return __builtin_popcountll(size);
}

size_t chain_state_save(const struct chain_state *c, uint8_t *out, size_t cap)
{
	size_t n = FIXED + (c->tree_known ? peaks(c->tree.size) * TREE_HASH_LEN : 0);
	struct writer w = {out};

	if (cap < n)
		return 0;
	put(&w, VERSION, 4);
	put(&w,
	    (c->started ? STARTED : 0) | (c->sealed ? SEALED : 0) | (c->timed ? TIMED : 0) |
		    (c->tree_known ? TREE_KNOWN : 0),
	    1);
	put_bytes(&w, c->chain, sizeof(c->chain));
	put_bytes(&w, c->public, sizeof(c->public));
	put_bytes(&w, c->prev, sizeof(c->prev));
	put(&w, c->next_seq, 8);
	put(&w, c->last_id, 8);
	put(&w, c->epoch, 4);
	put_bytes(&w, c->next_public, sizeof(c->next_public));
	put(&w, c->epoch_ns, 8);
	put(&w, c->epoch_first, 8);
	put(&w, c->epoch_boot_ns, 8);
	put(&w, c->seals, 8);
	put(&w, c->late_seals, 8);
	put_bytes(&w, c->boot_id, sizeof(c->boot_id));
	put(&w, c->wall_ns, 8);
	put(&w, c->boot_ns, 8);
	put(&w, c->tree_known ? c->tree.size : 0, 8);
	for (unsigned i = 0; c->tree_known && i < 64; i++)
		if (c->tree.size >> i & 1)
			put_bytes(&w, &c->tree.peak[i], TREE_HASH_LEN);
	put(&w, crc32c(0, out, w.p - out), 4);
	return n;
}

static void tree_load(struct reader *in, struct chain_state *c)
{
	c->tree.size = reader_u64(in);
	if (!c->tree_known && c->tree.size)
		in->bad = true;
	for (unsigned i = 0; !in->bad && i < 64; i++)
		if (c->tree.size >> i & 1)
			reader_bytes(in, &c->tree.peak[i], TREE_HASH_LEN);
}

int chain_state_load(const uint8_t *p, size_t n, struct chain_state *ret)
{
	struct reader in = reader_of(p, n);
	struct chain_state c = {0};
	uint8_t flags;

	if (reader_u32(&in) != VERSION)
		return -EBADMSG;
	flags = reader_u8(&in);
	if (flags & ~(STARTED | SEALED | TIMED | TREE_KNOWN))
		return -EBADMSG;
	c.started = flags & STARTED;
	c.sealed = flags & SEALED;
	c.timed = flags & TIMED;
	c.tree_known = flags & TREE_KNOWN;
	reader_bytes(&in, c.chain, sizeof(c.chain));
	reader_bytes(&in, c.public, sizeof(c.public));
	reader_bytes(&in, c.prev, sizeof(c.prev));
	c.next_seq = reader_u64(&in);
	c.last_id = reader_u64(&in);
	c.epoch = reader_u32(&in);
	reader_bytes(&in, c.next_public, sizeof(c.next_public));
	c.epoch_ns = reader_u64(&in);
	c.epoch_first = reader_u64(&in);
	c.epoch_boot_ns = reader_u64(&in);
	c.seals = reader_u64(&in);
	c.late_seals = reader_u64(&in);
	reader_bytes(&in, c.boot_id, sizeof(c.boot_id));
	c.wall_ns = reader_u64(&in);
	c.boot_ns = reader_u64(&in);
	tree_load(&in, &c);
	if (in.bad || reader_left(&in) != 4 || reader_u32(&in) != crc32c(0, p, n - 4))
		return -EBADMSG;
	/* A tree is of all records there are, or it is not known. */
	if (c.tree_known && c.tree.size != c.next_seq)
		return -EBADMSG;
	*ret = c;
	return 0;
}
