// SPDX-License-Identifier: Apache-2.0
/*
 * In: bytes of a note, or a text and a key. Out: the parts, or a note. A note is taken only whole: any
 * byte that does not belong makes it none, so that two readers cannot see different texts under one
 * signature. The text ends at the last empty line, because a text may hold empty lines of its own.
 * Limits: NOTE_MAX bytes, NOTE_SIGS_MAX signatures.
 */
#include "note.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "printable.h"

#define DASH "\xe2\x80\x94 " /* em dash, space */
#define BLOB_MAX 8192	     /* of one signature, decoded: room for other algorithms */

DEFINE_CLEANUP(struct verifier, verifier_free)

/* --- texts -------------------------------------------------------------------------------------- */

static bool clean(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (((uint8_t)p[i] < ' ' && p[i] != '\n') || p[i] == 0x7f)
			return false;
	while (n) {
		uint32_t c;
		size_t k = utf8_next(p, n, &c);

		if (c == 0xFFFFFFFF)
			return false;
		p += k;
		n -= k;
	}
	return true;
}

/* White_Space of Unicode, without control characters, which are in no text. */
static bool is_space(uint32_t c)
{
	return c == ' ' || c == '\n' || c == 0x85 || c == 0xA0 || c == 0x1680 ||
	       (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
	       c == 0x205F || c == 0x3000;
}

static bool name_ok(const char *p, size_t n)
{
	if (!n || n >= NOTE_NAME_MAX || !clean(p, n))
		return false;
	while (n) {
		uint32_t c;
		size_t k = utf8_next(p, n, &c);

		if (is_space(c) || c == '+')
			return false;
		p += k;
		n -= k;
	}
	return true;
}

bool note_name_ok(const char *name)
{
	return name_ok(name, strlen(name));
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

/* --- keys --------------------------------------------------------------------------------------- */

uint32_t note_key_id_of(const char *name, const uint8_t pub[static RECORD_PUBKEY_LEN],
			enum note_type type)
{
	uint8_t in[NOTE_NAME_MAX + 2 + RECORD_PUBKEY_LEN], sum[SHA256_DIGEST_LENGTH];
	size_t n = strnlen(name, NOTE_NAME_MAX - 1);

	memcpy(in, name, n);
	in[n++] = '\n';
	in[n++] = type;
	memcpy(in + n, pub, RECORD_PUBKEY_LEN);
	SHA256(in, n + RECORD_PUBKEY_LEN, sum);
	return be32(sum);
}

uint32_t note_key_id(const char *name, const uint8_t pub[static RECORD_PUBKEY_LEN])
{
	return note_key_id_of(name, pub, NOTE_ED25519);
}

int note_vkey_of(const struct note_key *k, enum note_type type, char *out, size_t cap)
{
	uint8_t raw[1 + RECORD_PUBKEY_LEN] = {type};
	char text[BASE64_LEN(sizeof(raw)) + 1];
	int n;

	if (!note_name_ok(k->name))
		return -EINVAL;
	memcpy(raw + 1, k->public, RECORD_PUBKEY_LEN);
	base64_encode(raw, sizeof(raw), text);
	n = snprintf(out, cap, "%s+%08x+%s", k->name, note_key_id_of(k->name, k->public, type),
		     text);
	return n < 0 || (size_t)n >= cap ? -EINVAL : 0;
}

int note_vkey(const struct note_key *k, char *out, size_t cap)
{
	return note_vkey_of(k, NOTE_ED25519, out, cap);
}

static bool hex32(const char *p, uint32_t *ret)
{
	uint32_t v = 0;

	for (int i = 0; i < 8; i++) {
		if (p[i] >= '0' && p[i] <= '9')
			v = v << 4 | (p[i] - '0');
		else if (p[i] >= 'a' && p[i] <= 'f')
			v = v << 4 | (p[i] - 'a' + 10);
		else
			return false;
	}
	*ret = v;
	return true;
}

int note_vkey_parse_of(const char *p, size_t n, enum note_type type, struct note_key *ret)
{
	struct note_key k = {};
	uint8_t raw[1 + RECORD_PUBKEY_LEN];
	const char *plus;
	uint32_t id;
	size_t name;

	if (n && p[n - 1] == '\n')
		n--;
	plus = memchr(p, '+', n);
	name = plus ? plus - p : 0;
	if (!plus || !name_ok(p, name) || n < name + 10 || plus[9] != '+' || !hex32(plus + 1, &id))
		return -EINVAL;
	if (base64_decode(plus + 10, n - name - 10, raw, sizeof(raw)) != sizeof(raw) ||
	    raw[0] != type)
		return -EINVAL;
	memcpy(k.name, p, name);
	memcpy(k.public, raw + 1, RECORD_PUBKEY_LEN);
	if (note_key_id_of(k.name, k.public, type) != id)
		return -EINVAL;
	*ret = k;
	return 0;
}

int note_vkey_parse(const char *p, size_t n, struct note_key *ret)
{
	return note_vkey_parse_of(p, n, NOTE_ED25519, ret);
}

/* --- notes -------------------------------------------------------------------------------------- */

/* Where the signatures begin: behind the last empty line. 0: there is none. */
static size_t signatures_at(const char *p, size_t n)
{
	for (size_t i = n; i >= 2; i--)
		if (p[i - 1] == '\n' && p[i - 2] == '\n')
			return i;
	return 0;
}

/* One line without its newline. */
static bool take_signature(const char *p, size_t n, struct note *ret)
{
	const size_t dash = strlen(DASH);
	struct note_sig *s = &ret->sigs[ret->n];
	uint8_t blob[BLOB_MAX];
	const char *space;
	size_t name;
	long len;

	if (n < dash || memcmp(p, DASH, dash))
		return false;
	p += dash;
	n -= dash;
	space = memchr(p, ' ', n);
	name = space ? space - p : 0;
	if (!space || !name_ok(p, name))
		return false;
	len = base64_decode(space + 1, n - name - 1, blob, sizeof(blob));
	if (len < 5)
		return false;
	if (len < 4 + RECORD_SIG_LEN || len > 4 + NOTE_SIG_MAX)
		return true;
	memset(s, 0, sizeof(*s));
	memcpy(s->name, p, name);
	s->id = be32(blob);
	s->n = len - 4;
	memcpy(s->sig, blob + 4, s->n);
	ret->n++;
	return true;
}

int note_parse(const char *p, size_t n, struct note *ret, const char **ret_why)
{
	struct note out = {.text = p};
	size_t at = n <= NOTE_MAX ? signatures_at(p, n) : 0, lines = 0;

	*ret_why = "";
	if (n > NOTE_MAX)
		*ret_why = "too large";
	else if (!clean(p, n))
		*ret_why = "not a text";
	else if (!n || p[n - 1] != '\n')
		*ret_why = "its last line has no end";
	else if (at < 3 || at == n)
		*ret_why = "no text, or no signature after an empty line";
	if (**ret_why)
		return -EBADMSG;
	out.text_n = at - 1;
	while (at < n) {
		size_t len = (const char *)memchr(p + at, '\n', n - at) - (p + at);

		if (lines++ == NOTE_SIGS_MAX || !take_signature(p + at, len, &out)) {
			*ret_why = "a line that is no signature, or too many";
			return -EBADMSG;
		}
		at += len + 1;
	}
	*ret = out;
	return 0;
}

static bool by(const struct note_sig *s, const struct note_key *k)
{
	return s->n == RECORD_SIG_LEN && (!k->name[0] || !strcmp(k->name, s->name)) &&
	       s->id == note_key_id(s->name, k->public);
}

int note_verify(const struct note *n, const struct note_key *k, const char **ret_by)
{
	_cleanup_(verifier_freep) struct verifier *v = NULL;
	int r = verifier_new(k->public, &v);
	const char *name = NULL;

	if (r)
		return r;
	for (size_t i = 0; i < n->n; i++) {
		const struct note_sig *s = &n->sigs[i];

		if (!by(s, k))
			continue;
		if (!verifier_ok(v, (const uint8_t *)n->text, n->text_n, s->sig))
			return -EBADMSG;
		name = name ?: s->name;
	}
	if (!name)
		return -ENOKEY;
	if (ret_by)
		*ret_by = name;
	return 0;
}

size_t note_line(const char *name, uint32_t id, const uint8_t *sig, size_t n, char *out, size_t cap)
{
	uint8_t blob[4 + NOTE_SIG_MAX] = {id >> 24, id >> 16, id >> 8, id};
	char text[BASE64_LEN(sizeof(blob)) + 1];
	int m;

	if (n > NOTE_SIG_MAX || !note_name_ok(name))
		return 0;
	memcpy(blob + 4, sig, n);
	base64_encode(blob, 4 + n, text);
	m = snprintf(out, cap, DASH "%s %s\n", name, text);
	return m < 0 || (size_t)m >= cap ? 0 : m;
}

size_t note_sign(const char *text, size_t n, const char *name, struct signer *s, char *out,
		 size_t cap)
{
	uint8_t sig[RECORD_SIG_LEN];
	size_t m;

	if (!n || text[n - 1] != '\n' || !clean(text, n) || n + 1 >= cap ||
	    signer_sign(s, (const uint8_t *)text, n, sig))
		return 0;
	m = note_line(name, note_key_id(name, signer_public(s)), sig, sizeof(sig), out + n + 1,
		      cap - n - 1);
	if (!m)
		return 0;
	memcpy(out, text, n);
	out[n] = '\n';
	return n + 1 + m;
}

/* --- of a policy pack --------------------------------------------------------------------------- */

static bool word(const char *s)
{
	return *s && !strpbrk(s, " \n");
}

size_t policy_note_text(const struct policy_note *p, char *out, size_t cap)
{
	char hex[2 * RECORD_HASH_LEN + 1];
	int n;

	if (!word(p->pack) || !word(p->version) || !p->revision)
		return 0;
	for (int i = 0; i < RECORD_HASH_LEN; i++)
		snprintf(hex + 2 * i, 3, "%02x", p->sha256[i]);
	n = snprintf(out, cap, POLICY_NOTE "\npack %s\nversion %s\nrevision %llu\nsha256 %s\n",
		     p->pack, p->version, (unsigned long long)p->revision, hex);
	return n < 0 || (size_t)n >= cap ? 0 : n;
}

/* "KEY value\n" at *p; the value without its newline, which must fit. */
static bool line(const char **p, const char *end, const char *key, char *ret, size_t cap)
{
	const char *nl = memchr(*p, '\n', end - *p);
	size_t k = strlen(key), n;

	if (!nl || (size_t)(nl - *p) < k || memcmp(*p, key, k))
		return false;
	n = nl - *p - k;
	if (!n || n >= cap)
		return false;
	memcpy(ret, *p + k, n);
	ret[n] = '\0';
	*p = nl + 1;
	return true;
}

/* The same text again is the proof that nothing was read loosely. */
int policy_note_parse(const char *text, size_t n, struct policy_note *ret)
{
	const char *p = text, *end = text + n;
	struct policy_note out = {};
	char context[32], number[24], hex[2 * RECORD_HASH_LEN + 1], again[512];
	char *stop;

	if (!line(&p, end, "", context, sizeof(context)) || strcmp(context, POLICY_NOTE) ||
	    !line(&p, end, "pack ", out.pack, sizeof(out.pack)) ||
	    !line(&p, end, "version ", out.version, sizeof(out.version)) ||
	    !line(&p, end, "revision ", number, sizeof(number)) ||
	    !line(&p, end, "sha256 ", hex, sizeof(hex)) || strlen(hex) != 2 * RECORD_HASH_LEN)
		return -EBADMSG;
	errno = 0;
	out.revision = strtoull(number, &stop, 10);
	if (errno || *stop)
		return -EBADMSG;
	for (int i = 0; i < RECORD_HASH_LEN; i++) {
		unsigned v;

		if (sscanf(hex + 2 * i, "%2x", &v) != 1)
			return -EBADMSG;
		out.sha256[i] = v;
	}
	if (policy_note_text(&out, again, sizeof(again)) != n || memcmp(again, text, n))
		return -EBADMSG;
	*ret = out;
	return 0;
}
