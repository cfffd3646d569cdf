/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small ELF images that hold what one signature row describes, or nearly. They are made from the
 * row, so a row without a fixture cannot exist. For the self-test, the unit tests and the fuzzer's
 * first inputs.
 */
#ifndef PROBITY_AGENT_DISCOVER_FIXTURE_H
#define PROBITY_AGENT_DISCOVER_FIXTURE_H

#include "signatures.h"

#define FIXTURE_SIZE 0x10000

enum fixture_flaw {
	FIXTURE_RIGHT,
	FIXTURE_WRONG, /* one code, letter or byte is another */
	FIXTURE_TWICE, /* two functions fit */
	FIXTURE__FLAWS
};

struct fixture {
	uint8_t bytes[FIXTURE_SIZE];
	uint64_t entry; /* of the row's function */
};

/* Machine: 0 x86-64, 1 aarch64. False: this row has no such image (its `why` is plain: the machine
 * does not have it, or two functions are fine). */
bool fixture_make(const struct tls_signatures *s, size_t row, unsigned machine,
		  enum fixture_flaw flaw, bool unwind, struct fixture *ret);

#endif
