/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs one vector of tests/vectors/<dialect>/: NAME.request.json, NAME.response.{json,sse,ndjson},
 * and NAME.facts, whose lines are
 *   path P          where the request went
 *   shape D         dialect found if the path says nothing ("none")
 *   early F TEXT    fact F is there as soon as the answer's bytes up to TEXT's end are
 *   anything else   the expected facts, all of them, as facts_print writes them
 * Bytes reach extract from the end of a page that is followed by an unreadable one. Long because it
 * is the one runner of all dialects' tests.
 */
#ifndef PROBITY_TESTS_VECTOR_H
#define PROBITY_TESTS_VECTOR_H

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "flow/extract.h"
#include "flow/ndjson.h"
#include "flow/sse.h"

#define GUARD_SIZE (1 << 20)
#define NS 1000

struct text {
	char *p;
	size_t n;
};

enum vector_form { VECTOR_JSON, VECTOR_SSE, VECTOR_NDJSON };

struct vector {
	const char *dialect, *name;
	struct text request, response, facts;
	enum vector_form form;
	char path[512], shape[32];
};

struct vector_run {
	const struct vector *v;
	const char *path;
	size_t piece;		      /* bytes at a time; 0 = all at once */
	size_t request_n, response_n; /* cut there; SIZE_MAX = whole */
	struct interaction it;
	struct extract *x;
	bool stream_done;
};

/* n bytes that end where the readable memory ends. */
static inline const uint8_t *guarded(const void *p, size_t n)
{
	static uint8_t *end;

	if (!end) {
		size_t page = (size_t)sysconf(_SC_PAGESIZE);
		uint8_t *m = mmap(NULL, GUARD_SIZE + page, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		assert_ptr_not_equal(m, MAP_FAILED);
		end = m + GUARD_SIZE;
		assert_int_equal(mprotect(end, page, PROT_NONE), 0);
	}
	assert_true(n <= GUARD_SIZE);
	return n ? memcpy(end - n, p, n) : end;
}

static inline struct text load(const char *path)
{
	struct text t = {0};
	struct stat st;
	FILE *f = fopen(path, "re");

	if (!f)
		return t;
	assert_int_equal(fstat(fileno(f), &st), 0);
	t.n = (size_t)st.st_size;
	t.p = malloc(t.n + 1);
	assert_non_null(t.p);
	assert_int_equal(fread(t.p, 1, t.n, f), t.n);
	t.p[t.n] = '\0';
	fclose(f);
	return t;
}

/* The value of the line that begins with `key `, one occurrence after the other. */
static inline const char *facts_line(const struct vector *v, const char *key, const char *after,
				     char *ret_value, size_t cap)
{
	size_t len = strlen(key);

	for (const char *s = after ? after : v->facts.p; *s; s += strcspn(s, "\n") + 1) {
		if (strncmp(s, key, len) || s[len] != ' ')
			continue;
		snprintf(ret_value, cap, "%.*s", (int)(strcspn(s, "\n") - len - 1), s + len + 1);
		return s + strcspn(s, "\n") + 1;
	}
	return NULL;
}

static inline void vector_load(struct vector *v, const char *dialect, const char *name)
{
	static const char *const forms[] = {"json", "sse", "ndjson"};
	char path[256];

	*v = (struct vector){.dialect = dialect, .name = name};
	snprintf(path, sizeof(path), "tests/vectors/%s/%s.facts", dialect, name);
	v->facts = load(path);
	snprintf(path, sizeof(path), "tests/vectors/%s/%s.request.json", dialect, name);
	v->request = load(path);
	for (size_t i = 0; i < 3 && !v->response.p; i++) {
		snprintf(path, sizeof(path), "tests/vectors/%s/%s.response.%s", dialect, name,
			 forms[i]);
		v->response = load(path);
		v->form = (enum vector_form)i;
	}
	if (!v->facts.p || !v->request.p || !v->response.p)
		fail_msg("%s/%s: a file is missing", dialect, name);
	assert_non_null(facts_line(v, "path", NULL, v->path, sizeof(v->path)));
	assert_non_null(facts_line(v, "shape", NULL, v->shape, sizeof(v->shape)));
}

static inline void vector_free(struct vector *v)
{
	free(v->request.p);
	free(v->response.p);
	free(v->facts.p);
}

/* --- running --------------------------------------------------------------------------------- */

static inline void run_begin(void *ctx, const char *event)
{
	struct vector_run *r = ctx;

	extract_begin(r->x, EXTRACT_RESPONSE, event);
}

static inline void run_data(void *ctx, const uint8_t *p, size_t n)
{
	struct vector_run *r = ctx;

	assert_int_equal(extract_data(r->x, p, n, NS), 0);
}

static inline void run_end(void *ctx, bool cut)
{
	struct vector_run *r = ctx;

	extract_end(r->x, cut);
}

static inline void run_response(struct vector_run *r, size_t n)
{
	struct doc_sink sink = {run_begin, run_data, run_end, r};
	bool cut = n < r->v->response.n;
	struct sse sse;
	struct ndjson ndjson;

	r->it.stream_answered = r->v->form != VECTOR_JSON;
	sse_init(&sse, &sink);
	ndjson_init(&ndjson, &sink);
	if (r->v->form == VECTOR_JSON)
		run_begin(r, NULL);
	for (size_t i = 0, step; i < n; i += step) {
		const uint8_t *p;

		step = r->piece && r->piece < n - i ? r->piece : n - i;
		p = guarded(r->v->response.p + i, step);
		if (r->v->form == VECTOR_JSON)
			run_data(r, p, step);
		else if (r->v->form == VECTOR_SSE)
			sse_data(&sse, p, step);
		else
			ndjson_data(&ndjson, p, step);
	}
	if (r->v->form == VECTOR_JSON)
		run_end(r, cut);
	else if (r->v->form == VECTOR_SSE)
		sse_end(&sse, cut);
	else
		ndjson_end(&ndjson, cut);
}

static inline void run_request(struct vector_run *r, size_t n)
{
	extract_begin(r->x, EXTRACT_REQUEST, NULL);
	for (size_t i = 0, step; i < n; i += step) {
		step = r->piece && r->piece < n - i ? r->piece : n - i;
		assert_int_equal(extract_data(r->x, guarded(r->v->request.p + i, step), step, NS),
				 0);
	}
	extract_end(r->x, n < r->v->request.n);
}

static inline void vector_run(struct vector_run *r)
{
	const struct vector *v = r->v;

	interaction_init(&r->it);
	TEXT_SET(r->it.path, r->path, strlen(r->path));
	r->it.dialect = extract_dialect_by_path("POST", r->path);
	r->it.dialect_by_path = r->it.dialect != DIALECT_NONE;
	r->x = extract_new(&r->it);
	assert_non_null(r->x);
	run_request(r, r->request_n < v->request.n ? r->request_n : v->request.n);
	if (r->response_n)
		run_response(r, r->response_n < v->response.n ? r->response_n : v->response.n);
	r->stream_done = extract_stream_done(r->x);
	extract_free(r->x);
}

/* --- facts as text --------------------------------------------------------------------------- */

static inline void print_text(FILE *f, const char *name, const char *value)
{
	if (*value)
		fprintf(f, "%s %s\n", name, value);
}

static inline void print_count(FILE *f, const char *name, int64_t n)
{
	if (n >= 0)
		fprintf(f, "%s %lld\n", name, (long long)n);
}

static inline void print_flag(FILE *f, const char *name, bool set)
{
	if (set)
		fprintf(f, "%s\n", name);
}

static inline char *facts_print(const struct vector_run *r)
{
	const struct interaction *it = &r->it;
	char *out = NULL;
	size_t n;
	FILE *f = open_memstream(&out, &n);

	assert_non_null(f);
	print_text(f, "dialect", dialect_name(it->dialect));
	print_flag(f, "by_path", it->dialect_by_path);
	print_text(f, "request_model", it->request_model);
	print_text(f, "response_model", it->response_model);
	print_text(f, "response_id", it->response_id);
	print_text(f, "finish_reason", it->finish_reason);
	print_text(f, "error_type", it->error_type);
	print_count(f, "input", it->tokens.input);
	print_count(f, "output", it->tokens.output);
	print_count(f, "cached", it->tokens.cached);
	print_count(f, "cache_write", it->tokens.cache_write);
	print_count(f, "cache_write_1h", it->tokens.cache_write_1h);
	print_count(f, "reasoning", it->tokens.reasoning);
	print_count(f, "messages", it->messages ? (int64_t)it->messages : -1);
	print_flag(f, "stream_requested", it->stream_requested);
	for (const char *s = NULL; (s = names_next(&it->tools_offered, s));)
		fprintf(f, "offered %s\n", s);
	print_count(f, "calls", it->tool_calls_count ? (int64_t)it->tool_calls_count : -1);
	for (uint32_t i = 0; i < it->tool_calls_count && i < TOOL_CALLS_MAX; i++)
		fprintf(f, "call %s %s\n", it->tool_calls[i].name,
			*it->tool_calls[i].id ? it->tool_calls[i].id : "-");
	print_flag(f, "first_token", it->first_token_ns);
	print_flag(f, "stream_done", r->stream_done);
	print_text(f, "incomplete", it->incomplete_reason);
	fclose(f);
	return out;
}

static inline char *facts_expected(const struct vector *v)
{
	static const char *const inputs[] = {"path ", "shape ", "early "};
	char *out = malloc(v->facts.n + 1);
	size_t n = 0;

	assert_non_null(out);
	for (const char *s = v->facts.p; *s;) {
		size_t len = strcspn(s, "\n") + 1;
		bool input = false;

		for (size_t i = 0; i < 3; i++)
			input |= !strncmp(s, inputs[i], strlen(inputs[i]));
		if (!input) {
			memcpy(out + n, s, len);
			n += len;
		}
		s += len;
	}
	out[n] = '\0';
	return out;
}

/* --- checks ---------------------------------------------------------------------------------- */

static inline struct vector_run whole_run(const struct vector *v)
{
	struct vector_run r = {.v = v,
			       .path = v->path,
			       .request_n = SIZE_MAX,
			       .response_n = SIZE_MAX};

	vector_run(&r);
	return r;
}

static inline void check_facts(const struct vector *v, const struct vector_run *whole)
{
	char *got = facts_print(whole), *want = facts_expected(v);

	if (strcmp(got, want))
		fail_msg("%s/%s: got\n%s\nexpected\n%s", v->dialect, v->name, got, want);
	free(got);
	free(want);
}

/* However the bytes come, the interaction is the same to the last bit. */
static inline void check_pieces(const struct vector *v, const struct vector_run *whole)
{
	static const size_t pieces[] = {1, 2, 3, 7, 64, 1000};

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct vector_run r = {.v = v,
				       .path = v->path,
				       .piece = pieces[i],
				       .request_n = SIZE_MAX,
				       .response_n = SIZE_MAX};

		vector_run(&r);
		if (memcmp(&r.it, &whole->it, sizeof(r.it)))
			fail_msg("%s/%s: pieces of %zu give another result", v->dialect, v->name,
				 pieces[i]);
		assert_int_equal(r.stream_done, whole->stream_done);
	}
}

static inline void check_shape(const struct vector *v)
{
	struct vector_run r = {.v = v, .path = "/", .request_n = SIZE_MAX, .response_n = SIZE_MAX};

	vector_run(&r);
	if (strcmp(*dialect_name(r.it.dialect) ? dialect_name(r.it.dialect) : "none", v->shape))
		fail_msg("%s/%s: without a path it is taken for \"%s\", not %s", v->dialect,
			 v->name, dialect_name(r.it.dialect), v->shape);
}

static inline bool either(const char *s, const char *a, const char *b)
{
	return !strcmp(s, a) || !strcmp(s, b);
}

static inline bool either_n(int64_t n, int64_t a, int64_t b)
{
	return n == a || n == b;
}

/* What a cut inside a document may show: of each fact the value before the document or the one
 * after it, and of lists something in between. */
static inline const char *odd_fact(const struct vector_run *r, const struct vector_run *before,
				   const struct vector_run *after)
{
	const struct interaction *i = &r->it, *a = &before->it, *b = &after->it;

	if (!either_n(i->dialect, a->dialect, b->dialect))
		return "dialect";
	if (!either(i->response_model, a->response_model, b->response_model))
		return "response_model";
	if (!either(i->response_id, a->response_id, b->response_id))
		return "response_id";
	if (!either(i->finish_reason, a->finish_reason, b->finish_reason))
		return "finish_reason";
	if (!either(i->error_type, a->error_type, b->error_type) &&
	    (!*b->error_type || strcmp(i->error_type, "error")))
		return "error_type";
	if (!either_n(i->tokens.input, a->tokens.input, b->tokens.input))
		return "input";
	if (!either_n(i->tokens.output, a->tokens.output, b->tokens.output))
		return "output";
	if (!either_n(i->tokens.cached, a->tokens.cached, b->tokens.cached))
		return "cached";
	if (!either_n(i->tokens.cache_write, a->tokens.cache_write, b->tokens.cache_write))
		return "cache_write";
	if (!either_n(i->tokens.cache_write_1h, a->tokens.cache_write_1h, b->tokens.cache_write_1h))
		return "cache_write_1h";
	if (!either_n(i->tokens.reasoning, a->tokens.reasoning, b->tokens.reasoning))
		return "reasoning";
	if (i->messages != b->messages || i->stream_requested != b->stream_requested ||
	    memcmp(&i->tools_offered, &b->tools_offered, sizeof(i->tools_offered)))
		return "the request's facts";
	if (!either_n(i->first_token_ns, a->first_token_ns, b->first_token_ns))
		return "first_token";
	if (i->tool_calls_count < a->tool_calls_count || i->tool_calls_count > b->tool_calls_count)
		return "calls";
	for (uint32_t k = 0; k < i->tool_calls_count && k < TOOL_CALLS_MAX; k++)
		if (!either(i->tool_calls[k].name, a->tool_calls[k].name, b->tool_calls[k].name) ||
		    !either(i->tool_calls[k].id, a->tool_calls[k].id, b->tool_calls[k].id))
			return "call";
	if (r->stream_done && !after->stream_done)
		return "stream_done";
	return NULL;
}

/* End of the document that holds byte n: the shortest prefix that ends one and is longer. */
static inline size_t next_boundary(const struct vector *v, size_t n)
{
	const char *mark = v->form == VECTOR_SSE      ? "\n\n"
			   : v->form == VECTOR_NDJSON ? "\n"
						      : "\n,\n";
	const char *at = n < v->response.n ? strstr(v->response.p + n, mark) : NULL;

	/* "\n" + "\n": a cut between them is still inside. */
	if (v->form == VECTOR_SSE && n && n < v->response.n && v->response.p[n] == '\n' &&
	    v->response.p[n - 1] == '\n')
		return n + 1;
	return at ? (size_t)(at - v->response.p) + strlen(mark) : v->response.n;
}

static inline void check_early(const struct vector_run *r, const struct vector_run *whole,
			       size_t cut)
{
	const struct interaction *i = &r->it, *w = &whole->it;
	char line[512];

	for (const char *s = NULL; (s = facts_line(r->v, "early", s, line, sizeof(line)));) {
		char *needle = strchr(line, ' ');
		const char *at;
		bool ok;

		assert_non_null(needle);
		*needle++ = '\0';
		at = strstr(r->v->response.p, needle);
		if (!at)
			fail_msg("%s: no such text: %s", r->v->name, needle);
		if (cut < (size_t)(at - r->v->response.p) + strlen(needle))
			continue;
		if (!strcmp(line, "response_id"))
			ok = !strcmp(i->response_id, w->response_id);
		else if (!strcmp(line, "response_model"))
			ok = !strcmp(i->response_model, w->response_model);
		else if (!strcmp(line, "finish_reason"))
			ok = !strcmp(i->finish_reason, w->finish_reason);
		else if (!strcmp(line, "input"))
			ok = i->tokens.input == w->tokens.input;
		else if (!strcmp(line, "output"))
			ok = i->tokens.output == w->tokens.output;
		else if (!strcmp(line, "cached"))
			ok = i->tokens.cached == w->tokens.cached;
		else if (!strcmp(line, "reasoning"))
			ok = i->tokens.reasoning == w->tokens.reasoning;
		else if (!strcmp(line, "first_token"))
			ok = i->first_token_ns == NS;
		else
			ok = !strcmp(line, "call") && i->tool_calls_count;
		if (!ok)
			fail_msg("%s/%s: %s is not there at %zu, after %s", r->v->dialect,
				 r->v->name, line, cut, needle);
	}
}

static inline void check_cut_response(const struct vector *v, const struct vector_run *whole)
{
	struct vector_run before = {.v = v, .path = v->path, .request_n = SIZE_MAX}, after;
	size_t boundary = 0;

	vector_run(&before);
	after = before;
	for (size_t n = 0; n <= v->response.n; n++) {
		struct vector_run r = {.v = v,
				       .path = v->path,
				       .request_n = SIZE_MAX,
				       .response_n = n};
		const char *odd;

		if (n > boundary || !n) {
			boundary = next_boundary(v, n ? n - 1 : 0);
			before = after;
			after = r;
			after.response_n = boundary;
			vector_run(&after);
		}
		vector_run(&r);
		odd = odd_fact(&r, &before, &after);
		if (odd)
			fail_msg("%s/%s: wrong %s when cut at %zu\n%s", v->dialect, v->name, odd, n,
				 facts_print(&r));
		check_early(&r, whole, n);
	}
}

static inline void check_cut_request(const struct vector *v, const struct vector_run *whole)
{
	const struct interaction *w = &whole->it;

	for (size_t n = 0; n <= v->request.n; n++) {
		struct vector_run r = {.v = v, .path = v->path, .request_n = n};
		const char *name = NULL;

		vector_run(&r);
		/* The path named the right one, and no cut may talk us out of it. */
		assert_int_equal(r.it.dialect, w->dialect);
		if (!either(r.it.request_model, "", w->request_model))
			fail_msg("%s/%s: model %s when cut at %zu", v->dialect, v->name,
				 r.it.request_model, n);
		assert_true(r.it.messages <= w->messages);
		assert_true(r.it.stream_requested <= w->stream_requested);
		while ((name = names_next(&r.it.tools_offered, name)))
			if (!names_has(&w->tools_offered, name))
				fail_msg("%s/%s: tool %s when cut at %zu", v->dialect, v->name,
					 name, n);
	}
}

static inline void check_vector(void **state, const char *dialect, const char *name)
{
	struct vector v;
	struct vector_run whole;

	vector_load(&v, dialect, name);
	whole = whole_run(&v);
	check_facts(&v, &whole);
	check_pieces(&v, &whole);
	check_shape(&v);
	check_cut_response(&v, &whole);
	check_cut_request(&v, &whole);
	vector_free(&v);
}

static inline void vector_test(void **state)
{
	const char *at = *state, *slash = strchr(at, '/');
	char dialect[32];

	snprintf(dialect, sizeof(dialect), "%.*s", (int)(slash - at), at);
	check_vector(state, dialect, slash + 1);
}

#define VECTOR(name)                                          \
	{                                                     \
		name, vector_test, NULL, NULL, (void *)(name) \
	}

#endif
