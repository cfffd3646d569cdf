/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The witness for everybody, over plain HTTP: what is served is signed and public by its nature.
 *   POST /add-checkpoint              C2SP tlog-witness, for the foreign logs of witness_logs_read
 *   GET  /<origin hash>/checkpoint    the newest checkpoint cosigned of a log
 *   GET  /checkpoint, /tile/...       the collector's own log, C2SP tlog-tiles
 */
#ifndef PROBITY_COLLECTOR_WITNESS_HTTP_H
#define PROBITY_COLLECTOR_WITNESS_HTTP_H

#include "server.h"

struct event_base;
struct witness_http;
int witness_http_open(struct event_base *base, const struct server_config *c,
		      struct witness_http **ret, char *err, size_t err_len);
void witness_http_free(struct witness_http *w);
void witness_http_tick(struct witness_http *w); /* about once a second */
uint16_t witness_http_port(const struct witness_http *w);

#endif
