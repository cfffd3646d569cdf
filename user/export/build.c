// SPDX-License-Identifier: Apache-2.0
/*
 * In: values of a record, texts of observed programs among them. Out: a jansson object of valid UTF-8.
 * Invariant: no member is ever "" or null; once memory was out, nothing more is added and build_done
 * gives no object, so no half event leaves. Limit: the caller's, a record has at most 64 KiB.
 */
#include "build.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "record/render.h"

void build_set(struct build *b, json_t *o, const char *key, json_t *value)
{
	if (!o || b->failed) {
		json_decref(value);
		b->failed = true;
	} else if (json_object_set_new(o, key, value)) {
		b->failed = true;
	}
}

void build_text(struct build *b, json_t *o, const char *key, const char *s)
{
	if (s && *s)
		build_set(b, o, key, render_text(s));
}

void build_int(struct build *b, json_t *o, const char *key, int64_t v)
{
	build_set(b, o, key, json_integer(v));
}

void build_count(struct build *b, json_t *o, const char *key, uint64_t v)
{
	if (v)
		build_int(b, o, key, v > INT64_MAX ? INT64_MAX : (int64_t)v);
}

void build_bool(struct build *b, json_t *o, const char *key, bool v)
{
	build_set(b, o, key, json_boolean(v));
}

void build_hex(struct build *b, json_t *o, const char *key, const uint8_t *p, size_t n)
{
	if (n)
		build_set(b, o, key, render_hex(p, n));
}

void build_decimal(struct build *b, json_t *o, const char *key, uint64_t v)
{
	char s[24];

	snprintf(s, sizeof(s), "%" PRIu64, v);
	build_set(b, o, key, json_string(s));
}

static json_t *put(struct build *b, json_t *o, const char *key, json_t *v)
{
	build_set(b, o, key, v);
	return b->failed ? NULL : v;
}

json_t *build_object(struct build *b, json_t *o, const char *key)
{
	return put(b, o, key, json_object());
}

json_t *build_array(struct build *b, json_t *o, const char *key)
{
	return put(b, o, key, json_array());
}

json_t *build_item(struct build *b, json_t *array)
{
	json_t *o = json_object();

	if (!array || !o || json_array_append_new(array, o)) {
		if (!array)
			json_decref(o);
		b->failed = true;
		return NULL;
	}
	return o;
}

void build_item_text(struct build *b, json_t *array, const char *s)
{
	if (s && *s && (!array || json_array_append_new(array, render_text(s))))
		b->failed = true;
}

void build_prune(json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);

	if (v && (json_is_array(v) ? !json_array_size(v) : !json_object_size(v)))
		json_object_del(o, key);
}

int build_done(const struct build *b, json_t *o, json_t **ret)
{
	if (b->failed || !o) {
		json_decref(o);
		return -ENOMEM;
	}
	*ret = o;
	return 0;
}
