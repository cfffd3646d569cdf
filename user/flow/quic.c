// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: datagrams of a client. Flows out: its ClientHello, through clienthello.c.
 *
 * A datagram holds one packet or several; of those the Initials at its beginning are read. Keys come
 * from the destination's connection id in the client's first Initial: once the server has answered,
 * the client uses another id with the keys of the first, and after a Retry other keys with the id of
 * the server's. So a packet is tried with its own id, then with the first one that worked. What the
 * tag does not vouch for changes nothing.
 *
 * Invariant: `have` says which of the first HELLO_MAX bytes of the CRYPTO stream are in `bytes`; what
 * came first stays, so a datagram that comes again changes nothing. A longer ClientHello is never
 * whole, and stays MORE.
 */
#include "quic.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/reader.h"

#define VERSION_1 0x00000001u
#define VERSION_2 0x6b3343cfu
#define HELLO_MAX 8192
#define RECORD_HEAD 5 /* clienthello.c reads TLS records */
#define PACKET_MAX 2048
#define TAG 16
#define SAMPLE 16

struct quic_hello {
	uint8_t first[QUIC_CID_MAX]; /* destination of the first Initial that could be opened */
	size_t first_n;
	bool opened;
	uint8_t have[HELLO_MAX / 8];
	uint8_t bytes[RECORD_HEAD + HELLO_MAX];
};

struct quic_hello *quic_hello_new(void)
{
	return calloc(1, sizeof(struct quic_hello));
}

void quic_hello_free(struct quic_hello *q)
{
	free(q);
}

/* --- keys ---------------------------------------------------------------------------------------- */

static void hmac(const uint8_t *key, size_t key_n, const uint8_t *p, size_t n, uint8_t ret[32])
{
	unsigned len = 32;

	if (!HMAC(EVP_sha256(), key, key_n, p, n, ret, &len))
		memset(ret, 0, 32);
}

/* HKDF-Expand-Label of TLS 1.3 without context; no more than one block is ever asked for. */
static void expand(const uint8_t secret[32], const char *label, uint8_t *ret, size_t n)
{
	uint8_t info[64], block[32];
	size_t len = strlen(label), at = 0;

	info[at++] = 0;
	info[at++] = n;
	info[at++] = 6 + len;
	memcpy(info + at, "tls13 ", 6);
	memcpy(info + at + 6, label, len);
	at += 6 + len;
	info[at++] = 0;
	info[at++] = 1;
	hmac(secret, 32, info, at, block);
	memcpy(ret, block, n);
}

void quic_client_keys(uint32_t version, const uint8_t *dcid, size_t n, struct quic_keys *ret)
{
	static const uint8_t salt1[] = {0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17,
					0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a};
	static const uint8_t salt2[] = {0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93,
					0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9};
	bool two = version == VERSION_2;
	uint8_t initial[32], secret[32];

	hmac(two ? salt2 : salt1, sizeof(salt1), dcid, n, initial);
	expand(initial, "client in", secret, sizeof(secret));
	expand(secret, two ? "quicv2 key" : "quic key", ret->key, sizeof(ret->key));
	expand(secret, two ? "quicv2 iv" : "quic iv", ret->iv, sizeof(ret->iv));
	expand(secret, two ? "quicv2 hp" : "quic hp", ret->hp, sizeof(ret->hp));
}

/* --- one packet ------------------------------------------------------------------------------------ */

static uint64_t varint(struct reader *r)
{
	uint8_t b = reader_u8(r);
	uint64_t v = b & 0x3f;

	for (int more = (1 << (b >> 6)) - 1; more > 0; more--)
		v = v << 8 | reader_u8(r);
	return v;
}

struct packet {
	const uint8_t *p, *dcid;
	size_t dcid_n, number_at, n; /* n: all of it, from its first byte */
	uint32_t version;
};

/* False: no Initial. */
static bool packet_read(const uint8_t *p, size_t n, struct packet *ret)
{
	struct reader r = reader_of(p, n);
	struct packet k = {.p = p};
	uint8_t first = reader_u8(&r);
	uint64_t length;
	size_t scid_n;

	k.version = reader_u32(&r);
	if (!(k.version == VERSION_1 && (first & 0xf0) == 0xc0) &&
	    !(k.version == VERSION_2 && (first & 0xf0) == 0xd0))
		return false;
	k.dcid_n = reader_u8(&r);
	k.dcid = reader_take(&r, k.dcid_n);
	scid_n = reader_u8(&r);
	reader_take(&r, scid_n);
	reader_take(&r, varint(&r)); /* token */
	length = varint(&r);
	if (r.bad || k.dcid_n > QUIC_CID_MAX || scid_n > QUIC_CID_MAX || length > reader_left(&r) ||
	    length < 4 + SAMPLE)
		return false;
	k.number_at = r.p - p;
	k.n = k.number_at + length;
	if (k.n > PACKET_MAX)
		return false;
	*ret = k;
	return true;
}

static bool mask_of(const uint8_t hp[16], const uint8_t sample[SAMPLE], uint8_t ret[16])
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n = 0;
	bool ok = c && EVP_EncryptInit_ex(c, EVP_aes_128_ecb(), NULL, hp, NULL) == 1 &&
		  EVP_EncryptUpdate(c, ret, &n, sample, SAMPLE) == 1 && n == SAMPLE;

	EVP_CIPHER_CTX_free(c);
	return ok;
}

/* body: of n bytes, the tag at its end. Plaintext to `to`. */
static bool aead_open(const struct quic_keys *k, const uint8_t iv[12], const uint8_t *head,
		      size_t head_n, const uint8_t *body, size_t n, uint8_t *to)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int len = 0;
	bool ok =
		c && EVP_DecryptInit_ex(c, EVP_aes_128_gcm(), NULL, k->key, iv) == 1 &&
		EVP_DecryptUpdate(c, NULL, &len, head, head_n) == 1 &&
		EVP_DecryptUpdate(c, to, &len, body, n - TAG) == 1 &&
		EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG, (void *)(body + n - TAG)) == 1 &&
		EVP_DecryptFinal_ex(c, to + len, &len) == 1;

	EVP_CIPHER_CTX_free(c);
	return ok;
}

/* Opens it with the keys of that id. Returns how many bytes of frames are in `to`, 0 = not these. */
static size_t packet_open(const struct packet *k, const uint8_t *id, size_t id_n, uint8_t *to)
{
	uint8_t mask[16], head[PACKET_MAX], iv[12];
	size_t number_n, head_n, body_n;
	struct quic_keys keys;

	quic_client_keys(k->version, id, id_n, &keys);
	if (!mask_of(keys.hp, k->p + k->number_at + 4, mask))
		return 0;
	memcpy(head, k->p, k->number_at + 4);
	head[0] ^= mask[0] & 0x0f;
	number_n = (head[0] & 3) + 1;
	head_n = k->number_at + number_n;
	body_n = k->n - head_n;
	if (body_n <= TAG)
		return 0;
	memcpy(iv, keys.iv, sizeof(iv));
	for (size_t i = 0; i < number_n; i++) {
		head[k->number_at + i] ^= mask[1 + i];
		iv[12 - number_n + i] ^= head[k->number_at + i];
	}
	return aead_open(&keys, iv, head, head_n, k->p + head_n, body_n, to) ? body_n - TAG : 0;
}

/* --- frames ------------------------------------------------------------------------------------------ */

static void keep(struct quic_hello *q, uint64_t at, const uint8_t *p, uint64_t n)
{
	for (uint64_t i = 0; i < n && at + i < HELLO_MAX; i++) {
		uint64_t k = at + i;

		if (q->have[k / 8] & 1 << k % 8)
			continue;
		q->bytes[RECORD_HEAD + k] = p[i];
		q->have[k / 8] |= 1 << k % 8;
	}
}

static void skip_ack(struct reader *r, bool ecn)
{
	uint64_t ranges;

	varint(r);
	varint(r);
	ranges = varint(r);
	varint(r);
	for (uint64_t i = 0; i < ranges && !r->bad; i++) {
		varint(r);
		varint(r);
	}
	for (int i = 0; ecn && i < 3; i++)
		varint(r);
}

/* What a client may send in an Initial. False: nonsense, although the tag was right. */
static bool frames(struct quic_hello *q, const uint8_t *p, size_t n)
{
	struct reader r = reader_of(p, n);

	while (!r.bad && reader_left(&r)) {
		uint64_t type = varint(&r), at, len;
		const uint8_t *data;

		switch (type) {
		case 0x00: /* PADDING */
		case 0x01: /* PING */
			break;
		case 0x02: /* ACK */
		case 0x03:
			skip_ack(&r, type == 3);
			break;
		case 0x06: /* CRYPTO */
			at = varint(&r);
			len = varint(&r);
			data = len <= reader_left(&r) ? reader_take(&r, len) : NULL;
			if (!data || at > HELLO_MAX)
				return false;
			keep(q, at, data, len);
			break;
		case 0x1c: /* CONNECTION_CLOSE: it gives up */
		case 0x1d:
			return true;
		default:
			return false;
		}
	}
	return !r.bad;
}

static enum quic_answer hello_read(struct quic_hello *q, struct clienthello *ret)
{
	size_t n = 0, want;
	const uint8_t *b = q->bytes + RECORD_HEAD;

	while (n < HELLO_MAX && q->have[n / 8] & 1 << n % 8)
		n++;
	if (n < 4)
		return QUIC_MORE;
	want = 4 + ((size_t)b[1] << 16 | b[2] << 8 | b[3]);
	if (b[0] != 1)
		return QUIC_BAD;
	if (want > n)
		return QUIC_MORE;
	q->bytes[0] = 22;
	q->bytes[1] = 3;
	q->bytes[2] = 1;
	q->bytes[3] = want >> 8;
	q->bytes[4] = want & 0xff;
	return clienthello_parse(q->bytes, RECORD_HEAD + want, ret) == CLIENTHELLO_OK ? QUIC_OK
										      : QUIC_BAD;
}

enum quic_answer quic_initial(struct quic_hello *q, const uint8_t *p, size_t n,
			      struct clienthello *ret)
{
	uint8_t plain[PACKET_MAX];
	bool any = false;
	struct packet k;

	while (n && packet_read(p, n, &k)) {
		size_t got = packet_open(&k, k.dcid, k.dcid_n, plain);

		if (got && !q->opened) {
			q->opened = true;
			q->first_n = k.dcid_n;
			memcpy(q->first, k.dcid, k.dcid_n);
		}
		if (!got && q->opened)
			got = packet_open(&k, q->first, q->first_n, plain);
		if (got && !frames(q, plain, got))
			return QUIC_BAD;
		any |= got > 0;
		p += k.n;
		n -= k.n;
	}
	return any ? hello_read(q, ret) : QUIC_BAD;
}
