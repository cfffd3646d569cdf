// SPDX-License-Identifier: Apache-2.0
// covers: user/record/tree.c
/*
 * The tree against the definitions of RFC 6962 §2.1 written out as they stand there, recursively: every
 * root, every proof of all sizes up to 257; and that a proof of anything else is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "record/tree.h"

#define SIZES 257

/* --- the definitions ------------------------------------------------------------------------------- */

static struct tree_hash leaf[SIZES + 1];

/* What was computed once; the definition is not changed by it. */
static struct tree_hash memo[SIZES + 1][SIZES + 1];
static bool have[SIZES + 1][SIZES + 1];

static struct tree_hash mth(uint64_t first, uint64_t n)
{
	uint8_t p[65] = {1};
	struct tree_hash h, l, r;
	uint64_t k = 1;

	if (n == 1)
		return leaf[first];
	if (have[first][n])
		return memo[first][n];
	if (!n) {
		SHA256((const uint8_t *)"", 0, h.b);
		return h;
	}
	while (2 * k < n)
		k *= 2;
	l = mth(first, k);
	r = mth(first + k, n - k);
	memcpy(p + 1, l.b, 32);
	memcpy(p + 33, r.b, 32);
	SHA256(p, sizeof(p), h.b);
	have[first][n] = true;
	return memo[first][n] = h;
}

/* PATH(m, D[n]); hashes appended. */
static size_t path(uint64_t m, uint64_t first, uint64_t n, struct tree_hash *out)
{
	uint64_t k = 1;
	size_t got;

	if (n == 1)
		return 0;
	while (2 * k < n)
		k *= 2;
	if (m < k) {
		got = path(m, first, k, out);
		out[got] = mth(first + k, n - k);
	} else {
		got = path(m - k, first + k, n - k, out);
		out[got] = mth(first, k);
	}
	return got + 1;
}

/* SUBPROOF(m, D[n], b) */
static size_t subproof(uint64_t m, uint64_t first, uint64_t n, bool b, struct tree_hash *out)
{
	uint64_t k = 1;
	size_t got;

	if (m == n) {
		if (!b)
			out[0] = mth(first, n);
		return !b;
	}
	while (2 * k < n)
		k *= 2;
	if (m <= k) {
		got = subproof(m, first, k, b, out);
		out[got] = mth(first + k, n - k);
	} else {
		got = subproof(m - k, first + k, n - k, false, out);
		out[got] = mth(first, k);
	}
	return got + 1;
}

static int read_hash(void *ctx, unsigned level, uint64_t index, struct tree_hash *ret)
{
	uint64_t size = *(uint64_t *)ctx;

	/* Only full subtrees of the tree may be asked for. */
	if ((index + 1) << level > size)
		return -EINVAL;
	*ret = mth(index << level, 1ull << level);
	return 0;
}

static int setup(void **state)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(leaf); i++)
		tree_leaf(&i, sizeof(i), &leaf[i]);
	return 0;
}

static void assert_hash(const struct tree_hash *a, const struct tree_hash *b)
{
	assert_memory_equal(a->b, b->b, TREE_HASH_LEN);
}

/* --- known roots ----------------------------------------------------------------------------------- */

/* The entries of the vectors that Certificate Transparency's implementations share. */
static void test_vectors(void **state)
{
	static const struct {
		const char *entry, *root; /* of all entries so far */
	} t[] = {
		{"", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"},
		{"00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"},
		{"10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"},
		{"2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"},
		{"3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"},
		{"40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"},
		{"5051525354555657",
		 "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"},
		{"606162636465666768696a6b6c6d6e6f",
		 "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"},
	};
	struct tree_edge e = {0};
	struct tree_hash h;
	char hex[65];

	tree_root(&e, &h);
	for (int i = 0; i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", h.b[i]);
	assert_string_equal(hex,
			    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		uint8_t entry[16];
		size_t n = strlen(t[i].entry) / 2;

		for (size_t k = 0; k < n; k++)
			assert_int_equal(sscanf(t[i].entry + 2 * k, "%2hhx", &entry[k]), 1);
		tree_leaf(entry, n, &h);
		tree_add(&e, &h);
		tree_root(&e, &h);
		for (int k = 0; k < 32; k++)
			snprintf(hex + 2 * k, 3, "%02x", h.b[k]);
		assert_string_equal(hex, t[i].root);
	}
}

static void test_roots(void **state)
{
	struct tree_edge e = {0}, read;
	struct tree_hash h, want;

	for (uint64_t n = 0; n <= SIZES; n++) {
		tree_root(&e, &h);
		want = mth(0, n);
		assert_hash(&h, &want);
		assert_int_equal(tree_edge_read(n, read_hash, &n, &read), 0);
		tree_root(&read, &h);
		assert_hash(&h, &want);
		assert_int_equal(read.size, n);
		tree_add(&e, &leaf[n]);
	}
}

/* --- proofs ---------------------------------------------------------------------------------------- */

static void test_inclusion(void **state)
{
	struct tree_hash got[TREE_PATH_MAX], want[TREE_PATH_MAX];
	size_t n, k;

	for (uint64_t size = 1; size <= SIZES; size++) {
		struct tree_hash root = mth(0, size);

		for (uint64_t i = 0; i < size; i++) {
			assert_int_equal(tree_inclusion(i, size, read_hash, &size, got, &n), 0);
			k = path(i, 0, size, want);
			assert_int_equal(n, k);
			assert_memory_equal(got, want, n * sizeof(*got));
			assert_true(tree_inclusion_ok(i, &leaf[i], size, &root, got, n));
		}
		assert_int_equal(tree_inclusion(size, size, read_hash, &size, got, &n), -EINVAL);
		assert_false(tree_inclusion_ok(size, &leaf[0], size, &root, got, n));
	}
}

/* Everything that is not the proof, for some sizes: all of them would be minutes. */
static void test_inclusion_refused(void **state)
{
	static const uint64_t sizes[] = {1, 2, 3, 7, 8, 9, 64, 100, 255, 256, 257};
	struct tree_hash p[TREE_PATH_MAX + 1];
	size_t n;

	for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
		uint64_t size = sizes[s];
		struct tree_hash root = mth(0, size), other = mth(0, size - 1), bad;

		for (uint64_t i = 0; i < size; i++) {
			assert_int_equal(tree_inclusion(i, size, read_hash, &size, p, &n), 0);
			for (size_t k = 0; k < n;
			     k++) { /* a wrong hash, and two in each other's place */
				p[k].b[k % 32] ^= 1;
				assert_false(tree_inclusion_ok(i, &leaf[i], size, &root, p, n));
				p[k].b[k % 32] ^= 1;
				if (!k)
					continue;
				bad = p[k];
				p[k] = p[k - 1];
				p[k - 1] = bad;
				assert_false(tree_inclusion_ok(i, &leaf[i], size, &root, p, n));
				p[k - 1] = p[k];
				p[k] = bad;
			}
			assert_false(tree_inclusion_ok(i, &leaf[i], size, &other, p, n));
			bad = leaf[i];
			bad.b[31] ^= 0x80;
			assert_false(tree_inclusion_ok(i, &bad, size, &root, p, n));
			if (n) /* too short; its beginning is that of a smaller tree, never of this one */
				assert_false(tree_inclusion_ok(i, &leaf[i], size, &root, p, n - 1));
			p[n] = root;
			assert_false(tree_inclusion_ok(i, &leaf[i], size, &root, p, n + 1));
			for (uint64_t j = 0; j < size; j++) /* another place */
				assert_int_equal(tree_inclusion_ok(j, &leaf[i], size, &root, p, n),
						 i == j);
		}
	}
	/* Numbers near the end of what a counter holds do not run away. */
	assert_false(tree_inclusion_ok(0, &leaf[0], 0, &leaf[0], p, 0));
	assert_false(tree_inclusion_ok(UINT64_MAX, &leaf[0], 0, &leaf[0], p, 1));
	assert_false(tree_inclusion_ok(UINT64_MAX - 1, &leaf[0], UINT64_MAX, &leaf[0], p, 64));
}

/* The size is not hashed into a proof: whoever has (size, root) from a checkpoint has both signed. That a
 * proof made for one size does not hold for the root of another is what counts. */
static void test_inclusion_wrong_size(void **state)
{
	struct tree_hash p[TREE_PATH_MAX];
	size_t n;

	for (uint64_t size = 1; size <= 70; size++)
		for (uint64_t i = 0; i < size; i++) {
			assert_int_equal(tree_inclusion(i, size, read_hash, &size, p, &n), 0);
			for (uint64_t other = i + 1; other <= 70; other++) {
				struct tree_hash root = mth(0, other);

				assert_int_equal(tree_inclusion_ok(i, &leaf[i], other, &root, p, n),
						 other == size);
			}
		}
}

static void test_consistency(void **state)
{
	struct tree_hash got[TREE_PATH_MAX], want[TREE_PATH_MAX], root[SIZES + 1];
	size_t n;

	for (uint64_t size = 0; size <= SIZES; size++)
		root[size] = mth(0, size);
	for (uint64_t size = 0; size <= SIZES; size++) {
		for (uint64_t old = 0; old <= size; old++) {
			assert_int_equal(tree_consistency(old, size, read_hash, &size, got, &n), 0);
			if (old && old < size) {
				assert_int_equal(n, subproof(old, 0, size, true, want));
				assert_memory_equal(got, want, n * sizeof(*got));
			} else {
				assert_int_equal(n, 0);
			}
			assert_true(
				tree_consistency_ok(old, &root[old], size, &root[size], got, n));
		}
		assert_int_equal(tree_consistency(size + 1, size, read_hash, &size, got, &n),
				 -EINVAL);
	}
}

static void test_consistency_refused(void **state)
{
	static const uint64_t sizes[] = {2, 3, 7, 8, 9, 64, 100, 255, 256, 257};
	struct tree_hash p[TREE_PATH_MAX + 1], bad;
	size_t n;

	for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
		uint64_t size = sizes[s];
		struct tree_hash root = mth(0, size);

		for (uint64_t old = 1; old < size; old++) {
			struct tree_hash was = mth(0, old);

			assert_int_equal(tree_consistency(old, size, read_hash, &size, p, &n), 0);
			for (size_t k = 0; k < n; k++) {
				p[k].b[k % 32] ^= 4;
				assert_false(tree_consistency_ok(old, &was, size, &root, p, n));
				p[k].b[k % 32] ^= 4;
			}
			assert_false(tree_consistency_ok(old, &was, size, &root, p, n - 1));
			p[n] = root;
			assert_false(tree_consistency_ok(old, &was, size, &root, p, n + 1));
			bad = was;
			bad.b[0] ^= 1;
			assert_false(tree_consistency_ok(old, &bad, size, &root, p, n));
			bad = root;
			bad.b[0] ^= 1;
			assert_false(tree_consistency_ok(old, &was, size, &bad, p, n));
			/* Another old size with this root, another new size with that one. */
			for (uint64_t o = 1; o < size && size <= 100; o++)
				assert_int_equal(tree_consistency_ok(o, &was, size, &root, p, n),
						 o == old);
		}
		/* The same size: no hashes, one root. */
		assert_true(tree_consistency_ok(size, &root, size, &root, p, 0));
		assert_false(tree_consistency_ok(size, &root, size, &root, p, 1));
		assert_false(tree_consistency_ok(size, &leaf[0], size, &root, p, 0));
		assert_false(tree_consistency_ok(size + 1, &root, size, &root, p, 0));
		/* Nothing is the beginning of anything, and needs no hashes. */
		assert_true(tree_consistency_ok(0, &leaf[0], size, &root, p, 0));
		assert_false(tree_consistency_ok(0, &leaf[0], size, &root, p, 1));
	}
	assert_false(tree_consistency_ok(UINT64_MAX - 1, &leaf[0], UINT64_MAX, &leaf[0], p, 64));
}

/* What the reader of hashes says comes back, and nothing is given. */
static int read_fails(void *ctx, unsigned level, uint64_t index, struct tree_hash *ret)
{
	return --*(int *)ctx < 0 ? -EIO : (memset(ret, 0, sizeof(*ret)), 0);
}

static void test_read_fails(void **state)
{
	struct tree_hash p[TREE_PATH_MAX];
	struct tree_edge e = {.size = 7};

	for (int after = 0; after < 3; after++) {
		size_t n = 99;
		int left = after;

		assert_int_equal(tree_inclusion(77, 200, read_fails, &left, p, &n), -EIO);
		left = after;
		assert_int_equal(tree_consistency(77, 200, read_fails, &left, p, &n), -EIO);
		left = after > 2 ? 2 : after;
		assert_int_equal(tree_edge_read(0xff, read_fails, &left, &e), -EIO);
		assert_int_equal(n, 99);
		assert_int_equal(e.size, 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_roots),
		cmocka_unit_test(test_inclusion),
		cmocka_unit_test(test_inclusion_refused),
		cmocka_unit_test(test_inclusion_wrong_size),
		cmocka_unit_test(test_consistency),
		cmocka_unit_test(test_consistency_refused),
		cmocka_unit_test(test_read_fails),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
