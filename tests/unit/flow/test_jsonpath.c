// SPDX-License-Identifier: Apache-2.0
/* Which patterns a document meets, by table. */
#include "vector.h"

#include "flow/jsonpath.h"

static const char *const patterns[] = {
	"", "a", "a.b", "a.bc", "a[*]", "a[*].b", "a[*][*]", "list[*].deep.er[*].name", "k.e",
};
#define PATTERNS (sizeof(patterns) / sizeof(patterns[0]))

static const struct row {
	const char *doc;
	bool each;
	const char *hits; /* index of the pattern of each value, in order; strings at their end */
} rows[] = {
	{"1", false, "0"},
	{"{\"a\":1}", false, "010"},
	{"{\"a\":{\"b\":1,\"bc\":2,\"bcd\":3,\"\":4}}", false, "012310"},
	{"{\"b\":{\"b\":1},\"a\":\"x\"}", false, "010"},
	{"{\"a\":[1,{\"b\":2},[3,[4]],{\"c\":{\"b\":1}}]}", false, "014454466644410"},
	{"{\"list\":[{\"deep\":{\"er\":[{\"name\":\"n\",\"x\":{\"name\":1}}]}}]}", false, "070"},
	{"{\"k.e\":1,\"k\":{\"e\":1}}", false, "080"},
	{"{\"a[*]\":1}", false, "00"},
	{"[{\"a\":1},{\"a\":2}]", false, "00"},
	{"[{\"a\":1},{\"a\":2}]", true, "010010"},
	{"[[{\"a\":1}]]", true, "00"},
};

struct walk {
	struct jsonwalk w;
	uint16_t node[PATTERNS];
	char hits[64];
	size_t n;
};

static void on_event(void *ctx, enum json_event ev, const char *p, size_t n)
{
	struct walk *k = ctx;
	uint16_t node = jsonwalk_step(&k->w, ev, p, n);

	if (!node || ev == JSON_STRING)
		return;
	for (size_t i = 0; i < PATTERNS; i++)
		if (k->node[i] == node)
			k->hits[k->n++] = (char)('0' + i);
	assert_true(k->n < sizeof(k->hits));
}

static void test_hits(void **state)
{
	static struct jsonpath t;

	jsonpath_init(&t);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct walk k = {0};
		struct json j;

		for (size_t p = 0; p < PATTERNS; p++)
			assert_true((k.node[p] = jsonpath_add(&t, patterns[p])));
		jsonwalk_init(&k.w, &t, rows[i].each);
		json_init(&j, on_event, &k, false);
		json_feed(&j, (const uint8_t *)rows[i].doc, strlen(rows[i].doc));
		assert_int_equal(json_end(&j), JSON_DONE);
		if (strcmp(k.hits, rows[i].hits))
			fail_msg("%s: %s", rows[i].doc, k.hits);
	}
}

static void test_full(void **state)
{
	static struct jsonpath t;
	static char keys[JSONPATH_NODES + 1][8];
	size_t taken = 0;

	jsonpath_init(&t);
	for (size_t i = 0; i < JSONPATH_NODES + 1; i++) {
		snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
		taken += jsonpath_add(&t, keys[i]) != 0;
	}
	assert_int_equal(taken, JSONPATH_NODES - 2);
	assert_true(jsonpath_add(&t, "k0"));
	assert_false(jsonpath_add(&t, "k0.x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hits),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
