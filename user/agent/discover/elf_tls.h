/* SPDX-License-Identifier: Apache-2.0 */
/* Where in an ELF file are the TLS functions: an open file in, sites (file offsets) out. */
#ifndef PROBITY_AGENT_DISCOVER_ELF_TLS_H
#define PROBITY_AGENT_DISCOVER_ELF_TLS_H

#include <stddef.h>
#include <stdint.h>

#define TLS_SITES_MAX 256

struct tls_sites {
	uint64_t offset[TLS_SITES_MAX]; /* in the file */
	uint64_t cookie[TLS_SITES_MAX]; /* enum tls_site */
	size_t n;
	uint32_t functions; /* bit i: row i of the function table was found */
	uint32_t refused;   /* functions left out: no RET found, or the table is full */
	char stack[16];	    /* "openssl", "boringssl", "libressl" */
};

/* 1 when the file has TLS functions, 0 when it has none, -errno (-ENOEXEC: not an ELF file for
 * this machine). A function is taken whole (entry and every RET) or not at all. */
int elf_tls_find(int fd, struct tls_sites *ret);
/* Name of row i of the function table, NULL past its end. */
const char *elf_tls_function(size_t i);

#endif
