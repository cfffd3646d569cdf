/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel is told of a pack, and when: sets, bits, and which of them hold as schedules begin
 * and end. Under one generation the sets must not change, because connections keep what was found.
 */
#define WORLD_HEARS
#include "world.h"

#include <arpa/inet.h>

#include "agent/worker/exec_rules.h"
#include "agent/worker/gate.h"
#include "agent/worker/handover.h"
#include "agent/worker/krules.h"
#include "agent/worker/policy.h"

#define MIDNIGHT_NS (1789948800ull * SECOND) /* 2026-09-21, a Monday */
#define SETS_MAX (64 * 1024)

static struct {
	struct role_krules head;
	uint8_t sets[SETS_MAX];
} told;
static size_t told_n;
static struct role_gate gate;
static struct {
	struct role_exec_rules head;
	uint8_t rest[SETS_MAX];
} exec_told;
static struct role_file_rules file_rules;
static unsigned krules_n, gates_n, execs_n, policies_n;
static struct gate_slot slots[GATE_SLOTS];

static void heard(enum role_kind kind, const void *p, size_t n)
{
	if (kind == ROLE_KRULES) {
		assert_true(n <= sizeof(told));
		/* What the bits do, and that they wait, must be there before. */
		assert_int_equal(gate.generation, ((const struct role_krules *)p)->generation);
		memcpy(&told, p, n);
		told_n = n;
		krules_n++;
	} else if (kind == ROLE_GATE) {
		memcpy(&gate, p, n);
		gates_n++;
	} else if (kind == ROLE_EXEC_RULES) {
		assert_true(n <= sizeof(exec_told));
		memcpy(&exec_told, p, n);
		execs_n++;
	} else if (kind == ROLE_FILE_RULES) {
		memcpy(&file_rules, p, n);
	} else if (kind == ROLE_POLICY) {
		policies_n++;
		assert_int_equal(((const struct role_policy *)p)->refused, 0);
	}
}

static void sealed(uint32_t schema, const uint8_t *payload, size_t n) {}

static void load(const char *mode, const char *rules)
{
	static char yaml[16384];
	struct role_pack p = {.name = "t.yaml", .generation = w.generation + 1, .enforce = 2};

	p.len = snprintf(yaml, sizeof(yaml), "pack: t\nversion: 1\nmode: %s\nrules:\n%s", mode,
			 rules);
	policy_take(&w, &p, yaml);
	assert_int_equal(policies_n, 1);
	policies_n = 0;
}

static int setup(void **state)
{
	if (world_new(state))
		return -1;
	w.wall_offset_ns = MIDNIGHT_NS - now;
	w.gate = gate_new(&w, slots);
	w.exec_rules = exec_rules_new(&w);
	krules_n = gates_n = execs_n = policies_n = 0;
	return 0;
}

static int teardown(void **state)
{
	world_free(state);
	gate_free(w.gate);
	exec_rules_free(w.exec_rules);
	pack_free(w.pack);
	return 0;
}

/* Hours later by the wall clock, and a second of the worker. */
static void at_hour(int h)
{
	w.wall_offset_ns = MIDNIGHT_NS + h * 3600 * SECOND - now;
	policy_tick(&w);
}

static uint64_t bits_of(const char *pattern)
{
	const struct role_krule_host *h = (const void *)told.sets;

	for (uint32_t i = 0; i < told.head.hosts; i++)
		if (!strcmp(h[i].pattern, pattern))
			return h[i].rules;
	return 0;
}

/* --- addresses ---------------------------------------------------------------------------------- */

static const struct {
	const char *text, *addr; /* NULL: it is none */
	unsigned prefix;
} nets[] = {
	{"192.0.2.7", "192.0.2.7", 32},
	{"192.0.2.7/24", "192.0.2.0", 24},
	{"255.255.255.255/1", "128.0.0.0", 1},
	{"10.1.2.3/0", "0.0.0.0", 0},
	{"10.1.2.3/31", "10.1.2.2", 31},
	{"2001:db8::1", "2001:db8::1", 128},
	{"2001:db8:ffff::/33", "2001:db8:8000::", 33},
	{"2001:db8::1/127", "2001:db8::", 127},
	{"::/0", "::", 0},
	{"192.0.2.7/33", NULL, 0},
	{"2001:db8::/129", NULL, 0},
	{"192.0.2.7/", NULL, 0},
	{"192.0.2.7/8x", NULL, 0},
	{"192.0.2.7/-1", NULL, 0},
	{"192.0.2", NULL, 0},
	{"", NULL, 0},
	{"/8", NULL, 0},
	{"host.example", NULL, 0},
	{"1111111111111111111111111111111111111111111111111111111111111111", NULL, 0},
};

static void test_nets(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(nets); i++) {
		struct role_krule_net n = {.rules = 5};
		uint8_t want[16] = {};
		int family;

		if (krules_net(nets[i].text, &n) != !!nets[i].addr)
			fail_msg("\"%s\"", nets[i].text);
		if (!nets[i].addr) {
			assert_int_equal(n.rules, 5); /* untouched */
			continue;
		}
		family = strchr(nets[i].addr, ':') ? AF_INET6 : AF_INET;
		assert_int_equal(inet_pton(family, nets[i].addr, want), 1);
		assert_int_equal(n.family, family);
		assert_int_equal(n.prefix, nets[i].prefix);
		assert_memory_equal(n.addr, want, 16);
		assert_int_equal(n.rules, 0);
	}
}

static void test_wider_ranges_and_names_are_in_narrower(void **state)
{
	const struct role_krule_net *n;

	load("enforce",
	     "  - {id: a, on: connect, match: {address: 10.0.0.0/8}, disposition: deny}\n"
	     "  - {id: b, on: connect, match: {address: 10.1.0.0/16}, disposition: deny}\n"
	     "  - {id: c, on: connect, match: {host: \"*.x.example\"}, disposition: deny}\n"
	     "  - {id: d, on: connect, match: {host: a.x.example}, disposition: deny}\n"
	     "  - {id: e, on: connect, match: {host: x.example}, disposition: deny}\n");
	assert_int_equal(told.head.all, 31);
	assert_int_equal(told.head.nets, 2);
	n = (const void *)(told.sets + told.head.hosts * sizeof(struct role_krule_host) +
			   told.head.users * sizeof(struct role_krule_user));
	assert_int_equal(n[0].rules, 1);
	assert_int_equal(n[1].rules, 3);
	assert_int_equal(bits_of("*.x.example"), 4);
	assert_int_equal(bits_of("a.x.example"), 12);
	assert_int_equal(bits_of("x.example"), 16); /* not below itself */
}

/* --- hosts that carry other traffic too ------------------------------------------------------- */

static void test_shared_hosts_are_by_content(void **state)
{
	load("enforce",
	     "  - {id: a, match: {service: [gitlab, anthropic]}, disposition: deny}\n"
	     "  - {id: b, match: {host: [plain.example, gitlab.com]}, disposition: deny}\n"
	     "  - {id: c, match: {service: anthropic}, disposition: deny}\n");
	assert_int_equal(w.krules_own, 3);
	assert_int_equal(w.krules, 5);
	assert_int_equal(w.krule[3].index, 0);
	assert_int_equal(w.krule[4].index, 1);
	assert_true(w.krule[3].content && w.krule[4].content);
	assert_false(w.krule[0].content || w.krule[1].content || w.krule[2].content);
	assert_int_equal(bits_of(AI_HOST), 1 | 4);
	assert_int_equal(bits_of("plain.example"), 2);
	assert_int_equal(bits_of("gitlab.com"), 8 | 16); /* never 1 or 2: not by name alone */
	assert_int_equal(gate.todo.content, 8 | 16);
	assert_int_equal(gate.todo.deny, 1 | 2 | 4);
	assert_true(gate.on);
}

/* --- schedules -------------------------------------------------------------------------------- */

#define AT_NOON "schedule: {hours: [\"12:00-13:00\"]}"
#define MIXED                                                                                       \
	"  - {id: always, match: {host: a.example}, disposition: deny}\n"                           \
	"  - {id: noon, match: {host: b.example}, disposition: deny, " AT_NOON "}\n"                \
	"  - {id: noon-content, match: {host: c.example, model: x}, disposition: deny, " AT_NOON    \
	"}\n"                                                                                       \
	"  - {id: noon-watch, match: {host: d.example}, disposition: deny, mode: monitor, " AT_NOON \
	"}\n"

static void test_schedules_switch_bits(void **state)
{
	static uint8_t sets[SETS_MAX];
	size_t n;

	at_hour(9);
	load("enforce", MIXED);
	assert_int_equal(krules_n, 1);
	assert_int_equal(told.head.all, 1);
	assert_false(gate.on);
	/* None of them may look like a rule that says nothing, which kills. */
	assert_int_equal(gate.todo.deny | gate.todo.content, 15);
	assert_int_equal(gate.todo.watch & 15, 14);
	assert_int_equal(gate.todo.kill, 0);
	n = told_n - sizeof(told.head);
	memcpy(sets, told.sets, n);

	at_hour(11);
	assert_int_equal(krules_n, 1); /* nothing begins */
	at_hour(12);
	assert_int_equal(krules_n, 2);
	assert_int_equal(told.head.generation, 1);
	assert_int_equal(told.head.all, 15);
	assert_int_equal(told_n - sizeof(told.head), n);
	assert_memory_equal(told.sets, sets, n);
	assert_true(gate.on);
	assert_int_equal(gate.todo.watch, 8);
	assert_int_equal(gate.todo.content, 4);

	at_hour(13);
	assert_int_equal(krules_n, 3);
	assert_int_equal(told.head.all, 1);
	assert_false(gate.on);
	assert_int_equal(gate.todo.watch & 15, 14);
}

static void test_monitor_tells_nothing_to_refuse(void **state)
{
	at_hour(12);
	load("monitor", MIXED);
	assert_int_equal(told.head.all, 1 | 2 | 8); /* content: its own record says it */
	assert_int_equal(gate.todo.deny | gate.todo.kill | gate.todo.content, 0);
	assert_int_equal(gate.todo.watch & told.head.all, told.head.all);
	assert_false(gate.on);
}

static uint64_t rules_of_file(const char *path)
{
	struct role_file f = {.id = 1};

	snprintf(f.path, sizeof(f.path), "%s", path);
	file_rules.rules = ~0ull;
	exec_rules_file(w.exec_rules, &f);
	return file_rules.rules;
}

#define EXCEPT \
	"exceptions: [{match: {exe: /opt/a/x}, reason: until it is replaced, until: 2026-09-21}]"

static void test_exec_rules_over_time(void **state)
{
	const struct role_exec_user *u = (const void *)exec_told.rest;

	at_hour(9);
	load("enforce",
	     "  - {id: a, on: exec, match: {exe: \"/opt/a/*\"}, disposition: deny, " EXCEPT "}\n"
	     "  - {id: b, on: exec, match: {exe: /opt/b, user: alice}, disposition: deny, " AT_NOON
	     "}\n");
	assert_int_equal(execs_n, 1);
	assert_int_equal(exec_told.head.all, 1);
	assert_int_equal(exec_told.head.deny, 1);
	assert_int_equal(exec_told.head.users, 1);
	assert_int_equal(u[0].rules, 2);
	assert_int_equal(rules_of_file("/opt/a/y"), 1);
	assert_int_equal(rules_of_file("/opt/a/x"), 0);
	assert_int_equal(rules_of_file("/opt/b"), 2); /* its bit is there when the rule is */

	at_hour(12);
	assert_int_equal(execs_n, 2);
	assert_int_equal(exec_told.head.generation, 1);
	assert_int_equal(exec_told.head.all, 3);
	assert_int_equal(exec_told.head.deny, 3);
	assert_int_equal(exec_told.head.users, 1);

	at_hour(13);
	assert_int_equal(exec_told.head.all, 1);
	at_hour(24 + 1); /* the exception has ended: files are asked about again */
	assert_true(execs_n >= 4);
	assert_int_equal(rules_of_file("/opt/a/x"), 1);
}

static void test_exec_rollout(void **state)
{
	static const char text[] = "  - {id: a, on: exec, match: {exe: /opt/a}, disposition: deny, "
				   "rollout: {percent: 50}}\n";
	unsigned on = 0;

	for (unsigned i = 0; i < 64; i++) {
		snprintf(w.host_id, sizeof(w.host_id), "host-%u", i);
		load("enforce", text);
		assert_int_equal(exec_told.head.all, 1);
		assert_int_equal(exec_told.head.deny ^ exec_told.head.watch, 1);
		on += exec_told.head.deny;
	}
	assert_in_range(on, 16, 48);
	w.host_id[0] = '\0'; /* of a host that has none: nowhere */
	load("enforce", text);
	assert_int_equal(exec_told.head.watch, 1);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_nets),
		CASE(test_wider_ranges_and_names_are_in_narrower),
		CASE(test_shared_hosts_are_by_content),
		CASE(test_schedules_switch_bits),
		CASE(test_monitor_tells_nothing_to_refuse),
		CASE(test_exec_rules_over_time),
		CASE(test_exec_rollout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
