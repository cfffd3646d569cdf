/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection that has become a WebSocket: bytes of both directions in, one interaction per turn
 * of the conversation out. Knows nothing of what carried it (HTTP/1.1 upgrade, HTTP/2 stream).
 */
#ifndef PROBITY_FLOW_WS_H
#define PROBITY_FLOW_WS_H

#include "flow.h"
#include "ws_frame.h"

#define WS_TURNS_MAX 8	  /* asked and not answered to the end, at the same time */
#define WS_UNKNOWN_MAX 16 /* messages at a host that is not known to be AI, before it is left */
#define WS_UNKNOWN_BYTES (256 * 1024)

struct ws;
/*
 * base: the upgrade's interaction (method, host, path, user agent, dialect by path, model if its
 * query names one); NULL: the upgrade was before the first byte (late). unknown: an extension was agreed on that is not known.
 * NULL when out of memory.
 */
struct ws_start {
	const struct interaction *base;
	struct ws_deflate deflate;
	bool unknown;
	uint64_t offset[2];
};
struct ws *ws_new(const struct flow_ops *ops, void *ctx, const struct ws_start *start);
void ws_free(struct ws *w); /* tells nothing; NULL is fine */
/* p is the begin of a chunk, next in order, at this offset of the stream; false: not AI, stop feeding. */
bool ws_data(struct ws *w, enum flow_dir dir, uint64_t offset, const uint8_t *p, size_t n,
	     uint64_t ns);
void ws_gap(struct ws *w, enum flow_dir dir, uint64_t n, uint64_t ns);
void ws_close(struct ws *w, uint64_t ns); /* ends what is open */
bool ws_busy(const struct ws *w);
bool ws_ai_seen(const struct ws *w);

/* Dialect that the upgrade's path alone shows, and the model its query names ("" if none). */
enum dialect ws_dialect_by_path(const char *path);
void ws_model_by_query(const char *target, size_t n, char *ret, size_t cap);
/* Whether a chunk in the middle of a stream is a WebSocket's, with a message of a known dialect. */
bool ws_recognise(enum flow_dir dir, const uint8_t *p, size_t n);

#endif
