/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names the kernel could not read, and connections that have none: what the keeper is told of the
 * socket, and what is recorded. Over QUIC the packets are those of RFC 9001 and 9369.
 */
#define WORLD_HEARS
#include "world.h"

#include "../../flow/quic_vectors.h"
#include "agent/worker/denials.h"
#include "agent/worker/gate.h"

static struct role_sock said;
static unsigned said_n, denials_n;
static Probity__V1__Denial *denial;
static struct gate_slot slots[GATE_SLOTS];

static void heard(enum role_kind kind, const void *p, size_t n)
{
	if (kind == ROLE_SOCK && ++said_n)
		memcpy(&said, p, sizeof(said));
}

static void sealed(uint32_t schema, const uint8_t *payload, size_t n)
{
	if (schema != RECORD_DENIAL)
		return;
	if (denial)
		probity__v1__denial__free_unpacked(denial, NULL);
	denial = probity__v1__denial__unpack(NULL, n, payload);
	assert_non_null(denial);
	denials_n++;
}

static void use(const char *mode, const char *unknown)
{
	char text[512], err[256] = "";

	snprintf(text, sizeof(text),
		 "pack: t\nversion: 1\nmode: %s\nrules:\n"
		 "  - {id: no, on: connect, match: {host: example.com}, disposition: deny%s}\n"
		 "  - {id: not-bob, on: connect, match: {user: bob}, disposition: deny}\n",
		 mode, unknown);
	pack_free(w.pack);
	w.pack = NULL;
	if (pack_parse("t.yaml", text, strlen(text), &w.pack, err, sizeof(err)))
		fail_msg("%s", err);
	w.generation++;
	w.enforce = pack_enforce(w.pack);
	w.krules = pack_krules(w.pack, w.krule);
	gate_pack(w.gate);
}

static int setup(void **state)
{
	if (world_new(state))
		return -1;
	w.gate = gate_new(&w, slots);
	w.denials = denials_new(&w);
	said_n = denials_n = 0;
	return 0;
}

static int teardown(void **state)
{
	world_free(state);
	gate_free(w.gate);
	denials_free(w.denials);
	pack_free(w.pack);
	names_quic_free();
	if (denial)
		probity__v1__denial__free_unpacked(denial, NULL);
	denial = NULL;
	return 0;
}

/* --- connections without a name ---------------------------------------------------------------- */

static const struct {
	const char *mode, *unknown;
	unsigned said, verdict, denials;
	const char *disposition, *effect;
} rows[] = {
	{"enforce", "", 1, SOCK_PASS, 0, "", ""},
	{"enforce", ", unknown: alert", 1, SOCK_PASS, 1, "alert", "none"},
	{"enforce", ", unknown: deny", 1, SOCK_DENY, 1, "deny", "denied"},
	{"enforce", ", unknown: deny, mode: monitor", 1, SOCK_PASS, 1, "alert", "none"},
	{"monitor", "", 0, 0, 0, "", ""},
	{"monitor", ", unknown: alert", 0, 0, 1, "alert", "none"},
	{"monitor", ", unknown: deny", 0, 0, 0, "", ""},
};

static void assert_row(size_t i)
{
	if (said_n != rows[i].said || denials_n != rows[i].denials)
		fail_msg("row %zu: %u words, %u records", i, said_n, denials_n);
	if (rows[i].said)
		assert_int_equal(said.verdict, rows[i].verdict);
	if (!rows[i].denials)
		return;
	assert_string_equal(denial->decision->disposition, rows[i].disposition);
	assert_string_equal(denial->decision->effect, rows[i].effect);
	assert_string_equal(denial->server_address, "");
	assert_int_equal(denial->decision->before_effect, !strcmp(rows[i].effect, "denied"));
}

static void test_nameless(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		now += 10 * SECOND;
		denials_tick(w.denials);
		said_n = denials_n = 0;
		use(rows[i].mode, rows[i].unknown);
		hello(1000 + i, NULL);
		assert_row(i);
	}
}

/* --- QUIC --------------------------------------------------------------------------------------- */

static void quic(uint64_t cookie, const uint8_t *p, size_t n)
{
	_cleanup_free_ struct event_quic *e = calloc(1, sizeof(*e) + n);

	*e = (struct event_quic){.h = head_of(PID, EVENT_QUIC, sizeof(*e) + n, 0, 0),
				 .peer = {.family = 2, .port = 443, .addr = {192, 0, 2, 7}},
				 .cookie = cookie,
				 .size = n};
	memcpy(e->bytes, p, n);
	events_record(&w, e, sizeof(*e) + n);
}

static void quic_hex(uint64_t cookie, const char *hex)
{
	uint8_t p[2048];
	size_t n = strlen(hex) / 2;

	assert_true(n <= sizeof(p));
	for (size_t i = 0; i < n; i++)
		assert_int_equal(sscanf(hex + 2 * i, "%2hhx", &p[i]), 1);
	quic(cookie, p, n);
}

static void test_quic_name(void **state)
{
	use("enforce", "");
	quic_hex(1, initial_v1);
	assert_int_equal(said_n, 1);
	assert_int_equal(said.cookie, 1);
	assert_int_equal(said.verdict, SOCK_DENY);
	assert_int_equal(said.flags, 0); /* a UDP socket may have other flows */
	assert_int_equal(said.rules, 1);
	assert_string_equal(denial->kind, "quic");
	assert_string_equal(denial->server_address, "example.com");
	assert_string_equal(denial->decision->mechanism, "quic_initial_drop");
	quic_hex(2, initial_v2);
	assert_int_equal(said_n, 2);
	assert_int_equal(said.verdict, SOCK_DENY);
}

static void test_quic_in_parts(void **state)
{
	use("enforce", "");
	quic_hex(1, part_1);
	quic_hex(2, part_1); /* another flow */
	quic_hex(1, part_3);
	quic(1, (const uint8_t *)"\xc0 no such packet", 16);
	assert_int_equal(said_n, 0);
	quic_hex(1, part_2);
	assert_int_equal(said_n, 1);
	assert_int_equal(said.cookie, 1);
	/* It is forgotten: a first packet begins anew. */
	quic_hex(1, part_1);
	assert_int_equal(said_n, 1);
}

/* More flows than are kept: the one that waited longest is forgotten, no other is. */
static void test_quic_many(void **state)
{
	use("enforce", "");
	for (unsigned i = 1; i <= 65; i++)
		quic_hex(i, part_1);
	for (unsigned i = 2; i <= 65; i++)
		quic_hex(i, part_2), quic_hex(i, part_3);
	assert_int_equal(said_n, 64);
	assert_int_equal(said.verdict, SOCK_DENY);
	quic_hex(1, part_2); /* what it belonged to is not known any more */
	assert_int_equal(said.cookie, 1);
	assert_int_equal(said.verdict, SOCK_PASS);
}

static void test_quic_without_a_name(void **state)
{
	static const uint8_t other[] = {0xc0, 0xfa, 0xce, 0xb0, 0x0c, 4, 1, 2, 3, 4, 0, 0, 9, 9};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		now += 10 * SECOND;
		denials_tick(w.denials);
		said_n = denials_n = 0;
		use(rows[i].mode, rows[i].unknown);
		quic(100 + i, other, sizeof(other));
		assert_row(i);
	}
}

static void test_quic_cut_record(void **state)
{
	struct event_quic e = {.h = head_of(PID, EVENT_QUIC, sizeof(e), 0, 0), .size = 1};

	use("enforce", "");
	events_record(&w, &e, sizeof(e));
	assert_int_equal(said_n, 0);
	assert_int_equal(w.count.bad_events, 1);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_nameless),  CASE(test_quic_name),	      CASE(test_quic_in_parts),
		CASE(test_quic_many), CASE(test_quic_without_a_name), CASE(test_quic_cut_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
