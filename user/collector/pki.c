// SPDX-License-Identifier: Apache-2.0
/*
 * Making and checking certificates. Names in, files out.
 *
 * Invariants: a key is on the disk, whole and with mode 0600, before the certificate that names
 * it, so a crash in between leaves a key that the next run takes up; no existing file is ever
 * overwritten; the CA key is read only here, never by a running collector. Certificates last
 * LEAF_DAYS, the CA CA_DAYS. The TLS side is in pki_tls.c.
 */
#include "pki.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "base/cleanup.h"
#include "base/fs.h"

#define CA_DAYS 3650
#define LEAF_DAYS 730
#define SKEW_SECONDS 3600 /* hosts' clocks differ; a new certificate must be valid on all */
#define FILE_MAX_BYTES (256 * 1024)
#define MAX_SAN 1024

DEFINE_CLEANUP(EVP_PKEY, EVP_PKEY_free)
DEFINE_CLEANUP(X509, X509_free)
DEFINE_CLEANUP(BIO, BIO_free)
DEFINE_CLEANUP(BIGNUM, BN_free)

struct pki {
	char *err;
	size_t err_len;
	int made;
};

static int say(struct pki *p, int r, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int say(struct pki *p, int r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->err, p->err_len, fmt, ap);
	va_end(ap);
	ERR_clear_error();
	return r;
}

bool pki_name_ok(const char *name)
{
	size_t n =
		strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

	return n > 0 && n <= PKI_NAME_MAX && !name[n];
}

bool pki_operator(const char *cn)
{
	return !strncmp(cn, PKI_OPERATOR_PREFIX, strlen(PKI_OPERATOR_PREFIX));
}

static int join(struct pki *p, char out[static PATH_MAX], const char *dir, const char *name)
{
	if (snprintf(out, PATH_MAX, "%s/%s", dir, name) < PATH_MAX)
		return 0;
	return say(p, -ENAMETOOLONG, "%s: path too long", dir);
}

static int write_bio(struct pki *p, const char *path, BIO *b, mode_t mode)
{
	char *data;
	long n = BIO_get_mem_data(b, &data);
	int r = fs_write_atomic(path, data, n, mode);

	if (r)
		return say(p, r, "%s: cannot be written: %s", path, strerror(-r));
	p->made++;
	return 0;
}

static int read_bio(struct pki *p, const char *path, BIO **ret)
{
	char *text = NULL;
	size_t n;
	int r = fs_read(path, FILE_MAX_BYTES, &text, &n);

	if (r == -ENOENT)
		return r;
	if (r)
		return say(p, r, "%s: cannot be read: %s", path, strerror(-r));
	*ret = BIO_new(BIO_s_mem());
	if (*ret)
		BIO_write(*ret, text, n);
	OPENSSL_cleanse(text, n);
	free(text);
	return *ret ? 0 : say(p, -ENOMEM, "%s: out of memory", path);
}

/* -ENOENT when there is no such file, without a line. */
static int read_key(struct pki *p, const char *path, EVP_PKEY **ret)
{
	_cleanup_(BIO_freep) BIO *b = NULL;
	struct stat st;
	int r = read_bio(p, path, &b);

	if (r)
		return r;
	if (stat(path, &st) == 0 && st.st_mode & 077)
		return say(p, -EPERM, "%s: mode %03o lets others read the key; make it 600", path,
			   st.st_mode & 0777);
	*ret = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
	return *ret ? 0 : say(p, -EBADMSG, "%s: not a private key in PEM", path);
}

static int read_cert(struct pki *p, const char *path, X509 **ret)
{
	_cleanup_(BIO_freep) BIO *b = NULL;
	int r = read_bio(p, path, &b);

	if (r)
		return r;
	*ret = PEM_read_bio_X509(b, NULL, NULL, NULL);
	return *ret ? 0 : say(p, -EBADMSG, "%s: not a certificate in PEM", path);
}

static int make_key(struct pki *p, const char *path, EVP_PKEY **ret)
{
	_cleanup_(BIO_freep) BIO *b = BIO_new(BIO_s_mem());
	_cleanup_(EVP_PKEY_freep) EVP_PKEY *k = EVP_EC_gen("P-256");
	int r;

	if (!b || !k || !PEM_write_bio_PKCS8PrivateKey(b, k, NULL, NULL, 0, NULL, NULL))
		return say(p, -EIO, "%s: no key could be made", path);
	r = write_bio(p, path, b, 0600);
	if (!r)
		*ret = TAKE_PTR(k);
	return r;
}

static int have_key(struct pki *p, const char *path, bool need, EVP_PKEY **ret)
{
	int r = read_key(p, path, ret);

	if (r != -ENOENT)
		return r;
	if (need)
		return say(p, -ENOENT,
			   "%s: missing, but its certificate is there; restore the key"
			   " or remove the certificate",
			   path);
	return make_key(p, path, ret);
}

static bool extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;
	bool ok;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = e && X509_add_ext(cert, e, -1);
	X509_EXTENSION_free(e);
	return ok;
}

/* A random serial number of 128 bits, never zero, so that issuing needs no counter file. */
static bool set_serial(X509 *cert)
{
	_cleanup_(BN_freep) BIGNUM *n = BN_new();

	return n && BN_rand(n, 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) &&
	       BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert));
}

static X509 *new_cert(const char *cn, EVP_PKEY *key, X509 *ca, long days)
{
	_cleanup_(X509_freep) X509 *c = X509_new();
	X509_NAME *name = c ? X509_get_subject_name(c) : NULL;

	if (!c || !X509_set_version(c, X509_VERSION_3) || !set_serial(c) ||
	    !X509_gmtime_adj(X509_getm_notBefore(c), -SKEW_SECONDS) ||
	    !X509_gmtime_adj(X509_getm_notAfter(c), days * 86400) ||
	    !X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1,
					-1, 0) ||
	    !X509_set_issuer_name(c, ca ? X509_get_subject_name(ca) : name) ||
	    !X509_set_pubkey(c, key))
		return NULL;
	return TAKE_PTR(c);
}

static int put_cert(struct pki *p, const char *path, X509 *cert, EVP_PKEY *signer)
{
	_cleanup_(BIO_freep) BIO *b = BIO_new(BIO_s_mem());

	if (!b || !X509_sign(cert, signer, EVP_sha256()) || !PEM_write_bio_X509(b, cert))
		return say(p, -EIO, "%s: certificate could not be signed", path);
	return write_bio(p, path, b, 0644);
}

static int make_ca_cert(struct pki *p, const char *path, EVP_PKEY *key)
{
	_cleanup_(X509_freep) X509 *c = new_cert("Probity local CA", key, NULL, CA_DAYS);

	if (!c || !extend(c, c, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
	    !extend(c, c, NID_key_usage, "critical,keyCertSign,cRLSign") ||
	    !extend(c, c, NID_subject_key_identifier, "hash") ||
	    !extend(c, c, NID_authority_key_identifier, "keyid:always"))
		return say(p, -EIO, "%s: certificate could not be made", path);
	return put_cert(p, path, c, key);
}

static int make_leaf_cert(struct pki *p, const char *path, enum pki_role role, const char *name,
			  EVP_PKEY *key, X509 *ca, EVP_PKEY *ca_key)
{
	_cleanup_(X509_freep) X509 *c = new_cert(name, key, ca, LEAF_DAYS);
	char san[MAX_SAN];

	/* A name with '_' is no DNS name; it is only ever compared as CN then. */
	snprintf(san, sizeof(san), "DNS:%s%s", name,
		 role == PKI_SERVER ? ",DNS:localhost,IP:127.0.0.1,IP:::1" : "");
	if (!c || !extend(c, ca, NID_basic_constraints, "critical,CA:FALSE") ||
	    !extend(c, ca, NID_key_usage, "critical,digitalSignature") ||
	    !extend(c, ca, NID_ext_key_usage, role == PKI_SERVER ? "serverAuth" : "clientAuth") ||
	    !extend(c, ca, NID_subject_alt_name, san) ||
	    !extend(c, ca, NID_subject_key_identifier, "hash") ||
	    !extend(c, ca, NID_authority_key_identifier, "keyid:always"))
		return say(p, -EIO, "%s: certificate could not be made", path);
	return put_cert(p, path, c, ca_key);
}

/* What OpenSSL itself would say at a handshake: chain, purpose, dates. */
static int verify(struct pki *p, const char *path, X509 *cert, X509 *ca, int purpose)
{
	X509_STORE *trust = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int r = 0, why;

	if (!trust || !ctx || !X509_STORE_add_cert(trust, ca) ||
	    !X509_STORE_CTX_init(ctx, trust, cert, NULL)) {
		r = say(p, -ENOMEM, "%s: out of memory", path);
	} else {
		X509_STORE_CTX_set_purpose(ctx, purpose);
		if (X509_verify_cert(ctx) != 1) {
			why = X509_STORE_CTX_get_error(ctx);
			r = say(p, -EKEYREJECTED,
				"%s: %s; move it and its key away to have new ones made", path,
				X509_verify_cert_error_string(why));
		}
	}
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(trust);
	return r;
}

static int check_pair(struct pki *p, const char *path, X509 *cert, EVP_PKEY *key)
{
	if (X509_check_private_key(cert, key) != 1)
		return say(p, -EKEYREJECTED, "%s: is not the certificate of the key beside it",
			   path);
	return 0;
}

static int make_dir(struct pki *p, const char *dir)
{
	int r = fs_mkdirs(dir, 0755);

	return r ? say(p, r, "%s: folder cannot be made: %s", dir, strerror(-r)) : 0;
}

static int check_ca(struct pki *p, const char *path, X509 *c, EVP_PKEY *key)
{
	int r = check_pair(p, path, c, key);

	if (!r && X509_check_ca(c) != 1)
		r = say(p, -EKEYREJECTED, "%s: not a CA certificate", path);
	return r ? r : verify(p, path, c, c, X509_PURPOSE_ANY);
}

static int open_ca(struct pki *p, const char *dir, X509 **ret_cert, EVP_PKEY **ret_key)
{
	_cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
	_cleanup_(X509_freep) X509 *c = NULL;
	char pem[PATH_MAX], keyfile[PATH_MAX];
	int r;

	if ((r = join(p, pem, dir, "ca.pem")) || (r = join(p, keyfile, dir, "ca.key")))
		return r;
	r = read_cert(p, pem, &c);
	if (r == -ENOENT)
		return say(p, r, "%s: no CA here; `init` makes one", pem);
	if (!r)
		r = have_key(p, keyfile, true, &key);
	if (!r)
		r = check_ca(p, pem, c, key);
	if (!r) {
		*ret_cert = TAKE_PTR(c);
		*ret_key = TAKE_PTR(key);
	}
	return r;
}

int pki_make_ca(const char *dir, int *ret_made, char *err, size_t err_len)
{
	struct pki p = {.err = err, .err_len = err_len};
	_cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
	_cleanup_(X509_freep) X509 *c = NULL;
	char pem[PATH_MAX], keyfile[PATH_MAX];
	int r;

	if ((r = join(&p, pem, dir, "ca.pem")) || (r = join(&p, keyfile, dir, "ca.key")) ||
	    (r = make_dir(&p, dir)))
		return r;
	r = read_cert(&p, pem, &c);
	if (r && r != -ENOENT)
		return r;
	r = have_key(&p, keyfile, c != NULL, &key);
	if (!r)
		r = c ? check_ca(&p, pem, c, key) : make_ca_cert(&p, pem, key);
	if (!r)
		*ret_made += p.made;
	return r;
}

/* An agent's folder gets the CA's certificate, to know its collector by. */
static int give_ca(struct pki *p, const char *out, X509 *ca)
{
	_cleanup_(BIO_freep) BIO *b = BIO_new(BIO_s_mem());
	_cleanup_(X509_freep) X509 *have = NULL;
	char pem[PATH_MAX];
	int r = join(p, pem, out, "ca.pem");

	if (!r)
		r = read_cert(p, pem, &have);
	if (!r && X509_cmp(have, ca) != 0)
		return say(p, -EKEYREJECTED, "%s: certificate of another CA; it is left as it is",
			   pem);
	if (r != -ENOENT)
		return r;
	if (!b || !PEM_write_bio_X509(b, ca))
		return say(p, -ENOMEM, "%s: out of memory", pem);
	return write_bio(p, pem, b, 0644);
}

static int check_leaf(struct pki *p, const char *pem, enum pki_role role, const char *name, X509 *c,
		      X509 *ca, EVP_PKEY *key)
{
	char cn[PKI_NAME_MAX + 1] = "";
	int r = check_pair(p, pem, c, key);

	if (!r)
		r = verify(p, pem, c, ca,
			   role == PKI_SERVER ? X509_PURPOSE_SSL_SERVER : X509_PURPOSE_SSL_CLIENT);
	if (r || role == PKI_SERVER)
		return r;
	X509_NAME_get_text_by_NID(X509_get_subject_name(c), NID_commonName, cn, sizeof(cn));
	if (strcmp(cn, name) != 0)
		return say(p, -EKEYREJECTED,
			   "%s: certificate of another host than %s; it is left"
			   " as it is",
			   pem, name);
	return 0;
}

int pki_make_leaf(const char *dir, const char *out, enum pki_role role, const char *name,
		  int *ret_made, char *err, size_t err_len)
{
	static const char *const bases[] = {
		[PKI_SERVER] = "server", [PKI_AGENT] = "agent", [PKI_OPERATOR] = "operator"};
	const char *base = bases[role];
	struct pki p = {.err = err, .err_len = err_len};
	_cleanup_(EVP_PKEY_freep) EVP_PKEY *ca_key = NULL, *key = NULL;
	_cleanup_(X509_freep) X509 *ca = NULL, *c = NULL;
	char pem[PATH_MAX], keyfile[PATH_MAX], file[24];
	int r;

	if (!pki_name_ok(name))
		return say(&p, -EINVAL, "%s: not a host name of at most %d characters", name,
			   PKI_NAME_MAX);
	if (pki_operator(name) != (role == PKI_OPERATOR))
		return say(&p, -EINVAL, "%s: names that begin with \"%s\" are operators'", name,
			   PKI_OPERATOR_PREFIX);
	snprintf(file, sizeof(file), "%s.pem", base);
	r = join(&p, pem, out, file);
	snprintf(file, sizeof(file), "%s.key", base);
	if (r || (r = join(&p, keyfile, out, file)) || (r = open_ca(&p, dir, &ca, &ca_key)) ||
	    (r = make_dir(&p, out)))
		return r;
	r = read_cert(&p, pem, &c);
	if (r && r != -ENOENT)
		return r;
	r = have_key(&p, keyfile, c != NULL, &key);
	if (!r)
		r = c ? check_leaf(&p, pem, role, name, c, ca, key)
		      : make_leaf_cert(&p, pem, role, name, key, ca, ca_key);
	if (!r)
		r = give_ca(&p, out, ca);
	if (!r)
		*ret_made += p.made;
	return r;
}
