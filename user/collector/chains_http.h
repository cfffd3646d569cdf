/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operator's program reads of the store; proto/forward.proto has the contract.
 *   GET /v1/chains                       all chains, as JSON
 *   GET /v1/chains/HEX/records?from=SEQ  frames as in a segment, at most CHAINS_PAGE bytes a time
 */
#ifndef PROBITY_COLLECTOR_CHAINS_HTTP_H
#define PROBITY_COLLECTOR_CHAINS_HTTP_H

#include <event2/http.h>

#include "store/store.h"

#define CHAINS_PAGE (4u << 20)

/* rest: what follows "/v1/chains" in the path. Answers the request. */
void chains_answer(struct evhttp_request *req, struct store *s, const char *rest);

#endif
