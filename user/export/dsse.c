// SPDX-License-Identifier: Apache-2.0
/*
 * In: bytes, and an envelope from anybody. Out: whether this key signed these bytes under this type. The
 * envelope carries a copy of what is signed; it must be the very bytes, so nobody can show one text and
 * sign another. A key id is a hint for people and decides nothing here. Limits: DSSE_SIGNATURES_MAX
 * signatures are tried; the envelope is as large as its reader allows.
 */
#include "dsse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "build.h"

DEFINE_CLEANUP(struct verifier, verifier_free)

static uint8_t *pae(const char *type, const void *body, size_t n, size_t *ret_n)
{
	char head[256];
	int k = snprintf(head, sizeof(head), "DSSEv1 %zu %s %zu ", strlen(type), type, n);
	uint8_t *out;

	if (k < 0 || (size_t)k >= sizeof(head) || !(out = malloc(k + n)))
		return NULL;
	memcpy(out, head, k);
	memcpy(out + k, body, n);
	*ret_n = k + n;
	return out;
}

static char *base64_of(const void *p, size_t n)
{
	char *s = malloc(BASE64_LEN(n) + 1);

	if (s)
		base64_encode(p, n, s);
	return s;
}

int dsse_sign(const char *type, const void *body, size_t n, struct signer *s, char **ret)
{
	_cleanup_free_ char *text = base64_of(body, n), *sig64 = NULL;
	_cleanup_free_ uint8_t *bytes = NULL;
	json_t *o, *sig, *done = NULL;
	uint8_t id[8], raw[RECORD_SIG_LEN];
	struct build b = {0};
	size_t k = 0;

	bytes = pae(type, body, n, &k);
	if (!text || !bytes)
		return -ENOMEM;
	if (signer_sign(s, bytes, k, raw))
		return -EIO;
	sig64 = base64_of(raw, sizeof(raw));
	key_id(signer_public(s), id);
	o = json_object();
	build_text(&b, o, "payloadType", type);
	build_text(&b, o, "payload", text);
	sig = build_item(&b, build_array(&b, o, "signatures"));
	build_hex(&b, sig, "keyid", id, sizeof(id));
	build_text(&b, sig, "sig", sig64);
	if (!sig64 || build_done(&b, o, &done))
		return -ENOMEM;
	*ret = json_dumps(done, JSON_INDENT(1));
	json_decref(done);
	return *ret ? 0 : -ENOMEM;
}

static int wrong(const char **ret_why, const char *why)
{
	*ret_why = why;
	return -EBADMSG;
}

/* The copy inside against the bytes. */
static int same_body(const json_t *o, const void *body, size_t n, const char **ret_why)
{
	const json_t *p = json_object_get(o, "payload");
	_cleanup_free_ uint8_t *copy = malloc(n + 1);

	if (!copy)
		return -ENOMEM;
	if (!json_is_string(p))
		return wrong(ret_why, "no payload");
	if (base64_decode(json_string_value(p), json_string_length(p), copy, n + 1) != (long)n ||
	    memcmp(copy, body, n))
		return wrong(ret_why, "of another payload");
	return 0;
}

static int any_by(const json_t *sigs, struct verifier *v, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < json_array_size(sigs) && i < DSSE_SIGNATURES_MAX; i++) {
		const json_t *s = json_object_get(json_array_get(sigs, i), "sig");
		uint8_t raw[RECORD_SIG_LEN];

		if (json_is_string(s) &&
		    base64_decode(json_string_value(s), json_string_length(s), raw, sizeof(raw)) ==
			    RECORD_SIG_LEN &&
		    verifier_ok(v, bytes, n, raw))
			return 0;
	}
	return -ENOKEY;
}

static int verify(const json_t *o, const char *type, const void *body, size_t n, const uint8_t *key,
		  const char **ret_why)
{
	const char *t = json_string_value(json_object_get(o, "payloadType"));
	_cleanup_(verifier_freep) struct verifier *v = NULL;
	_cleanup_free_ uint8_t *bytes = NULL;
	size_t k = 0;
	int r;

	if (!t || strcmp(t, type))
		return wrong(ret_why, "of another payload type");
	r = same_body(o, body, n, ret_why);
	if (r)
		return r;
	if (!json_is_array(json_object_get(o, "signatures")))
		return wrong(ret_why, "no signatures");
	bytes = pae(type, body, n, &k);
	if (!bytes)
		return -ENOMEM;
	if (verifier_new(key, &v))
		return wrong(ret_why, "not a key");
	return any_by(json_object_get(o, "signatures"), v, bytes, k);
}

int dsse_verify(const char *envelope, size_t envelope_n, const char *type, const void *body,
		size_t n, const uint8_t key[static RECORD_PUBKEY_LEN], const char **ret_why)
{
	json_t *o = json_loadb(envelope, envelope_n, JSON_REJECT_DUPLICATES, NULL);
	int r = o ? verify(o, type, body, n, key, ret_why) : wrong(ret_why, "not JSON");

	json_decref(o);
	return r;
}
