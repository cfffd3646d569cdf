/* SPDX-License-Identifier: Apache-2.0 */
/* The ways out of an x86-64 function, by decoding it (Zydis). */
#ifndef PROBITY_AGENT_DISCOVER_RETURNS_H
#define PROBITY_AGENT_DISCOVER_RETURNS_H

#include "arch.h"

void x86_returns(const struct elf_image *e, uint64_t start, uint64_t end, struct returns *ret);
/* The slot of a PLT stub, or 0. */
uint64_t x86_stub_slot(const struct elf_image *e, uint64_t at);
size_t x86_stores(const struct elf_image *e, uint64_t start, uint64_t end, struct store *out,
		  size_t max);
bool x86_reads_argument(const struct elf_image *e, uint64_t start, uint64_t end, int arg);

#endif
