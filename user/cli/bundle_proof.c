// SPDX-License-Identifier: Apache-2.0
/*
 * In: the tiles and checkpoint of an unpacked bundle, and leaf hashes. Out: whether each leaf is in the tree
 * whose root the checkpoint names. Nothing a tile says is believed: the path that is read from them must give
 * that root. The siblings on a path are made of the other leaves of its tile, so one path that holds proves
 * all 256 of them, and the others are only compared. Records behind the checkpoint's end are not in it yet;
 * their own signatures speak for them.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "bundle_int.h"

struct bundle_proof {
	struct checkpoint c;
	struct tile_reader *tiles;
	uint64_t tile; /* of level 0 that is proved */
	bool proved;
};

int bundle_proof_open(const char *dir, struct bundle_proof **ret)
{
	_cleanup_(bundle_proof_freep) struct bundle_proof *p = calloc(1, sizeof(*p));
	_cleanup_free_ char *text = NULL;
	char path[4400];
	struct note note;
	const char *why;
	int d, r;

	if (!p)
		return -ENOMEM;
	snprintf(path, sizeof(path), "%s/" BUNDLE_CHECKPOINT, dir);
	r = bundle_note(path, &text, &note, &p->c, &why);
	if (r)
		return r;
	snprintf(path, sizeof(path), "%s/" BUNDLE_TILES, dir);
	d = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d < 0)
		return -errno;
	r = tile_reader_open(d, p->c.size, &p->tiles);
	close(d);
	if (!r)
		*ret = TAKE_PTR(p);
	return r;
}

void bundle_proof_free(struct bundle_proof *p)
{
	if (!p)
		return;
	tile_reader_free(p->tiles);
	free(p);
}

int bundle_proof_record(struct bundle_proof *p, uint64_t seq, const struct tree_hash *leaf)
{
	struct tree_hash path[TREE_PATH_MAX], is;
	size_t n;

	if (seq >= p->c.size)
		return 0;
	if (p->proved && p->tile == seq / TILE_WIDTH) {
		if (tile_reader_hash(p->tiles, 0, seq, &is) || memcmp(&is, leaf, sizeof(is)))
			return -EBADMSG;
		return 1;
	}
	p->proved = false;
	if (tree_inclusion(seq, p->c.size, tile_reader_hash, p->tiles, path, &n) ||
	    !tree_inclusion_ok(seq, leaf, p->c.size, &p->c.root, path, n))
		return -EBADMSG;
	p->proved = true;
	p->tile = seq / TILE_WIDTH;
	return 1;
}
