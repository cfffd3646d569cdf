// SPDX-License-Identifier: Apache-2.0
/*
 * A spool's `checkpoint` and tiles in, inclusion proofs out. What tiles say is not believed: a path is
 * given only when it leads to the checkpoint's root. Whether the checkpoint's own signature holds is
 * `probity verify`'s to say, which knows the keys of all epochs.
 */
#include "inclusion.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fs.h"
#include "record/tile.h"

struct inclusion_source {
	int dir;
	char *note;
	struct checkpoint at, witnessed;
	bool has_witnessed;
	struct tile_reader *tiles;
};

static int read_note(const char *dir, const char *name, char **ret, struct checkpoint *ret_c)
{
	_cleanup_free_ char *text = NULL;
	char path[4096];
	struct note note;
	const char *why;
	size_t n = 0;
	int r;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	r = fs_read(path, NOTE_MAX, &text, &n);
	r = r ?: note_parse(text, n, &note, &why);
	r = r ?: checkpoint_parse(note.text, note.text_n, ret_c, &why);
	if (!r && ret)
		*ret = TAKE_PTR(text);
	return r;
}

int inclusion_open(const char *dir, struct inclusion_source **ret)
{
	_cleanup_(inclusion_closep) struct inclusion_source *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = p->dir < 0 ? -errno : read_note(dir, "checkpoint", &p->note, &p->at);
	if (r)
		return r;
	p->has_witnessed = !read_note(dir, "witnessed", NULL, &p->witnessed);
	r = p->at.size ? tile_reader_open(p->dir, p->at.size, &p->tiles) : 0;
	if (!r)
		*ret = TAKE_PTR(p);
	return r;
}

void inclusion_close(struct inclusion_source *p)
{
	if (!p)
		return;
	if (p->tiles)
		tile_reader_free(p->tiles);
	if (p->dir >= 0)
		close(p->dir);
	free(p->note);
	free(p);
}

const struct checkpoint *inclusion_checkpoint(const struct inclusion_source *p)
{
	return &p->at;
}

const char *inclusion_note(const struct inclusion_source *p)
{
	return p->note;
}

const struct checkpoint *inclusion_witnessed(const struct inclusion_source *p)
{
	return p->has_witnessed ? &p->witnessed : NULL;
}

int inclusion_path(struct inclusion_source *p, uint64_t index, const struct tree_hash *leaf,
		   struct tree_hash ret[static TREE_PATH_MAX], size_t *ret_n)
{
	struct tree_hash path[TREE_PATH_MAX];
	size_t n;
	int r;

	if (index >= p->at.size)
		return -ERANGE;
	r = tree_inclusion(index, p->at.size, tile_reader_hash, p->tiles, path, &n);
	if (r)
		return r;
	if (!tree_inclusion_ok(index, leaf, p->at.size, &p->at.root, path, n))
		return -EBADMSG;
	memcpy(ret, path, n * sizeof(*path));
	*ret_n = n;
	return 0;
}
