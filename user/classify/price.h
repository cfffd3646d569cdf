/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a call costs by the list prices of its service: look-ups in a table that the build compiles
 * from policies/prices.yaml. PURE; integers only.
 */
#ifndef PROBITY_CLASSIFY_PRICE_H
#define PROBITY_CLASSIFY_PRICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PRICE_UNKNOWN (-1)

/* Millionths of a US dollar per million tokens, that is 1e-12 dollar per token. */
struct price_rates {
	int64_t input, cached, write, write_1h, output, thinking, reasoning;
};

struct price {
	const char *service, *model;
	const char *hosts; /* NULL: any; else names, each ended by a space */
	uint32_t from, to; /* days it holds, both included, as 20260131; to 0 = still */
	uint32_t above;	   /* more input tokens than these: the rates of `large`; 0 = never */
	struct price_rates rates, large;
};

struct price_table {
	const struct price *rows;
	size_t n;
};
extern const struct price_table price_table_compiled;

struct price_call {
	const char *service, *host; /* id of the catalog; without port, lower case */
	const char *model, *asked;  /* as answered; as asked for, if no row has the first */
	const char *tier;	    /* class of service as answered, or "" */
	uint32_t day;
	/* In OpenTelemetry's meaning; -1 unknown. */
	int64_t input, output, cached, cache_write, cache_write_1h, reasoning;
};

struct price_cost {
	int64_t nano_usd;
	uint32_t from; /* of the row */
	bool partial;  /* a count or a price was unknown and is not in the sum */
};

/* The row for a model of a service on a day; NULL: none. */
const struct price *price_find(const struct price_table *t, const char *service, const char *host,
			       const char *model, uint32_t day);
/* False: nothing can be said, *ret is untouched. */
bool price_of(const struct price_table *t, const struct price_call *c, struct price_cost *ret);
/* 20260131, of a moment in UTC. */
uint32_t price_day(uint64_t unix_ns);
/* "2026-01-31" */
void price_day_text(uint32_t day, char out[11]);

#endif
