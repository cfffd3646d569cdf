/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records without their payload against the ERASE records behind them, of a chain that is read in order.
 * Bounded: beyond ERASURES_MAX stretches the rest is taken for undeclared. PURE.
 */
#ifndef PROBITY_RECORD_ERASURES_H
#define PROBITY_RECORD_ERASURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ERASURES_MAX 65536
struct erasures {
	struct erasure {
		uint64_t first, last;
	} * open; /* not declared yet, the lowest first */
	size_t n, cap;
	bool overflow;
};
/* 0, -ENOMEM. */
int erasures_erased(struct erasures *e, uint64_t seq);
/* A record, in order: an ERASE record of it speaks of records before it; others are left out. */
int erasures_record(struct erasures *e, uint64_t seq, uint32_t schema, const uint8_t *payload,
		    size_t n);
/* The first stretch that nothing declares. */
bool erasures_silent(const struct erasures *e, struct erasure *ret);
void erasures_done(struct erasures *e);

#endif
