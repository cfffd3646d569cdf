// SPDX-License-Identifier: Apache-2.0
/*
 * What the content is comes from its first character and, if that says nothing, from its declared
 * type: clients post JSON as a form and servers stream without saying so. Nothing is kept.
 */
#include "body_form.h"

#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

static bool type_is(struct slice t, const char *name)
{
	return t.n == strlen(name) && !strncasecmp(t.p, name, t.n);
}

enum form body_form_declared(struct slice t)
{
	const char *semi = t.n ? memchr(t.p, ';', t.n) : NULL;

	if (semi)
		t.n = semi - t.p;
	while (t.n && (t.p[t.n - 1] == ' ' || t.p[t.n - 1] == '\t'))
		t.n--;
	if (type_is(t, "text/event-stream"))
		return FORM_SSE;
	if (type_is(t, "application/x-ndjson") || type_is(t, "application/ndjson") ||
	    type_is(t, "application/jsonl") || type_is(t, "application/x-jsonlines"))
		return FORM_NDJSON;
	if (type_is(t, "application/vnd.amazon.eventstream"))
		return FORM_EVENTS;
	if (type_is(t, "application/json") || type_is(t, "text/json") ||
	    (t.n > 5 && !strncasecmp(t.p + t.n - 5, "+json", 5)))
		return FORM_JSON;
	return FORM_OPAQUE;
}

enum form body_form_sniff(const uint8_t *p, size_t n, enum form declared)
{
	static const char *const fields[] = {"data:", "event:", "id:", "retry:", ":"};

	if (p[0] == '{' || p[0] == '[')
		return declared == FORM_NDJSON ? FORM_NDJSON : FORM_JSON;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		size_t len = strlen(fields[i]);

		if (!memcmp(p, fields[i], len < n ? len : n))
			return n >= len ? FORM_SSE : FORM_SNIFF;
	}
	return declared;
}
