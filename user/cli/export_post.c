// SPDX-License-Identifier: Apache-2.0
/*
 * In: a request body. Out: one POST whose answer was read, or an error: a caller that goes on knows the
 * receiver took it. Certificates are checked always. At most 64 KiB of an answer are kept; only its
 * partialSuccess is looked at. Waits between tries are 1, 2, 4 … seconds, or what Retry-After asks for
 * up to 30.
 */
#include "export_post.h"

#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <string.h>

#define ANSWER_MAX 65536

struct export_post {
	CURL *curl;
	struct curl_slist *headers;
	char endpoint[1024];
	size_t n;
	char answer[ANSWER_MAX];
};

static size_t take(char *p, size_t size, size_t n, void *ctx)
{
	struct export_post *e = ctx;
	size_t room = ANSWER_MAX - e->n, k = size * n < room ? size * n : room;

	memcpy(e->answer + e->n, p, k);
	e->n += k;
	return size * n;
}

int export_post_open(const char *endpoint, const char *header, struct export_post **ret, char *err,
		     size_t err_len)
{
	_cleanup_(export_post_freep) struct export_post *e = calloc(1, sizeof(*e));
	size_t n = strlen(endpoint);

	while (n && endpoint[n - 1] == '/')
		n--;
	if (!n || n >= sizeof(e->endpoint) ||
	    (strncmp(endpoint, "http://", 7) && strncmp(endpoint, "https://", 8))) {
		snprintf(err, err_len, "%s: not an http:// or https:// address", endpoint);
		return -EINVAL;
	}
	if (!e || curl_global_init(CURL_GLOBAL_DEFAULT) || !(e->curl = curl_easy_init()))
		return -ENOMEM;
	memcpy(e->endpoint, endpoint, n);
	e->headers = curl_slist_append(NULL, "Content-Type: application/json");
	if (header)
		e->headers = curl_slist_append(e->headers, header);
	curl_easy_setopt(e->curl, CURLOPT_HTTPHEADER, e->headers);
	curl_easy_setopt(e->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e->curl, CURLOPT_USERAGENT, "probity/" PROBITY_VERSION);
	curl_easy_setopt(e->curl, CURLOPT_TIMEOUT, 30L);
	curl_easy_setopt(e->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e->curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(e->curl, CURLOPT_WRITEDATA, e);
	*ret = TAKE_PTR(e);
	return 0;
}

void export_post_free(struct export_post *p)
{
	if (!p)
		return;
	curl_slist_free_all(p->headers);
	curl_easy_cleanup(p->curl);
	free(p);
}

/* Counts are texts in OTLP's JSON, numbers where somebody was lax. */
static uint64_t rejected_count(const struct export_post *e)
{
	json_t *o = json_loadb(e->answer, e->n, 0, NULL), *v;
	json_t *partial = json_object_get(o, "partialSuccess");
	uint64_t n = 0;

	v = json_object_get(partial, "rejectedLogRecords")
		    ?: json_object_get(partial, "rejectedSpans");
	if (json_is_string(v))
		n = strtoull(json_string_value(v), NULL, 10);
	else if (json_is_integer(v) && json_integer_value(v) > 0)
		n = json_integer_value(v);
	json_decref(o);
	return n;
}

static bool may_pass(CURLcode c, long status)
{
	if (c)
		return c == CURLE_COULDNT_CONNECT || c == CURLE_OPERATION_TIMEDOUT ||
		       c == CURLE_GOT_NOTHING || c == CURLE_RECV_ERROR || c == CURLE_SEND_ERROR ||
		       c == CURLE_COULDNT_RESOLVE_HOST;
	return status == 429 || status == 502 || status == 503 || status == 504;
}

static unsigned pause_of(struct export_post *e, unsigned tried)
{
	curl_off_t after = 0;

	if (!curl_easy_getinfo(e->curl, CURLINFO_RETRY_AFTER, &after) && after > 0)
		return after < 30 ? after : 30;
	return 1u << tried;
}

int export_post_send(struct export_post *p, const char *path, const char *body, uint64_t *rejected,
		     char *err, size_t err_len)
{
	char url[1100];

	snprintf(url, sizeof(url), "%s%s", p->endpoint, path);
	curl_easy_setopt(p->curl, CURLOPT_URL, url);
	curl_easy_setopt(p->curl, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(p->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
	for (unsigned tried = 0;; tried++) {
		long status = 0;
		CURLcode c;

		p->n = 0;
		c = curl_easy_perform(p->curl);
		if (!c)
			curl_easy_getinfo(p->curl, CURLINFO_RESPONSE_CODE, &status);
		if (!c && status >= 200 && status < 300) {
			*rejected += rejected_count(p);
			return 0;
		}
		if (!may_pass(c, status) || tried + 1 == EXPORT_POST_TRIES) {
			if (c)
				snprintf(err, err_len, "%s: %s", url, curl_easy_strerror(c));
			else
				snprintf(err, err_len, "%s: answers %ld", url, status);
			return -EIO;
		}
		sleep(pause_of(p, tried));
	}
}
