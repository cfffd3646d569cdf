// SPDX-License-Identifier: Apache-2.0
/*
 * In: the public key of a chain's first epoch, and SEAL records. Out: the key of each later epoch, which is
 * as good as the first: each SEAL is under the key that the one before it named.
 *
 * Invariant: a seal_chain at epoch e has seen the SEALs of epochs 0 to e - 1 of this chain, each signed, in
 * order. Whoever stole a later key cannot make one of them. Memory does not grow with the chain.
 */
#include "sealchain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "proto/record.pb-c.h"
#include "record/segment_io.h"

DEFINE_CLEANUP(struct verifier, verifier_free)

static const char *fields(const struct record *r, struct seal *ret)
{
	Probity__V1__Control *c = probity__v1__control__unpack(NULL, r->payload_len, r->payload);
	const char *why = "not a SEAL record";

	if (c && c->kind == PROBITY__V1__CONTROL__KIND__SEAL &&
	    c->next_public_key.len == RECORD_PUBKEY_LEN && c->tree_root.len == TREE_HASH_LEN) {
		why = c->epoch != r->epoch     ? "it seals another epoch than its own"
		      : c->tree_size != r->seq ? "it is not of all records before it"
					       : NULL;
		memcpy(ret->next_public, c->next_public_key.data, RECORD_PUBKEY_LEN);
		memcpy(ret->root.b, c->tree_root.data, TREE_HASH_LEN);
	}
	if (c)
		probity__v1__control__free_unpacked(c, NULL);
	return why;
}

static const char *place(const struct seal_chain *c, const struct record *r)
{
	uint8_t id[8];

	key_id(c->public, id);
	return memcmp(r->chain, c->chain, sizeof(c->chain)) ? "of another chain"
	       : r->epoch != c->epoch			    ? "not the SEAL of the next epoch"
	       : r->seq < c->next_seq			    ? "before the SEAL of an earlier epoch"
	       : r->alg != RECORD_ED25519		    ? "without a signature of its own"
	       : memcmp(r->key_id, id, sizeof(id))	    ? "under another key than its epoch's"
	       : r->schema != RECORD_CONTROL || !r->payload ? "not a SEAL record"
							    : NULL;
}

int seal_chain_next(struct seal_chain *c, const uint8_t *record, size_t n, const uint8_t *sig,
		    struct seal *ret, const char **ret_why)
{
	_cleanup_(verifier_freep) struct verifier *v = NULL;
	struct seal s = {0};
	struct record r;
	int e;

	if (record_decode(record, n, &r, ret_why))
		return -EBADMSG;
	*ret_why = place(c, &r);
	if (!*ret_why)
		*ret_why = fields(&r, &s);
	if (*ret_why)
		return -EBADMSG;
	e = verifier_new(c->public, &v);
	if (e == -ENOMEM)
		return e;
	if (e || !sig || !verifier_ok(v, record, RECORD_HEADER_LEN, sig)) {
		*ret_why = "its signature does not hold";
		return -EBADMSG;
	}
	s.seq = r.seq;
	s.epoch = r.epoch;
	memcpy(s.public, c->public, RECORD_PUBKEY_LEN);
	memcpy(c->public, s.next_public, RECORD_PUBKEY_LEN);
	c->epoch++;
	c->next_seq = r.seq + 1;
	*ret = s;
	return 0;
}

int seals_read(const char *dir, struct seal_chain *c,
	       int (*each)(void *ctx, const struct seal *s, const struct frame *f), void *ctx,
	       char *err, size_t err_len)
{
	_cleanup_free_ struct segment_reader *in = malloc(sizeof(*in));
	_cleanup_close_ int fd = -1;
	char path[4096];
	enum segment_answer a;
	int r = 0;

	snprintf(path, sizeof(path), "%s/seals", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (!in || (fd < 0 && errno != ENOENT)) {
		r = in ? -errno : -ENOMEM;
		snprintf(err, err_len, "%s: %s", path, strerror(-r));
		return r;
	}
	if (fd < 0) /* no epoch has ended yet */
		return 0;
	segment_read(in, fd, 0);
	while (!r && (a = segment_next(in)) == SEGMENT_FRAME) {
		const char *why = "out of memory";
		struct seal s;

		r = seal_chain_next(c, in->frame.record, in->frame.record_len, in->frame.sig, &s,
				    &why);
		if (r)
			snprintf(err, err_len, "%s: the SEAL of epoch %u: %s", path, c->epoch, why);
		else
			r = each(ctx, &s, &in->frame);
	}
	if (r)
		return r > 0 ? 0 : r;
	if (a == SEGMENT_BAD || a == SEGMENT_IO) {
		snprintf(err, err_len, "%s: offset %llu: %s", path, (unsigned long long)in->offset,
			 a == SEGMENT_BAD ? in->why : strerror(in->error));
		return a == SEGMENT_BAD ? -EBADMSG : -in->error;
	}
	return 0; /* a torn end is a SEAL on its way */
}

int anchor_read(const char *dir, const char *key_file, uint8_t ret[static RECORD_PUBKEY_LEN],
		char *err, size_t err_len)
{
	char path[4096];

	if (key_file)
		return public_read(key_file, ret, err, err_len);
	snprintf(path, sizeof(path), "%s/../keys/chain.pub", dir);
	return public_read(path, ret, err, err_len);
}
