// SPDX-License-Identifier: Apache-2.0
/* Images made from every signature; images that lie; every truncation against a guard page; the
 * same build-id at other offsets. Also built for aarch64 and run under emulation, where it knows
 * only aarch64 images. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "agent/discover/arch.h"
#include "agent/discover/fixture.h"
#include "agent/discover/selftest.h"
#include "proto/event.h"

static const struct tls_signatures *const sigs = &tls_signatures_compiled;
static struct fixture image;
static struct tls_found found;

static int resolve(const uint8_t *p, size_t n, char *why, size_t cap)
{
	memset(&found, 0, sizeof(found));
	*why = 0;
	return tls_resolve(p, n, sigs, &found, why, cap);
}

static unsigned machine(void)
{
	return arch_of(EM_X86_64) ? 0 : 1;
}

static size_t row(const char *name, unsigned method)
{
	for (size_t i = 0; i < sigs->n; i++)
		if (!strcmp(sigs->rows[i].name, name) && sigs->rows[i].method == method)
			return i;
	fail_msg("no row %s", name);
	return 0;
}

static void make(const char *name, unsigned method)
{
	assert_true(fixture_make(sigs, row(name, method), machine(), FIXTURE_RIGHT, true, &image));
}

struct tally {
	unsigned good, bad;
};

static void each(void *arg, const char *what, bool ok, const char *why)
{
	struct tally *t = arg;

	if (!ok)
		print_error("%s: %s\n", what, why);
	t->good += ok;
	t->bad += !ok;
}

static void every_signature(void **state)
{
	struct tally t = {0};

	assert_int_equal(selftest_run(sigs, each, &t), 0);
	assert_int_equal(t.bad, 0);
	assert_true(t.good > sigs->n);
}

/* A table that is wrong is seen by the self-test: each row of another code, pattern or name. */
static void a_wrong_table_is_seen(void **state)
{
	struct signature *rows = calloc(sigs->n, sizeof(*rows));
	struct tls_signatures s = {.version = 1, .n = sigs->n, .rows = rows};
	struct tls_found f;
	char why[200];

	assert_non_null(rows);
	memcpy(rows, sigs->rows, sigs->n * sizeof(*rows));
	for (size_t i = 0; i < s.n; i++)
		rows[i].codes_all[0]++;
	make("SSL_write", SIG_ERROR_REASONS);
	memset(&f, 0, sizeof(f));
	assert_int_equal(tls_resolve(image.bytes, sizeof(image.bytes), &s, &f, why, sizeof(why)),
			 0);
	free(rows);
}

struct lie {
	const char *name;
	size_t at, size;
	uint64_t value;
	int result; /* -EBADMSG, or 0/1: yields less, but is no reason to refuse */
};

#define PH(i, field) (sizeof(Elf64_Ehdr) + (i) * sizeof(Elf64_Phdr) + offsetof(Elf64_Phdr, field))

static const struct lie lies[] = {
	{"more segments than there is room for", offsetof(Elf64_Ehdr, e_phnum), 2, 65535, -EBADMSG},
	{"no segments", offsetof(Elf64_Ehdr, e_phnum), 2, 0, -EBADMSG},
	{"segments beyond the end", offsetof(Elf64_Ehdr, e_phoff), 8, FIXTURE_SIZE - 8, -EBADMSG},
	{"segments at the end of all", offsetof(Elf64_Ehdr, e_phoff), 8, UINT64_MAX - 8, -EBADMSG},
	{"entries of another size", offsetof(Elf64_Ehdr, e_phentsize), 2, 8, -EBADMSG},
	{"a segment of 4 GiB", PH(0, p_filesz), 8, 1ull << 32, -EBADMSG},
	{"a segment that wraps", PH(1, p_memsz), 8, UINT64_MAX, -EBADMSG},
	{"larger in the file than in memory", PH(1, p_memsz), 8, 1, -EBADMSG},
	{"overlapping segments", PH(1, p_vaddr), 8, 0x200100, -EBADMSG},
	{"a note segment beyond the end", PH(3, p_offset), 8, FIXTURE_SIZE, -EBADMSG},
	{"a note of 4 GiB", 0x304, 4, UINT32_MAX, -EBADMSG},
	{"a note name of 4 GiB", 0x300, 4, UINT32_MAX, -EBADMSG},
	{"more unwind entries than bytes", 0xc008, 4, UINT32_MAX, -EBADMSG},
	{"more section headers than bytes", offsetof(Elf64_Ehdr, e_shnum), 2, 65535, 1},
	{"32-bit", EI_CLASS, 1, ELFCLASS32, -ENOEXEC},
	{"big-endian", EI_DATA, 1, ELFDATA2MSB, -ENOEXEC},
	{"another machine", offsetof(Elf64_Ehdr, e_machine), 2, EM_MIPS, -ENOEXEC},
	{"an object file", offsetof(Elf64_Ehdr, e_type), 2, ET_REL, -ENOEXEC},
	{"symbols beyond the end", 0x8000 + 0x1c00 + 8, 8, UINT64_MAX - 3, 0},
	{"symbol names beyond the end", 0x8000 + 0x1c00 + 40, 8, UINT64_MAX, 0},
	{"4 billion symbols", 0x8000 + 0x1804, 4, UINT32_MAX, 1},
};

static void an_image_that_lies(void **state)
{
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		char why[200];
		int r;

		make("SSL_write", SIG_SYMBOL);
		memcpy(image.bytes + lies[i].at, &lies[i].value, lies[i].size);
		r = resolve(image.bytes, sizeof(image.bytes), why, sizeof(why));
		if (r != lies[i].result)
			fail_msg("%s: %d %s", lies[i].name, r, why);
		if (r == -EBADMSG)
			assert_true(*why);
	}
}

/* Notes of no length would be read for ever if one did not count them. */
static void notes_in_circles(void **state)
{
	char why[200];

	make("SSL_write", SIG_SYMBOL);
	memset(image.bytes + 0x8000, 0, 0x8000);
	memcpy(image.bytes + PH(3, p_offset), &(uint64_t){0x8000}, 8);
	memcpy(image.bytes + PH(3, p_filesz), &(uint64_t){0x8000}, 8);
	assert_true(resolve(image.bytes, sizeof(image.bytes), why, sizeof(why)) <= 0);
}

/* Bytes that end where no memory is: one step too far would end the test. */
static void cut_anywhere(void **state)
{
	static const struct {
		const char *name;
		unsigned method;
	} rows[] = {{"SSL_write", SIG_SYMBOL},
		    {"SSL_read", SIG_ERROR_REASONS},
		    {"ssl_write_internal", SIG_FUNC_NAME},
		    {"crypto/tls.(*Conn).Read", SIG_GOPCLNTAB}};
	uint8_t *p = mmap(NULL, FIXTURE_SIZE + 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char why[200];

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(mprotect(p + FIXTURE_SIZE, 4096, PROT_NONE), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		make(rows[i].name, rows[i].method);
		for (size_t n = 0; n < FIXTURE_SIZE; n += n < 1024 ? 1 : 509) {
			uint64_t data = n > 0x8000 ? n - 0x8000 : 0;

			/* Both cut, and with a last segment that says so. */
			memcpy(p + FIXTURE_SIZE - n, image.bytes, n);
			assert_true(resolve(p + FIXTURE_SIZE - n, n, why, sizeof(why)) < 0);
			if (n < 0xc800)
				continue;
			memcpy(p + FIXTURE_SIZE - n + PH(2, p_filesz), &data, 8);
			resolve(p + FIXTURE_SIZE - n, n, why, sizeof(why));
		}
		memcpy(p, image.bytes, FIXTURE_SIZE);
		assert_int_equal(resolve(p, FIXTURE_SIZE, why, sizeof(why)), 1);
	}
	munmap(p, FIXTURE_SIZE + 4096);
}

/* One bit after the other: whatever comes out, every site lies in code and in the file. */
static void flipped_bits(void **state)
{
	char why[200];

	make("SSL_read", SIG_ERROR_REASONS);
	for (size_t bit = 0; bit < 8 * 0x400; bit += 3) {
		image.bytes[bit / 8] ^= 1 << bit % 8;
		resolve(image.bytes, sizeof(image.bytes), why, sizeof(why));
		for (int i = 0; i < found.sites_n; i++)
			assert_true(found.sites[i].offset < sizeof(image.bytes));
		image.bytes[bit / 8] ^= 1 << bit % 8;
	}
}

static void the_same_build_id_elsewhere(void **state)
{
	static uint8_t moved[FIXTURE_SIZE + 0x1000];
	char why[200];
	uint64_t offset;

	make("SSL_write", SIG_SYMBOL);
	assert_int_equal(resolve(image.bytes, sizeof(image.bytes), why, sizeof(why)), 1);
	assert_string_equal(found.build_id, "abcdef01");
	offset = found.sites[0].offset;
	/* A page more before the code: other offsets, the same addresses. */
	memcpy(moved, image.bytes, 0x4000);
	memcpy(moved + 0x5000, image.bytes + 0x4000, FIXTURE_SIZE - 0x4000);
	for (int i = 1; i < 6; i++) {
		uint64_t at;

		memcpy(&at, moved + PH(i, p_offset), 8);
		at += at >= 0x4000 ? 0x1000 : 0;
		memcpy(moved + PH(i, p_offset), &at, 8);
	}
	assert_int_equal(tls_relocate(moved, sizeof(moved), &found, why, sizeof(why)), 0);
	assert_int_equal(found.sites[0].offset, offset + 0x1000);
	moved[0x310]++; /* its build-id */
	assert_int_equal(tls_relocate(moved, sizeof(moved), &found, why, sizeof(why)), -EBADMSG);
	assert_string_equal(why, "another build-id");
	assert_int_equal(tls_relocate(moved, 10, &found, why, sizeof(why)), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_signature),
		cmocka_unit_test(a_wrong_table_is_seen),
		cmocka_unit_test(an_image_that_lies),
		cmocka_unit_test(notes_in_circles),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(flipped_bits),
		cmocka_unit_test(the_same_build_id_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
