// SPDX-License-Identifier: Apache-2.0
/*
 * Heads of HTTP/1 messages: bytes in, slices of what matters out.
 *
 * A first line that cannot become HTTP/1.x is BAD at once, so a foreign protocol costs one look.
 * The rest is parsed only when the empty line is there. Lenient where servers are (bare LF,
 * folded lines, empty lines before the message); what would let client and server disagree on
 * where the body ends is not BAD but named in bad_framing, so that the call is still reported.
 * Over HTTP1_HEAD_MAX is BAD.
 *
 * Long because one head is one grammar: lines, fields and what they say of the body use each
 * other's places in it.
 */
#include "http1.h"

#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

#define METHOD_MAX 20
#define BLANKS_MAX 8  /* CR and LF before a message */
#define VERSION_LEN 8 /* "HTTP/1.1" */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_eol(char c)
{
	return c == '\r' || c == '\n';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static struct slice trim(const char *p, const char *end)
{
	while (p < end && is_blank(*p))
		p++;
	while (p < end && is_blank(end[-1]))
		end--;
	return (struct slice){p, end - p};
}

static bool slice_is(struct slice s, const char *text)
{
	return s.n == strlen(text) && !strncasecmp(s.p, text, s.n);
}

/* "HTTP/1.x" as far as n goes. */
static bool is_version(const char *p, size_t n)
{
	size_t fixed = n < VERSION_LEN - 1 ? n : VERSION_LEN - 1;

	return !memcmp(p, "HTTP/1.", fixed) && (n < VERSION_LEN || is_digit(p[VERSION_LEN - 1]));
}

static bool has_control(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((uint8_t)p[i] < 0x20 || p[i] == 0x7f)
			return true;
	return false;
}

/* The line without its end; OK only when the LF is there. */
static enum http1_answer first_line(const char *p, size_t n, struct slice *ret)
{
	const char *lf = memchr(p, '\n', n);
	size_t len = lf ? (size_t)(lf - p) : n;

	if (len && p[len - 1] == '\r')
		len--;
	if (len > HTTP1_HEAD_MAX || has_control(p, len))
		return HTTP1_BAD;
	*ret = (struct slice){p, len};
	return lf ? HTTP1_OK : HTTP1_MORE;
}

static enum http1_answer request_line(const char *p, size_t n, struct http1_head *h)
{
	struct slice line;
	size_t m = 0;
	enum http1_answer a;

	while (m < n && m <= METHOD_MAX &&
	       ((p[m] >= 'A' && p[m] <= 'Z') || p[m] == '-' || p[m] == '_'))
		m++;
	if (m == n)
		return m <= METHOD_MAX ? HTTP1_MORE : HTTP1_BAD;
	if (!m || m > METHOD_MAX || p[m] != ' ')
		return HTTP1_BAD;
	a = first_line(p, n, &line);
	if (a != HTTP1_OK)
		return a;
	/* METHOD, space, at least one byte, space, version */
	if (line.n < m + 3 + VERSION_LEN ||
	    !is_version(line.p + line.n - VERSION_LEN, VERSION_LEN) ||
	    line.p[line.n - VERSION_LEN - 1] != ' ')
		return HTTP1_BAD;
	h->method = (struct slice){p, m};
	h->target = trim(p + m + 1, line.p + line.n - VERSION_LEN - 1);
	h->version = 10 + (line.p[line.n - 1] - '0');
	return h->target.n ? HTTP1_OK : HTTP1_BAD;
}

static enum http1_answer status_line(const char *p, size_t n, struct http1_head *h)
{
	static const char shape[] =
		"HTTP/1.0 000"; /* 0 stands for any digit after the version's dot */
	const size_t len = sizeof(shape) - 1;

	if (!is_version(p, n < VERSION_LEN ? n : VERSION_LEN))
		return HTTP1_BAD;
	for (size_t i = VERSION_LEN; i < n && i < len; i++)
		if (shape[i] == '0' ? !is_digit(p[i]) : p[i] != shape[i])
			return HTTP1_BAD;
	if (n > len && p[len] != ' ' && !is_eol(p[len]))
		return HTTP1_BAD;
	/* Reason phrases carry anything; only the line's end matters. */
	if (!memchr(p, '\n', n))
		return n > HTTP1_HEAD_MAX ? HTTP1_BAD : HTTP1_MORE;
	h->version = 10 + (p[7] - '0');
	h->status = (p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0');
	return h->status >= 100 ? HTTP1_OK : HTTP1_BAD;
}

static enum http1_answer start_line(bool request, const char *p, size_t n, struct http1_head *h)
{
	return request ? request_line(p, n, h) : status_line(p, n, h);
}

/* The next comma-separated item of *list, trimmed; false at its end. */
static bool next_item(struct slice *list, struct slice *ret)
{
	const char *comma;

	if (!list->n)
		return false;
	comma = memchr(list->p, ',', list->n);
	*ret = trim(list->p, comma ? comma : list->p + list->n);
	if (comma)
		*list = (struct slice){comma + 1, list->p + list->n - comma - 1};
	else
		*list = (struct slice){list->p + list->n, 0};
	return true;
}

static void add_coding(struct http1_head *h, struct slice c)
{
	size_t at = strlen(h->codings), comma = at ? 1 : 0;

	if (!c.n || slice_is(c, "identity"))
		return;
	if (at + comma + c.n >= sizeof(h->codings)) { /* no decoder knows this name */
		strcpy(h->codings, "too-long");
		return;
	}
	if (comma)
		h->codings[at++] = ',';
	for (size_t i = 0; i < c.n; i++)
		h->codings[at++] = c.p[i] >= 'A' && c.p[i] <= 'Z' ? c.p[i] | 0x20 : c.p[i];
	h->codings[at] = '\0';
}

static void on_content_encoding(struct http1_head *h, struct slice v)
{
	struct slice c;

	while (next_item(&v, &c))
		add_coding(h, c);
}

void http1_codings_set(struct http1_head *h, struct slice value)
{
	h->codings[0] = '\0';
	on_content_encoding(h, value);
}

static void on_content_length(struct http1_head *h, struct slice v)
{
	struct slice c;

	if (!v.n)
		h->bad_framing = "Content-Length is empty";
	while (next_item(&v, &c)) {
		uint64_t len = 0;

		if (!c.n || c.n > 18)
			h->bad_framing = "Content-Length is not a length";
		for (size_t i = 0; i < c.n && c.n <= 18; i++) {
			if (!is_digit(c.p[i]))
				h->bad_framing = "Content-Length is not a length";
			len = len * 10 + (c.p[i] - '0');
		}
		if (h->has_length && len != h->length)
			h->bad_framing = "Content-Length values differ";
		h->has_length = true;
		h->length = len;
	}
}

static void on_transfer_encoding(struct http1_head *h, struct slice v)
{
	struct slice c;

	while (next_item(&v, &c)) {
		if (!c.n)
			continue;
		if (h->chunked)
			h->bad_framing = "chunked is not the last transfer coding";
		h->has_transfer = true;
		h->chunked = slice_is(c, "chunked");
		if (!h->chunked)
			add_coding(h, c);
	}
}

static void on_host(struct http1_head *h, struct slice v)
{
	if (!h->host.p)
		h->host = v;
}

static void on_content_type(struct http1_head *h, struct slice v)
{
	h->content_type = v;
}

static void on_user_agent(struct http1_head *h, struct slice v)
{
	h->user_agent = v;
}

static void on_upgrade(struct http1_head *h, struct slice v)
{
	h->upgrade = v;
}

static void on_extensions(struct http1_head *h, struct slice v)
{
	h->extensions = v;
}

static void on_message_coding(struct http1_head *h, struct slice v)
{
	h->message_coding = v;
}

static void on_grpc_status(struct http1_head *h, struct slice v)
{
	h->grpc_status = v;
}

static void on_connect_version(struct http1_head *h, struct slice v)
{
	h->connect = true;
}

static void on_accept(struct http1_head *h, struct slice v)
{
	h->accept = v;
}

static void on_mcp_session(struct http1_head *h, struct slice v)
{
	h->mcp_session = v;
}

static void on_mcp_version(struct http1_head *h, struct slice v)
{
	h->mcp_version = v;
}

static const struct {
	const char *name;
	void (*on)(struct http1_head *h, struct slice v);
} fields[] = {
	{"host", on_host},
	{"content-length", on_content_length},
	{"transfer-encoding", on_transfer_encoding},
	{"content-encoding", on_content_encoding},
	{"content-type", on_content_type},
	{"user-agent", on_user_agent},
	{"upgrade", on_upgrade},
	{"sec-websocket-extensions", on_extensions},
	{"grpc-encoding", on_message_coding},
	{"connect-content-encoding", on_message_coding},
	{"grpc-status", on_grpc_status},
	{"connect-protocol-version", on_connect_version},
	{"accept", on_accept},
	{"mcp-session-id", on_mcp_session},
	{"mcp-protocol-version", on_mcp_version},
};

/* One field with its folded lines, p..end without the last LF. */
static bool field(struct http1_head *h, const char *p, const char *end)
{
	const char *colon = memchr(p, ':', end - p);
	struct slice name;

	if (!colon)
		return false;
	name = trim(p, colon);
	if (!name.n || has_control(name.p, name.n))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (slice_is(name, fields[i].name))
			fields[i].on(h, trim(colon + 1, end));
	return true;
}

/* Whole lines, the first line's end included; stops at the empty line. lax: skips bad ones. */
static enum http1_answer block(bool request, bool lax, const char *p, size_t n,
			       struct http1_head *ret)
{
	struct http1_head h = {0};
	const char *end = p + n;
	enum http1_answer a = start_line(request, p, n, &h);

	if (a != HTTP1_OK)
		return HTTP1_BAD;
	p = (const char *)memchr(p, '\n', n) + 1;
	while (p < end && !is_eol(*p)) {
		const char *lf = memchr(p, '\n', end - p);

		if (!lf || ((*p == ' ' || *p == '\t') && !lax))
			return HTTP1_BAD;
		while (lf + 1 < end && (lf[1] == ' ' || lf[1] == '\t')) {
			const char *next = memchr(lf + 1, '\n', end - lf - 1);

			if (!next)
				break;
			lf = next;
		}
		if (!field(&h, p, lf) && !lax)
			return HTTP1_BAD;
		p = lf + 1;
	}
	if (p < end && *p == '\r')
		p++;
	if (p < end && p + 1 != end &&
	    !lax) /* a CR of its own: others may see more fields than we do */
		return HTTP1_BAD;
	if (h.has_transfer && !h.chunked && request)
		h.bad_framing = "chunked is not the last transfer coding";
	*ret = h;
	return HTTP1_OK;
}

/* Length up to and with the empty line, looking from `from`; 0 if it is not there. */
static size_t head_end(const char *p, size_t n, size_t from)
{
	const char *lf;

	for (const char *at = p + from; (lf = memchr(at, '\n', p + n - at)); at = lf + 1) {
		const char *next = lf + 1;

		if (next < p + n && *next == '\r')
			next++;
		if (next < p + n && *next == '\n')
			return next + 1 - p;
	}
	return 0;
}

enum http1_answer http1_head_parse(bool request, const uint8_t *bytes, size_t n, size_t *seen,
				   struct http1_head *ret, size_t *ret_used)
{
	const char *p = (const char *)bytes;
	struct http1_head scratch = {0};
	size_t skip = 0, end;
	enum http1_answer a;

	while (skip < n && skip < BLANKS_MAX && is_eol(p[skip]))
		skip++;
	if (skip == n)
		return HTTP1_MORE;
	a = start_line(request, p + skip, n - skip, &scratch);
	if (a != HTTP1_OK)
		return a;
	/* The empty line may have begun up to two bytes ago. */
	end = head_end(p, n, *seen > skip + 2 ? *seen - 2 : skip);
	if (!end) {
		*seen = n;
		return n > HTTP1_HEAD_MAX ? HTTP1_BAD : HTTP1_MORE;
	}
	if (end > HTTP1_HEAD_MAX)
		return HTTP1_BAD;
	a = block(request, false, p + skip, end - skip, ret);
	if (a == HTTP1_OK)
		*ret_used = end;
	return a;
}

enum http1_answer http1_head_salvage(bool request, const uint8_t *bytes, size_t n,
				     struct http1_head *ret)
{
	const char *p = (const char *)bytes;
	const char *lf = memrchr(p, '\n', n);

	while (n && is_eol(*p) && p < lf)
		p++;
	return lf ? block(request, true, p, lf + 1 - p, ret) : HTTP1_BAD;
}

/* In arbitrary bytes a target is taken only without spaces: the second one ends it. */
static bool plain_target(const char *p, size_t n)
{
	const char *end = p + n, *space = memchr(p, ' ', n);
	size_t left;

	space = space ? memchr(space + 1, ' ', end - space - 1) : NULL;
	if (!space)
		return true;
	left = end - space - 1;
	return is_version(space + 1, left < VERSION_LEN ? left : VERSION_LEN);
}

/* Whether a request or an answer may start exactly here. */
static enum http1_answer start_here(bool request, const char *p, size_t n)
{
	static const char *const starts[] = {"POST /",	  "GET /",    "PUT /",
					     "PATCH /",	  "DELETE /", "HEAD /",
					     "POST http", "GET http", "OPTIONS "};
	struct http1_head h = {0};
	bool match = !request;

	for (size_t i = 0; request && !match && i < ARRAY_SIZE(starts); i++) {
		size_t len = strlen(starts[i]);

		match = !memcmp(p, starts[i], len < n ? len : n);
	}
	if (!match || (request && !plain_target(p, n)))
		return HTTP1_BAD;
	return start_line(request, p, n, &h);
}

static const bool may_start[256] = {
	['P'] = true, ['G'] = true, ['D'] = true, ['H'] = true, ['O'] = true};

enum http1_answer http1_find_start(bool request, const uint8_t *bytes, size_t n, size_t *ret_at)
{
	const char *p = (const char *)bytes;

	for (size_t i = 0; i < n; i++) {
		enum http1_answer a;

		if (request ? !may_start[(uint8_t)p[i]] : p[i] != 'H')
			continue;
		a = start_here(request, p + i, n - i);
		if (a != HTTP1_BAD) {
			*ret_at = i;
			return a;
		}
	}
	return HTTP1_BAD;
}

void http1_authority_split(struct slice s, struct slice *ret_host, uint16_t *ret_port)
{
	const char *end, *at, *colon;
	uint32_t port = 0;

	s = s.p ? trim(s.p, s.p + s.n) : (struct slice){"", 0}; /* no such field */
	at = s.n ? memrchr(s.p, '@', s.n) : NULL;
	if (at)
		s = (struct slice){at + 1, s.p + s.n - at - 1};
	end = s.p + s.n;
	if (s.n && *s.p == '[') {
		const char *close = memchr(s.p, ']', s.n);

		*ret_host = (struct slice){s.p + 1, (close ? close : end) - s.p - 1};
		colon = close && close + 1 < end && close[1] == ':' ? close + 1 : NULL;
	} else {
		colon = s.n ? memrchr(s.p, ':', s.n) : NULL;
		*ret_host = (struct slice){s.p, (colon ? colon : end) - s.p};
	}
	if (ret_host->n > 1 && ret_host->p[ret_host->n - 1] == '.')
		ret_host->n--;
	for (colon = colon ? colon + 1 : end; colon < end && is_digit(*colon) && port <= 65535;
	     colon++)
		port = port * 10 + (*colon - '0');
	*ret_port = colon == end && port <= 65535 ? port : 0;
}

void http1_target_split(struct slice t, bool is_connect, struct http1_target *ret)
{
	const char *end = t.p ? t.p + t.n : "", *q;

	*ret = (struct http1_target){.path = {end, 0}};
	if (is_connect || !t.p) {
		http1_authority_split(t, &ret->host, &ret->port);
		return;
	}
	for (size_t len = 7; len <= 8; len++) {
		const char *slash;

		if (t.n < len || strncasecmp(t.p, len == 7 ? "http://" : "https://", len) != 0)
			continue;
		t = (struct slice){t.p + len, t.n - len};
		for (slash = t.p; slash < end && *slash != '/' && *slash != '?';)
			slash++;
		http1_authority_split((struct slice){t.p, slash - t.p}, &ret->host, &ret->port);
		t = (struct slice){slash, end - slash};
		break;
	}
	q = t.n ? memchr(t.p, '?', t.n) : NULL;
	ret->path = (struct slice){t.p, (q ? q : end) - t.p};
}
