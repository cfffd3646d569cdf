// SPDX-License-Identifier: Apache-2.0
/*
 * In: JSON from anybody. Out: a list of files whose paths cannot lead out of a folder, each once, with sizes
 * and hashes of the right length, or one line on what is wrong. Unknown members are passed over, so that a
 * newer version can be checked as far as it is known. Limits: MANIFEST_MAX bytes, BUNDLE_FILES_MAX files.
 */
#include "manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "build.h"

#include "base/cleanup.h"
#include "base/hex.h"
#include "record/printable.h"

bool bundle_path_ok(const char *path)
{
	size_t part = 0, n = 0;

	for (const char *p = path; *p; p++, n++) {
		bool word = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			    (*p >= '0' && *p <= '9') || *p == '_';

		if (*p == '/' && !part)
			return false;
		if (*p != '/' && !word && !(part && (*p == '.' || *p == '-')))
			return false;
		part = *p == '/' ? 0 : part + 1;
	}
	return part && n < BUNDLE_PATH_MAX;
}

/* Where `path` is, or would be. */
static size_t place(const struct manifest *m, const char *path, bool *ret_there)
{
	size_t lo = 0, hi = m->n;

	*ret_there = false;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int d = strcmp(m->files[mid].path, path);

		if (!d) {
			*ret_there = true;
			return mid;
		}
		if (d < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int manifest_add(struct manifest *m, const struct manifest_file *f)
{
	bool there;
	size_t at;

	if (!bundle_path_ok(f->path))
		return -EINVAL;
	at = place(m, f->path, &there);
	if (there)
		return -EEXIST;
	if (m->n == BUNDLE_FILES_MAX)
		return -E2BIG;
	if (m->n == m->cap) {
		size_t cap = m->cap ? 2 * m->cap : 64;
		void *more = realloc(m->files, cap * sizeof(*m->files));

		if (!more)
			return -ENOMEM;
		m->files = more;
		m->cap = cap;
	}
	memmove(m->files + at + 1, m->files + at, (m->n - at) * sizeof(*m->files));
	m->files[at] = *f;
	m->n++;
	return 0;
}

const struct manifest_file *manifest_find(const struct manifest *m, const char *path)
{
	bool there;
	size_t at = place(m, path, &there);

	return there ? &m->files[at] : NULL;
}

void manifest_done(struct manifest *m)
{
	free(m->files);
	memset(m, 0, sizeof(*m));
}

char *manifest_text(const struct manifest *m)
{
	struct build b = {0};
	json_t *o = json_object(), *range, *files, *f, *done = NULL;
	char *text;

	build_text(&b, o, "format", BUNDLE_FORMAT);
	build_int(&b, o, "version", m->version);
	build_text(&b, o, "tool", m->tool);
	build_text(&b, o, "created", m->created);
	build_text(&b, o, "host", m->host);
	build_hex(&b, o, "chain", m->chain, sizeof(m->chain));
	build_hex(&b, o, "public_key", m->public, sizeof(m->public));
	range = build_object(&b, o, "range");
	build_text(&b, range, "from", m->from);
	build_text(&b, range, "to", m->to);
	build_int(&b, range, "first_seq", m->first_seq);
	build_int(&b, range, "last_seq", m->last_seq);
	build_count(&b, o, "checkpoint_size", m->checkpoint_size);
	files = build_array(&b, o, "files");
	for (size_t i = 0; i < m->n; i++) {
		f = build_item(&b, files);
		build_text(&b, f, "path", m->files[i].path);
		build_int(&b, f, "size", m->files[i].size);
		build_hex(&b, f, "sha256", m->files[i].sha256, 32);
	}
	if (build_done(&b, o, &done))
		return NULL;
	text = json_dumps(done, JSON_INDENT(1));
	json_decref(done);
	return text;
}

/* --- reading --------------------------------------------------------------------------------------- */

static int wrong(char *err, size_t err_len, const char *what, size_t i)
{
	if (i == SIZE_MAX)
		snprintf(err, err_len, "manifest: %s", what);
	else
		snprintf(err, err_len, "manifest: files[%zu]: %s", i, what);
	return -EBADMSG;
}

static bool number(const json_t *o, const char *key, uint64_t *ret)
{
	const json_t *v = json_object_get(o, key);

	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return false;
	*ret = json_integer_value(v);
	return true;
}

static bool hex(const json_t *o, const char *key, uint8_t *out, size_t n)
{
	const json_t *v = json_object_get(o, key);

	return json_is_string(v) && hex_decode(json_string_value(v), json_string_length(v), out, n);
}

static void text(const json_t *o, const char *key, char *out, size_t cap)
{
	printable_copy(out, cap, json_string_value(json_object_get(o, key)));
}

static int file_parse(const json_t *o, struct manifest *m, size_t i, char *err, size_t err_len)
{
	const json_t *path = json_object_get(o, "path");
	struct manifest_file f = {0};
	int r;

	if (!json_is_string(path) || json_string_length(path) >= sizeof(f.path) ||
	    strlen(json_string_value(path)) != json_string_length(path))
		return wrong(err, err_len, "no path", i);
	strcpy(f.path, json_string_value(path));
	if (!number(o, "size", &f.size))
		return wrong(err, err_len, "no size", i);
	if (!hex(o, "sha256", f.sha256, sizeof(f.sha256)))
		return wrong(err, err_len, "sha256 is not 64 hex digits", i);
	r = manifest_add(m, &f);
	if (r == -ENOMEM)
		return r;
	return r ? wrong(err, err_len,
			 r == -EEXIST  ? "twice"
			 : r == -E2BIG ? "too many"
				       : "a path that is not taken",
			 i)
		 : 0;
}

static int all(const json_t *o, struct manifest *m, char *err, size_t err_len)
{
	const json_t *range = json_object_get(o, "range"), *files = json_object_get(o, "files"), *f;
	const char *format = json_string_value(json_object_get(o, "format"));
	uint64_t version;
	size_t i;

	if (!format || strcmp(format, BUNDLE_FORMAT))
		return wrong(err, err_len, "format is not " BUNDLE_FORMAT, SIZE_MAX);
	if (!number(o, "version", &version) || !version || version > UINT32_MAX)
		return wrong(err, err_len, "no version", SIZE_MAX);
	m->version = version;
	text(o, "tool", m->tool, sizeof(m->tool));
	text(o, "created", m->created, sizeof(m->created));
	text(o, "host", m->host, sizeof(m->host));
	text(range, "from", m->from, sizeof(m->from));
	text(range, "to", m->to, sizeof(m->to));
	number(o, "checkpoint_size", &m->checkpoint_size);
	if (!hex(o, "chain", m->chain, sizeof(m->chain)))
		return wrong(err, err_len, "chain is not 32 hex digits", SIZE_MAX);
	if (!hex(o, "public_key", m->public, sizeof(m->public)))
		return wrong(err, err_len, "public_key is not 64 hex digits", SIZE_MAX);
	if (!number(range, "first_seq", &m->first_seq) ||
	    !number(range, "last_seq", &m->last_seq) || m->first_seq > m->last_seq)
		return wrong(err, err_len, "no range", SIZE_MAX);
	if (!json_is_array(files))
		return wrong(err, err_len, "no files", SIZE_MAX);
	json_array_foreach(files, i, f)
	{
		int r = file_parse(f, m, i, err, err_len);

		if (r)
			return r;
	}
	return 0;
}

int manifest_parse(const char *p, size_t n, struct manifest *ret, char *err, size_t err_len)
{
	struct manifest m = {0};
	json_error_t e;
	char why[96];
	json_t *o;
	int r;

	if (n > MANIFEST_MAX)
		return wrong(err, err_len, "too large", SIZE_MAX);
	o = json_loadb(p, n, JSON_REJECT_DUPLICATES, &e);
	if (!o) {
		printable_copy(why, sizeof(why), e.text);
		snprintf(err, err_len, "manifest: line %d: %s", e.line, why);
		return -EBADMSG;
	}
	r = all(o, &m, err, err_len);
	json_decref(o);
	if (r) {
		manifest_done(&m);
		return r;
	}
	*ret = m;
	return 0;
}
