// SPDX-License-Identifier: Apache-2.0
/* Names of methods, stacks and machines: one table each, for the loader and for people. */
#include "signatures.h"

#include <elf.h>
#include <stdlib.h>

const char *const sig_methods[SIG__METHODS] = {
	[SIG_SYMBOL] = "symbol",	   [SIG_MARK] = "mark",
	[SIG_VERSION] = "version",	   [SIG_ERROR_REASONS] = "error-reasons",
	[SIG_AEAD_ERRORS] = "aead-errors", [SIG_FUNC_NAME] = "func-name",
	[SIG_ASM_CALLER] = "asm-caller",   [SIG_GOPCLNTAB] = "gopclntab",
	[SIG_IO_METHODS] = "io-methods",
};

const uint16_t sig_machines[2] = {EM_X86_64, EM_AARCH64};
const char *const sig_machine_names[2] = {"x86_64", "aarch64"};

const char *tls_stack_name(enum tls_stack s)
{
	static const char *const names[TLS_STACK__MAX] = {
		[TLS_STACK_NONE] = "none",
		[TLS_STACK_OPENSSL] = "openssl",
		[TLS_STACK_BORINGSSL] = "boringssl",
		[TLS_STACK_LIBRESSL] = "libressl",
		[TLS_STACK_GNUTLS] = "gnutls",
		[TLS_STACK_NSS] = "nss",
		[TLS_STACK_S2N] = "s2n",
		[TLS_STACK_WOLFSSL] = "wolfssl",
		[TLS_STACK_MBEDTLS] = "mbedtls",
		[TLS_STACK_AWS_LC] = "rustls-aws-lc",
		[TLS_STACK_RING] = "rustls-ring",
		[TLS_STACK_GO] = "go",
	};

	return (unsigned)s < TLS_STACK__MAX ? names[s] : "none";
}

void tls_signatures_free(struct tls_signatures *s)
{
	if (!s)
		return;
	if (s->owned)
		free((void *)s->rows);
	free(s);
}
