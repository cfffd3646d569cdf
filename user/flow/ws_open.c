// SPDX-License-Identifier: Apache-2.0
/*
 * What is known before the first message: from the upgrade's path and query, or, when the upgrade
 * was not seen, from a chunk out of the middle of the stream.
 *
 * Queries also carry keys, so only the one parameter that names the model is read. A stream is
 * taken for a WebSocket only by a whole frame with JSON that no other protocol and no other
 * dialect has; a compressed one, only if it reads without what came before it.
 */
#include <string.h>

#include "base/cleanup.h"
#include "extract.h"
#include "ws.h"
#include "ws_peek.h"
#include "ws_reader.h"

#define LOOK_MAX 8192

static bool ends(const char *path, const char *with)
{
	size_t n = strlen(path), len = strlen(with);

	if (n > 1 && path[n - 1] == '/')
		n--;
	return n >= len && !strncmp(path + n - len, with, len);
}

enum dialect ws_dialect_by_path(const char *path)
{
	if (ends(path, "/responses"))
		return DIALECT_OPENAI_RESPONSES_WS;
	if (ends(path, "/realtime"))
		return DIALECT_OPENAI_REALTIME_WS;
	if (strstr(path, "BidiGenerateContent"))
		return DIALECT_GEMINI_LIVE_WS;
	return DIALECT_NONE;
}

static const char *param(const char *q, size_t n, const char *name, size_t *ret_n)
{
	size_t len = strlen(name);

	for (size_t at = 0, next; at < n; at = next + 1) {
		const char *amp = memchr(q + at, '&', n - at);

		next = amp ? (size_t)(amp - q) : n;
		if (next - at > len && !memcmp(q + at, name, len) && q[at + len] == '=') {
			*ret_n = next - at - len - 1;
			return q + at + len + 1;
		}
	}
	return NULL;
}

void ws_model_by_query(const char *target, size_t n, char *ret, size_t cap)
{
	const char *q = n ? memchr(target, '?', n) : NULL, *v = NULL;
	char text[128];
	size_t len = 0;

	*ret = '\0';
	if (!q)
		return;
	n -= ++q - target;
	v = param(q, n, "model", &len);
	if (!v)
		v = param(q, n, "deployment", &len); /* Azure */
	if (!v || len >= sizeof(text))
		return;
	memcpy(text, v, len);
	text[len] = '\0';
	extract_unescape(text);
	text_copy(ret, cap, text, strlen(text));
}

/* --- out of the middle ----------------------------------------------------------------------- */

struct look {
	struct ws_peek peek;
	bool client, known;
};

static void look_begin(void *ctx, uint64_t offset, bool text)
{
	ws_peek_begin(&((struct look *)ctx)->peek);
}

static void look_wire(void *ctx, uint64_t n) {}

static void look_data(void *ctx, const uint8_t *p, size_t n, const struct flow_masked *at)
{
	struct look *l = ctx;
	enum dialect d;

	ws_peek_data(&l->peek, p, n);
	ws_peek_event(&l->peek, l->client, DIALECT_NONE, &d);
	l->known |= d != DIALECT_NONE && ws_peek_is_json(&l->peek);
}

static void look_end(void *ctx, const struct ws_flaw *flaw) {}
static void look_close(void *ctx, unsigned code) {}
static void look_lost(void *ctx, const struct ws_flaw *flaw) {}

bool ws_recognise(enum flow_dir dir, const uint8_t *p, size_t n)
{
	struct look l = {.client = dir == FLOW_REQUEST};
	struct ws_sink sink = {look_begin, look_wire, look_data, look_end,
			       look_close, look_lost, &l};
	struct ws_deflate deflate = {.on = true};
	struct ws_reader r;

	if (n < 2 || (p[0] & 0x3f) > WS_BINARY || !(p[0] & 0x0f) ||
	    !ws_frame_plausible(l.client, true, p, n))
		return false;
	ws_reader_init(&r, &sink, l.client, &deflate);
	ws_reader_data(&r, p, n < LOOK_MAX ? n : LOOK_MAX);
	ws_reader_exit(&r);
	return l.known;
}
