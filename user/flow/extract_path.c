// SPDX-License-Identifier: Apache-2.0
/*
 * A request's path in; out come the dialect it names, how surely, and what it says besides: models
 * that no body repeats, and whether a stream is asked for. Prefixes vary with gateways, so paths are
 * compared from their end, and the longest entry of the dialects' tables that fits is taken.
 * Nothing is kept; a model that does not fit its field is cut.
 */
#include "extract_path.h"

#include <string.h>

#include "dialect/dialect.h"
#include "extract.h"

/* "a*b": a somewhere before an ending b. */
static bool path_ends(const char *path, size_t n, const char *suffix)
{
	const char *star = strchr(suffix, '*');
	const char *tail = star ? star + 1 : suffix;
	size_t len = strlen(tail);

	if (n < len || memcmp(path + n - len, tail, len))
		return false;
	return !star || memmem(path, n - len, suffix, (size_t)(star - suffix));
}

/* The longest one that fits: "/api/embeddings" before "/embeddings". */
static const struct dialect_path *path_find(const char *path, enum dialect *ret_dialect)
{
	const struct dialect_path *best = NULL;
	size_t n = strcspn(path, "?#");

	if (n > 1 && path[n - 1] == '/')
		n--;
	for (enum dialect d = DIALECT_NONE + 1; d < DIALECT__MAX; d++)
		for (const struct dialect_path *p = dialect_def(d)->paths; p->suffix; p++)
			if ((!best || strlen(p->suffix) > strlen(best->suffix)) &&
			    path_ends(path, n, p->suffix)) {
				*ret_dialect = d;
				best = p;
			}
	return best;
}

enum dialect extract_dialect_by_path(const char *method, const char *path)
{
	enum dialect d = DIALECT_NONE;

	if (!strcmp(method, "POST"))
		path_find(path, &d);
	return d;
}

bool extract_path_is_strong(const struct interaction *it)
{
	enum dialect d = DIALECT_NONE;
	const struct dialect_path *p = path_find(it->path, &d);

	return p && !p->weak && d == it->dialect;
}

/* The path segment after `before`, up to one of `ends`. */
static void model_from_path(struct interaction *it, const char *before, const char *ends)
{
	const char *at = NULL;
	size_t n;

	/* The last one counts: projects may be called "models" too. */
	for (const char *s = it->path; (s = strstr(s, before)); s++)
		at = s + strlen(before);
	n = at ? strcspn(at, ends) : 0;
	if (n && at[n])
		TEXT_SET(it->request_model, at, n);
}

static int hex(char c)
{
	return c >= '0' && c <= '9'		    ? c - '0'
	       : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
						    : -1;
}

void extract_unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		int hi = *s == '%' ? hex(s[1]) : -1, lo = hi < 0 ? -1 : hex(s[2]);

		if (lo > 0 || (lo == 0 && hi > 0)) {
			*to++ = (char)(hi << 4 | lo);
			s += 2;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

static void model_of_bedrock(struct interaction *it)
{
	char name[sizeof(it->request_model)];

	model_from_path(it, "/model/", "/");
	memcpy(name, it->request_model, sizeof(name));
	extract_unescape(name);
	TEXT_SET(it->request_model, name, strlen(name));
	if (strstr(it->path, "-stream"))
		it->stream_requested = true;
}

/* "owner/name" */
static void model_of_replicate(struct interaction *it)
{
	const char *at = strstr(it->path, "/v1/models/");
	const char *end = at ? strstr(at, "/predictions") : NULL;

	if (end)
		TEXT_SET(it->request_model, at + 11, (size_t)(end - at) - 11);
}

static void model_of_gemini(struct interaction *it)
{
	model_from_path(it, "/endpoints/", ":/"); /* a model of one's own */
	model_from_path(it, "/tunedModels/", ":/");
	model_from_path(it, "/models/", ":/");
	if (strstr(it->path, ":streamGenerateContent"))
		it->stream_requested = true;
}

/* Where a body may name the model and, in some places, the path does instead. */
static void model_unless_named(struct interaction *it)
{
	switch (it->dialect) {
	case DIALECT_OPENAI_COMPLETIONS:
		model_from_path(it, "/engines/", "/");
		/* fallthrough */
	case DIALECT_OPENAI_CHAT:
	case DIALECT_OPENAI_EMBEDDINGS:
		model_from_path(it, "/deployments/", "/");
		break;
	case DIALECT_ANTHROPIC_MESSAGES:
		model_from_path(it, "/models/", ":/");
		break;
	default:
		break;
	}
}

void extract_path_facts(struct interaction *it, bool request_whole)
{
	if (request_whole && !*it->request_model)
		model_unless_named(it);
	switch (it->dialect) {
	case DIALECT_BEDROCK_CONVERSE:
	case DIALECT_BEDROCK_INVOKE:
		model_of_bedrock(it);
		break;
	case DIALECT_GEMINI:
		model_of_gemini(it);
		break;
	case DIALECT_REPLICATE_PREDICTION:
		model_of_replicate(it);
		break;
	case DIALECT_TGI_GENERATE:
	case DIALECT_WATSONX:
		it->stream_requested |= !!strstr(it->path, "_stream");
		break;
	case DIALECT_ANTHROPIC_MESSAGES:
		it->stream_requested |= !!strstr(it->path, ":streamRawPredict");
		break;
	default:
		break;
	}
}
