// SPDX-License-Identifier: Apache-2.0
/* Answers of a resolver that has been taken over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "base/cleanup.h"
#include "made.h"

static struct tls_found t;
static struct facts *f;
static char why[160];

static void test_whole(void **state)
{
	struct tls_found back;
	char stacks[64];

	made_found(&t);
	assert_int_equal(facts_of(&t, MADE_SIZE, &f, why, sizeof(why)), 0);
	facts_found(f, t.build_id, &back);
	assert_memory_equal(&t, &back, sizeof(t));
	facts_stacks(f, stacks, sizeof(stacks));
	assert_string_equal(stacks, "openssl, gnutls");
	facts_stacks(f, stacks, 10); /* only what fits whole */
	assert_string_equal(stacks, "openssl");
	facts_free(f);
}

static void no_functions(void)
{
	t.functions_n = 0;
}
static void many_functions(void)
{
	t.functions_n = TLS_FUNCTIONS_MAX + 1;
}
static void no_sites(void)
{
	t.sites_n = 0;
}
static void many_sites(void)
{
	t.sites_n = 65535;
}
static void many_notes(void)
{
	t.notes_n = TLS_NOTES_MAX + 1;
}
static void endless_note(void)
{
	memset(t.notes[0], 'x', sizeof(t.notes[0]));
}
static void endless_name(void)
{
	memset(t.functions[1].name, 'x', sizeof(t.functions[1].name));
}
static void endless_method(void)
{
	memset(t.functions[0].method, 'x', sizeof(t.functions[0].method));
}
static void endless_why(void)
{
	memset(t.functions[0].why, 'x', sizeof(t.functions[0].why));
}
static void endless_version(void)
{
	memset(t.version[3], 'x', sizeof(t.version[3]));
}
static void endless_id(void)
{
	memset(t.build_id, 'x', sizeof(t.build_id));
}
static void endless_arch(void)
{
	memset(t.arch, 'x', sizeof(t.arch));
}
static void no_stack(void)
{
	t.functions[0].stack = TLS_STACK_NONE;
}
static void strange_stack(void)
{
	t.functions[0].stack = TLS_STACK__MAX;
}
static void too_sure(void)
{
	t.functions[0].confidence = 101;
}
static void foreign_sites(void)
{
	t.functions[1].first = 3;
}
static void wrapping_sites(void)
{
	t.functions[1].first = 65535;
	t.functions[1].n = 65535;
}
static void siteless(void)
{
	t.functions[1].n = 0;
}
static void outside(void)
{
	t.sites[3].offset = MADE_SIZE;
}
static void far_outside(void)
{
	t.sites[3].offset = ~0ull;
}
static void no_kind(void)
{
	t.sites[0].cookie = 0;
}
static void strange_kind(void)
{
	t.sites[0].cookie = TLS_SITE__MAX;
}
static void numbered(void)
{
	t.sites[0].cookie |= 3ull << 48; /* another image's counter */
}
static void twice(void)
{
	t.sites[0].offset = t.sites[3].offset;
}

static void test_lies(void **state)
{
	static void (*const lies[])(void) = {
		no_functions,  many_functions, no_sites,       many_sites,    many_notes,
		endless_note,  endless_name,   endless_method, endless_why,   endless_version,
		endless_id,    endless_arch,   no_stack,       strange_stack, too_sure,
		foreign_sites, wrapping_sites, siteless,       outside,	      far_outside,
		no_kind,       strange_kind,   numbered,       twice,
	};

	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		struct facts *untouched = (void *)1;

		made_found(&t);
		lies[i]();
		why[0] = '\0';
		f = untouched;
		if (facts_of(&t, MADE_SIZE, &f, why, sizeof(why)) != -EBADMSG)
			fail_msg("lie %zu is believed", i);
		assert_true(why[0] && f == untouched);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_lies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
