// SPDX-License-Identifier: Apache-2.0
/*
 * Where a flow turns into a WebSocket: at the answer 101 to an upgrade that was seen, or, in a late
 * flow, at the first chunk that only a WebSocket with a known dialect can have (ws_open.c). From
 * then on the flow only orders the chunks.
 */
#include "flow_impl.h"
#include "ws.h"

static void become(struct flow *f, const struct ws_start *start)
{
	f->ws = ws_new(f->ops, f->ctx, start);
	if (f->ws)
		f->side[FLOW_REQUEST].phase = f->side[FLOW_RESPONSE].phase = UPGRADED;
}

void ws_flow_begin(struct flow *f, const struct exchange *x, const struct http1_head *h)
{
	struct ws_start start = {.base = x->it};

	if (!x->it || !x->it->websocket)
		return;
	start.unknown = !ws_extensions(h->extensions.p, h->extensions.n, &start.deflate);
	become(f, &start);
}

void ws_flow_join(struct flow *f, enum flow_dir dir, const uint8_t *p, size_t n)
{
	struct ws_start start = {.deflate.on = true};

	if (f->ws || !ws_recognise(dir, p, n))
		return;
	head_drop(&f->side[FLOW_REQUEST]);
	head_drop(&f->side[FLOW_RESPONSE]);
	become(f, &start);
	f->asked |= f->ws != NULL;
}

size_t ws_flow_step(struct flow *f, enum flow_dir dir, const uint8_t *p, size_t n, uint64_t ns)
{
	bool go_on = ws_data(f->ws, dir, f->side[dir].next, p, n, ns);

	f->ai_seen |= ws_ai_seen(f->ws);
	f->ignored |= !go_on && !f->ai_seen;
	return n;
}
