/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1 message heads and body framing. Nothing is allocated or copied but the short list of
 * codings; slices point into the caller's buffer and live as long as it does.
 *
 * Three answers: OK (this part is whole), MORE (fine so far), BAD (not HTTP/1, will never be).
 */
#ifndef PROBITY_FLOW_HTTP1_H
#define PROBITY_FLOW_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP1_HEAD_MAX (24 * 1024) /* longer heads and trailers are BAD */

enum http1_answer { HTTP1_MORE = 0, HTTP1_OK, HTTP1_BAD };

struct slice {
	const char *p;
	size_t n;
};

struct http1_head {
	struct slice method, target; /* of a request */
	unsigned status;	     /* of an answer */
	struct slice host, content_type, user_agent, upgrade;
	struct slice extensions; /* of a WebSocket */
	unsigned version;	 /* 10, 11; 20 from HTTP/2, which gives its heads this form too */
	uint32_t stream;	 /* of HTTP/2 */
	struct slice message_coding; /* of each message of a gRPC or Connect stream */
	struct slice grpc_status;
	struct slice accept, mcp_session, mcp_version;
	bool connect; /* the Connect protocol is spoken */
	/* Codings in the order they were applied, comma-separated, lower case: Content-Encoding,
	 * then Transfer-Encoding without "chunked". */
	char codings[64];
	uint64_t length;
	bool has_length, has_transfer, chunked;
	const char *bad_framing; /* why the body's length cannot be trusted, or NULL */
};

/*
 * One head from p[0..n). *seen: bytes of it that an earlier call has looked at, 0 at first.
 * OK: *ret is filled, *ret_used is the head's length.
 */
enum http1_answer http1_head_parse(bool request, const uint8_t *p, size_t n, size_t *seen,
				   struct http1_head *ret, size_t *ret_used);
/* As above for a head whose rest is lost or bad: the good whole lines that are there. */
enum http1_answer http1_head_salvage(bool request, const uint8_t *p, size_t n,
				     struct http1_head *ret);
/* A Content-Encoding that came by other ways. */
void http1_codings_set(struct http1_head *h, struct slice value);
/*
 * First place in p[0..n) where a message may start: OK with its whole first line, MORE when
 * p ends inside it, BAD when there is none. Takes only the usual methods, as it looks into
 * arbitrary bytes.
 */
enum http1_answer http1_find_start(bool request, const uint8_t *p, size_t n, size_t *ret_at);

/* scheme://user@HOST:PORT/PATH?query, or only parts of it. Missing parts are empty, port 0. */
struct http1_target {
	struct slice host, path;
	uint16_t port;
};
void http1_target_split(struct slice target, bool is_connect, struct http1_target *ret);
/* "host:port", "[::1]:port"; the host comes without brackets and without a final dot. */
void http1_authority_split(struct slice s, struct slice *ret_host, uint16_t *ret_port);

/* What follows a head. */
enum http1_mode { HTTP1_NONE, HTTP1_LENGTH, HTTP1_CHUNKED, HTTP1_CLOSE };

struct http1_body {
	enum http1_mode mode;
	unsigned state;	    /* of chunked */
	uint64_t remaining; /* of the body (LENGTH) or the chunk */
	uint32_t digits;    /* of the chunk's size */
	uint32_t junk;	    /* bytes of extensions or trailers so far */
	bool guessed;	    /* chunk borders were lost and searched */
};

/* to_head: the answer is to a HEAD. Not for 101 and not for a successful CONNECT. */
void http1_body_init(struct http1_body *b, bool request, const struct http1_head *h, bool to_head);
bool http1_body_over(const struct http1_body *b);
/*
 * One step. Takes *ret_used bytes (at least one, but for an over body) and gives at most one run
 * of the body's bytes, ret_data, inside p. OK: the body is over. MORE: call again with the rest.
 */
enum http1_answer http1_body_step(struct http1_body *b, const uint8_t *p, size_t n,
				  size_t *ret_used, const uint8_t **ret_data, size_t *ret_n);
/*
 * n bytes are missing here. OK: they are all of the body, which goes on (or is over) after them.
 * MORE: chunk borders are lost; steps look for the next one. BAD: the body ended within.
 */
enum http1_answer http1_body_gap(struct http1_body *b, uint64_t n);
bool http1_body_lost(const struct http1_body *b); /* looking for a chunk border */

#endif
