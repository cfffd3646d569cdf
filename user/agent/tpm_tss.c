// SPDX-License-Identifier: Apache-2.0
/*
 * In: where the TPM is, and the wrapped key or its handle. Out: signatures by a key that no one can take
 * out of it.
 *
 * The key is below the owner hierarchy's storage key, which is made anew from the TPM's seed at each start
 * by the same template and so is the same as long as the TPM is. It has no password: whoever reaches the
 * TPM as this host's root can sign with it, and whoever has only the disk cannot.
 *
 * Three libraries are loaded with dlopen, so that a host without a TPM needs none of them. Invariant: what
 * a TPM answers is believed in nothing: lengths are bounds of the library's types, the key must be a point
 * of the curve, and each signature is checked by who asked (tpm.c).
 */
#include "tpm_tss.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>

#include "base/cleanup.h"

/* library, function */
#define FUNCTIONS(X)                           \
	X(TCTILDR, Tss2_TctiLdr_Initialize)    \
	X(TCTILDR, Tss2_TctiLdr_Finalize)      \
	X(MU, Tss2_MU_TPM2B_PUBLIC_Marshal)    \
	X(MU, Tss2_MU_TPM2B_PUBLIC_Unmarshal)  \
	X(MU, Tss2_MU_TPM2B_PRIVATE_Marshal)   \
	X(MU, Tss2_MU_TPM2B_PRIVATE_Unmarshal) \
	X(RC, Tss2_RC_Decode)                  \
	X(ESYS, Esys_Initialize)               \
	X(ESYS, Esys_Finalize)                 \
	X(ESYS, Esys_Free)                     \
	X(ESYS, Esys_Startup)                  \
	X(ESYS, Esys_CreatePrimary)            \
	X(ESYS, Esys_Create)                   \
	X(ESYS, Esys_Load)                     \
	X(ESYS, Esys_FlushContext)             \
	X(ESYS, Esys_TR_FromTPMPublic)         \
	X(ESYS, Esys_ReadPublic)               \
	X(ESYS, Esys_Sign)

enum { TCTILDR, MU, RC, ESYS };
static const char *const libraries[] = {
	[TCTILDR] = "libtss2-tctildr.so.0",
	[MU] = "libtss2-mu.so.0",
	[RC] = "libtss2-rc.so.0",
	[ESYS] = "libtss2-esys.so.0",
};
static struct {
	bool loaded;
#define MEMBER(lib, fn) __typeof__(fn) *fn;
	FUNCTIONS(MEMBER)
#undef MEMBER
} tss2;

struct tss {
	TSS2_TCTI_CONTEXT *tcti;
	ESYS_CONTEXT *esys;
	ESYS_TR key;
	bool ours; /* loaded by us: taking room in the TPM until it is flushed */
};
DEFINE_CLEANUP(struct tss, tss_close)

__attribute__((format(printf, 3, 4))) static int say(char *why, size_t n, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, n, fmt, ap);
	va_end(ap);
	return 0;
}

static int load(char *why, size_t n)
{
	void *at[ARRAY_SIZE(libraries)];

	for (size_t i = 0; i < ARRAY_SIZE(libraries) && !tss2.loaded; i++) {
		at[i] = dlopen(libraries[i], RTLD_NOW | RTLD_LOCAL);
		if (!at[i]) {
			say(why, n, "%s", dlerror());
			return -ENOPKG;
		}
	}
	if (tss2.loaded)
		return 0;
#define TAKE(lib, fn)                                          \
	tss2.fn = (__typeof__(fn) *)dlsym(at[lib], #fn);       \
	if (!tss2.fn) {                                        \
		say(why, n, "%s has no " #fn, libraries[lib]); \
		return -ENOPKG;                                \
	}
	FUNCTIONS(TAKE)
#undef TAKE
	tss2.loaded = true;
	return 0;
}

/* What the TPM said, in its own words. */
static int failed(const char *what, TSS2_RC rc, int r, char *why, size_t n)
{
	say(why, n, "%s: %s", what, tss2.Tss2_RC_Decode(rc));
	return r;
}

/* The layers below answer with other codes than the TPM itself. */
static bool of_tpm(TSS2_RC rc)
{
	return (rc & TSS2_RC_LAYER_MASK) == TSS2_TPM_RC_LAYER;
}

void tss_close(struct tss *t)
{
	if (!t)
		return;
	if (t->ours)
		tss2.Esys_FlushContext(t->esys, t->key);
	if (t->esys)
		tss2.Esys_Finalize(&t->esys);
	if (t->tcti)
		tss2.Tss2_TctiLdr_Finalize(&t->tcti);
	free(t);
}

/* --- keys ------------------------------------------------------------------------------------------ */

#define FIXED (TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN)
#define ECC_KEY(attributes, sym, how)                                                             \
	{                                                                                         \
		.publicArea = {                                                                   \
			.type = TPM2_ALG_ECC,                                                     \
			.nameAlg = TPM2_ALG_SHA256,                                               \
			.objectAttributes = FIXED | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | \
					    (attributes),                                         \
			.parameters.eccDetail = {.symmetric = sym,                                \
						 .scheme = how,                                   \
						 .curveID = TPM2_ECC_NIST_P256,                   \
						 .kdf.scheme = TPM2_ALG_NULL},                    \
		}                                                                                 \
	}

static const TPM2B_PUBLIC storage_key = ECC_KEY(TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT,
						((TPMT_SYM_DEF_OBJECT){.algorithm = TPM2_ALG_AES,
								       .keyBits.aes = 128,
								       .mode.aes = TPM2_ALG_CFB}),
						{.scheme = TPM2_ALG_NULL});
static const TPM2B_PUBLIC signing_key =
	ECC_KEY(TPMA_OBJECT_SIGN_ENCRYPT, {.algorithm = TPM2_ALG_NULL},
		((TPMT_ECC_SCHEME){.scheme = TPM2_ALG_ECDSA,
				   .details.ecdsa.hashAlg = TPM2_ALG_SHA256}));

static const TPM2B_SENSITIVE_CREATE no_secret;
static const TPM2B_DATA no_data;
static const TPML_PCR_SELECTION no_pcr;

static int storage(struct tss *t, ESYS_TR *ret, char *why, size_t n)
{
	TSS2_RC rc = tss2.Esys_CreatePrimary(t->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD,
					     ESYS_TR_NONE, ESYS_TR_NONE, &no_secret, &storage_key,
					     &no_data, &no_pcr, ret, NULL, NULL, NULL, NULL);

	return rc ? failed("storage key", rc, of_tpm(rc) ? -EINVAL : -EIO, why, n) : 0;
}

static int make(struct tss *t, ESYS_TR parent, struct tpm_blob *blob, char *why, size_t n)
{
	TPM2B_PRIVATE *private = NULL;
	TPM2B_PUBLIC *public = NULL;
	struct tpm_blob b = {0};
	TSS2_RC rc = tss2.Esys_Create(t->esys, parent, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
				      &no_secret, &signing_key, &no_data, &no_pcr, &private,
				      &public, NULL, NULL, NULL);

	if (!rc)
		rc = tss2.Tss2_MU_TPM2B_PUBLIC_Marshal(public, b.b, sizeof(b.b), &b.n);
	if (!rc)
		rc = tss2.Tss2_MU_TPM2B_PRIVATE_Marshal(private, b.b, sizeof(b.b), &b.n);
	tss2.Esys_Free(private);
	tss2.Esys_Free(public);
	if (rc)
		return failed("signing key", rc, of_tpm(rc) ? -EINVAL : -EIO, why, n);
	*blob = b;
	return 0;
}

static int unwrap(struct tss *t, ESYS_TR parent, const struct tpm_blob *blob, char *why, size_t n)
{
	TPM2B_PRIVATE private = {0};
	TPM2B_PUBLIC public = {0};
	size_t at = 0;
	TSS2_RC rc = tss2.Tss2_MU_TPM2B_PUBLIC_Unmarshal(blob->b, blob->n, &at, &public);

	if (!rc)
		rc = tss2.Tss2_MU_TPM2B_PRIVATE_Unmarshal(blob->b, blob->n, &at, &private);
	if (rc || at != blob->n) {
		say(why, n, "its wrapped key is damaged");
		return -EKEYREJECTED;
	}
	rc = tss2.Esys_Load(t->esys, parent, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &private,
			    &public, &t->key);
	t->ours = !rc;
	return rc ? failed("the key is not one of this TPM", rc, of_tpm(rc) ? -EKEYREJECTED : -EIO,
			   why, n)
		  : 0;
}

static int own_key(struct tss *t, struct tpm_blob *blob, char *why, size_t n)
{
	ESYS_TR parent;
	int r = storage(t, &parent, why, n);

	if (r)
		return r;
	if (!blob->n)
		r = make(t, parent, blob, why, n);
	if (!r)
		r = unwrap(t, parent, blob, why, n);
	tss2.Esys_FlushContext(t->esys, parent);
	return r;
}

static int persistent(struct tss *t, uint32_t handle, char *why, size_t n)
{
	TSS2_RC rc = tss2.Esys_TR_FromTPMPublic(t->esys, handle, ESYS_TR_NONE, ESYS_TR_NONE,
						ESYS_TR_NONE, &t->key);
	char what[40];

	snprintf(what, sizeof(what), "handle 0x%08x", handle);
	return rc ? failed(what, rc, of_tpm(rc) ? -EINVAL : -EIO, why, n) : 0;
}

static int public_of(struct tss *t, uint8_t ret[static ECDSA_PUBLIC_LEN], char *why, size_t n)
{
	uint8_t point[ECDSA_POINT_LEN] = {0};
	TPM2B_PUBLIC *p = NULL;
	const TPMS_ECC_POINT *q;
	TSS2_RC rc = tss2.Esys_ReadPublic(t->esys, t->key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
					  &p, NULL, NULL);
	int r = -EINVAL;

	if (rc)
		return failed("public key", rc, -EIO, why, n);
	q = &p->publicArea.unique.ecc;
	if (p->publicArea.type == TPM2_ALG_ECC &&
	    p->publicArea.parameters.eccDetail.curveID == TPM2_ECC_NIST_P256 && q->x.size <= 32 &&
	    q->y.size <= 32) {
		memcpy(point + 32 - q->x.size, q->x.buffer, q->x.size);
		memcpy(point + 64 - q->y.size, q->y.buffer, q->y.size);
		r = ecdsa_public_of(point, ret);
	}
	tss2.Esys_Free(p);
	if (r)
		say(why, n, "its key is not one of ECDSA P-256");
	return r;
}

static int connect_to(struct tss *t, const char *tcti, char *why, size_t n)
{
	TSS2_RC rc = tss2.Tss2_TctiLdr_Initialize(tcti, &t->tcti);

	if (rc)
		return failed("no TPM", rc, -ENODEV, why, n);
	rc = tss2.Esys_Initialize(&t->esys, t->tcti, NULL);
	if (rc)
		return failed("no TPM", rc, -ENODEV, why, n);
	rc = tss2.Esys_Startup(t->esys, TPM2_SU_CLEAR);
	return rc && rc != TPM2_RC_INITIALIZE ? failed("no TPM", rc, -ENODEV, why, n) : 0;
}

int tss_open(const char *tcti, uint32_t handle, struct tpm_blob *blob, struct tss **ret,
	     uint8_t ret_public[static ECDSA_PUBLIC_LEN], char *why, size_t why_len)
{
	_cleanup_(tss_closep) struct tss *t = calloc(1, sizeof(*t));
	int r = t ? load(why, why_len) : -ENOMEM;

	if (!r)
		r = connect_to(t, tcti, why, why_len);
	if (!r)
		r = handle ? persistent(t, handle, why, why_len) : own_key(t, blob, why, why_len);
	if (!r)
		r = public_of(t, ret_public, why, why_len);
	if (!r)
		*ret = TAKE_PTR(t);
	return r;
}

/* --- signing --------------------------------------------------------------------------------------- */

int tss_sign(struct tss *t, const uint8_t digest[static 32], uint8_t ret[static NOTE_SIG_MAX],
	     size_t *ret_n, char *why, size_t why_len)
{
	const TPMT_SIG_SCHEME how = {.scheme = TPM2_ALG_ECDSA,
				     .details.ecdsa.hashAlg = TPM2_ALG_SHA256};
	const TPMT_TK_HASHCHECK any = {.tag = TPM2_ST_HASHCHECK, .hierarchy = TPM2_RH_NULL};
	TPM2B_DIGEST d = {.size = 32};
	TPMT_SIGNATURE *s = NULL;
	TSS2_RC rc;

	memcpy(d.buffer, digest, 32);
	rc = tss2.Esys_Sign(t->esys, t->key, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &d, &how,
			    &any, &s);
	if (rc)
		return failed("signing", rc, of_tpm(rc) ? -EREMOTEIO : -EIO, why, why_len);
	*ret_n = s->sigAlg == TPM2_ALG_ECDSA
			 ? ecdsa_signature(s->signature.ecdsa.signatureR.buffer,
					   s->signature.ecdsa.signatureR.size,
					   s->signature.ecdsa.signatureS.buffer,
					   s->signature.ecdsa.signatureS.size, ret)
			 : 0;
	tss2.Esys_Free(s);
	if (!*ret_n)
		say(why, why_len, "signing: not an ECDSA signature");
	return *ret_n ? 0 : -EREMOTEIO;
}
