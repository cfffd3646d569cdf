/* SPDX-License-Identifier: Apache-2.0 */
/* Which words of a command line say what program runs. See command.c. */
#ifndef PROBITY_CLASSIFY_COMMAND_H
#define PROBITY_CLASSIFY_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#define COMMAND_MAX 4096 /* bytes of argv that are looked at */
#define COMMAND_WORDS 64

struct command {
	char text[COMMAND_MAX]; /* argv joined by spaces, NUL-terminated */
	size_t len;
	size_t word[COMMAND_WORDS], word_len[COMMAND_WORDS], words;
	bool interpreter; /* the program runs another one named in its arguments */
	bool module;	  /* python -m */
	int script;	  /* word that names it, -1 = none */
	/* A pattern's match counts when it begins in [head, tail): the program's own name (unless
	 * the executable contradicts it) to the end of the script's. */
	size_t head, tail;
};

/* exe: resolved path or "". */
void command_read(struct command *c, const char *exe, const char *argv, size_t argv_len);
/* Behind the last '/', n bytes in, n bytes out. */
const char *command_base(const char *path, size_t n, size_t *ret_n);

#endif
