/* SPDX-License-Identifier: Apache-2.0 */
/* One question to the running agent, for verbs that end when it is answered. */
#ifndef PROBITY_CLI_ASK_H
#define PROBITY_CLI_ASK_H

#include <jansson.h>

#define ASK_TIMEOUT_MS 6000

/*
 * Takes the reference. CLI_OK with *ret; CLI_NEGATIVE when the agent says "error" and CLI_UNREACHABLE
 * when it does not answer, both said on stderr in one line.
 */
int cli_ask(const char *run_dir, json_t *request, json_t **ret);
/* A text of an answer, made safe for the terminal: "" when it is none. */
const char *ask_text(const json_t *o, const char *key, char *dst, size_t cap);

#endif
