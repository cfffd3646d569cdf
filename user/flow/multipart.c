// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes are data of the open part until the border comes: CR LF "--" and the boundary. As the CR
 * is in it only once, at its begin, bytes that matched and then did not are data, and the next
 * comparison begins with the byte that differed; so nothing is held but how many matched.
 *
 * Of a part's head two lines are read; heads over MULTIPART_HEAD_MAX and what follows a gap are
 * nobody's until the next border.
 */
#include "multipart.h"

#include <string.h>
#include <strings.h>

enum state { IN_DATA, AFTER_BORDER, IN_HEAD, AT_END };

/* The value of a parameter, quoted or not, without its quotes. */
static bool param(const char *p, size_t n, const char *name, char *ret, size_t cap)
{
	size_t len = strlen(name), used = 0;

	for (size_t at = 0; at < n; at++) {
		bool quoted;

		if (p[at] == '"') { /* over a value that may look like a parameter */
			for (at++; at < n && p[at] != '"'; at++)
				at += p[at] == '\\';
			continue;
		}
		if (p[at] != ';')
			continue;
		while (at + 1 < n && (p[at + 1] == ' ' || p[at + 1] == '\t'))
			at++;
		if (n - at <= len + 1 || strncasecmp(p + at + 1, name, len) ||
		    p[at + 1 + len] != '=')
			continue;
		at += len + 2;
		quoted = at < n && p[at] == '"';
		for (at += quoted; at < n && p[at] != '"' && (quoted || !strchr("; \t", p[at]));
		     at++) {
			if (quoted && p[at] == '\\' && at + 1 < n)
				at++;
			if (used < cap - 1)
				ret[used++] = p[at];
		}
		ret[used] = '\0';
		return true;
	}
	return false;
}

bool multipart_init(struct multipart *m, const struct multipart_sink *sink,
		    const char *content_type, size_t n)
{
	static const char form[] = "multipart/form-data";
	char boundary[MULTIPART_BOUNDARY_MAX + 2];

	memset(m, 0, sizeof(*m));
	if (n < sizeof(form) || strncasecmp(content_type, form, sizeof(form) - 1) ||
	    !param(content_type, n, "boundary", boundary, sizeof(boundary)))
		return false;
	n = strlen(boundary);
	if (!n || n > MULTIPART_BOUNDARY_MAX || strchr(boundary, '\r'))
		return false;
	m->sink = sink;
	memcpy(m->border, "\r\n--", 4);
	memcpy(m->border + 4, boundary, n);
	m->border_n = n + 4;
	m->matched = 2; /* the first border needs no line before it */
	return true;
}

/* --- heads ----------------------------------------------------------------------------------- */

static bool field_is(const struct multipart *m, const char *name)
{
	size_t n = strlen(name);

	return m->line_n > n && m->line[n] == ':' && !strncasecmp(m->line, name, n);
}

static void head_line(struct multipart *m)
{
	struct multipart_part *part = &m->part;

	while (m->line_n && m->line[m->line_n - 1] == '\r')
		m->line_n--;
	if (!m->line_n) {
		m->state = IN_DATA;
		m->open = true;
		m->matched = 0;
		m->sink->begin(m->sink->ctx, part);
	} else if (field_is(m, "content-disposition")) {
		param(m->line, m->line_n, "name", part->name, sizeof(part->name));
		part->file = param(m->line, m->line_n, "filename", part->filename,
				   sizeof(part->filename)) ||
			     param(m->line, m->line_n, "filename*", part->filename,
				   sizeof(part->filename));
	} else if (field_is(m, "content-type")) {
		const char *v = m->line + strlen("content-type:");
		size_t n = m->line_n - strlen("content-type:");

		while (n && (*v == ' ' || *v == '\t'))
			v++, n--;
		if (n > sizeof(part->type) - 1)
			n = sizeof(part->type) - 1;
		memcpy(part->type, v, n);
		part->type[n] = '\0';
	}
	m->line_n = 0;
}

static void head_byte(struct multipart *m, uint8_t c)
{
	if (++m->head_n > MULTIPART_HEAD_MAX) {
		m->state = IN_DATA; /* of nobody */
		m->matched = 0;
	} else if (c == '\n') {
		head_line(m);
	} else if (m->line_n < sizeof(m->line)) {
		m->line[m->line_n++] = (char)c;
	}
}

/* --- data ------------------------------------------------------------------------------------ */

static void give(struct multipart *m, const void *p, size_t n)
{
	if (n && m->open)
		m->sink->data(m->sink->ctx, p, n);
}

static void close_part(struct multipart *m, bool cut)
{
	if (m->open)
		m->sink->end(m->sink->ctx, cut);
	m->open = false;
}

/* Takes at least a byte; gives how many. */
static size_t data(struct multipart *m, const uint8_t *p, size_t n)
{
	if (!m->matched) {
		const uint8_t *cr = memchr(p, '\r', n);
		size_t len = cr ? (size_t)(cr - p) : n;

		give(m, p, len);
		m->matched = cr != NULL;
		return len + m->matched;
	}
	if (m->matched == m->border_n) {
		if (strchr("-\r\n \t", *p) && *p) {
			close_part(m, false);
			m->state = AFTER_BORDER;
			m->dash = false;
			return 0;
		}
	} else if (*p == (uint8_t)m->border[m->matched]) {
		m->matched++;
		return 1;
	}
	give(m, m->border, m->matched);
	m->matched = 0;
	return 0;
}

static void after_border(struct multipart *m, uint8_t c)
{
	if (c == '-' && m->dash) {
		m->state = AT_END;
	} else if (c == '\n') {
		m->state = IN_HEAD;
		m->head_n = m->line_n = 0;
		memset(&m->part, 0, sizeof(m->part));
	}
	m->dash = c == '-';
}

void multipart_data(struct multipart *m, const uint8_t *p, size_t n)
{
	while (n && m->state != AT_END) {
		size_t used = 1;

		if (m->state == IN_DATA)
			used = data(m, p, n);
		else if (m->state == AFTER_BORDER)
			after_border(m, *p);
		else
			head_byte(m, *p);
		p += used;
		n -= used;
	}
}

void multipart_gap(struct multipart *m)
{
	close_part(m, true);
	if (m->state != AT_END)
		m->state = IN_DATA;
	m->matched = 0;
}

bool multipart_end(struct multipart *m)
{
	bool whole = m->state == AT_END;

	/* A border that nothing follows is one all the same. */
	if (!whole && m->state == IN_DATA && m->matched != m->border_n)
		give(m, m->border, m->matched);
	close_part(m, !whole);
	m->state = AT_END;
	return whole;
}
