/* SPDX-License-Identifier: Apache-2.0 */
/* The programs of exec.bpf.c: which of them this kernel gets, and when they are attached. */
#ifndef PROBITY_AGENT_EXEC_HOOKS_H
#define PROBITY_AGENT_EXEC_HOOKS_H

#include <jansson.h>
#include <stdbool.h>

#include "proto/gate.h"

struct bpf;
struct bpf_object;
struct exec_hooks;

/* Before the object is loaded: leaves out what this kernel has no use for. */
void exec_hooks_prepare(struct bpf_object *obj);

/* Attaches nothing yet; says what can be done (backends.h). NULL: out of memory. */
struct exec_hooks *exec_hooks_new(const struct bpf *b);
void exec_hooks_free(struct exec_hooks *h);
/* rules: there are exec rules in force; cover: also what is mapped is judged. 0 or -errno. */
int exec_hooks_want(struct exec_hooks *h, bool rules, bool cover);
enum gate_mechanism exec_hooks_exec(const struct exec_hooks *h);
bool exec_hooks_opens(const struct exec_hooks *h); /* scripts are judged when they are opened */
void exec_hooks_backends(const struct exec_hooks *h, json_t *rows); /* {for, backend, note} */

#endif
