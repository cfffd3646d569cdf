/* SPDX-License-Identifier: Apache-2.0 */
/* Records for export, one after the other: of a spool, as it grows if wanted, or of a collector's store. */
#ifndef PROBITY_CLI_EXPORT_SOURCE_H
#define PROBITY_CLI_EXPORT_SOURCE_H

#include "record/segment.h"

struct export_source {
	const char *dir, *db; /* one of them */
	const char *chain;    /* of a store with several: hex, or its beginning; NULL: all */
	bool follow;	      /* a spool: go on when its end is reached */
	/* Each record, in the order of its chain; mac may be NULL. Not 0: stop, and that is the answer. */
	int (*record)(void *ctx, const struct frame *f);
	/* The end was reached for now (a time to flush), also while following. */
	int (*idle)(void *ctx);
	void *ctx;
	uint64_t damaged; /* places that could not be read */
};
/* 0, what `record` said, or -errno. While following it ends with SIGINT or SIGTERM, which give 0. */
int export_source_run(struct export_source *s, char *err, size_t err_len);

#endif
