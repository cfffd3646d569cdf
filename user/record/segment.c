// SPDX-License-Identifier: Apache-2.0
/*
 * In: bytes of a segment or head file. Out: frames that point into them, or a head whose signature
 * holds under the key it names; whether that key is the right one is the caller's to say.
 * Invariant: frame_parse never reads past n and never accepts a frame whose bytes differ from the
 * written ones in any bit the CRC covers; length and magic are bounded before they are used. A
 * frame is at most SEGMENT_FRAME_LEN + record + signature, below 66 KiB.
 */
#include "segment.h"

#include <errno.h>
#include <string.h>

#include "base/reader.h"

#define BODY_MIN (RECORD_HEADER_LEN + MAC_LEN)
#define BODY_MAX (RECORD_HEADER_LEN + RECORD_PAYLOAD_MAX + RECORD_SEAL_MAX)

static long bad(const char **ret_why, const char *why)
{
	*ret_why = why;
	return FRAME_BAD;
}

long frame_parse(const uint8_t *p, size_t n, struct frame *ret, const char **ret_why)
{
	struct reader in = reader_of(p, n);
	uint32_t magic, len, crc;
	const uint8_t *body;
	size_t seal;
	bool own;

	/* A wrong beginning is known before the head is whole. */
	for (size_t i = 0; i < 4 && i < n; i++)
		if (p[i] != (uint8_t)(SEGMENT_MAGIC >> (24 - 8 * i)) &&
		    p[i] != (uint8_t)(SEGMENT_ERASED_MAGIC >> (24 - 8 * i)))
			return bad(ret_why, "frame magic");
	magic = reader_u32(&in);
	len = reader_u32(&in);
	if (in.bad)
		return FRAME_MORE;
	if (magic != SEGMENT_MAGIC && magic != SEGMENT_ERASED_MAGIC)
		return bad(ret_why, "frame magic");
	if (len < BODY_MIN || len > BODY_MAX)
		return bad(ret_why, "frame length");
	crc = reader_u32(&in);
	body = reader_take(&in, len);
	if (!body)
		return FRAME_MORE;
	if (crc32c(0, body, len) != crc)
		return bad(ret_why, "crc");
	own = record_alg(body) != RECORD_CHECKPOINT;
	seal = MAC_LEN + (own ? RECORD_SIG_LEN : 0);
	if (len < RECORD_HEADER_LEN + seal)
		return bad(ret_why, "frame length");
	if (record_erased(body, len - seal) != (magic == SEGMENT_ERASED_MAGIC))
		return bad(ret_why, magic == SEGMENT_ERASED_MAGIC ? "frame length" : "frame magic");
	*ret = (struct frame){
		.record = body,
		.mac = body + len - seal,
		.sig = own ? body + len - RECORD_SIG_LEN : NULL,
		.record_len = len - seal,
		.len = SEGMENT_FRAME_LEN + len,
	};
	return ret->len;
}

void frame_head(const uint8_t *record, size_t n, size_t seal_n,
		uint8_t out[static SEGMENT_FRAME_LEN])
{
	put_be(out, 4, record_erased(record, n) ? SEGMENT_ERASED_MAGIC : SEGMENT_MAGIC);
	put_be(out + 4, 4, n + seal_n);
	put_be(out + 8, 4, crc32c(0, record, n + seal_n));
}

static const uint8_t head_context[24] = "probity/head/v1";
#define HEAD_SIGNED (HEAD_LEN - RECORD_SIG_LEN)

int head_encode(const struct head *h, struct signer *s, uint8_t out[static HEAD_LEN])
{
	memcpy(out, head_context, sizeof(head_context));
	memcpy(out + 24, h->chain, 16);
	put_be(out + 40, 8, h->seq);
	put_be(out + 48, 8, h->first_seq);
	put_be(out + 56, 8, h->wall_ns);
	memcpy(out + 64, h->leaf, 32);
	memcpy(out + 96, h->public, 32);
	return signer_sign(s, out, HEAD_SIGNED, out + HEAD_SIGNED);
}

static bool head_signed(const uint8_t *p, const uint8_t *public)
{
	struct verifier *v = NULL;
	bool ok = verifier_new(public, &v) == 0 && verifier_ok(v, p, HEAD_SIGNED, p + HEAD_SIGNED);

	verifier_free(v);
	return ok;
}

int head_decode(const uint8_t *p, size_t n, struct head *ret, const char **ret_why)
{
	struct reader in = reader_of(p, n);
	struct head h;

	*ret_why = NULL;
	if (n != HEAD_LEN)
		*ret_why = "length";
	else if (memcmp(p, head_context, sizeof(head_context)))
		*ret_why = "context";
	if (*ret_why)
		return -EBADMSG;
	reader_take(&in, sizeof(head_context));
	reader_bytes(&in, h.chain, sizeof(h.chain));
	h.seq = reader_u64(&in);
	h.first_seq = reader_u64(&in);
	h.wall_ns = reader_u64(&in);
	reader_bytes(&in, h.leaf, sizeof(h.leaf));
	reader_bytes(&in, h.public, sizeof(h.public));
	if (!head_signed(p, h.public)) {
		*ret_why = "signature";
		return -EBADMSG;
	}
	*ret = h;
	return 0;
}
