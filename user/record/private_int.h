/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by private.c, private_fields.c and private_text.c only. */
#ifndef PROBITY_RECORD_PRIVATE_INT_H
#define PROBITY_RECORD_PRIVATE_INT_H

#include <protobuf-c/protobuf-c.h>

#include "private.h"

#define PRIVATE_NAMES_MAX 8 /* accounts of one record: two processes, each with two */
#define PRIVATE_NAME_BYTES 256
struct private_names {
	size_t n;
	struct private_name {
		char name[PRIVATE_NAME_BYTES], number[12]; /* "" = not known */
		char alias[PSEUDONYM_SIZE];
	} v[PRIVATE_NAMES_MAX];
};

/* private_text.c. Both: a new text, or NULL: nothing to change, or, with *ret_error set, out of memory.
 * paths: what stands behind /home/ is a name. */
char *private_words(const struct private *p, const struct private_names *names, const char *text,
		    bool paths, bool *ret_error);
char *private_text(const struct private *p, enum private_field f, const char *text,
		   bool *ret_error);
bool private_home(const char *text); /* a path below a home is in it */

/* private_fields.c: which field a text belongs to, by its name in its message; PRIVATE_FIELDS: none. */
enum private_field private_field_of(const ProtobufCMessageDescriptor *m, const char *name);

#endif
