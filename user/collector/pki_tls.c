// SPDX-License-Identifier: Apache-2.0
/*
 * The TLS half of pki.h: files in, a server context out; a connection in, its peer's name out.
 *
 * Invariant: no connection gets a byte of HTTP through before its peer has proved to hold a
 * client certificate of the given CA, in TLS 1.3. Sessions are never resumed, so each connection
 * proves it anew and a host taken out of the CA is out at its next connection.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/cleanup.h"
#include "pki.h"

DEFINE_CLEANUP(SSL_CTX, SSL_CTX_free)

static int say(char *err, size_t len, int r, const char *path, const char *what)
{
	unsigned long e = ERR_peek_last_error();

	snprintf(err, len, "%s: %s%s%s%s", path, what, e ? " (" : "",
		 e ? ERR_reason_error_string(e) ?: "?" : "", e ? ")" : "");
	ERR_clear_error();
	return r;
}

static int key_mode(const char *key, char *err, size_t err_len)
{
	struct stat st;

	if (stat(key, &st) < 0) {
		snprintf(err, err_len, "%s: %s", key, strerror(errno));
		return -errno;
	}
	if (st.st_mode & 077) {
		snprintf(err, err_len, "%s: mode %03o lets others read the key; make it 600", key,
			 st.st_mode & 0777);
		return -EPERM;
	}
	return 0;
}

int pki_server_context(const char *ca, const char *cert, const char *key, SSL_CTX **ret, char *err,
		       size_t err_len)
{
	_cleanup_(SSL_CTX_freep) SSL_CTX *c = SSL_CTX_new(TLS_server_method());
	STACK_OF(X509_NAME) *names = NULL;
	int r = key_mode(key, err, err_len);

	if (r)
		return r;
	if (!c || !SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION) ||
	    !SSL_CTX_set_max_proto_version(c, TLS1_3_VERSION) || !SSL_CTX_set_num_tickets(c, 0))
		return say(err, err_len, -ENOTSUP, cert, "TLS 1.3 is not to be had");
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(c, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
	/* A peer that closes without a notify is an ordinary end here: lengths are in HTTP. */
	SSL_CTX_set_options(c, SSL_OP_IGNORE_UNEXPECTED_EOF);
	if (SSL_CTX_use_certificate_chain_file(c, cert) != 1)
		return say(err, err_len, -EINVAL, cert, "not a usable certificate");
	if (SSL_CTX_use_PrivateKey_file(c, key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(c) != 1)
		return say(err, err_len, -EINVAL, key, "not the key of the certificate");
	names = SSL_load_client_CA_file(ca);
	if (!names || SSL_CTX_load_verify_file(c, ca) != 1)
		return say(err, err_len, -EINVAL, ca, "not a usable CA certificate");
	SSL_CTX_set_client_CA_list(c, names);
	SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_verify_depth(c, 4);
	*ret = TAKE_PTR(c);
	return 0;
}

static int name_of(X509 *x, char ret_cn[static PKI_NAME_MAX + 1])
{
	X509_NAME *subject = X509_get_subject_name(x);
	char cn[PKI_NAME_MAX + 1] = "";
	ASN1_STRING *text;
	int i = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

	if (i < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, i) >= 0)
		return -EACCES;
	text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i));
	/* An embedded NUL makes the copy shorter than the text, and the name another one. */
	if (ASN1_STRING_length(text) > PKI_NAME_MAX)
		return -EACCES;
	memcpy(cn, ASN1_STRING_get0_data(text), ASN1_STRING_length(text));
	if ((int)strlen(cn) != ASN1_STRING_length(text) || !pki_name_ok(cn))
		return -EACCES;
	memcpy(ret_cn, cn, sizeof(cn));
	return 0;
}

int pki_file_name(const char *path, char ret_cn[static PKI_NAME_MAX + 1], char *err, size_t err_len)
{
	BIO *b = BIO_new_file(path, "r");
	X509 *x = b ? PEM_read_bio_X509(b, NULL, NULL, NULL) : NULL;
	int r = x ? name_of(x, ret_cn) : -EBADMSG;

	if (!x)
		snprintf(err, err_len, "%s: %s", path,
			 b ? "not a certificate in PEM" : "cannot be read");
	else if (r)
		snprintf(err, err_len,
			 "%s: its common name is no name for a witness; give one with "
			 "--name",
			 path);
	X509_free(x);
	BIO_free(b);
	ERR_clear_error();
	return r;
}

int pki_peer(SSL *ssl, char ret_cn[static PKI_NAME_MAX + 1], uint8_t ret_sha256[static 32])
{
	X509 *x = SSL_get0_peer_certificate(ssl);
	char cn[PKI_NAME_MAX + 1];
	uint8_t sha[32];
	unsigned n = 0;

	if (!x || SSL_get_verify_result(ssl) != X509_V_OK || name_of(x, cn) ||
	    !X509_digest(x, EVP_sha256(), sha, &n) || n != sizeof(sha))
		return -EACCES;
	memcpy(ret_cn, cn, sizeof(cn));
	memcpy(ret_sha256, sha, sizeof(sha));
	return 0;
}
