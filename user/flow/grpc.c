// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes of a content in, messages out: each has a flag byte, a length of four and its bytes.
 *
 * gRPC-Web sends the call's end as one more message of header lines (flag 80h), Connect as one of
 * JSON (flag 2); plain gRPC has it in the trailers of HTTP/2. gRPC-Web may be base64 in all,
 * with padding wherever the sender flushed. A compressed message is a stream of its own.
 *
 * A message is passed on as it comes, whatever its length; of the call's end END_MAX bytes are
 * read. A gap inside a message cuts it, and if it goes past the message's end nothing after it can
 * be read, as there is no mark to find the next one by.
 */
#include "grpc.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "decode.h"
#include "json.h"

#define HEAD 5
#define END_MAX 4096
#define OUT_SIZE 8192

#define COMPRESSED 0x01
#define CONNECT_END 0x02
#define WEB_END 0x80

struct grpc {
	struct grpc_sink sink;
	struct interaction *it;
	char coding[16];
	bool connect, web, text;
	bool dead;
	bool open, is_end, compressed, unread;
	uint8_t head[HEAD], head_n;
	uint64_t left; /* of the open message */
	struct decode *decode;
	uint8_t quad[4], quad_n; /* of base64 */
	size_t end_n;
	char end[END_MAX];
};

/* --- names ------------------------------------------------------------------------------------- */

static bool starts(struct slice s, const char *with)
{
	size_t n = strlen(with);

	return s.n >= n && !strncasecmp(s.p, with, n);
}

static bool is(struct slice s, const char *name)
{
	size_t n = strlen(name);

	return starts(s, name) && (s.n == n || s.p[n] == ';' || s.p[n] == ' ' || s.p[n] == '+');
}

static bool is_web(struct slice type)
{
	return starts(type, "application/grpc-web");
}

static bool is_grpc(struct slice type)
{
	return is(type, "application/grpc") || is_web(type);
}

const char *grpc_wire(const struct http1_head *h)
{
	if (is_web(h->content_type))
		return "grpc-web";
	if (is_grpc(h->content_type))
		return "grpc";
	if (starts(h->content_type, "application/connect+") || h->connect)
		return "connect";
	return "http";
}

bool grpc_framed(const struct http1_head *h)
{
	return is_grpc(h->content_type) || starts(h->content_type, "application/connect+");
}

bool grpc_messages(const struct http1_head *h)
{
	return grpc_framed(h) || is(h->content_type, "application/proto") ||
	       is(h->content_type, "application/protobuf") ||
	       is(h->content_type, "application/x-protobuf");
}

bool grpc_is_json(struct slice type)
{
	const char *plus = type.n ? memchr(type.p, '+', type.n) : NULL;
	struct slice after = {plus, plus ? (size_t)(type.p + type.n - plus) : 0};

	return is(after, "+json");
}

static const char *const codes[] = {
	"ok",
	"canceled",
	"unknown",
	"invalid_argument",
	"deadline_exceeded",
	"not_found",
	"already_exists",
	"permission_denied",
	"resource_exhausted",
	"failed_precondition",
	"aborted",
	"out_of_range",
	"unimplemented",
	"internal",
	"unavailable",
	"data_loss",
	"unauthenticated",
};

int32_t grpc_status_by_name(const char *name, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (strlen(codes[i]) == n && !memcmp(codes[i], name, n))
			return (int32_t)i;
	return -1;
}

int32_t grpc_status_parse(struct slice text)
{
	int32_t v = 0;

	if (!text.n || text.n > 3)
		return -1;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return -1;
		v = v * 10 + (text.p[i] - '0');
	}
	return v;
}

void grpc_status_set(struct interaction *it, int32_t status)
{
	if (status < 0)
		return;
	it->grpc_status = status;
	if (status > 0 && (size_t)status < ARRAY_SIZE(codes) && !*it->error_type)
		TEXT_SET(it->error_type, codes[status], strlen(codes[status]));
}

void grpc_http_status(struct interaction *it)
{
	/* Its errors come as JSON with their own code, and have no other HTTP status than these. */
	if (!strcmp(it->wire, "connect") && it->status == 200 &&
	    !strstr(it->content_type, "connect+"))
		grpc_status_set(it, 0);
}

/* --- the call's end ---------------------------------------------------------------------------- */

struct error_walk {
	unsigned depth;
	bool in_error, at_code;
	char code[32];
	size_t n;
};

static void on_json(void *ctx, enum json_event ev, const char *p, size_t n)
{
	struct error_walk *w = ctx;

	if (ev == JSON_KEY && w->depth == 1)
		w->in_error = p && n == 5 && !memcmp(p, "error", 5);
	if (ev == JSON_KEY)
		w->at_code = w->depth == 2 && w->in_error && p && n == 4 && !memcmp(p, "code", 4);
	if (ev == JSON_STRING && w->at_code && n <= sizeof(w->code) - w->n) {
		memcpy(w->code + w->n, p, n);
		w->n += n;
	}
	w->depth += ev == JSON_OBJECT || ev == JSON_ARRAY;
	w->depth -= ev == JSON_OBJECT_END || ev == JSON_ARRAY_END;
}

static void end_of_connect(struct grpc *g)
{
	struct error_walk w = {0};
	struct json json;
	int32_t code;

	json_init(&json, on_json, &w, false);
	if (json_feed(&json, (const uint8_t *)g->end, g->end_n) != JSON_DONE && !w.n)
		return;
	code = grpc_status_by_name(w.code, w.n);
	grpc_status_set(g->it, !w.n ? 0 : code < 0 ? 2 : code);
}

static void end_of_web(struct grpc *g)
{
	static const char name[] = "grpc-status:";
	const char *p = g->end, *end = g->end + g->end_n;

	while (p < end) {
		const char *lf = memchr(p, '\n', end - p);
		struct slice line = {p, (lf ? lf : end) - p};

		p = lf ? lf + 1 : end;
		if (!starts(line, name))
			continue;
		line.p += sizeof(name) - 1;
		line.n -= sizeof(name) - 1;
		while (line.n && (*line.p == ' ' || *line.p == '\t')) {
			line.p++;
			line.n--;
		}
		while (line.n && (line.p[line.n - 1] == '\r' || line.p[line.n - 1] == ' '))
			line.n--;
		grpc_status_set(g->it, grpc_status_parse(line));
	}
}

/* --- messages ---------------------------------------------------------------------------------- */

static void refuse(struct grpc *g, const char *reason)
{
	g->unread = true;
	g->sink.unread(g->sink.ctx, reason);
}

static void put(struct grpc *g, const uint8_t *p, size_t n)
{
	if (g->is_end) {
		n = n < END_MAX - g->end_n ? n : END_MAX - g->end_n;
		memcpy(g->end + g->end_n, p, n);
		g->end_n += n;
	} else if (n && !g->sink.data(g->sink.ctx, p, n)) {
		g->dead = true;
	}
}

static void inflate_message(struct grpc *g, const uint8_t *p, size_t n)
{
	uint8_t out[OUT_SIZE];
	size_t got;

	do {
		int r = decode_next(g->decode, &p, &n, out, sizeof(out), &got);

		put(g, out, got);
		if (r) {
			refuse(g, "compression of a message is broken");
			return;
		}
	} while (!g->dead && (n || got == sizeof(out)));
}

static void begin(struct grpc *g)
{
	uint8_t flags = g->head[0];

	g->head_n = 0;
	g->open = true;
	g->left = (uint64_t)g->head[1] << 24 | g->head[2] << 16 | g->head[3] << 8 | g->head[4];
	g->is_end = (g->connect && flags & CONNECT_END) || (g->web && flags & WEB_END);
	g->compressed = flags & COMPRESSED;
	g->unread = false;
	g->end_n = 0;
	if (!g->is_end)
		g->sink.begin(g->sink.ctx);
	if (g->compressed && g->left && decode_new(g->coding, &g->decode)) {
		g->decode = NULL;
		refuse(g, "compression of a message is not known");
	}
}

static void finish(struct grpc *g, bool cut)
{
	if (g->decode && !cut && !g->unread && !decode_whole(g->decode))
		refuse(g, "compression of a message is broken");
	decode_free(g->decode);
	g->decode = NULL;
	g->open = false;
	if (!g->is_end)
		g->sink.end(g->sink.ctx, cut || g->unread);
	else if (!cut && !g->unread && g->connect)
		end_of_connect(g);
	else if (!cut && !g->unread)
		end_of_web(g);
}

static size_t step(struct grpc *g, const uint8_t *p, size_t n)
{
	if (!g->open) {
		size_t take = (size_t)HEAD - g->head_n;

		take = take < n ? take : n;
		memcpy(g->head + g->head_n, p, take);
		g->head_n += take;
		n = take;
		if (g->head_n == HEAD)
			begin(g);
	} else {
		n = n < g->left ? n : g->left;
		g->left -= n;
		if (g->decode && !g->unread)
			inflate_message(g, p, n);
		else if (!g->unread)
			put(g, p, n);
	}
	if (g->open && !g->left && !g->dead)
		finish(g, false);
	return n;
}

static void binary(struct grpc *g, const uint8_t *p, size_t n)
{
	while (n && !g->dead) {
		size_t used = step(g, p, n);

		p += used;
		n -= used;
	}
}

/* --- base64 ------------------------------------------------------------------------------------ */

static int digit(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four digits, the last two perhaps padding; gives how many bytes they are, 0 if none. */
static size_t unquad(const uint8_t q[4], uint8_t out[3])
{
	size_t n = q[3] != '=' ? 3 : q[2] != '=' ? 2 : 1;
	uint32_t v = 0;

	for (size_t i = 0; i < 4; i++) {
		int d = i > n ? 0 : digit(q[i]);

		if (d < 0)
			return 0;
		v = v << 6 | (uint32_t)d;
	}
	out[0] = v >> 16;
	out[1] = v >> 8;
	out[2] = v;
	return n;
}

static void text(struct grpc *g, const uint8_t *p, size_t n)
{
	uint8_t out[OUT_SIZE];
	size_t have = 0;

	for (size_t i = 0; i < n && !g->dead; i++) {
		size_t got;

		g->quad[g->quad_n++] = p[i];
		if (g->quad_n < 4)
			continue;
		g->quad_n = 0;
		got = unquad(g->quad, out + have);
		if (!got) {
			refuse(g, "base64 of a content is broken");
			g->dead = true;
		}
		have += got;
		if (have > sizeof(out) - 3) {
			binary(g, out, have);
			have = 0;
		}
	}
	binary(g, out, have);
}

/* --- interface ---------------------------------------------------------------------------------- */

void grpc_free(struct grpc *g)
{
	if (!g)
		return;
	decode_free(g->decode);
	free(g);
}

struct grpc *grpc_new(struct interaction *it, const struct http1_head *h,
		      const struct grpc_sink *sink)
{
	struct grpc *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->sink = *sink;
	g->it = it;
	g->web = is_web(h->content_type);
	g->text = starts(h->content_type, "application/grpc-web-text");
	g->connect = starts(h->content_type, "application/connect+");
	text_copy(g->coding, sizeof(g->coding), h->message_coding.p, h->message_coding.n);
	if (!*g->coding || !strcmp(g->coding, "identity"))
		strcpy(g->coding, "none-named");
	return g;
}

void grpc_data(struct grpc *g, const uint8_t *p, size_t n)
{
	if (g->text)
		text(g, p, n);
	else
		binary(g, p, n);
}

void grpc_gap(struct grpc *g, uint64_t n)
{
	bool within = g->open && n && n <= g->left && !g->text;

	if (g->dead)
		return;
	if (g->open && !g->unread && !g->is_end)
		g->sink.gap(g->sink.ctx);
	g->unread = true;
	if (within) {
		g->left -= n;
		if (!g->left)
			finish(g, true);
		return;
	}
	if (g->open)
		finish(g, true);
	g->dead = true;
}

bool grpc_end(struct grpc *g)
{
	bool cut = !g->dead && (g->open || g->head_n || g->quad_n);

	if (g->open)
		finish(g, true);
	g->dead = true;
	return cut;
}
