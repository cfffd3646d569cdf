/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operator's program reads of the store; proto/forward.proto has the contract.
 *   GET /v1/chains?after=HEX             chains by their id, as JSON, at most CHAINS_LIST a time
 *   GET /v1/chains/HEX/records?from=SEQ  frames as in a segment, at most CHAINS_PAGE bytes a time
 *   GET /v1/chains/HEX/hole?from=SEQ     what proves the first hole there
 *   GET /v1/chains/HEX/stamp             the newest time stamp over one of its checkpoints, as JSON
 */
#ifndef PROBITY_COLLECTOR_CHAINS_HTTP_H
#define PROBITY_COLLECTOR_CHAINS_HTTP_H

#include <event2/http.h>

#include "ledger.h"
#include "store/store.h"

#define CHAINS_PAGE (4u << 20)
#define CHAINS_LIST 1000

/* rest: what follows "/v1/chains" in the path. Answers the request. */
void chains_answer(struct evhttp_request *req, struct store *s, struct ledger *l, const char *rest);

#endif
