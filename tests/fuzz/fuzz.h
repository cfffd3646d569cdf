/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBITY_TESTS_FUZZ_H
#define PROBITY_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

#endif
