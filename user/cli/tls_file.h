/* SPDX-License-Identifier: Apache-2.0 */
/* One file through the resolver, for probity tls. */
#ifndef PROBITY_CLI_TLS_FILE_H
#define PROBITY_CLI_TLS_FILE_H

#include <stdbool.h>

#include "agent/discover/resolve.h"

struct tls_file {
	struct tls_found found;
	int result; /* of tls_resolve */
	char why[TLS_WHY_MAX];
	double seconds;
	size_t size;
	char sha256[65]; /* when asked for */
};
/* 0 or -errno: the file cannot be read. */
int tls_file_read(const char *path, const struct tls_signatures *s, bool with_hash,
		  struct tls_file *ret);
/* "crypto/tls.(*Conn).Read  buf rbx …": where a cookie says the values are, in words. */
void tls_layout_words(uint64_t cookie, const char *arch, char *dst, size_t cap);

/* probity tls --selftest: built-in images, then files below dir (or NULL) against the list, then
 * ordinary system files. The exit code. */
int tls_selftest(const struct tls_signatures *s, const char *dir, const char *list, bool quiet);

#endif
