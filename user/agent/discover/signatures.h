/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a TLS function is recognised by: rows of policies/tls-signatures.yaml. Only the discover/
 * files and the build-time generator look inside.
 */
#ifndef PROBITY_AGENT_DISCOVER_SIGNATURES_H
#define PROBITY_AGENT_DISCOVER_SIGNATURES_H

#include <stdbool.h>

#include "resolve.h"

#define SIG_TEXTS 4
#define SIG_CODES 4
#define SIG_TEXT_MAX 48
#define SIG_PATTERN_MAX 40

enum sig_method {
	SIG_SYMBOL,	   /* the function's own name */
	SIG_MARK,	   /* a symbol that tells which library of a family this is */
	SIG_VERSION,	   /* a text the library's version follows */
	SIG_ERROR_REASONS, /* error codes beside references to a source file's name */
	SIG_AEAD_ERRORS,   /* the same, of the AEAD layer */
	SIG_FUNC_NAME,	   /* references to the function's own name */
	SIG_ASM_CALLER,	   /* the one caller of an assembly routine known by its bytes */
	SIG_GOPCLNTAB,	   /* the Go linker's function table */
	SIG_IO_METHODS,	   /* NSS's table of methods, built in place */
	SIG__METHODS
};

enum sig_role {
	SIG_ROLE_PROBE,	 /* a site */
	SIG_ROLE_HELPER, /* only to find others */
};

struct pattern {
	uint8_t n;
	uint8_t byte[SIG_PATTERN_MAX], mask[SIG_PATTERN_MAX];
};

struct signature {
	uint8_t method, stack, role, confidence, machine; /* machine: 0 = any, else index + 1 of
							     sig_machines */
	uint64_t cookie;
	bool returns; /* bytes are counted at return: all ways out must be known */
	bool many;    /* every function that fits, not only the single one */
	bool longest; /* of several that fit the longest one */
	bool after; /* SIG_ASM_CALLER: the function begins 4 bytes before (endbr64) is also tried */
	uint8_t abi;		      /* SIG_GOPCLNTAB: enum go_abi */
	uint8_t reads;		      /* this argument (from 1) must be used */
	uint8_t unused;		      /* and this one must not */
	uint8_t sites_min, sites_max; /* references to refs[0]; 0 = any */
	uint8_t member;		      /* SIG_IO_METHODS: bytes from the table's start */
	uint8_t nth, of; /* SIG_ASM_CALLER: match nth (from 1) of exactly `of`; 0 = all */
	uint16_t codes_all[SIG_CODES], codes_any[SIG_CODES], codes_none[SIG_CODES]; /* 0 ends */
	char name[40];
	char texts[SIG_TEXTS][SIG_TEXT_MAX];  /* any of them: a path's end, or a version's prefix */
	char refs[SIG_TEXTS][SIG_TEXT_MAX];   /* all of them */
	char norefs[SIG_TEXTS][SIG_TEXT_MAX]; /* none */
	char calls[40]; /* another row's function that it must call directly */
	char unless_called_by[40], unless_found[40], through[40], near[40];
	uint16_t unless_stacks; /* bit: enum tls_stack */
	struct pattern pattern;
	struct pattern witness; /* SIG_ASM_CALLER: a routine it must also reach */
};

struct tls_signatures {
	uint32_t version;
	size_t n;
	const struct signature *rows;
	bool owned; /* rows are freed with it */
};

extern const struct tls_signatures tls_signatures_compiled; /* made from the YAML file */
extern const char *const sig_methods[SIG__METHODS];
extern const uint16_t sig_machines[2];
extern const char *const sig_machine_names[2];

#endif
