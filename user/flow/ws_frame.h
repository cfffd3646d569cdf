/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads of WebSocket frames (RFC 6455, 5.2), and which extensions were agreed (RFC 7692).
 * Three answers: OK, MORE (fine so far), BAD (no such head, for this sender).
 */
#ifndef PROBITY_FLOW_WS_FRAME_H
#define PROBITY_FLOW_WS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WS_HEAD_MAX 14

enum ws_answer { WS_MORE = 0, WS_OK, WS_BAD };

enum ws_opcode { WS_CONTINUE = 0, WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING, WS_PONG };

struct ws_frame {
	bool fin, rsv1, masked;
	uint8_t opcode;
	uint8_t mask[4];
	uint64_t len;
};

/* permessage-deflate as agreed; by enum flow_dir: 0 = what the client sends. */
struct ws_deflate {
	bool on;
	bool no_context[2]; /* each message stands alone */
};

/* client: the sender is the client, who masks; the server does not. */
enum ws_answer ws_frame_parse(bool client, bool deflate, const uint8_t *p, size_t n,
			      struct ws_frame *ret, size_t *ret_used);
/* From byte `at` of the frame's payload on. */
void ws_unmask(const struct ws_frame *f, uint64_t at, uint8_t *dst, const uint8_t *p, size_t n);
/*
 * Whether frames begin at p: heads up to the end of p fit each other, and a last frame that goes
 * beyond it carries readable JSON. It looks into arbitrary bytes, so a guess of one in a million.
 */
bool ws_frame_plausible(bool client, bool deflate, const uint8_t *p, size_t n);
/* Sec-WebSocket-Extensions of the answer. false: one is agreed on that is not known. */
bool ws_extensions(const char *p, size_t n, struct ws_deflate *ret);

#endif
