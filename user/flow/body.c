// SPDX-License-Identifier: Apache-2.0
/*
 * transferred bytes → decode → text() and SHA-256 → JSON, SSE, NDJSON, AWS events or form → extract
 *
 * What the content is comes from its first character and, if that says nothing, from its declared
 * type: clients post JSON as a form and servers stream without saying so. Decoded bytes are never
 * kept; beyond FLOW_BODY_MAX of them, or when the coding is unknown or broken, or after a gap in
 * a coded body, the rest is only counted, and the verdict says why. A gap in an uncoded body cuts
 * the open document; events and lines go on with the next whole one.
 */
#include "body.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "body_form.h"
#include "decode.h"
#include "eventstream.h"
#include "formdata.h"
#include "grpc.h"
#include "mcp_http.h"
#include "ndjson.h"
#include "protopeek.h"
#include "sse.h"

#define OUT_SIZE 16384 /* of decoded bytes at a time, on the stack */

struct body {
	struct body_out out;
	enum form form, declared;
	bool dead;     /* the rest cannot be read */
	bool missed;   /* something was not read */
	bool bad_doc;  /* the open document is not what its form says */
	bool doc_open; /* of FORM_JSON */
	uint64_t ns;   /* of the bytes in hand */
	struct decode *decode;
	struct grpc *grpc;	/* takes messages out of their framing */
	struct protopeek *peek; /* of FORM_MESSAGES; NULL: they are JSON, or of no known schema */
	bool json;		/* of FORM_MESSAGES */
	EVP_MD_CTX *md;
	uint8_t head[8], head_n; /* while sniffing */
	struct doc_sink sink;
	struct eventstream *events; /* of FORM_EVENTS */
	struct eventstream_sink events_sink;
	struct formdata *parts; /* of FORM_PARTS */
	union {
		struct sse sse;
		struct ndjson ndjson;
	};
};

static bool is_request(const struct body *b)
{
	return b->out.dir == FLOW_REQUEST;
}

static void fail(struct body *b, enum completeness c, const char *reason)
{
	interaction_incomplete(b->out.it, c, reason);
	b->dead = b->missed = true;
}

/* --- documents, to extract ------------------------------------------------------------------ */

static enum extract_side side_of(const struct body *b)
{
	return is_request(b) ? EXTRACT_REQUEST : EXTRACT_RESPONSE;
}

static void doc_begin(void *ctx, const char *event)
{
	struct body *b = ctx;

	extract_begin(b->out.extract, side_of(b), event);
	mcp_http_begin(b->out.mcp, b->out.dir, event);
	b->bad_doc = false;
}

static void doc_data(void *ctx, const uint8_t *p, size_t n)
{
	struct body *b = ctx;

	mcp_http_data(b->out.mcp, b->out.dir, p, n, b->ns);
	if (b->form == FORM_EVENTS) /* the stream itself is not for reading */
		b->out.ops->text(b->out.ctx, b->out.it, b->out.dir, p, n);
	extract_select(b->out.extract, side_of(b));
	if (b->bad_doc || !extract_data(b->out.extract, p, n, b->ns))
		return;
	b->bad_doc = true;
	/* What was only guessed to be JSON may be something else. */
	if (b->declared != FORM_OPAQUE)
		interaction_incomplete(b->out.it, UNDECODABLE, "body is not valid JSON");
}

static void doc_end(void *ctx, bool cut)
{
	struct body *b = ctx;

	extract_select(b->out.extract, side_of(b));
	extract_end(b->out.extract, cut);
	mcp_http_doc_end(b->out.mcp, b->out.dir, cut);
}

static void on_fault(void *ctx, const char *name)
{
	struct body *b = ctx;

	TEXT_SET(b->out.it->error_type, name, strlen(name));
}

static void on_bad(void *ctx, const char *reason)
{
	struct body *b = ctx;

	interaction_incomplete(b->out.it, UNDECODABLE, reason);
	b->missed = true;
}

/* --- messages ------------------------------------------------------------------------------- */

static bool plain(struct body *b, const uint8_t *p, size_t n);

static void message_begin(void *ctx)
{
	struct body *b = ctx;

	if (b->peek)
		protopeek_begin(b->peek);
	else if (b->json)
		doc_begin(b, NULL);
}

static bool message_data(void *ctx, const uint8_t *p, size_t n)
{
	return plain(ctx, p, n);
}

static void message_end(void *ctx, bool cut)
{
	struct body *b = ctx;

	if (b->peek)
		protopeek_end(b->peek, cut);
	else if (b->json)
		doc_end(b, cut);
}

/* Nothing of the message after the gap can be read. */
static void message_gap(void *ctx)
{
	message_end(ctx, true);
}

static void message_unread(void *ctx, const char *reason)
{
	struct body *b = ctx;

	interaction_incomplete(b->out.it, UNDECODABLE, reason);
	b->missed = true;
}

void body_messages(struct body *b, const struct http1_head *h)
{
	const struct grpc_sink sink = {message_begin, message_data,   message_gap,
				       message_end,   message_unread, b};

	b->json = grpc_is_json(h->content_type);
	if (!b->json && is_request(b) && b->out.it->dialect == DIALECT_CONNECT_PROTOBUF)
		extract_speaks(b->out.extract, DIALECT_CONNECT_PROTOBUF);
	if (!b->json)
		b->peek = protopeek_new(b->out.it, is_request(b));
	b->form = FORM_MESSAGES;
	if (!grpc_framed(h))
		return;
	b->grpc = grpc_new(b->out.it, h, &sink);
	if (!b->grpc)
		fail(b, UNDECODABLE, "out of memory");
}

/* --- forms ---------------------------------------------------------------------------------- */

static void set_form(struct body *b, enum form f)
{
	b->form = f;
	if (f == FORM_SSE)
		sse_init(&b->sse, &b->sink);
	else if (f == FORM_NDJSON)
		ndjson_init(&b->ndjson, &b->sink);
	if ((f == FORM_SSE || f == FORM_NDJSON) && !is_request(b))
		b->out.it->stream_answered = true;
}

static void parse(struct body *b, const uint8_t *p, size_t n)
{
	switch (b->form) {
	case FORM_JSON:
		if (!b->doc_open)
			doc_begin(b, NULL);
		b->doc_open = true;
		doc_data(b, p, n);
		break;
	case FORM_SSE:
		sse_data(&b->sse, p, n);
		break;
	case FORM_NDJSON:
		ndjson_data(&b->ndjson, p, n);
		break;
	case FORM_MESSAGES:
		if (b->peek)
			protopeek_data(b->peek, p, n, b->ns);
		else if (b->json)
			doc_data(b, p, n);
		break;
	case FORM_EVENTS:
		eventstream_data(b->events, p, n);
		break;
	case FORM_PARTS:
		formdata_data(b->parts, p, n);
		break;
	default:
		break;
	}
}

static bool is_filler(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == 0xef || c == 0xbb ||
	       c == 0xbf;
}

/* Holds up to eight bytes until the form is known. Blanks and a byte order mark before the first
 * character mean nothing in any form. */
static void parse_or_sniff(struct body *b, const uint8_t *p, size_t n)
{
	while (n && b->form == FORM_SNIFF) {
		uint8_t c = *p++;

		n--;
		if (!b->head_n && is_filler(c))
			continue;
		b->head[b->head_n++] = c;
		set_form(b, body_form_sniff(b->head, b->head_n, b->declared));
		if (b->form != FORM_SNIFF)
			parse(b, b->head, b->head_n);
	}
	if (n)
		parse(b, p, n);
}

static void parse_gap(struct body *b)
{
	switch (b->form) {
	case FORM_SNIFF:
		set_form(b, b->declared == FORM_JSON ? FORM_OPAQUE : b->declared);
		if (b->form != FORM_OPAQUE)
			parse_gap(b);
		break;
	case FORM_JSON:
		if (b->doc_open)
			doc_end(b, true);
		b->doc_open = false;
		b->form = FORM_OPAQUE;
		break;
	case FORM_SSE:
		sse_gap(&b->sse);
		break;
	case FORM_NDJSON:
		ndjson_gap(&b->ndjson);
		break;
	case FORM_MESSAGES:
		message_end(b, true);
		b->form = FORM_OPAQUE;
		break;
	case FORM_EVENTS:
		eventstream_gap(b->events);
		break;
	case FORM_PARTS:
		formdata_gap(b->parts);
		break;
	default:
		break;
	}
}

static void parse_end(struct body *b, bool cut)
{
	if (b->form == FORM_SNIFF && b->head_n) { /* shorter than any sign: as declared */
		set_form(b, b->declared);
		parse(b, b->head, b->head_n);
	}
	if (b->form == FORM_JSON && b->doc_open)
		doc_end(b, cut);
	else if (b->form == FORM_SSE)
		sse_end(&b->sse, cut);
	else if (b->form == FORM_NDJSON)
		ndjson_end(&b->ndjson, cut);
	else if (b->form == FORM_MESSAGES)
		message_end(b, cut);
	else if (b->form == FORM_EVENTS && !eventstream_end(b->events, cut) && !cut)
		interaction_incomplete(b->out.it, TRUNCATED, "event stream ends inside an event");
	else if (b->form == FORM_PARTS && !formdata_end(b->parts) && !cut)
		interaction_incomplete(b->out.it, TRUNCATED, "form ends before its last border");
	b->doc_open = false;
	b->form = FORM_OPAQUE;
}

/* --- plain bytes ---------------------------------------------------------------------------- */

/* Gives whether there may be more. */
static bool plain(struct body *b, const uint8_t *p, size_t n)
{
	uint64_t *size = is_request(b) ? &b->out.it->request_body : &b->out.it->response_body;
	bool over = n > FLOW_BODY_MAX - *size;

	if (over)
		n = FLOW_BODY_MAX - *size;
	if (n) {
		*size += n;
		if (is_request(b) && b->out.ops->bytes)
			b->out.ops->bytes(b->out.ctx, b->out.it, p, n);
		EVP_DigestUpdate(b->md, p, n);
		if (b->form != FORM_EVENTS && b->form != FORM_PARTS)
			b->out.ops->text(b->out.ctx, b->out.it, b->out.dir, p, n);
		parse_or_sniff(b, p, n);
	}
	if (over) {
		fail(b, TRUNCATED, "body is larger than the 16 MiB that are read");
		parse_end(b, true);
	}
	return !b->dead;
}

static void framed(struct body *b, const uint8_t *p, size_t n)
{
	if (b->grpc)
		grpc_data(b->grpc, p, n);
	else
		plain(b, p, n);
}

static void decode(struct body *b, const uint8_t *p, size_t n)
{
	uint8_t out[OUT_SIZE];
	size_t got;

	do {
		int r = decode_next(b->decode, &p, &n, out, sizeof(out), &got);

		if (got)
			framed(b, out, got);
		if (r && !b->dead) {
			fail(b, UNDECODABLE, "content coding is broken");
			parse_end(b, true);
		}
	} while (!b->dead && (n || got == sizeof(out)));
}

/* --- interface ------------------------------------------------------------------------------ */

void body_free(struct body *b)
{
	if (!b)
		return;
	decode_free(b->decode);
	grpc_free(b->grpc);
	protopeek_free(b->peek);
	free(b->events);
	formdata_free(b->parts);
	EVP_MD_CTX_free(b->md);
	free(b);
}
DEFINE_CLEANUP(struct body, body_free)

/* Forms that their type alone shows. */
static bool binary_form(struct body *b, struct slice content_type)
{
	b->events_sink = (struct eventstream_sink){b->sink, on_fault, on_bad};
	b->parts = formdata_new(&b->out, content_type);
	if (b->parts)
		b->form = b->declared = FORM_PARTS;
	if (b->declared != FORM_EVENTS)
		return true;
	b->events = malloc(sizeof(*b->events));
	if (b->events)
		eventstream_init(b->events, &b->events_sink);
	b->form = FORM_EVENTS;
	b->out.it->stream_answered |= !is_request(b);
	return b->events;
}

struct body *body_new(const struct body_out *out, struct slice content_type, const char *codings)
{
	_cleanup_(body_freep) struct body *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->out = *out;
	b->declared = body_form_declared(content_type);
	b->sink = (struct doc_sink){doc_begin, doc_data, doc_end, b};
	b->md = EVP_MD_CTX_new();
	if (!b->md || !EVP_DigestInit_ex(b->md, EVP_sha256(), NULL))
		return NULL;
	if (!binary_form(b, content_type))
		return NULL;
	if (*codings && decode_new(codings, &b->decode))
		fail(b, UNDECODABLE, "content coding is not known");
	return TAKE_PTR(b);
}

void body_data(struct body *b, const uint8_t *p, size_t n, uint64_t ns)
{
	uint64_t *wire = is_request(b) ? &b->out.it->request_wire : &b->out.it->response_wire;

	*wire += n;
	b->ns = ns;
	if (b->dead || !n)
		return;
	if (b->decode)
		decode(b, p, n);
	else
		framed(b, p, n);
}

void body_gap(struct body *b, uint64_t n)
{
	uint64_t *wire = is_request(b) ? &b->out.it->request_wire : &b->out.it->response_wire;

	*wire += n;
	b->missed = true;
	if (b->dead)
		return;
	if (b->decode) {
		b->dead = true;
		parse_end(b, true);
	} else if (b->grpc) {
		grpc_gap(b->grpc, n);
	} else {
		parse_gap(b);
	}
}

void body_end(struct body *b, bool cut)
{
	uint8_t *sum = is_request(b) ? b->out.it->request_sha256 : b->out.it->response_sha256;
	uint64_t wire = is_request(b) ? b->out.it->request_wire : b->out.it->response_wire;
	bool whole = b->dead || !b->decode || decode_whole(b->decode);

	if (b->grpc && grpc_end(b->grpc) && !cut && !b->dead) {
		interaction_incomplete(b->out.it, TRUNCATED, "a message of the call ends early");
		b->missed = true;
	}
	parse_end(b, cut || !whole);
	if (!cut && !whole && !extract_stream_done(b->out.extract)) {
		interaction_incomplete(b->out.it, TRUNCATED, "coded body ends before its end");
		b->missed = true;
	}
	if (wire)
		EVP_DigestFinal_ex(b->md, sum, NULL);
	b->dead = true;
}

bool body_opaque(const struct body *b)
{
	/* A form may be anybody's: only where its path says so is it read to its end. */
	if (b->form == FORM_PARTS)
		return b->out.it->dialect == DIALECT_NONE;
	return (b->form == FORM_OPAQUE || (b->form == FORM_MESSAGES && !b->json && !b->peek)) &&
	       !b->missed;
}

bool body_readable(const struct body *b)
{
	return !b->missed;
}
