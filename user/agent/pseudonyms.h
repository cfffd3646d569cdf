/* SPDX-License-Identifier: Apache-2.0 */
/* The key file of pseudonyms: root's alone, apart from keys and records. */
#ifndef PROBITY_AGENT_PSEUDONYMS_H
#define PROBITY_AGENT_PSEUDONYMS_H

#include "record/private.h"

/* Made with one key when absent. err: one line that names the file. 0 or -errno. */
int pseudonyms_open(const char *path, struct pseudonym_keys *ret, char *err, size_t err_len);

/* Which of the candidates (texts with their NULs, n bytes in all), or else of the plain numbers of
 * persons below 2^16, has this pseudonym under any of the keys: a new text, NULL if none has. */
char *pseudonyms_resolve(const struct pseudonym_keys *k, const char *pseudonym, const char *names,
			 size_t n);

#endif
