/* SPDX-License-Identifier: Apache-2.0 */
/* A tls_found that holds, for tests to break; and images of files that need not be there. */
#ifndef PROBITY_TESTS_ATTACH_MADE_H
#define PROBITY_TESTS_ATTACH_MADE_H

#include <string.h>
#include <sys/stat.h>

#include "agent/attach/images.h"
#include "proto/event.h"

#define MADE_SIZE 4096

static inline void made_found(struct tls_found *t)
{
	memset(t, 0, sizeof(*t));
	strcpy(t->build_id, "0badcafe");
	strcpy(t->arch, "x86_64");
	strcpy(t->version[TLS_STACK_OPENSSL], "3.0.17");
	t->signatures = 7;
	t->functions_n = 2;
	t->sites_n = 4;
	t->notes_n = 1;
	strcpy(t->notes[0], "SSL_read: no RET decoded");
	for (int i = 0; i < 2; i++) {
		struct tls_function *f = &t->functions[i];

		f->stack = i ? TLS_STACK_GNUTLS : TLS_STACK_OPENSSL;
		f->confidence = 100;
		strcpy(f->name, i ? "gnutls_record_send" : "SSL_write");
		strcpy(f->method, "symbol");
		f->first = 2 * i;
		f->n = 2;
	}
	for (int i = 0; i < 4; i++)
		t->sites[i] = (struct tls_site_at){0x401000 + 16 * i, 0x100 + 16 * i,
						   i & 1 ? TLS_RETURN : TLS_WRITE};
}

static inline struct stat made_stat(unsigned ino)
{
	return (struct stat){.st_dev = 9,
			     .st_ino = ino,
			     .st_size = MADE_SIZE,
			     .st_mtim = {1000 + ino, 5},
			     .st_mode = S_IFREG | 0755};
}

#endif
