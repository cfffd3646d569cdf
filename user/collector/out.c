// SPDX-License-Identifier: Apache-2.0
/*
 * Small steps of `status`, `check` and `list`. jansson takes a NULL value as "not set", so a
 * failed allocation leaves a member out; the final dump then still is valid JSON.
 */
#include "out.h"

#include "base/log.h"
#include "record/render.h"

struct store *out_store(const struct collector_config *c)
{
	struct store *s = NULL;
	char err[1024];

	if (store_open(c->db, STORE_READ, &s, err, sizeof(err)))
		log_err("%s", err);
	return s;
}

int out_failed(struct store *s)
{
	log_err("%s", store_error(s));
	return EXIT_FAILED;
}

int out_json(json_t *o, size_t flags)
{
	int r = o ? json_dumpf(o, stdout, flags) : -1;

	json_decref(o);
	putchar('\n');
	if (!r && !fflush(stdout))
		return EXIT_FINE;
	log_err("output cannot be written");
	return EXIT_FAILED;
}

void out_bytes(json_t *o, const char *name, const uint8_t *p, size_t n)
{
	json_object_set_new(o, name, p ? render_hex(p, n) : json_null());
}

/* Unsigned 64-bit numbers that JSON readers would round are only times here; all fit in 63 bits. */
void out_number(json_t *o, const char *name, int64_t v)
{
	json_object_set_new(o, name, v == STORE_UNKNOWN ? json_null() : json_integer(v));
}

void out_time(json_t *o, const char *name, uint64_t ns)
{
	char text[40];

	render_time(ns, text);
	json_object_set_new(o, name, json_string(text));
}

void out_short(const uint8_t *p, char out[static 9])
{
	for (size_t i = 0; i < 4; i++)
		snprintf(out + 2 * i, 3, "%02x", p[i]);
}
