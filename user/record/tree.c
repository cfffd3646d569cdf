// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: leaf hashes, or full subtrees through `read`. Flows out: roots and proofs.
 *
 * A tree of n leaves is its full subtrees, largest first, one for each bit of n; a root is folded from
 * them, smallest first. What is asked of `read` is full subtrees only, and they never change, so a
 * proof may be made while the tree grows.
 *
 * Checking walks a proof from the leaf up (RFC 9162 §2.1.3.2 and §2.1.4.2): each step is taken by the
 * bits of index and size alone, a proof of another length is refused, and nothing of it is trusted.
 * The proof's order is that of RFC 6962.
 */
#include "tree.h"

#include <errno.h>
#include <string.h>

#include "base/sha256.h"

void tree_leaf(const void *entry, size_t n, struct tree_hash *ret)
{
	sha256_tagged(0, entry, n, ret->b);
}

void tree_node(const struct tree_hash *left, const struct tree_hash *right, struct tree_hash *ret)
{
	struct tree_hash both[2] = {*left, *right};

	sha256_tagged(1, both, sizeof(both), ret->b);
}

/* --- the edge -------------------------------------------------------------------------------------- */

void tree_add(struct tree_edge *e, const struct tree_hash *leaf)
{
	struct tree_hash h = *leaf;
	unsigned i = 0;

	for (; e->size >> i & 1; i++)
		tree_node(&e->peak[i], &h, &h);
	e->peak[i] = h;
	e->size++;
}

void tree_root(const struct tree_edge *e, struct tree_hash *ret)
{
	struct tree_hash h;
	bool any = false;

	for (unsigned i = 0; i < 64; i++) {
		if (!(e->size >> i & 1))
			continue;
		if (any)
			tree_node(&e->peak[i], &h, &h);
		else
			h = e->peak[i];
		any = true;
	}
	if (!any)
		sha256("", 0, h.b);
	*ret = h;
}

int tree_edge_read(uint64_t size, tree_read read, void *ctx, struct tree_edge *ret)
{
	struct tree_edge e = {.size = size};

	for (unsigned i = 0; i < 64; i++) {
		int r = size >> i & 1 ? read(ctx, i, (size >> i) - 1, &e.peak[i]) : 0;

		if (r)
			return r;
	}
	*ret = e;
	return 0;
}

/* --- proofs ---------------------------------------------------------------------------------------- */

struct proof {
	tree_read read;
	void *ctx;
	struct tree_hash *out;
	size_t n;
	int error;
};

/* MTH of leaves first to end; first is a multiple of the largest power of two that is not above
 * end - first, as it is everywhere in a proof. */
static void range_hash(struct proof *p, uint64_t first, uint64_t end, struct tree_hash *ret)
{
	struct tree_hash h = {{0}}, part;
	bool any = false;

	for (unsigned i = 0; i < 64 && !p->error; i++) {
		if (!((end - first) >> i & 1))
			continue;
		end -= 1ull << i;
		p->error = p->read(p->ctx, i, end >> i, &part);
		if (any)
			tree_node(&part, &h, &h);
		else
			h = part;
		any = true;
	}
	*ret = h;
}

static void give(struct proof *p, uint64_t first, uint64_t end)
{
	if (p->n == TREE_PATH_MAX)
		p->error = -EOVERFLOW;
	if (!p->error)
		range_hash(p, first, end, &p->out[p->n++]);
}

/* The largest power of two below n (n > 1). */
static uint64_t split(uint64_t n)
{
	return 1ull << (63 - __builtin_clzll(n - 1));
}

/* From the top down: what is beside the way to the leaf. */
static void down_to(struct proof *p, uint64_t index, uint64_t first, uint64_t end)
{
	uint64_t side[TREE_PATH_MAX][2];
	size_t n = 0;

	while (end - first > 1) {
		uint64_t k = first + split(end - first);

		side[n][0] = index < k ? k : first;
		side[n++][1] = index < k ? end : k;
		if (index < k)
			end = k;
		else
			first = k;
	}
	while (n--)
		give(p, side[n][0], side[n][1]);
}

int tree_inclusion(uint64_t index, uint64_t size, tree_read read, void *ctx,
		   struct tree_hash ret[static TREE_PATH_MAX], size_t *ret_n)
{
	struct proof p = {read, ctx, ret, 0, 0};

	if (index >= size)
		return -EINVAL;
	down_to(&p, index, 0, size);
	if (!p.error)
		*ret_n = p.n;
	return p.error;
}

int tree_consistency(uint64_t old, uint64_t size, tree_read read, void *ctx,
		     struct tree_hash ret[static TREE_PATH_MAX], size_t *ret_n)
{
	struct proof p = {read, ctx, ret, 0, 0};
	uint64_t side[TREE_PATH_MAX][2], first = 0, end = size;
	size_t n = 0;

	if (old > size)
		return -EINVAL;
	if (!old || old == size) {
		*ret_n = 0;
		return 0;
	}
	/* Down to the smallest subtree that ends where the old tree did. */
	while (old != end) {
		uint64_t k = first + split(end - first);

		side[n][0] = old <= k ? k : first;
		side[n++][1] = old <= k ? end : k;
		if (old <= k)
			end = k;
		else
			first = k;
	}
	if (first) /* else it is the old tree itself, whose root is known */
		give(&p, first, end);
	while (n--)
		give(&p, side[n][0], side[n][1]);
	if (!p.error)
		*ret_n = p.n;
	return p.error;
}

/* --- checking -------------------------------------------------------------------------------------- */

static bool same(const struct tree_hash *a, const struct tree_hash *b)
{
	return !memcmp(a, b, TREE_HASH_LEN);
}

bool tree_inclusion_ok(uint64_t index, const struct tree_hash *leaf, uint64_t size,
		       const struct tree_hash *root, const struct tree_hash *path, size_t n)
{
	struct tree_hash h = *leaf;
	uint64_t at = index, last = size - 1;

	if (index >= size)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!last)
			return false;
		if (at & 1 || at == last) {
			tree_node(&path[i], &h, &h);
			while (!(at & 1) && at) {
				at >>= 1;
				last >>= 1;
			}
		} else {
			tree_node(&h, &path[i], &h);
		}
		at >>= 1;
		last >>= 1;
	}
	return !last && same(&h, root);
}

bool tree_consistency_ok(uint64_t old, const struct tree_hash *old_root, uint64_t size,
			 const struct tree_hash *root, const struct tree_hash *path, size_t n)
{
	uint64_t at = old - 1, last = size - 1;
	struct tree_hash a, b;
	size_t i = 0;

	if (old > size)
		return false;
	if (old == size)
		return !n && same(old_root, root);
	if (!old)
		return !n;
	while (at & 1) {
		at >>= 1;
		last >>= 1;
	}
	if (at) { /* the old tree is no full subtree of the new one */
		if (!n)
			return false;
		a = path[i++];
	} else {
		a = *old_root;
	}
	b = a;
	for (; i < n; i++) {
		if (!last)
			return false;
		if (at & 1 || at == last) {
			tree_node(&path[i], &a, &a);
			tree_node(&path[i], &b, &b);
			while (!(at & 1) && at) {
				at >>= 1;
				last >>= 1;
			}
		} else {
			tree_node(&b, &path[i], &b);
		}
		at >>= 1;
		last >>= 1;
	}
	return !last && same(&a, old_root) && same(&b, root);
}
