/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where in an ELF image are the TLS functions, of which library, and where are their arguments.
 * PURE: bytes of the file in, facts out; nothing is trusted, nothing outside of them is read.
 */
#ifndef PROBITY_AGENT_DISCOVER_RESOLVE_H
#define PROBITY_AGENT_DISCOVER_RESOLVE_H

#include <stddef.h>
#include <stdint.h>

#define TLS_FUNCTIONS_MAX 64
#define TLS_SITES_MAX 512
#define TLS_NOTES_MAX 16
#define TLS_WHY_MAX 160

enum tls_stack {
	TLS_STACK_NONE = 0,
	TLS_STACK_OPENSSL,
	TLS_STACK_BORINGSSL,
	TLS_STACK_LIBRESSL,
	TLS_STACK_GNUTLS,
	TLS_STACK_NSS,
	TLS_STACK_S2N,
	TLS_STACK_WOLFSSL,
	TLS_STACK_MBEDTLS,
	TLS_STACK_AWS_LC, /* rustls over aws-lc, or any user of its AEADs */
	TLS_STACK_RING,	  /* rustls over ring */
	TLS_STACK_GO,
	TLS_STACK__MAX
};
const char *
tls_stack_name(enum tls_stack s); /* "openssl", "rustls-aws-lc", "rustls-ring", "go" … */

struct tls_function {
	enum tls_stack stack;
	uint8_t confidence; /* percent: 100 = exported symbol or unique structural proof */
	char name[40];	    /* "SSL_write", "EVP_AEAD_CTX_seal", "crypto/tls.(*Conn).Write" */
	char method[32];    /* "symbol", "error-reasons", "func-name", "aead-errors", "asm-caller",
			       "gopclntab" */
	char why[TLS_WHY_MAX]; /* what was found where, for people */
	uint64_t vaddr;	       /* entry */
	uint64_t cookie;       /* TLS_COOKIE of the entry, image index 0 */
	uint16_t first, n;     /* its sites: entry and returns */
};

struct tls_site_at {
	uint64_t vaddr, offset; /* offset: in this file */
	uint64_t cookie;	/* TLS_COOKIE, image index 0 */
};

struct tls_found {
	char build_id[65];		  /* hex; "" = none. Go's own id is not one */
	char arch[12];			  /* "x86_64", "aarch64" */
	uint32_t signatures;		  /* version of the table that was used */
	char version[TLS_STACK__MAX][24]; /* of the library, "" = unknown */
	uint16_t functions_n, sites_n, notes_n;
	struct tls_function functions[TLS_FUNCTIONS_MAX];
	struct tls_site_at sites[TLS_SITES_MAX];
	/* What was recognised and could not be used, and why ("SSL_write: no RET decoded"). */
	char notes[TLS_NOTES_MAX][TLS_WHY_MAX];
};

struct tls_signatures;
/* YAML of policies/tls-signatures.yaml; the compiled-in copy when yaml is NULL. 0, -EINVAL with one
 * line in err, -ENOMEM. */
int tls_signatures_load(const char *yaml, size_t n, struct tls_signatures **ret, char *err,
			size_t cap);
void tls_signatures_free(struct tls_signatures *s); /* NULL is fine */

/*
 * 1 when at least one function was found whole (entry and every RET that is needed), 0 when none,
 * -ENOEXEC: not an ELF file for a machine we know; -EBADMSG: an ELF file that lies (why says how).
 * p is the whole file, read-only, and does not change meanwhile. Memory and time are bounded by n.
 */
int tls_resolve(const uint8_t *p, size_t n, const struct tls_signatures *s, struct tls_found *ret,
		char *why, size_t cap);
/* The file offsets of sites found in another file with the same build-id: vaddr → offset by this
 * file's own program headers. 0 or -EBADMSG. */
int tls_relocate(const uint8_t *p, size_t n, struct tls_found *f, char *why, size_t cap);

#endif
