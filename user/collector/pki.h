/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The local certificate authority of a collector, and who a TLS peer is. A site with its own PKI
 * needs none of the making half: `run` takes any CA, certificate and key as files.
 *
 * Files: ca.pem ca.key server.pem server.key under the collector's pki folder, and ca.pem agent.pem
 * agent.key in a folder for each agent. Keys are EC P-256, PKCS#8 PEM, mode 0600.
 */
#ifndef PROBITY_COLLECTOR_PKI_H
#define PROBITY_COLLECTOR_PKI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>
#include <openssl/x509.h>

#define PKI_NAME_MAX 64 /* X.520 upper bound of a common name */

/* An operator's program reads and sends no records; its common name is "operator.NAME", which no agent's
 * may begin with. */
enum pki_role { PKI_SERVER, PKI_AGENT, PKI_OPERATOR };
#define PKI_OPERATOR_PREFIX "operator."

/* All 0 or -errno with one clear line in err that names the file. What exists is kept and checked:
 * key mode, key and certificate fit, issued by this CA, right purpose, in date. *ret_made counts
 * the files that were written. */
int pki_make_ca(const char *dir, int *ret_made, char *err, size_t err_len);
/* Certificate `role` for `name` in `out`, signed by the CA in `dir`; `out` gets ca.pem as well. */
int pki_make_leaf(const char *dir, const char *out, enum pki_role role, const char *name,
		  int *ret_made, char *err, size_t err_len);

/* 1 to 64 of A-Z a-z 0-9 . _ - : what may be a host's name in a certificate. */
bool pki_name_ok(const char *name);
bool pki_operator(const char *cn);
/* The common name in a certificate's file, one that pki_name_ok takes. */
int pki_file_name(const char *path, char ret_cn[static PKI_NAME_MAX + 1], char *err,
		  size_t err_len);

/* Server side: TLS 1.3 only, client certificate required, no session resumption. */
int pki_server_context(const char *ca, const char *cert, const char *key, SSL_CTX **ret, char *err,
		       size_t err_len);
/* The verified peer's one common name and the SHA-256 of its certificate. -EACCES: none, or a
 * name that pki_name_ok refuses. */
int pki_peer(SSL *ssl, char ret_cn[static PKI_NAME_MAX + 1], uint8_t ret_sha256[static 32]);

#endif
