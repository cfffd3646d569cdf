// SPDX-License-Identifier: Apache-2.0
/*
 * In: the key of a chain's first epoch and files of SEAL frames. Out: the key of every epoch. Invariant: a key
 * is taken only from a SEAL that the key before it signed, so one right first key makes all right. Memory: 32
 * bytes an epoch, 1.1 MB for a year of quarter hours.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fs.h"
#include "bundle_int.h"
#include "record/segment_io.h"

static int push(struct epoch_keys *k, const uint8_t *key)
{
	if (k->n == k->cap) {
		size_t cap = k->cap ? 2 * k->cap : 64;
		void *more = realloc(k->key, cap * sizeof(*k->key));

		if (!more)
			return -ENOMEM;
		k->key = more;
		k->cap = cap;
	}
	memcpy(k->key[k->n++], key, RECORD_PUBKEY_LEN);
	return 0;
}

int epoch_keys_begin(struct epoch_keys *k, const uint8_t first[static RECORD_PUBKEY_LEN])
{
	memset(k, 0, sizeof(*k));
	memcpy(k->at.public, first, RECORD_PUBKEY_LEN);
	return push(k, first);
}

void epoch_keys_done(struct epoch_keys *k)
{
	free(k->key);
	memset(k, 0, sizeof(*k));
}

static int seal(struct epoch_keys *k, const struct frame *f)
{
	struct record r;
	struct seal s;
	const char *why;
	int e;

	if (record_decode(f->record, f->record_len, &r, &why))
		return -EBADMSG;
	if (r.epoch + 1 < k->n)
		return 0;
	if (k->n == 1)
		memcpy(k->at.chain, r.chain, sizeof(r.chain));
	e = seal_chain_next(&k->at, f->record, f->record_len, f->sig, &s, &why);
	return e ?: push(k, s.next_public);
}

int epoch_keys_add(struct epoch_keys *k, const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_free_ struct segment_reader *in = malloc(sizeof(*in));
	enum segment_answer a;
	int r = 0;

	if (fd < 0)
		return -errno;
	if (!in)
		return -ENOMEM;
	segment_read(in, fd, 0);
	while (!r && (a = segment_next(in)) == SEGMENT_FRAME)
		r = seal(k, &in->frame);
	if (r)
		return r;
	/* The writer may be in the middle of the newest. */
	return a == SEGMENT_END || a == SEGMENT_TORN ? 0 : a == SEGMENT_IO ? -in->error : -EBADMSG;
}

int epoch_keys_signed(const struct epoch_keys *k, const struct note *n, const char *origin,
		      struct note_key *ret, uint32_t *ret_epoch)
{
	for (size_t i = k->n; i-- > 0;) {
		struct note_key key = {0};
		int r;

		snprintf(key.name, sizeof(key.name), "%s", origin);
		memcpy(key.public, k->key[i], RECORD_PUBKEY_LEN);
		r = note_verify(n, &key, NULL);
		if (r == -ENOKEY)
			continue;
		if (!r) {
			*ret = key;
			*ret_epoch = i;
		}
		return r;
	}
	return -ENOKEY;
}

int bundle_note(const char *path, char **ret_text, struct note *ret_note, struct checkpoint *ret,
		const char **ret_why)
{
	_cleanup_free_ char *text = NULL;
	size_t n;
	int r = fs_read(path, NOTE_MAX, &text, &n);

	*ret_why = "";
	if (r)
		return r;
	r = note_parse(text, n, ret_note, ret_why);
	if (!r)
		r = checkpoint_parse(ret_note->text, ret_note->text_n, ret, ret_why);
	if (!r)
		*ret_text = TAKE_PTR(text);
	return r;
}
